"""What does the table of payment attempts say: how many, how many failed, how many users are hit?"""

from collections.abc import Mapping

from psycopg import sql

from exporters.postgres.connection import Database, Row
from exporters.postgres.questions import (
    CAP,
    Answer,
    Elapsed,
    Question,
    SingleQuery,
    column,
    if_any,
    number,
    one_of,
    table,
    timing,
)
from exporters.postgres.settings import PostgresSettings
from exporters.postgres.watermark import PAGE, Tail
from exporters.sampling.model import reading
from rules.payments import database as metrics

__all__ = ["RecordedAttempts", "attempts_questions"]

_LAST_ATTEMPT = """
SELECT extract(epoch FROM (
    SELECT {created_at} FROM {attempts}
    WHERE {created_at} <= %(now)s + interval '1 minute' ORDER BY {created_at} DESC LIMIT 1
))::float8
"""

_AFFECTED_USERS = """
SELECT count(*) FROM (
    SELECT DISTINCT {user_id} FROM {attempts}
    WHERE {created_at} > %(now)s - interval '15 minutes' AND {status} IN {failed} AND {user_id} IS NOT NULL
    LIMIT {cap}
) AS affected
"""

_LATEST = "SELECT {id} FROM {attempts} ORDER BY {id} DESC LIMIT {page}"
_FROM_THE_START = "SELECT {id}, coalesce({status} IN {failed}, false) FROM {attempts} ORDER BY {id} LIMIT {page}"
_BEHIND = """
SELECT {id}, coalesce({status} IN {failed}, false) FROM {attempts} WHERE {id} > %(id)s ORDER BY {id} LIMIT {page}
"""


def attempts_questions(settings: PostgresSettings, elapsed: Elapsed) -> tuple[Question, ...]:
    """The questions about the table of payment attempts."""
    names = _names(settings)
    return (
        SingleQuery(
            "last_attempt",
            *timing(settings, "last_attempt"),
            sql.SQL(_LAST_ATTEMPT).format(**names),
            lambda rows: if_any(metrics.last_attempt, rows),
        ),
        SingleQuery(
            "affected_users",
            *timing(settings, "affected_users"),
            sql.SQL(_AFFECTED_USERS).format(**names),
            lambda rows: (reading(metrics.affected_users, number(rows[0][0], "affected_users", "the count")),),
        ),
        RecordedAttempts(settings, elapsed),
    )


class RecordedAttempts:
    """The count of attempts, and of failed ones, since the exporter started: 0 then, and no row lost or doubled since.

    An attempt that turns out to be failed while it is still in the tail counts as failed then.
    """

    name = "attempts"

    def __init__(self, settings: PostgresSettings, elapsed: Elapsed) -> None:
        names = _names(settings)
        self._latest = sql.SQL(_LATEST).format(**names)
        self._from_the_start = sql.SQL(_FROM_THE_START).format(**names)
        self._behind = sql.SQL(_BEHIND).format(**names)
        self.interval, self._timeout = timing(settings, "attempts")
        self._elapsed = elapsed
        self._tail = Tail(settings.late_commits, width=1)
        self._undecided: frozenset[object] = frozenset()
        self._attempts = 0
        self._failures = 0

    async def answer(self, database: Database, _now: float, /) -> Answer:
        """Count what was added. Raises SampleError."""
        at = self._elapsed()

        async def page(after: Row | None) -> tuple[Row, ...]:
            query = self._from_the_start if after is None else self._behind
            parameters: dict[str, object] = {} if after is None else {"id": after[0]}
            return await database.rows(query, parameters, where=self.name, timeout=self._timeout)

        if not self._tail.started:
            await self._start(database, at)
        rows = await self._tail.read(page, at)
        undecided = set()
        for (key, failed), new in rows:
            known = new or key in self._undecided
            self._attempts += new
            self._failures += known and failed
            if known and not failed:
                undecided.add(key)
        self._undecided = frozenset(undecided)
        if not rows and self._tail.settled is not None:
            await self._start_again_if_emptied(database, at)
        return Answer(
            (reading(metrics.recorded_attempts, self._attempts), reading(metrics.recorded_failures, self._failures)),
            catching_up=self._tail.behind,
        )

    def statements(self, _now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """The statement that every sample runs."""
        return ((self._behind, {"id": (self._tail.settled or (0,))[0]}),)

    async def _start(self, database: Database, at: float) -> None:
        latest = await database.rows(self._latest, {}, where=self.name, timeout=self._timeout)
        self._tail.start(latest, at)

    async def _start_again_if_emptied(self, database: Database, at: float) -> None:
        """A truncated table numbers its rows from 1 again, below the watermark: nothing would be new ever after."""
        latest = await database.rows(self._latest, {}, where=self.name, timeout=self._timeout)
        if self._tail.settled is not None and (not latest or latest[0][0] < self._tail.settled[0]):
            self._tail.start(latest, at)


def _names(settings: PostgresSettings) -> dict[str, sql.Composable]:
    there = settings.attempts
    return {
        "attempts": table(there.table),
        "id": column(there.id),
        "user_id": column(there.user_id),
        "status": column(there.status),
        "created_at": column(there.created_at),
        "failed": one_of(settings.statuses.failed_attempt),
        "cap": sql.Literal(CAP),
        "page": sql.Literal(PAGE),
    }
