"""What does the exporter say of a replica, and what does it do when the replica cancels its queries?"""

import asyncio
from collections.abc import Iterator
from time import monotonic

import psycopg
import pytest

from rules.payments import database as metrics
from rules.payments.replica import replica_lag
from rules.vocabulary import Gauge, Source, Unit
from simulator.postgres_server import SCHEMA, PostgresServer, installations, running, standby
from tests.exporters.postgres.asking import asking
from tests.postgres import NOW

SLEPT = Gauge("payments_custom_slept", "How many rows were there", Unit.COUNT, Source.POSTGRES)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and its replica, which cancels whatever stands in the way of replaying."""
    with running(installations()[0], {"synchronous_commit": "local"}) as primary:
        primary.create("payments")
        primary.psql("payments", SCHEMA)
        with standby(primary, {"max_standby_streaming_delay": "0", "hot_standby_feedback": "off"}) as replica:
            yield primary, replica


def value(server: PostgresServer, question: str) -> object:
    with psycopg.connect(server.dsn("payments"), autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        assert row is not None
        return row[0]


def caught_up(primary: PostgresServer, replica: PostgresServer) -> None:
    """Wait until the replica has replayed all that the primary has written."""
    written = value(primary, "SELECT pg_current_wal_insert_lsn()::text")
    deadline = monotonic() + 200
    while not value(replica, f"SELECT pg_last_wal_replay_lsn() >= '{written}'"):
        assert monotonic() < deadline


@pytest.mark.slow
def test_a_replica_that_has_replayed_everything_has_no_lag_however_idle_the_primary_is(
    pair: tuple[PostgresServer, PostgresServer],
) -> None:
    primary, replica = pair
    value(primary, "INSERT INTO audit_log (event_type) VALUES ('x') RETURNING id")
    caught_up(primary, replica)

    async def story() -> None:
        async with asking(replica.dsn("payments")) as exporter:
            seen = await exporter.sample(NOW + 10 * 365 * 86_400)
            assert seen.value(replica_lag) == 0
            assert seen.value(metrics.dead_tuples, table="payments") is None

    asyncio.run(story())


def test_a_replica_that_holds_replay_back_lags(pair: tuple[PostgresServer, PostgresServer]) -> None:
    primary, replica = pair
    value(primary, "INSERT INTO audit_log (event_type) VALUES ('x') RETURNING id")
    caught_up(primary, replica)
    replayed = float(str(value(replica, "SELECT extract(epoch FROM pg_last_xact_replay_timestamp())")))
    value(replica, "SELECT 1 FROM (SELECT pg_wal_replay_pause()) AS paused")
    try:
        value(primary, "INSERT INTO audit_log (event_type) VALUES ('x') RETURNING id")
        deadline = monotonic() + 200
        while value(replica, "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"):
            assert monotonic() < deadline

        async def story() -> None:
            async with asking(replica.dsn("payments")) as exporter:
                seen = await exporter.sample(replayed + 240)
                assert seen.value(replica_lag) == pytest.approx(240, abs=0.001)

        asyncio.run(story())
    finally:
        value(replica, "SELECT 1 FROM (SELECT pg_wal_replay_resume()) AS resumed")


@pytest.mark.slow
def test_a_query_that_the_replica_cancels_is_asked_again(pair: tuple[PostgresServer, PostgresServer]) -> None:
    primary, replica = pair
    with psycopg.connect(primary.dsn("payments"), autocommit=True) as application:
        application.execute("TRUNCATE audit_log RESTART IDENTITY")
        application.execute("INSERT INTO audit_log (event_type) SELECT 'x' FROM generate_series(1, 100)")
    caught_up(primary, replica)
    cancelled = "SELECT confl_snapshot FROM pg_stat_database_conflicts WHERE datname = 'payments'"
    before = int(str(value(replica, cancelled)))
    slow = {
        "name": "mine",
        "sql": "SELECT count(*) AS value FROM audit_log, pg_sleep(1)",
        "metric": SLEPT.name,
        "help": SLEPT.help,
    }

    async def story() -> None:
        async with asking(replica.dsn("payments"), queries=[slow], statement_timeout=5) as exporter:
            sampling = asyncio.create_task(exporter.sample(NOW))
            with psycopg.connect(replica.dsn("payments"), autocommit=True) as watching:
                while not watching.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").rowcount:
                    await asyncio.sleep(0)
            with psycopg.connect(primary.dsn("payments"), autocommit=True) as application:
                application.execute("DELETE FROM audit_log WHERE id <= 40")
                application.execute("VACUUM audit_log")
            seen = await sampling
            assert seen.value(SLEPT) == 60
            assert seen.value(metrics.query_success, query="mine") == 1

    asyncio.run(story())
    assert int(str(value(replica, cancelled))) == before + 1
