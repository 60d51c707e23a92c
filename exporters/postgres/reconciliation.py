"""Do Stripe and the database agree on which payments succeeded, and did every event arrive?"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import islice

from psycopg import sql

from exporters.postgres.connection import Database
from exporters.postgres.moments import at
from exporters.postgres.questions import Answer, Holds, Question, column, moment, one_of, reads, table, words
from exporters.postgres.settings import Moments, PostgresSettings, QueryName
from exporters.sampling.model import reading
from exporters.sampling.reconciling import SucceededPayments
from rules.payments import database as metrics

__all__ = ["MissingEvents", "MissingPayments", "reconciliation_questions"]

_MISSING_IN_THE_DATABASE = """
SELECT count(*) FROM unnest(%(ids)s::text[]) AS stripe (id)
WHERE NOT EXISTS (
    SELECT FROM {payments} AS p WHERE p.{payment_intent_id} = stripe.id AND p.{status} IN {completed}
)
"""
_COMPLETED = """
SELECT {payment_intent_id} FROM {payments}
WHERE {completed_at} >= {since} AND {completed_at} < {until} AND {status} IN {completed}
    AND {payment_intent_id} IS NOT NULL
"""
"""A payment without a payment intent was not Stripe's: the runbook allows for a second processor."""

_MISSING_EVENTS = """
SELECT count(*) FROM unnest(%(ids)s::text[]) AS stripe (id)
WHERE NOT EXISTS (SELECT FROM {inbox} AS e WHERE e.{id} = stripe.id)
"""

_PORTION = 2000
_SLICE_SECONDS = 3600.0
"""So many ids, and so much time, in one query: each is short, and other sources' queries come between."""


def reconciliation_questions(settings: PostgresSettings, stripe: SucceededPayments) -> tuple[Question, ...]:
    """The questions that need both sides."""
    payments = MissingPayments(settings, stripe)
    return (payments, MissingEvents(settings, stripe)) if settings.inbox.enabled else (payments,)


def _bound(moments: Moments, parameter: str) -> sql.Composed:
    return at(moments, f"%({parameter})s::timestamptz")


class _Comparison:
    """What both comparisons share: a window that Stripe's side knows and that the grace period has passed."""

    def __init__(self, settings: PostgresSettings, stripe: SucceededPayments, name: QueryName) -> None:
        chosen = settings.of(name)
        self.name = name
        self.interval = chosen.interval or settings.reconciliation.interval
        self._timeout: timedelta | None = chosen.timeout
        self._stripe = stripe
        self._grace = settings.reconciliation.grace.total_seconds()
        self._window = settings.reconciliation.window.total_seconds()

    async def _comparable(self, now: float) -> tuple[float, float, float]:
        """From when to when both sides can be compared, and from when Stripe's side is known."""
        known_since, known_until = await self._stripe.known()
        until = min(now - self._grace, known_until)
        return max(now - self._window, known_since), until, known_since

    def _complete(self, until: float, now: float) -> float:
        """Up to which moment the comparison is complete: what the grace period leaves out is not late."""
        return now if until >= now - self._grace else until

    async def _absent(self, query: sql.Composed, ids: frozenset[str], database: Database) -> int:
        """How many of the ids the database does not have."""
        remaining = iter(sorted(ids))
        absent = 0
        while portion := list(islice(remaining, _PORTION)):
            rows = await database.rows(query, {"ids": portion}, where=self.name, timeout=self._timeout)
            absent += rows[0][0]
        return absent


class MissingPayments(_Comparison):
    """Payments that Stripe says succeeded and the database did not complete, and the other way round."""

    def __init__(self, settings: PostgresSettings, stripe: SucceededPayments) -> None:
        super().__init__(settings, stripe, "reconciled_payments")
        there = settings.payments
        names = {
            "payments": table(there.table),
            "payment_intent_id": column(there.payment_intent_id),
            "status": column(there.status),
            "completed_at": column(there.completed_at),
            "completed": one_of(settings.statuses.completed),
            "since": _bound(there.moments, "since"),
            "until": _bound(there.moments, "until"),
        }
        self.reads = (
            reads(
                "payments",
                there,
                payment_intent_id=Holds.STRIPES_ID,
                completed_at=Holds.ORDERED_MOMENT,
                status=words(settings, "completed"),
            ),
        )
        self._in_the_database = sql.SQL(_MISSING_IN_THE_DATABASE).format(**names)
        self._completed = sql.SQL(_COMPLETED).format(**names)

    async def answer(self, database: Database, now: float) -> Answer:
        """Compare both ways. Raises SampleError."""
        since, until, known_since = await self._comparable(now)
        if until <= since:
            return Answer((), catching_up=True, complete_until=self._complete(until, now))
        succeeded = await self._stripe.payment_intents(since, until)
        lacking = await self._absent(self._in_the_database, succeeded, database)
        # What the database completed lately may have succeeded long before: look back twice as far, and leave out the
        # first completions of all that Stripe's side can know of.
        before = await self._stripe.payment_intents(max(known_since, now - 2 * self._window), now)
        unknown = 0
        since = max(since, known_since + self._grace)
        while since < until:
            through = min(since + _SLICE_SECONDS, until)
            rows = await database.rows(
                self._completed,
                {"since": moment(since), "until": moment(through)},
                where=self.name,
                timeout=self._timeout,
            )
            unknown += sum(row[0] not in before for row in rows)
            since = through
        return Answer(
            (reading(metrics.missing, lacking, side="database"), reading(metrics.missing, unknown, side="stripe")),
            complete_until=self._complete(until, now),
        )

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """Both statements."""
        return (
            (self._in_the_database, {"ids": ["pi_explained"]}),
            (
                self._completed,
                {"since": moment(now - self._grace - _SLICE_SECONDS), "until": moment(now - self._grace)},
            ),
        )


class MissingEvents(_Comparison):
    """Events that Stripe sent and the inbox never saw."""

    def __init__(self, settings: PostgresSettings, stripe: SucceededPayments) -> None:
        super().__init__(settings, stripe, "reconciled_events")
        self.reads = (reads("inbox", settings.inbox, id=Holds.STRIPES_ID),)
        self._query = sql.SQL(_MISSING_EVENTS).format(inbox=table(settings.inbox.table), id=column(settings.inbox.id))

    async def answer(self, database: Database, now: float) -> Answer:
        """Look for each event that Stripe sent. Raises SampleError."""
        since, until, _ = await self._comparable(now)
        if until <= since:
            return Answer((), catching_up=True, complete_until=self._complete(until, now))
        sent = await self._stripe.events_sent(since, until)
        absent = await self._absent(self._query, sent, database)
        return Answer((reading(metrics.events_missing, absent),), complete_until=self._complete(until, now))

    def statements(self, _now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """The one statement."""
        return ((self._query, {"ids": ["evt_explained"]}),)
