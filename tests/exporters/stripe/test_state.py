"""What becomes of the counters when the state cannot be read or written?"""

import asyncio
import os
import pwd
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import conninfo

from exporters.configuration.secrets import Secret
from exporters.sampling.model import ErrorClass, SampleError
from exporters.sampling.reconciling import NotKnownYetError
from exporters.stripe.state import open_ledger
from exporters.stripe.storage.database import SCHEMA_VERSION
from exporters.stripe.storage.postgres import open_postgres
from exporters.stripe.storage.sqlite import SqliteDatabase
from rules.vocabulary import Source
from simulator.postgres_server import PostgresServer
from tests.exporters.postgres.silent_proxy import proxy_to
from tests.exporters.stripe.shop import KEY, START, Watched, counters, watched

ONE_PAYMENT = ("payment_attempts_total", "success", "card", "api")


def test_a_file_that_is_damaged_is_set_aside_and_a_new_epoch_begins(world: Watched) -> None:
    world.begun().shop.pay()
    world.sample()
    world.stop()
    state = world.settings.state.path
    state.write_bytes(b"no database at all" * 1000)
    world.clock.on(100)
    world.start()
    assert counters(world.sample()) == {}
    assert world.about()["payments_exporter_state_epoch_timestamp_seconds",] == world.clock()
    aside = state.with_name(f"{state.name}.corrupt-{int(world.clock())}")
    assert aside.read_bytes().startswith(b"no database")
    world.clock.on(61)
    world.shop.pay()
    assert counters(world.sample())[ONE_PAYMENT] == 1


def test_a_page_that_is_damaged_is_found_when_the_state_is_opened(world: Watched) -> None:
    world.begun()
    for _ in range(300):
        world.shop.pay()
    world.sample()
    world.stop()
    state = world.settings.state.path
    content = bytearray(state.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = os.urandom(64)
    state.write_bytes(content)
    world.start()
    assert counters(world.sample()) == {}
    assert list(state.parent.glob("*.corrupt-*"))


def meddle(path: Path, statement: str) -> None:
    """Change the state behind the exporter's back."""
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE paymon_marks SET value = '[1, 2]'", "UPDATE paymon_counters SET total = 'many'"]
)
def test_marks_and_counters_without_sense_are_damage_too(world: Watched, statement: str) -> None:
    world.begun().shop.pay()
    world.sample()
    world.stop()
    meddle(world.settings.state.path, statement)
    world.start()
    assert counters(world.sample()) == {}
    assert list(world.settings.state.path.parent.glob("*.corrupt-*"))


@pytest.mark.parametrize("steps", ["garbage", "7", '[["x", "F"]]'])
def test_a_payment_whose_steps_make_no_sense_is_forgotten_and_everything_else_is_counted(
    world: Watched, steps: str
) -> None:
    world.begun()
    world.shop.fake.ask()  # never counted: what is kept of it will be damaged
    again = world.shop.fake.ask()
    world.sample()
    world.stop()
    meddle(world.settings.state.path, f"UPDATE paymon_intents SET steps = '{steps}'")
    world.start()
    world.shop.pay("no money")
    world.shop.pay(after=again)
    assert counters(world.rest()) == world.shop.truth()
    assert world.about()["payments_exporter_parse_errors_total",] == 2
    assert not list(world.settings.state.path.parent.glob("*.corrupt-*"))


def test_another_program_that_holds_the_file_is_told_from_a_bad_disk(world: Watched) -> None:
    world.begun().sample()
    world.shop.pay()
    other = sqlite3.connect(world.settings.state.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SampleError, match="another program holds it; close that one"):
        world.sample()
    other.close()
    world.clock.on(60)
    assert counters(world.sample())[ONE_PAYMENT] == 1


def test_a_second_writer_is_refused_and_the_first_goes_on(world: Watched) -> None:
    world.begun().sample()
    with pytest.raises(SampleError, match=r"another process already writes .*; stop the other exporter") as refused:
        open_ledger(world.settings.state, world.clock, world.overflow)
    assert refused.value.kind is ErrorClass.INTERNAL
    world.shop.pay()
    assert counters(world.sample())[ONE_PAYMENT] == 1


