"""Which rows were added to a table since the last look, whatever kind of key they have?

Rows are put in order by a moment and, within it, by their key: no order of the keys alone is relied upon, since they
may be random (UUIDs), or handed out in blocks of which one process uses up its own an hour after the others (sequences
with a cache, Hibernate). The last stretch is read again each time, for rows that are committed late.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from psycopg import sql

from exporters.postgres.connection import Database, Row
from exporters.postgres.moments import at, seconds
from exporters.postgres.questions import Elapsed, column, moment, table
from exporters.postgres.settings import Moments
from exporters.postgres.watermark import PAGE, Tail

__all__ = ["NewRows"]

_LATEST = """
SELECT {moment}::text, {key}::text FROM {table} AS t
WHERE {moment} <= {now} ORDER BY t.{moment} DESC, t.{key} DESC LIMIT {page}
"""
_FROM_THE_START = """
SELECT {moment}::text, {key}::text, {seconds}, {wanted} FROM {table} AS t
WHERE {moment} <= {now} ORDER BY t.{moment}, t.{key} LIMIT {page}
"""
_BEHIND = """
SELECT {moment}::text, {key}::text, {seconds}, {wanted} FROM {table} AS t
WHERE {moment} <= {now} AND ({moment}, {key}) > (%(moment)s, %(key)s) ORDER BY t.{moment}, t.{key} LIMIT {page}
"""
"""A moment ahead of the clock is left until it has come: past it, nothing would be read any more."""


class NewRows:
    """The rows of a table that were added since the start, and those of its last stretch once more."""

    def __init__(
        self,
        name: str,
        *,
        of: str,
        moments: Moments,
        when: str,
        key: str,
        wanted: tuple[sql.Composable, ...],
        late: timedelta,
        timeout: timedelta | None,
        elapsed: Elapsed,
    ) -> None:
        """`of` is the table, `when` its column of the moment, `wanted` what to read besides."""
        self._name = name
        names: dict[str, sql.Composable] = {
            "table": table(of),
            "moment": column(when),
            "key": column(key),
            "seconds": seconds(moments, column(when)),
            "wanted": sql.SQL(", ").join(wanted),
            "now": at(moments, "%(now)s"),
            "page": sql.Literal(PAGE),
        }
        self._latest = sql.SQL(_LATEST).format(**names)
        self._from_the_start = sql.SQL(_FROM_THE_START).format(**names)
        self._behind = sql.SQL(_BEHIND).format(**names)
        self._timeout = timeout
        self._elapsed = elapsed
        self._tail = Tail(late, width=2)
        self._last: Row | None = None

    @property
    def behind(self) -> bool:
        """Whether there are more rows than one sample may read."""
        return self._tail.behind

    async def read(self, database: Database, now: float) -> tuple[tuple[Row, bool], ...]:
        """Every row of the last stretch: its key, its moment in seconds since 1970, what is wanted; and if it is new.

        Raises SampleError.
        """
        elapsed, when = self._elapsed(), moment(now)
        if not self._tail.started:
            self._tail.start(await self._rows(database, self._latest, {"now": when}), elapsed)

        async def page(after: Row | None) -> tuple[Row, ...]:
            statement = self._from_the_start if after is None else self._behind
            return await self._rows(database, statement, _place(when, after))

        rows = await self._tail.read(page, elapsed)
        if rows:
            self._last = rows[-1][0][:2]
        return tuple((row[1:], new) for row, new in rows)

    def statements(self, now: float) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """What every sample runs, with places that the table has had."""
        when, after = moment(now), self._tail.settled or self._last
        return (
            (self._latest, {"now": when}),
            (self._from_the_start if after is None else self._behind, _place(when, after)),
        )

    async def _rows(
        self, database: Database, statement: sql.Composed, parameters: Mapping[str, object]
    ) -> tuple[Row, ...]:
        return await database.rows(statement, parameters, where=self._name, timeout=self._timeout)


def _place(now: datetime, after: Row | None) -> dict[str, object]:
    return {"now": now} if after is None else {"now": now, "moment": after[0], "key": after[1]}
