"""What does the table of payments say: completed, stuck, charged twice, awaiting review?"""

from datetime import timedelta

from psycopg import sql

from exporters.postgres.connection import Row
from exporters.postgres.questions import CAP, SingleQuery, column, if_any, number, one_of, table, timing
from exporters.postgres.settings import PostgresSettings, Statuses
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Reading, reading
from rules.payments import database as metrics

__all__ = ["payments_questions"]

_STATUSES = 50
"""How many different unfinished statuses are looked at."""

_LAST_COMPLETED = """
SELECT extract(epoch FROM (
    SELECT {completed_at} FROM {payments}
    WHERE {completed_at} IS NOT NULL AND {completed_at} <= %(now)s + interval '1 minute' AND {status} IN {completed}
    ORDER BY {completed_at} DESC LIMIT 1
))::float8
"""
"""A completion ahead of the clock is left out: it would hide that nothing completes any more."""

_UNFINISHED = """
WITH RECURSIVE found (status) AS (
    (SELECT {status} FROM {payments} WHERE {status} NOT IN {ended}{swift} ORDER BY {status} LIMIT 1)
    UNION ALL
    SELECT (
        SELECT p.{status} FROM {payments} AS p
        WHERE p.{status} NOT IN {ended}{swift} AND p.{status} > found.status
        ORDER BY p.{status} LIMIT 1
    )
    FROM found WHERE found.status IS NOT NULL
)
SELECT
    found.status::text,
    extract(epoch FROM (
        SELECT p.{created_at} FROM {payments} AS p
        WHERE p.{status} NOT IN {ended}{swift} AND p.{status} = found.status
        ORDER BY p.{created_at} LIMIT 1
    ))::float8,
    (
        SELECT count(*) FROM (
            SELECT 1 FROM {payments} AS p
            WHERE p.{status} NOT IN {ended}{swift} AND p.{status} = found.status
            LIMIT {cap}
        ) AS counted
    )
FROM found WHERE found.status IS NOT NULL LIMIT {statuses}
"""
"""Hops from one status to the next along the partial index, instead of grouping the table."""

_DUPLICATES = """
SELECT count(*) FROM (
    SELECT {order_id} FROM {payments}
    WHERE {created_at} > %(now)s - interval '24 hours' AND {status} IN {charged} AND {order_id} IS NOT NULL
    GROUP BY {order_id} HAVING count(DISTINCT {payment_intent_id}) > 1
) AS doubled
"""

_PENDING_REVIEW = """
SELECT count(*) FROM (SELECT 1 FROM {payments} WHERE {status} IN {pending_review} LIMIT {cap}) AS counted
"""


def payments_questions(settings: PostgresSettings, overflow: LabelOverflow) -> tuple[SingleQuery, ...]:
    """The questions about the table of payments."""
    there = settings.payments
    words = settings.statuses
    names = {
        "payments": table(there.table),
        "status": column(there.status),
        "created_at": column(there.created_at),
        "completed_at": column(there.completed_at),
        "order_id": column(there.order_id),
        "payment_intent_id": column(there.payment_intent_id),
        "completed": one_of(words.completed),
        "charged": one_of(words.charged),
        "ended": one_of(words.ended),
        "swift": _swift(settings),
        "pending_review": one_of(words.pending_review),
        "cap": sql.Literal(CAP),
        "statuses": sql.Literal(_STATUSES),
    }
    return (
        SingleQuery(
            "last_completed",
            *timing(settings, "last_completed"),
            sql.SQL(_LAST_COMPLETED).format(**names),
            lambda rows: if_any(metrics.last_completed, rows),
        ),
        SingleQuery(
            "unfinished",
            *timing(settings, "unfinished"),
            sql.SQL(_UNFINISHED).format(**names),
            lambda rows: _unfinished(rows, words, overflow),
        ),
        SingleQuery(
            "duplicates",
            *timing(settings, "duplicates", timedelta(minutes=1)),
            sql.SQL(_DUPLICATES).format(**names),
            lambda rows: (reading(metrics.duplicates, number(rows[0][0], "duplicates", "the count")),),
        ),
        SingleQuery(
            "pending_review",
            *timing(settings, "pending_review"),
            sql.SQL(_PENDING_REVIEW).format(**names),
            lambda rows: (reading(metrics.pending_review, number(rows[0][0], "pending_review", "the count")),),
        ),
    )


def _swift(settings: PostgresSettings) -> sql.Composable:
    """The condition that leaves out what takes days by nature; a payment without a method stays in."""
    if not settings.slow_methods:
        return sql.SQL("")
    condition = sql.SQL(" AND ({method} IN {slow}) IS NOT TRUE")
    return condition.format(method=column(settings.payments.method), slow=one_of(settings.slow_methods))


def _unfinished(rows: tuple[Row, ...], words: Statuses, overflow: LabelOverflow) -> tuple[Reading, ...]:
    label = metrics.unfinished.label("status")
    named: dict[str, str] = {
        word: value
        for value, said in (
            ("pending", words.pending),
            ("processing", words.processing),
            ("requires_action", words.requires_action),
        )
        for word in said
    }
    counts = dict.fromkeys(label.values, 0.0)
    oldest: dict[str, float] = {}
    for status, since, count in rows:
        value = overflow.bounded(label, named.get(str(status), str(status)))
        counts[value] = min(counts[value] + number(count, "unfinished", "the count"), CAP)
        created = number(since, "unfinished", "the creation of an unfinished payment")
        oldest[value] = min(oldest.get(value, created), created)
    return (
        *(reading(metrics.unfinished, count, status=value) for value, count in counts.items()),
        *(reading(metrics.oldest_unfinished, since, status=value) for value, since in oldest.items()),
    )
