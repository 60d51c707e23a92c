"""Do Stripe and the database agree on which payments succeeded, and did every event arrive?"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from itertools import islice

from psycopg import sql

from exporters.postgres.connection import Database
from exporters.postgres.moments import at
from exporters.postgres.questions import Answer, Holds, column, moment, one_of, reads, table, words
from exporters.postgres.settings import Moments, PostgresSettings, QueryName
from exporters.sampling.model import reading
from exporters.sampling.reconciling import SucceededPayments
from rules.payments import database as metrics

__all__ = ["PORTION", "SLICE_SECONDS", "Comparison", "MissingEvents", "MissingPayments", "bound"]

_NOT_LATELY_IN_THE_DATABASE = """
SELECT stripe.id FROM unnest(%(ids)s::text[]) AS stripe (id)
WHERE NOT EXISTS (
    SELECT FROM {payments} AS p
    WHERE p.{payment_intent_id} = stripe.id AND p.{status} IN {completed} AND p.{created_at} >= {lately}
)
"""
"""Nearly every id is found here, in the youngest partitions, where the table is partitioned by time."""
_NOT_IN_THE_DATABASE = """
SELECT stripe.id FROM unnest(%(ids)s::text[]) AS stripe (id)
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

_NOT_LATELY_RECEIVED = """
SELECT stripe.id FROM unnest(%(ids)s::text[]) AS stripe (id)
WHERE NOT EXISTS (SELECT FROM {inbox} AS e WHERE e.{id} = stripe.id AND e.{received_at} >= {lately})
"""
_NOT_RECEIVED = """
SELECT stripe.id FROM unnest(%(ids)s::text[]) AS stripe (id)
WHERE NOT EXISTS (SELECT FROM {inbox} AS e WHERE e.{id} = stripe.id)
"""

PORTION = 2000
SLICE_SECONDS = 3600.0
"""So many ids, and so much time, in one query: each is short, and other sources' queries come between."""


def bound(moments: Moments, parameter: str) -> sql.Composed:
    """A parameter as one of the table's moments."""
    return at(moments, f"%({parameter})s::timestamptz")


class Comparison:
    """What the comparisons share: a window that Stripe's side knows and that the grace period has passed."""

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

    async def _absent(
        self, lately: sql.Composed, ever: sql.Composed, ids: frozenset[str], since: float, database: Database
    ) -> int:
        """How many of the ids the database does not have: first those of its latest rows are left out."""
        found = {"lately": moment(since - self._window)}
        absent = await self._without(lately, ids, found, database)
        return len(await self._without(ever, absent, {}, database))

    async def _without(
        self, query: sql.Composed, ids: Collection[str], also: Mapping[str, object], database: Database
    ) -> list[str]:
        """Those of the ids that the query does not find, asked for in portions."""
        remaining = iter(sorted(ids))
        absent: list[str] = []
        while portion := list(islice(remaining, PORTION)):
            rows = await database.rows(query, {"ids": portion, **also}, where=self.name, timeout=self._timeout)
            absent += (row[0] for row in rows)
        return absent


class MissingPayments(Comparison):
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
            "since": bound(there.moments, "since"),
            "until": bound(there.moments, "until"),
            "created_at": column(there.created_at),
            "lately": bound(there.moments, "lately"),
        }
        self.reads = (
            reads(
                "payments",
                there,
                payment_intent_id=Holds.STRIPES_ID,
                completed_at=Holds.ORDERED_MOMENT,
                created_at=Holds.ORDERED_MOMENT,
                status=words(settings, "completed"),
            ),
        )
        self._not_lately = sql.SQL(_NOT_LATELY_IN_THE_DATABASE).format(**names)
        self._not_there = sql.SQL(_NOT_IN_THE_DATABASE).format(**names)
        self._completed = sql.SQL(_COMPLETED).format(**names)

    async def answer(self, database: Database, now: float) -> Answer:
        """Compare both ways. Raises SampleError."""
        since, until, known_since = await self._comparable(now)
        if until <= since:
            return Answer((), catching_up=True, complete_until=self._complete(until, now))
        succeeded = await self._stripe.payment_intents(since, until)
        lacking = await self._absent(self._not_lately, self._not_there, succeeded, since, database)
        # What the database completed lately may have succeeded long before: look back twice as far, and leave out the
        # first completions of all that Stripe's side can know of.
        before = await self._stripe.payment_intents(max(known_since, now - 2 * self._window), now)
        unknown = 0
        since = max(since, known_since + self._grace)
        while since < until:
            through = min(since + SLICE_SECONDS, until)
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
        """All three statements."""
        return (
            (self._not_lately, {"ids": ["pi_explained"], "lately": moment(now - 2 * self._window)}),
            (self._not_there, {"ids": ["pi_explained"]}),
            (
                self._completed,
                {"since": moment(now - self._grace - SLICE_SECONDS), "until": moment(now - self._grace)},
            ),
        )


class MissingEvents(Comparison):
    """Events that Stripe sent and the inbox never saw."""

    def __init__(self, settings: PostgresSettings, stripe: SucceededPayments) -> None:
        super().__init__(settings, stripe, "reconciled_events")
        there = settings.inbox
        self.reads = (reads("inbox", there, id=Holds.STRIPES_ID, received_at=Holds.ORDERED_MOMENT),)
        names = {
            "inbox": table(there.table),
            "id": column(there.id),
            "received_at": column(there.received_at),
            "lately": bound(there.moments, "lately"),
        }
        self._not_lately = sql.SQL(_NOT_LATELY_RECEIVED).format(**names)
        self._not_there = sql.SQL(_NOT_RECEIVED).format(**names)

    async def answer(self, database: Database, now: float) -> Answer:
        """Look for each event that Stripe sent. Raises SampleError."""
        since, until, _ = await self._comparable(now)
        if until <= since:
            return Answer((), catching_up=True, complete_until=self._complete(until, now))
        sent = await self._stripe.events_sent(since, until)
        absent = await self._absent(self._not_lately, self._not_there, sent, since, database)
        return Answer((reading(metrics.events_missing, absent),), complete_until=self._complete(until, now))

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """Both statements."""
        return (
            (self._not_lately, {"ids": ["evt_explained"], "lately": moment(now - 2 * self._window)}),
            (self._not_there, {"ids": ["evt_explained"]}),
        )
