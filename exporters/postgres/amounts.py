"""Did the database record of each payment what Stripe took for it, and in the same currency?

Payment by payment, never by totals, in which what is too much here makes up for what is too little there. What cannot
be judged is counted apart: a payment that was paid back, one of several rows, one whose amount a side does not know.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from psycopg import sql

from exporters.postgres.connection import Database
from exporters.postgres.questions import Answer, Holds, Read, column, moment, one_of, table, words
from exporters.postgres.reconciliation import PORTION, SLICE_SECONDS, Comparison, bound
from exporters.postgres.settings import AmountColumns, PostgresSettings
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Reading, reading
from exporters.sampling.reconciling import Received, SucceededPayments
from rules.payments import amounts as metrics
from rules.payments.declines import CURRENCY
from rules.payments.money import smallest_units
from rules.vocabulary import OTHER

__all__ = ["ComparedAmounts"]

_COMPARED = """
SELECT currency, verdict, count(*), sum(abs(recorded * units - amount)) FILTER (WHERE verdict = 'amount'),
    array_agg(id) FILTER (WHERE verdict = 'absent')
FROM (
    SELECT *, CASE
        WHEN rows = 0 THEN 'absent'
        WHEN rows > 1 THEN 'several'
        WHEN amount IS NULL OR recorded IS NULL OR recorded_in IS NULL THEN 'unknown'
        WHEN recorded::text IN ('NaN', 'Infinity', '-Infinity') THEN 'unknown'
        WHEN paid_back THEN 'refunded'
        WHEN recorded_in <> currency THEN 'currency'
        WHEN recorded * units <> amount THEN 'amount'
        ELSE 'equal'
    END AS verdict
    FROM (
        SELECT stripe.*, count(p.{payment_intent_id}) OVER mine AS rows,
            row_number() OVER mine AS row,
            p.{amount}::numeric AS recorded, lower(trim(p.{currency}::text)) AS recorded_in,
            stripe.refunded OR p.{status} NOT IN {charged} AS paid_back
        FROM unnest(
            %(ids)s::text[], %(amounts)s::numeric[], %(currencies)s::text[], %(units)s::numeric[], %(refunded)s::bool[]
        ) AS stripe (id, amount, currency, units, refunded)
        LEFT JOIN {payments} AS p
            ON p.{payment_intent_id} = stripe.id AND p.{status} IN {completed} {lately}
        WINDOW mine AS (PARTITION BY stripe.id)
    ) AS met
    WHERE row = 1
) AS judged
GROUP BY currency, verdict
"""
"""Exact, figure by figure. `units` are how many of Stripe's smallest units one of the column's is."""


class ComparedAmounts(Comparison):
    """How what Stripe took of each payment compares with what the database has."""

    def __init__(
        self, settings: PostgresSettings, columns: AmountColumns, stripe: SucceededPayments, overflow: LabelOverflow
    ) -> None:
        super().__init__(settings, stripe, "reconciled_amounts")
        there = settings.payments
        self._in_whole_units = columns.unit == "major"
        self._currencies = overflow.values(CURRENCY)
        names = {
            "payments": table(there.table),
            "payment_intent_id": column(there.payment_intent_id),
            "status": column(there.status),
            "amount": column(columns.amount),
            "currency": column(columns.currency),
            "completed": one_of(settings.statuses.completed),
            "charged": one_of(settings.statuses.charged),
        }
        lately = sql.SQL("AND p.{} >= {}").format(column(there.created_at), bound(there.moments, "lately"))
        self._lately = sql.SQL(_COMPARED).format(lately=lately, **names)
        self._ever = sql.SQL(_COMPARED).format(lately=sql.SQL(""), **names)
        self.reads = (
            Read(
                "postgres.payments",
                there.table,
                there.moments,
                (
                    ("payment_intent_id", there.payment_intent_id, Holds.STRIPES_ID),
                    ("status", there.status, words(settings, "completed", "charged")),
                    ("created_at", there.created_at, Holds.ORDERED_MOMENT),
                    ("amounts.amount", columns.amount, Holds.NUMBER),
                    ("amounts.currency", columns.currency, Holds.CODE),
                ),
            ),
        )

    async def answer(self, database: Database, now: float) -> Answer:
        """Compare portion by portion. Raises SampleError."""
        since, until, _ = await self._comparable(now)
        if until <= since:
            return Answer((), catching_up=True, complete_until=self._complete(until, now))
        found = _Found()
        lately = moment(since - self._window)
        async for portion in self._portions(since, until):
            absent = await self._compare(self._lately, portion, {"lately": lately}, database, found)
            left = {id_: portion[id_] for id_ in absent}
            if left:  # what was begun long ago; what is not there at all is missing, which is told by itself
                await self._compare(self._ever, left, {}, database, found)
        return Answer(tuple(self._readings(found)), complete_until=self._complete(until, now))

    async def _portions(self, since: float, until: float) -> AsyncIterator[dict[str, Received | None]]:
        """What payments took that succeeded in that time; an hour's are held at once, however many there are in all."""
        portion: dict[str, Received | None] = {}
        while since < until:
            through = min(since + SLICE_SECONDS, until)
            for id_, took in (await self._stripe.received(since, through)).items():
                portion[id_] = took
                if len(portion) >= PORTION:
                    yield portion
                    portion = {}
            since = through
        if portion:
            yield portion

    async def _compare(
        self,
        query: sql.Composed,
        payments: Mapping[str, Received | None],
        also: Mapping[str, object],
        database: Database,
        found: "_Found",
    ) -> list[str]:
        """Add up what becomes of these payments. Returns those that the query does not find."""
        absent: list[str] = []
        rows = await database.rows(query, {**self._asked(payments), **also}, where=self.name, timeout=self._timeout)
        for currency, verdict, count, difference, ids in rows:
            if verdict == "absent":
                absent += ids
                continue
            shown = currency if currency in self._currencies else OTHER
            found.results[verdict] += count
            found.differences[shown] += difference or Decimal(0)
        return absent

    def _asked(self, payments: Mapping[str, Received | None]) -> dict[str, object]:
        known = list(payments.values())
        return {
            "ids": list(payments),
            "amounts": [None if one is None else one.amount for one in known],
            "currencies": [None if one is None else one.currency for one in known],
            "units": [smallest_units(one.currency) if one and self._in_whole_units else 1 for one in known],
            "refunded": [one is not None and one.refunded for one in known],
        }

    def _readings(self, found: "_Found") -> Iterator[Reading]:
        for result in metrics.RESULT.values:
            yield reading(metrics.compared, found.results[result], result=result)
        for currency in self._currencies:
            yield reading(metrics.difference, float(found.differences[currency]), currency=currency)

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """Both statements."""
        asked = self._asked({"pi_explained": Received(100, "usd", refunded=False)})
        return ((self._lately, asked | {"lately": moment(now - 2 * self._window)}), (self._ever, asked))


@dataclass(frozen=True, slots=True)
class _Found:
    """What was added up: payments by result, and differences in Stripe's smallest units by currency."""

    results: Counter[str] = field(default_factory=Counter)
    differences: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