@pytest.mark.slow
def test_a_full_disk_fails_the_sample_and_loses_nothing_once_there_is_room(tmp_path: Path) -> None:
    with watched(tmp_path, state={"largest_bytes": 1024 * 1024}) as world:
        world.begun()
        full = None
        for _ in range(100):
            for _ in range(100):
                world.shop.pay()
            world.clock.on(60)
            try:
                world.sample()
            except SampleError as error:
                full = error
                break
        assert full is not None
        assert "the disk is full, or stripe.state.largest_bytes is reached; make room" in str(full)
        world.restart(state=world.settings.state.model_copy(update={"largest_bytes": 2**30}))
        world.clock.on(60)
        assert counters(world.rest()) == world.shop.truth()


def test_a_folder_that_cannot_be_written_is_said_with_its_cure(tmp_path: Path) -> None:
    with watched(tmp_path, state={"path": Path("/proc/paymon/state.sqlite3")}) as world:
        with pytest.raises(SampleError, match=r"cannot be written \(.*\); let this user write"):
            world.sample()
        assert world.sample(Source.STRIPE_ACCOUNT).readings


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_file_of_another_user_is_said_with_its_cure(tmp_path: Path) -> None:
    folder = Path("/tmp") / f"paymon-{uuid4().hex}"
    folder.mkdir(mode=0o755)
    nobody = pwd.getpwnam("nobody")
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from exporters.sampling.labels import LabelOverflow\n"
        "from exporters.sampling.model import SampleError\n"
        "from exporters.stripe.settings import StateSettings\n"
        "from exporters.stripe.state import open_ledger\n"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "try:\n"
        f"    state = StateSettings(path=Path({str(folder / 'state.sqlite3')!r}))\n"
        "    open_ledger(state, lambda: 0.0, LabelOverflow())\n"
        "except SampleError as error:\n"
        "    print(error)\n"
    )
    try:
        told = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True, cwd=Path.cwd()
        ).stdout
    finally:
        folder.rmdir()
    assert "state.sqlite3.lock cannot be written (Permission denied); let this user write" in told


def test_a_state_of_another_release_is_refused_and_left_alone(world: Watched) -> None:
    world.begun().sample()
    world.stop()
    path = world.settings.state.path
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    world.start()
    with pytest.raises(SampleError, match="has schema version 4, this release knows 3; run the release that wrote it"):
        world.sample()
    assert not list(path.parent.glob("*.corrupt-*"))


LIVE = "rk_live_everything"


def test_a_live_key_does_not_go_on_from_what_was_counted_of_test_payments(tmp_path: Path) -> None:
    """Who goes live replaces the key: what was tried out before is missing in no database, and is no live month's."""
    key = tmp_path / "key"
    key.write_text(KEY)
    with watched(tmp_path, api_key=Secret(KEY, key)) as world:
        world.server.keys[LIVE] = world.server.keys[KEY]
        world.begun().shop.pay()
        world.sample()
        assert world.runner.run(world.stripe.history.known())
        key.write_text(LIVE)
        for restarted in (False, True):
            if restarted:
                world.stop()
                world.start()
            with pytest.raises(SampleError) as found:
                world.sample()
            assert found.value.kind is ErrorClass.BAD_DATA
            assert str(found.value) == (
                "state: it was counted in test mode, and stripe.api_key reads live payments; name another file or"
                " database in stripe.state, where counters begin at 0, or give back the key of before"
            )
            with pytest.raises(NotKnownYetError):
                world.runner.run(world.stripe.history.known())
        key.write_text(KEY)
        world.shop.pay()
        assert counters(world.sample())[ONE_PAYMENT] == 2
        world.clock.on(10)
        world.restart(state=world.settings.state.model_copy(update={"path": tmp_path / "live.sqlite3"}))
        key.write_text(LIVE)
        assert counters(world.begun().sample()) == {}


