"""What does the webhook inbox say: how late do events arrive, how long do they take, how many wait?"""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from itertools import accumulate

from psycopg import sql

from exporters.postgres.connection import Database, Row
from exporters.postgres.failures import null_value
from exporters.postgres.questions import (
    CAP,
    Answer,
    Elapsed,
    Question,
    SingleQuery,
    column,
    moment,
    number,
    table,
    timing,
)
from exporters.postgres.settings import PostgresSettings, QueryName
from exporters.postgres.watermark import PAGE, Tail
from exporters.sampling.model import Distribution, Reading, distribution, reading
from rules.payments import webhooks as metrics
from rules.vocabulary import OTHER, Histogram

__all__ = ["Observed", "inbox_questions"]

_BACKLOG = """
SELECT
    (SELECT count(*) FROM (SELECT 1 FROM {inbox} WHERE {processed_at} IS NULL LIMIT {cap}) AS counted),
    extract(epoch FROM (
        SELECT {received_at} FROM {inbox} WHERE {processed_at} IS NULL ORDER BY {received_at} LIMIT 1
    ))::float8
"""

_LATEST = """
SELECT {until}, {id} FROM {inbox} WHERE {until} <= %(now)s ORDER BY {until} DESC, {id} DESC LIMIT {page}
"""
_FROM_THE_START = """
SELECT {until}, {id}, {type}::text, extract(epoch FROM {until} - {since})::float8 FROM {inbox}
WHERE {until} <= %(now)s ORDER BY {until}, {id} LIMIT {page}
"""
_BEHIND = """
SELECT {until}, {id}, {type}::text, extract(epoch FROM {until} - {since})::float8 FROM {inbox}
WHERE {until} <= %(now)s AND ({until}, {id}) > (%(until)s, %(id)s) ORDER BY {until}, {id} LIMIT {page}
"""
"""A moment ahead of the clock is left until it has come: past it, nothing would be read any more."""


def inbox_questions(settings: PostgresSettings, elapsed: Elapsed) -> tuple[Question, ...]:
    """The questions about the webhook inbox."""
    there = settings.inbox
    names = {
        "inbox": table(there.table),
        "received_at": column(there.received_at),
        "processed_at": column(there.processed_at),
        "cap": sql.Literal(CAP),
    }
    return (
        Observed(
            settings, elapsed, "inbox_processed", metrics.duration, since=there.received_at, until=there.processed_at
        ),
        Observed(
            settings, elapsed, "inbox_received", metrics.delivery_delay, since=there.created_at, until=there.received_at
        ),
        SingleQuery("inbox_backlog", *timing(settings, "inbox_backlog"), sql.SQL(_BACKLOG).format(**names), _backlog),
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
        names = {
            "inbox": table(settings.inbox.table),
            "id": column(settings.inbox.id),
            "type": column(settings.inbox.type),
            "since": column(since),
            "until": column(until),
            "page": sql.Literal(PAGE),
        }
        self._latest = sql.SQL(_LATEST).format(**names)
        self._from_the_start = sql.SQL(_FROM_THE_START).format(**names)
        self._behind = sql.SQL(_BEHIND).format(**names)
        self._between = f"{since} or {until} of an event"
        self.name = name
        self.interval, self._timeout = timing(settings, name)
        self._elapsed = elapsed
        self._tail = Tail(settings.late_commits, width=2)
        self._counts = {value: _Counts(metric) for value in metrics.EVENT_TYPE.values}

    async def answer(self, database: Database, now: float) -> Answer:
        """Count what was added. Raises SampleError."""
        at, when = self._elapsed(), moment(now)
        if not self._tail.started:
            latest = await database.rows(self._latest, {"now": when}, where=self.name, timeout=self._timeout)
            self._tail.start(latest, at)

        async def page(after: Row | None) -> tuple[Row, ...]:
            if after is None:
                return await database.rows(self._from_the_start, {"now": when}, where=self.name, timeout=self._timeout)
            return await database.rows(self._behind, _place(when, after), where=self.name, timeout=self._timeout)

        rows = await self._tail.read(page, at)
        for (_, _, kind, seconds), new in rows:
            if new and seconds is not None:
                self._counts[kind if kind in self._counts else OTHER].add(seconds)
        unknown = any(seconds is None for (_, _, _, seconds), _ in rows)
        return Answer(
            tuple(counts.distribution(kind) for kind, counts in self._counts.items()),
            catching_up=self._tail.behind,
            complete_until=rows[-1][0][0].timestamp() if self._tail.behind else None,
            problem=null_value(self.name, self._between) if unknown else None,
        )

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """The statement that every sample runs, once there is a row."""
        return () if self._tail.settled is None else ((self._behind, _place(moment(now), self._tail.settled)),)


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


def _place(now: datetime, after: Row) -> dict[str, object]:
    return {"now": now, "until": after[0], "id": after[1]}


def _backlog(rows: tuple[Row, ...]) -> tuple[Reading, ...]:
    waiting, oldest = rows[0]
    count = reading(metrics.inbox_backlog, number(waiting, "inbox_backlog", "the count"))
    if oldest is None:
        if waiting:
            raise null_value("inbox_backlog", "the receipt of an unprocessed event")
        return (count,)
    return (count, reading(metrics.inbox_oldest, oldest))
