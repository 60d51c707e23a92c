"""What does the table of payments say: completed, stuck, charged twice, awaiting review?"""

from datetime import timedelta

from psycopg import sql

from exporters.postgres.connection import Row
from exporters.postgres.moments import at, seconds, soon
from exporters.postgres.questions import (
    CAP,
    Holds,
    SingleQuery,
    column,
    if_any,
    number,
    one_of,
    reads,
    table,
    timing,
    words,
)
from exporters.postgres.settings import PostgresSettings, Statuses
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Reading, reading
from rules.payments import database as metrics
from rules.payments import silence

__all__ = ["payments_questions"]

_STATUSES = 50
"""How many different unfinished statuses are looked at."""

_LAST_COMPLETED = """
SELECT (
    SELECT {completed} FROM {payments} AS t
    WHERE {completed_at} IS NOT NULL AND {completed_at} <= {soon} AND {status} IN {are_completed}
    ORDER BY t.{completed_at} DESC LIMIT 1
)
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
    (
        SELECT {created} FROM {payments} AS p
        WHERE p.{status} NOT IN {ended}{swift} AND p.{status} = found.status
        ORDER BY p.{created_at} LIMIT 1
    ),
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
    WHERE {created_at} > {a_day_ago} AND {status} IN {charged} AND {order_id} IS NOT NULL{settled}
    GROUP BY {order_id} HAVING count(DISTINCT {payment_intent_id}) > 1
) AS doubled
"""

_PENDING_REVIEW = """
SELECT count(*) FROM (SELECT 1 FROM {payments} WHERE {status} IN {pending_review} LIMIT {cap}) AS counted
"""


def payments_questions(settings: PostgresSettings, overflow: LabelOverflow) -> tuple[SingleQuery, ...]:
    """The questions about the table of payments."""
    there = settings.payments
    statuses = settings.statuses
    names = {
        "payments": table(there.table),
        "status": column(there.status),
        "created_at": column(there.created_at),
        "completed_at": column(there.completed_at),
        "order_id": column(there.order_id),
        "payment_intent_id": column(there.payment_intent_id),
        "completed": seconds(there.moments, column(there.completed_at)),
        "created": seconds(there.moments, sql.SQL("p.{}").format(column(there.created_at))),
        "soon": soon(there.moments),
        "a_day_ago": at(there.moments, "%(now)s - interval '24 hours'"),
        "are_completed": one_of(statuses.completed),
        "charged": one_of(statuses.charged),
        "ended": one_of(statuses.ended),
        "settled": _settled(settings),
        "swift": _swift(settings),
        "pending_review": one_of(statuses.pending_review),
        "cap": sql.Literal(CAP),
        "statuses": sql.Literal(_STATUSES),
    }
    method = {"method": Holds.ANYTHING} if settings.slow_methods else {}
    return (
        SingleQuery(
            "last_completed",
            *timing(settings, "last_completed"),
            sql.SQL(_LAST_COMPLETED).format(**names),
            lambda rows: if_any(silence.last_completed, rows),
            reads=(reads("payments", there, completed_at=Holds.ORDERED_MOMENT, status=words(settings, "completed")),),
        ),
        SingleQuery(
            "unfinished",
            *timing(settings, "unfinished"),
            sql.SQL(_UNFINISHED).format(**names),
            lambda rows: _unfinished(rows, statuses, overflow),
            reads=(
                reads("payments", there, created_at=Holds.ORDERED_MOMENT, status=words(settings, "ended"), **method),
            ),
        ),
        SingleQuery(
            "duplicates",
            *timing(settings, "duplicates", timedelta(minutes=1)),
            sql.SQL(_DUPLICATES).format(**names),
            lambda rows: (reading(metrics.duplicates, number(rows[0][0], "duplicates", "the count")),),
            reads=(
                reads(
                    "payments",
                    there,
                    order_id=Holds.ANYTHING,
                    payment_intent_id=Holds.ANYTHING,
                    created_at=Holds.ORDERED_MOMENT,
                    status=words(settings, "charged"),
                ),
            ),
        ),
        SingleQuery(
            "pending_review",
            *timing(settings, "pending_review"),
            sql.SQL(_PENDING_REVIEW).format(**names),
            lambda rows: (reading(metrics.pending_review, number(rows[0][0], "pending_review", "the count")),),
            reads=(reads("payments", there, status=words(settings, "pending_review")),),
        ),
    )


def _swift(settings: PostgresSettings) -> sql.Composable:
    """The condition that leaves out what takes days by nature; a payment without a method stays in."""
    if not settings.slow_methods:
        return sql.SQL("")
    condition = sql.SQL(" AND ({method} IN {slow}) IS NOT TRUE")
    return condition.format(method=column(settings.payments.method), slow=one_of(settings.slow_methods))


def _settled(settings: PostgresSettings) -> sql.Composable:
    """The condition that leaves out orders whose second charge somebody has dealt with."""
    if not settings.settled_duplicates:
        return sql.SQL("")
    condition = sql.SQL(" AND {order_id}::text NOT IN {settled}")
    return condition.format(order_id=column(settings.payments.order_id), settled=one_of(settings.settled_duplicates))


def _unfinished(rows: tuple[Row, ...], statuses: Statuses, overflow: LabelOverflow) -> tuple[Reading, ...]:
    label = metrics.unfinished.label("status")
    named: dict[str, str] = {
        word: value
        for value, said in (
            ("pending", statuses.pending),
            ("processing", statuses.processing),
            ("requires_action", statuses.requires_action),
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