def test_another_connected_account_does_not_go_on_from_the_counts_of_the_one_before(world: Watched) -> None:
    world.begun().shop.pay()
    world.sample()
    world.restart(account="acct_1Another")
    with pytest.raises(SampleError, match=r"of another account than stripe\.account names") as found:
        world.sample()
    assert "acct_" not in str(found.value)
    world.restart(account="")
    assert counters(world.sample())[ONE_PAYMENT] == 1


def test_a_file_that_vanishes_under_the_exporter_stops_no_other_source(world: Watched) -> None:
    world.begun().sample()
    for part in world.settings.state.path.parent.glob("state.sqlite3*"):
        part.unlink()
    world.shop.pay()
    assert counters(world.sample())[ONE_PAYMENT] == 1  # the open file is still there
    assert world.sample(Source.STRIPE_ACCOUNT).readings


def test_nobody_else_can_read_the_files_of_the_state(world: Watched) -> None:
    world.begun().shop.pay()
    world.sample()
    path = world.settings.state.path
    files = {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob(f"{path.name}*")}
    assert path.name in files
    assert set(files.values()) == {0o600}, files


def test_a_state_in_memory_begins_anew_with_each_start(tmp_path: Path) -> None:
    with watched(tmp_path, state={"backend": "memory"}) as world:
        world.begun().shop.pay()
        assert counters(world.sample())[ONE_PAYMENT] == 1
        assert not list(tmp_path.glob("state*"))
        world.restart()
        assert counters(world.sample()) == {}


@pytest.mark.slow
def test_old_ids_days_and_intents_are_forgotten(world: Watched) -> None:
    world.begun()
    sizes = []
    for _ in range(8):
        for _ in range(20):
            world.shop.pay()
        world.clock.on(20 * 86400)
        world.rest(1)
        with sqlite3.connect(world.settings.state.path) as connection:
            sizes.append(connection.execute("SELECT count(*) FROM paymon_changes").fetchone()[0])
            intents = connection.execute("SELECT count(*) FROM paymon_intents").fetchone()[0]
            networks = connection.execute("SELECT count(*) FROM paymon_networks").fetchone()[0]
        connection.close()
    assert max(sizes) <= 60  # of each payment two events, and that its money was taken
    assert intents <= 20
    assert networks <= 80
    assert counters(world.rest()) == world.shop.truth()


