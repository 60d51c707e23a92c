"""What does the exporter count where another server takes over in the middle of a sample?

The primary is shut down at once and its replica promoted, between two statements of one sample. The replica had fallen
behind: what the primary took last is lost, as in a real failover without synchronous replication.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from exporters.postgres import Database
from exporters.postgres.watermark import PAGE
from exporters.sampling.model import SampleError
from rules.payments import database as metrics
from rules.payments import webhooks
from rules.vocabulary import Source
from simulator.postgres_server import SCHEMA, PostgresServer, installations, running, standby
from tests.exporters.postgres.asking import Asked, Seen, asking
from tests.exporters.postgres.test_connection import custom
from tests.exporters.postgres.test_replica import caught_up, value
from tests.postgres import NOW

BEFORE, LOST, LATER = PAGE + 300, 20, 7
"""Attempts of which the new server knows, of which it does not, and those that come after it took over."""


@pytest.fixture
def pair() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and its replica."""
    with running(installations()[0], {"synchronous_commit": "local"}) as primary:
        primary.create("payments")
        primary.psql("payments", SCHEMA)
        with standby(primary) as replica:
            yield primary, replica


class Failover:
    """Lets the replica take over before a chosen statement of those that the exporter sends."""

    def __init__(self, primary: PostgresServer, replica: PostgresServer) -> None:
        self._primary, self._replica = primary, replica
        self.before: tuple[str, int] | None = None
        """Before which of a question's statements, from 1 on, the primary goes down; None while it stays."""
        self._sent = 0
        self.happened = False

    def notice(self, question: str) -> None:
        """A statement of that question is about to be sent."""
        if self.before is None or question != self.before[0]:
            return
        self._sent += 1
        if self._sent == self.before[1]:
            self.happened = True
            self._shut_down()

    def _shut_down(self) -> None:
        pid = (self._primary.folder / "data" / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGQUIT)
        deadline = monotonic() + 200
        with suppress(psycopg.OperationalError):
            while monotonic() < deadline:
                psycopg.connect(self._primary.dsn("payments")).close()

    def promote(self) -> None:
        """The replica takes over."""
        assert value(self._replica, "SELECT pg_promote(true, 200)")


def attempts(server: PostgresServer, count: int, failed: int, at: float) -> None:
    """So many attempts at that moment, of which so many failed."""
    with psycopg.connect(server.dsn("payments")) as application:
        application.execute(
            "INSERT INTO payment_attempts (user_id, status, created_at)"
            " SELECT 1, CASE WHEN n <= %s THEN 'failed' ELSE 'succeeded' END, to_timestamp(%s)"
            " FROM generate_series(1, %s) AS n",
            (failed, at, count),
        )


def cut_off(primary: PostgresServer, replica: PostgresServer) -> None:
    """The replica gets nothing any more."""
    with psycopg.connect(replica.dsn("payments"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        connection.execute("SELECT pg_reload_conf()")
    deadline = monotonic() + 200
    while value(primary, "SELECT count(*) FROM pg_stat_replication"):
        assert monotonic() < deadline


def counts(seen: Seen) -> tuple[float | None, float | None]:
    return seen.value(metrics.recorded_attempts), seen.value(metrics.recorded_failures)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "statement", "seen_before"),
    [
        pytest.param("attempts", 2, 0, id="between two pages of attempts"),
        pytest.param("mine", 1, LOST, id="after the attempts were read"),
    ],
)
def test_a_failover_in_the_middle_of_a_sample_loses_and_doubles_nothing(
    pair: tuple[PostgresServer, PostgresServer],
    monkeypatch: pytest.MonkeyPatch,
    question: str,
    statement: int,
    seen_before: int,
) -> None:
    primary, replica = pair
    failover = Failover(primary, replica)
    ask = Database.rows

    async def noticed(self: Database, *query: Any, where: str, **options: Any) -> Any:
        failover.notice(where)
        return await ask(self, *query, where=where, **options)

    monkeypatch.setattr(Database, "rows", noticed)
    dsn = conninfo.make_conninfo(
        primary.dsn("payments"),
        host="127.0.0.1,127.0.0.1",
        port=f"{primary.port},{replica.port}",
        target_session_attrs="read-write",
    )

    async def story(exporter: Asked) -> None:
        assert counts(await exporter.sample(NOW)) == (0, 0)
        attempts(primary, BEFORE, 100, NOW + 10)
        caught_up(primary, replica)
        cut_off(primary, replica)
        attempts(primary, LOST, LOST, NOW + 11)
        failover.before = question, statement
        for source in (Source.POSTGRES, Source.WEBHOOK_INBOX):
            with pytest.raises(SampleError, match=r"postgres\.dsn: "):
                await exporter.sample(NOW + 15, source)
        assert failover.happened
        failover.promote()
        attempts(replica, LATER, 2, NOW + 20)
        for moment in (30, 45, 60, 600, 615):
            seen = await exporter.sample(NOW + moment)
            assert counts(seen) == (BEFORE + seen_before + LATER, 100 + seen_before + 2)
        inbox = await exporter.sample(NOW + 630, Source.WEBHOOK_INBOX)
        assert inbox.value(webhooks.inbox_backlog) == 0

    async def told() -> None:
        async with asking(dsn, connect_timeout=2, queries=[custom("SELECT 1 AS value", interval=1)]) as exporter:
            await story(exporter)

    asyncio.run(told())
