"""Is there one leader, never two, and soon another when it is gone?"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from exporters.postgres.leader import Leader, LeaderSettings
from tests.exporters.postgres.silent_proxy import proxy_to
from tests.exporters.postgres.test_connection import changed
from tests.postgres import PaymentsDatabase

_ANOTHER_PROCESS = """
import asyncio, sys, time
from exporters.postgres.leader import Leader, LeaderSettings

async def lead():
    leader = Leader(LeaderSettings.model_validate({"dsn": sys.stdin.readline().strip()}), time.monotonic)
    await leader.beat()
    print(leader.is_leader(), flush=True)
    sys.stdin.readline()

asyncio.run(lead())
"""


@dataclass(slots=True)
class Ticking:
    """A clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def settings(dsn: str, **more: object) -> LeaderSettings:
    return LeaderSettings.model_validate({"dsn": dsn, **more})


@asynccontextmanager
async def candidates(dsn: str, number: int = 2, **more: object) -> AsyncIterator[list[Leader]]:
    """Replicas of one exporter, on one clock that stands still."""
    made = [Leader(settings(dsn, **more), Ticking()) for _ in range(number)]
    try:
        yield made
    finally:
        for leader in made:
            await leader.close()


async def until_not_leading(leader: Leader) -> None:
    async with asyncio.timeout(200):
        while leader.is_leader():
            await asyncio.sleep(0)


def backend_ended(database: PaymentsDatabase) -> None:
    ended = database.value(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        f" AND database = (SELECT oid FROM pg_database WHERE datname = '{database.name}')"
    )
    assert ended == 1


def test_the_first_of_several_leads_and_goes_on_leading(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with candidates(payments_database.dsn, 3) as replicas:
            for _ in range(3):
                for replica in replicas:
                    await replica.beat()
                assert [replica.is_leader() for replica in replicas] == [True, False, False]

    asyncio.run(story())


def test_nobody_leads_before_the_first_beat(payments_database: PaymentsDatabase) -> None:
    assert not Leader(settings(payments_database.dsn), Ticking()).is_leader()


def test_a_leader_that_steps_down_is_followed_at_once(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with candidates(payments_database.dsn) as (first, second):
            await first.beat()
            await second.beat()
            await first.close()
            assert not first.is_leader()
            await second.beat()
            assert second.is_leader()

    asyncio.run(story())


def test_a_leader_of_another_account_is_no_rival(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with (
            candidates(payments_database.dsn, 1, key=1) as (one,),
            candidates(payments_database.dsn, 1, key=2) as (other,),
        ):
            await one.beat()
            await other.beat()
            assert one.is_leader()
            assert other.is_leader()

    asyncio.run(story())


def test_a_lost_connection_ends_the_leadership_at_once_and_another_takes_over(
    payments_database: PaymentsDatabase,
) -> None:
    async def story() -> None:
        async with candidates(payments_database.dsn) as (first, second):
            running = asyncio.create_task(first.run())
            async with asyncio.timeout(200):
                while not first.is_leader():
                    await asyncio.sleep(0)
            backend_ended(payments_database)
            await until_not_leading(first)
            async with asyncio.timeout(200):
                while not second.is_leader():
                    await second.beat()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(story())


def test_a_leader_that_could_not_confirm_for_a_lease_leads_no_more(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        clock = Ticking()
        leader = Leader(settings(payments_database.dsn, lease=15), clock)
        await leader.beat()
        clock.now += 14.9
        assert leader.is_leader()
        clock.now += 0.1
        assert not leader.is_leader()
        await leader.beat()
        assert leader.is_leader()
        await leader.close()

    asyncio.run(story())


def test_the_server_ends_the_session_of_a_frozen_leader_only_after_its_lease(
    payments_database: PaymentsDatabase,
) -> None:
    async def story() -> None:
        async with candidates(payments_database.dsn, 1, lease=15) as (leader,):
            await leader.beat()
            connection = leader._connection
            assert connection is not None
            row = await (await connection.execute("SHOW idle_session_timeout")).fetchone()
            assert row == ("30s",)

    asyncio.run(story())


def test_a_silent_network_ends_the_leadership_without_hanging(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with (
            proxy_to(payments_database.server.port) as proxy,
            candidates(changed(payments_database.dsn, port=proxy.port), 1, lease=3) as (leader,),
        ):
            await leader.beat()
            assert leader.is_leader()
            proxy.silent = True
            await asyncio.wait_for(leader.beat(), timeout=200)
            assert not leader.is_leader()

    asyncio.run(story())


def test_a_database_that_is_down_makes_no_leader_and_no_noise_beyond_one_line(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with candidates(changed(payments_database.dsn, port=1, password="hunter2"), 1) as (leader,):
            await leader.beat()
            assert not leader.is_leader()

    asyncio.run(story())
    assert [record.getMessage() for record in caplog.records if record.name.startswith("paymon")] == [
        "leader.dsn: the database cannot be reached; see that it runs, and that the DSN is right"
    ]


def test_leadership_passes_from_a_killed_process_to_this_one(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with candidates(payments_database.dsn, 1) as (here,):
            with subprocess.Popen(
                [sys.executable, "-c", _ANOTHER_PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as there:
                assert there.stdin is not None
                assert there.stdout is not None
                there.stdin.write(payments_database.dsn + "\n")
                there.stdin.flush()
                assert there.stdout.readline() == "True\n"
                await here.beat()
                assert not here.is_leader()
                there.kill()
            async with asyncio.timeout(200):
                while not here.is_leader():
                    await here.beat()

    asyncio.run(story())
