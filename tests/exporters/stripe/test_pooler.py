"""Can two writers meet, or two replicas lead, where a pooler hands one session to all?"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from exporters.configuration.secrets import Secret
from exporters.configuration.settings import Settings
from exporters.postgres.leader import Leader, LeaderSettings
from exporters.process.diagnosis import diagnose
from exporters.sampling.model import SampleError
from exporters.stripe import samplers
from exporters.stripe.state import open_ledger
from exporters.stripe.storage.postgres import open_postgres
from simulator.postgres_server import PostgresServer
from tests.exporters.stripe.shop import Watched, counters, watched
from tests.pooler import pooled

TAKEN = "another exporter has taken it over, and writes it now; this one counts nothing; stop one of them"


@pytest.fixture
def names(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """An empty database: its DSN through a pooler, and its own."""
    name = f"pooled_{uuid4().hex}"
    direct = postgres.create(name)
    with pooled(postgres, name) as dsn:
        yield dsn, direct
    postgres.drop(name)


def another(world: Watched) -> Watched:
    """A second exporter with the same settings beside it."""
    return Watched(
        world.clock, world.shop, world.server, world.url, world.folder, world.settings, world.ours, world.runner
    )


def test_of_two_exporters_behind_a_pooler_the_one_that_came_last_counts_and_the_other_says_so(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    with watched(tmp_path, state={"backend": "postgres", "dsn": names[0]}) as first:
        first.begun()
        first.shop.pay()
        first.sample()
        second = another(first)
        for _ in range(4):
            first.shop.pay()
            first.shop.pay("3-D Secure")
            first.clock.on(30)
            second.sample()
            with pytest.raises(SampleError, match=TAKEN):
                first.sample()
        first.clock.on(601)
        assert counters(second.rest()) == first.shop.truth()
        second.stop()
        first.shop.pay()  # the other one let go: this one goes on
        assert counters(first.rest()) == first.shop.truth()


def test_a_writer_that_died_behind_a_pooler_keeps_nobody_out(tmp_path: Path, names: tuple[str, str]) -> None:
    with watched(tmp_path, state={"backend": "postgres", "dsn": names[0]}) as world:
        world.begun()
        world.shop.pay()
        world.sample()
        died, world.stripe = world.stripe, samplers(world.settings, world.ours, world.overflow)
        world.shop.pay()
        assert counters(world.rest()) == world.shop.truth()
        for sampler in died.samplers:
            world.runner.run(sampler.close())
        with psycopg.connect(names[1]) as admin:
            assert admin.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


def test_a_writer_that_was_superseded_in_the_middle_of_its_work_loses_and_doubles_nothing(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    with watched(tmp_path, state={"backend": "postgres", "dsn": names[0]}) as world:
        world.begun().shop.pay()
        world.sample()
        for _ in range(3):
            thief = open_ledger(world.settings.state, world.clock, world.overflow)
            world.shop.pay()
            world.clock.on(30)
            with pytest.raises(SampleError, match=TAKEN):
                world.sample()
            thief.close()
            world.sample()
        assert counters(world.rest()) == world.shop.truth()


def test_sessions_of_a_pooler_are_left_as_they_were(names: tuple[str, str]) -> None:
    database = open_postgres(Secret(names[0]))
    try:
        database.execute("BEGIN")
        assert database.execute("SHOW statement_timeout") == [("15s",)]
        assert database.execute("SHOW synchronous_commit") == [("on",)]
        database.execute("COMMIT")
        assert database.execute("SHOW statement_timeout") == [("0",)]
    finally:
        database.close()


def test_nobody_leads_through_a_pooler(names: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        replicas = [Leader(LeaderSettings.model_validate({"dsn": names[0]}), lambda: 1000.0) for _ in range(2)]
        for replica in replicas:
            await replica.beat()
        assert [replica.is_leader() for replica in replicas] == [False, False]
        for replica in replicas:
            await replica.close()

    asyncio.run(story())
    assert "a pooler answers, and hands sessions around, so that no lock holds" in caplog.text
    with psycopg.connect(names[1]) as admin:
        assert admin.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


def test_doctor_names_a_pooler(names: tuple[str, str]) -> None:
    settings = Settings.model_validate(
        {
            "stripe": {
                "api_key": "rk_test_everything",
                "api_url": "http://127.0.0.1:9",
                "state": {"backend": "postgres", "dsn": names[0]},
            },
            "leader": {"dsn": names[0]},
        }
    )

    async def findings() -> list[str]:
        return [str(finding) async for finding in diagnose(settings, lambda: 1000.0)]

    told = asyncio.run(findings())
    assert any(line.startswith("stripe.state.dsn: a pooler answers") for line in told), told
    assert any(line.startswith("leader.dsn: a pooler answers") for line in told), told