def test_no_sample_reads_a_whole_table_of_what_happened(world: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Sequence[object]] = {}
    execute = SqliteDatabase.execute

    def noticed(self: SqliteDatabase, statement: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        asked.setdefault(statement, parameters)
        return execute(self, statement, parameters)

    monkeypatch.setattr(SqliteDatabase, "execute", noticed)
    world.begun().fake.use_version("2024-06-20")
    shop = world.shop
    shop.refund(shop.pay(), 100)
    shop.lose_dispute(shop.pay("no money", after=shop.ask()))
    shop.release(shop.pay(capture=False))
    world.rest()
    plans = {}
    with closing(sqlite3.connect(world.settings.state.path)) as connection:
        for statement, parameters in asked.items():
            if statement.startswith("SELECT"):
                plans[statement] = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    whole = {
        statement: step
        for statement, steps in plans.items()
        for step in steps
        if step.startswith("SCAN paymon_") and not step.startswith("SCAN paymon_counters")
    }
    assert any("paymon_intents WHERE due" in statement for statement in plans)
    assert whole == {}


@pytest.fixture
def dsn(postgres: PostgresServer) -> Iterator[str]:
    """An empty database."""
    name = f"state_{uuid4().hex}"
    yield postgres.create(name)
    postgres.drop(name)


def test_postgres_keeps_the_state_between_two_starts(tmp_path: Path, dsn: str) -> None:
    with watched(tmp_path, state={"backend": "postgres", "dsn": dsn}) as world:
        world.begun()
        payment = world.shop.pay()
        world.shop.refund(payment, 100)
        world.shop.cancel(world.shop.ask())
        world.sample()
        world.restart()
        for number in world.shop.pay("no money").events:
            world.fake.repeat(number)
        assert counters(world.rest()) == world.shop.truth()
        assert world.about()["payments_exporter_state_size_bytes",] > 8192


def test_postgres_refuses_a_second_writer(tmp_path: Path, dsn: str) -> None:
    with watched(tmp_path, state={"backend": "postgres", "dsn": dsn}) as world:
        world.begun().sample()
        with pytest.raises(SampleError, match="state database: another exporter writes it; stop the other one"):
            open_ledger(world.settings.state, world.clock, world.overflow)


@pytest.mark.slow
def test_exporters_of_two_services_keep_their_states_in_two_schemas_of_one_database(tmp_path: Path, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        for schema in ("shop", "donations"):
            admin.execute(f"CREATE SCHEMA {schema}")
    of_shop, of_donations = (
        conninfo.make_conninfo(dsn, options=f"-csearch_path={schema}") for schema in ("shop", "donations")
    )
    with (
        watched(tmp_path / "shop", state={"backend": "postgres", "dsn": of_shop}) as shop,
        watched(tmp_path / "donations", state={"backend": "postgres", "dsn": of_donations}) as donations,
    ):
        shop.begun()
        donations.begun()
        shop.shop.pay()
        shop.sample()
        donations.sample()
        assert counters(shop.rest()) == shop.shop.truth()
        assert counters(donations.rest()) == donations.shop.truth()
        with pytest.raises(SampleError, match="another exporter writes it"):
            open_ledger(shop.settings.state, shop.clock, shop.overflow)


def test_a_lost_connection_to_postgres_loses_and_doubles_nothing(tmp_path: Path, dsn: str) -> None:
    with (
        watched(tmp_path, state={"backend": "postgres", "dsn": dsn}) as world,
        psycopg.connect(dsn, autocommit=True) as admin,
    ):
        world.begun()
        for _ in range(4):
            world.shop.pay()
            world.sample()
            world.shop.pay("3-D Secure")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'paymon-exporter-state' AND datname = current_database()"
            )
            world.clock.on(60)
            world.sample()
        assert counters(world.rest()) == world.shop.truth()


def test_a_search_path_in_the_dsn_holds_and_nothing_waits_for_ever(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA monitor")
    database = open_postgres(Secret(conninfo.make_conninfo(dsn, options="-csearch_path=monitor")))
    try:
        assert database.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'paymon_marks'") == [("monitor",)]
        for name, value in (
            ("statement_timeout", "15s"),
            ("idle_session_timeout", "15min"),
            ("synchronous_commit", "on"),
        ):
            assert database.execute(f"SHOW {name}") == [(value,)]
    finally:
        database.close()


def test_a_network_that_falls_silent_ends_the_statement_and_the_connection(dsn: str) -> None:
    async def story() -> None:
        async with proxy_to(int(str(conninfo.conninfo_to_dict(dsn)["port"]))) as proxy:
            through = Secret(conninfo.make_conninfo(dsn, host="127.0.0.1", port=proxy.port))
            database = await asyncio.to_thread(open_postgres, through, timedelta(seconds=0.5))
            proxy.silent = True
            async with asyncio.timeout(200):
                with pytest.raises(SampleError, match="state database: OperationalError"):
                    await asyncio.to_thread(database.execute, "SELECT 1")
            database.close()

    asyncio.run(story())


def test_an_unreachable_postgres_is_said_without_its_dsn(tmp_path: Path) -> None:
    secret = "postgresql://paymon:s3cret@127.0.0.1:1/state"
    with watched(tmp_path, state={"backend": "postgres", "dsn": secret}) as world:
        with pytest.raises(SampleError, match="state database: OperationalError; see whether") as error:
            world.sample()
        assert error.value.kind is ErrorClass.UNREACHABLE
        assert "s3cret" not in str(error.value)
        assert world.clock() == START
