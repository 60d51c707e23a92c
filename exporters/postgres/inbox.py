"""What does the webhook inbox say: how late do events arrive, how long do they take, how many wait?"""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate

from psycopg import sql

from exporters.postgres.connection import Database, Row
from exporters.postgres.failures import null_value
from exporters.postgres.moments import between, seconds
from exporters.postgres.newrows import NewRows
from exporters.postgres.questions import (
    CAP,
    Answer,
    Elapsed,
    Holds,
    Question,
    SingleQuery,
    Words,
    column,
    number,
    reads,
    table,
    timing,
)
from exporters.postgres.settings import PostgresSettings, QueryName
from exporters.sampling.model import Distribution, Reading, distribution, reading
from rules.payments import webhooks as metrics
from rules.vocabulary import OTHER, Histogram

__all__ = ["Observed", "inbox_questions"]

_BACKLOG = """
SELECT
    (SELECT count(*) FROM (SELECT 1 FROM {inbox} WHERE {processed_at} IS NULL LIMIT {cap}) AS counted),
    (SELECT {received} FROM {inbox} AS t WHERE {processed_at} IS NULL ORDER BY t.{received_at} LIMIT 1)
"""


def inbox_questions(settings: PostgresSettings, elapsed: Elapsed) -> tuple[Question, ...]:
    """The questions about the webhook inbox."""
    there = settings.inbox
    names = {
        "inbox": table(there.table),
        "received": seconds(there.moments, column(there.received_at)),
        "received_at": column(there.received_at),
        "processed_at": column(there.processed_at),
        "cap": sql.Literal(CAP),
    }
    return (
        Observed(settings, elapsed, "inbox_processed", metrics.duration, since="received_at", until="processed_at"),
        Observed(settings, elapsed, "inbox_received", metrics.delivery_delay, since="created_at", until="received_at"),
        SingleQuery(
            "inbox_backlog",
            *timing(settings, "inbox_backlog"),
            sql.SQL(_BACKLOG).format(**names),
            _backlog,
            reads=(reads("inbox", there, received_at=Holds.ORDERED_MOMENT, processed_at=Holds.MOMENT),),
        ),
    )


class Observed:
    """A histogram of the times between two columns: every row whose second one was set since the exporter started."""

    def __init__(
        self,
        settings: PostgresSettings,
        elapsed: Elapsed,
        name: QueryName,
        metric: Histogram,
        *,
        since: str,
        until: str,
    ) -> None:
        """`since` and `until` are the settings of the two columns."""
        there = settings.inbox
        begin, end = getattr(there, since), getattr(there, until)
        self._between = f"{begin} or {end} of an event"
        self.name = name
        self.interval, timeout = timing(settings, name)
        moments: dict[str, Holds | Words] = {since: Holds.MOMENT, until: Holds.ORDERED_MOMENT}
        self.reads = (reads("inbox", there, id=Holds.KEY, type=Holds.ANYTHING, **moments),)
        self._new = NewRows(
            name,
            of=there.table,
            moments=there.moments,
            when=end,
            key=there.id,
            wanted=(
                sql.SQL("{}::text").format(column(there.type)),
                between(there.moments, column(begin), column(end)),
            ),
            late=settings.late_commits,
            timeout=timeout,
            elapsed=elapsed,
        )
        self._counts = {value: _Counts(metric) for value in metrics.EVENT_TYPE.values}

    async def answer(self, database: Database, now: float) -> Answer:
        """Count what was added. Raises SampleError."""
        rows = await self._new.read(database, now)
        for (_, _, kind, passed), new in rows:
            if new and passed is not None:
                self._counts[kind if kind in self._counts else OTHER].add(passed)
        unknown = any(passed is None for (_, _, _, passed), _ in rows)
        return Answer(
            tuple(counts.distribution(kind) for kind, counts in self._counts.items()),
            catching_up=self._new.behind,
            complete_until=rows[-1][0][1] if self._new.behind else None,
            problem=null_value(self.name, self._between) if unknown else None,
        )

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """The statements that every sample runs."""
        return self._new.statements(now)


class _Counts:
    """The buckets of one series."""

    def __init__(self, metric: Histogram) -> None:
        self._metric = metric
        self._bounds = tuple(map(float, metric.bounds))
        self._buckets = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """Count one observation; clocks that disagree make no negative time."""
        seconds = max(0.0, seconds)
        self._buckets[bisect_left(self._bounds, seconds)] += 1
        self._total += seconds

    def distribution(self, kind: str) -> Distribution:
        """The series as it stands."""
        cumulative = tuple(accumulate(self._buckets))
        return distribution(self._metric, cumulative[:-1], cumulative[-1], self._total, event_type=kind)


def _backlog(rows: tuple[Row, ...]) -> tuple[Reading, ...]:
    waiting, oldest = rows[0]
    count = reading(metrics.inbox_backlog, number(waiting, "inbox_backlog", "the count"))
    if oldest is None:
        if waiting:
            raise null_value("inbox_backlog", "the receipt of an unprocessed event")
        return (count,)
    return (count, reading(metrics.inbox_oldest, oldest))
