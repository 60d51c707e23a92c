"""What does the table of payment attempts say: how many, how many failed, how many users are hit?"""

from collections.abc import Mapping

from psycopg import sql

from exporters.postgres.connection import Database
from exporters.postgres.moments import at, seconds, soon
from exporters.postgres.newrows import NewRows
from exporters.postgres.questions import (
    CAP,
    Answer,
    Elapsed,
    Holds,
    Question,
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
from exporters.postgres.settings import PostgresSettings
from exporters.sampling.model import reading
from rules.payments import database as metrics

__all__ = ["RecordedAttempts", "attempts_questions"]

_LAST_ATTEMPT = """
SELECT (SELECT {seconds} FROM {attempts} AS t WHERE {created_at} <= {soon} ORDER BY t.{created_at} DESC LIMIT 1)
"""

_AFFECTED_USERS = """
SELECT count(*) FROM (
    SELECT DISTINCT {user_id} FROM {attempts}
    WHERE {created_at} > {lately} AND {status} IN {failed} AND {user_id} IS NOT NULL
    LIMIT {cap}
) AS affected
"""


def attempts_questions(settings: PostgresSettings, elapsed: Elapsed) -> tuple[Question, ...]:
    """The questions about the table of payment attempts."""
    there = settings.attempts
    attempts, created_at = table(there.table), column(there.created_at)
    return (
        SingleQuery(
            "last_attempt",
            *timing(settings, "last_attempt"),
            sql.SQL(_LAST_ATTEMPT).format(
                attempts=attempts,
                created_at=created_at,
                seconds=seconds(there.moments, created_at),
                soon=soon(there.moments),
            ),
            lambda rows: if_any(metrics.last_attempt, rows),
            reads=(reads("attempts", there, created_at=Holds.ORDERED_MOMENT),),
        ),
        SingleQuery(
            "affected_users",
            *timing(settings, "affected_users"),
            sql.SQL(_AFFECTED_USERS).format(
                attempts=attempts,
                user_id=column(there.user_id),
                created_at=created_at,
                lately=at(there.moments, "%(now)s - interval '15 minutes'"),
                status=column(there.status),
                failed=one_of(settings.statuses.failed_attempt),
                cap=sql.Literal(CAP),
            ),
            lambda rows: (reading(metrics.affected_users, number(rows[0][0], "affected_users", "the count")),),
            reads=(
                reads(
                    "attempts",
                    there,
                    user_id=Holds.ANYTHING,
                    created_at=Holds.ORDERED_MOMENT,
                    status=words(settings, "failed_attempt"),
                ),
            ),
        ),
        RecordedAttempts(settings, elapsed),
    )


class RecordedAttempts:
    """The count of attempts, and of failed ones, since the exporter started: 0 then, and no row lost or doubled since.

    An attempt that turns out to be failed while it is still in the tail counts as failed then.
    """

    name = "attempts"

    def __init__(self, settings: PostgresSettings, elapsed: Elapsed) -> None:
        there = settings.attempts
        failed = sql.SQL("coalesce({} IN {}, false)").format(
            column(there.status), one_of(settings.statuses.failed_attempt)
        )
        self.interval, timeout = timing(settings, "attempts")
        self.reads = (
            reads(
                "attempts",
                there,
                id=Holds.KEY,
                created_at=Holds.ORDERED_MOMENT,
                status=words(settings, "failed_attempt"),
            ),
        )
        self._new = NewRows(
            self.name,
            of=there.table,
            moments=there.moments,
            when=there.created_at,
            key=there.id,
            wanted=(failed,),
            late=settings.late_commits,
            timeout=timeout,
            elapsed=elapsed,
        )
        self._undecided: frozenset[object] = frozenset()
        self._attempts = 0
        self._failures = 0

    async def answer(self, database: Database, now: float, /) -> Answer:
        """Count what was added. Raises SampleError."""
        rows = await self._new.read(database, now)
        undecided = set()
        for (key, _, failed), new in rows:
            known = new or key in self._undecided
            self._attempts += new
            self._failures += known and failed
            if known and not failed:
                undecided.add(key)
        self._undecided = frozenset(undecided)
        return Answer(
            (reading(metrics.recorded_attempts, self._attempts), reading(metrics.recorded_failures, self._failures)),
            catching_up=self._new.behind,
            complete_until=rows[-1][0][1] if self._new.behind else None,
        )

    def statements(self, now: float, /) -> tuple[tuple[sql.Composed, Mapping[str, object]], ...]:
        """The statements that every sample runs."""
        return self._new.statements(now)
