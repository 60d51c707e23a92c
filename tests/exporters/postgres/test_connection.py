"""What does the exporter do when the database is down, slow, locked, failing over, forbidding or wrong?"""

import asyncio
import socket
import traceback
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from exporters.postgres.failures import NoConnectionError
from exporters.sampling.model import ErrorClass, SampleError
from rules.payments import database as metrics
from rules.payments import silence, webhooks
from rules.vocabulary import Gauge, Source, Unit
from tests.exporters.postgres.asking import asking
from tests.exporters.postgres.silent_proxy import proxy_to
from tests.postgres import NOW, PaymentsDatabase

SLEPT = Gauge("payments_custom_slept", "How long the query slept", Unit.COUNT, Source.POSTGRES)


def custom(sql: str, **settings: Any) -> dict[str, object]:
    return {"name": "mine", "sql": sql, "metric": SLEPT.name, "help": SLEPT.help, **settings}


def changed(dsn: str, **parts: object) -> str:
    return conninfo.make_conninfo(dsn, **{name: str(value) for name, value in parts.items()})


def failure(dsn: str, **settings: Any) -> SampleError:
    async def once() -> SampleError:
        async with asking(dsn, **settings) as exporter:
            with pytest.raises(SampleError) as raised:
                await exporter.sample(NOW)
            return raised.value

    return asyncio.run(once())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        (
            lambda: {"port": free_port()},
            ErrorClass.UNREACHABLE,
            "postgres.dsn: the database cannot be reached; see that it runs, and that the DSN is right",
        ),
        (
            lambda: {"password": "hunter2"},
            ErrorClass.REFUSED,
            "postgres.dsn: the database refused the user or the password; mend the DSN, or the role's password",
        ),
        (
            lambda: {"dbname": "elsewhere"},
            ErrorClass.REFUSED,
            "postgres.dsn: the role or the database does not exist; create it (deploy/postgres/role.sql), or mend the"
            " DSN",
        ),
        (
            lambda: {"sslmode": "require"},
            ErrorClass.REFUSED,
            "postgres.dsn: TLS could not be agreed upon; see sslmode and sslrootcert of the DSN, and the server's"
            " certificate",
        ),
        (
            lambda: {"host": "database.invalid"},
            ErrorClass.UNREACHABLE,
            "postgres.dsn: the name of the host is not known; mend the DSN, or the name service",
        ),
    ],
    ids=["down", "password", "database", "tls", "name"],
)
def test_a_database_that_lets_nobody_in_is_one_failure_with_its_cure(
    payments_database: PaymentsDatabase, wrong: Callable[[], dict[str, object]], kind: ErrorClass, said: str
) -> None:
    error = failure(changed(payments_database.dsn, **wrong()))
    assert (error.kind, str(error)) == (kind, said)


@pytest.mark.parametrize("wrong", [{"port": 1}, {"password": "hunter2"}, {"user": "hunter2", "dbname": "hunter2"}])
def test_no_error_shows_the_host_the_user_or_the_password(
    payments_database: PaymentsDatabase, wrong: dict[str, object]
) -> None:
    error = failure(changed(payments_database.dsn, **wrong))
    for shown in (str(error), repr(error), "".join(traceback.format_exception(error))):
        for secret in ("hunter2", "127.0.0.1", str(payments_database.server.port)):
            assert secret not in shown


def test_a_slow_query_is_ended_by_the_server_and_the_others_are_served(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", completed_ago=5)

    async def story() -> None:
        async with asking(
            payments_database.dsn, queries=[custom("SELECT 1 AS value FROM pg_sleep(60)", timeout=0.2)]
        ) as exporter:
            seen = await exporter.sample(NOW)
            assert seen.value(metrics.query_success, query="mine") == 0
            duration = seen.value(metrics.query_duration, query="mine")
            assert duration is not None
            assert 0.2 <= duration < 10
            assert seen.value(SLEPT) is None
            assert seen.value(silence.last_completed) == NOW - 5

    asyncio.run(story())


def test_a_query_that_outlives_the_servers_timeout_is_cancelled_and_the_connection_kept(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.execute(
        "CREATE FUNCTION stubborn() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN 1;"
        " EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(60); RETURN 2; END $$"
    )
    backend = custom("SELECT pg_backend_pid() AS value", name="backend", metric="payments_custom_backend")
    pid = Gauge("payments_custom_backend", SLEPT.help, Unit.COUNT, Source.POSTGRES)

    async def story() -> None:
        async with asking(
            payments_database.dsn,
            deadline_margin=1,
            queries=[custom("SELECT stubborn() AS value", timeout=1, interval=60), backend],
        ) as exporter:
            first = await exporter.sample(NOW)
            assert first.value(metrics.query_success, query="mine") == 0
            second = await exporter.sample(NOW + 15)
            assert first.value(pid) == second.value(pid)

    asyncio.run(story())


def test_a_network_that_falls_silent_costs_one_bounded_sample_and_nothing_after_it(
    payments_database: PaymentsDatabase,
) -> None:
    async def story() -> None:
        async with (
            proxy_to(payments_database.server.port) as proxy,
            asking(
                changed(payments_database.dsn, port=proxy.port),
                lock_timeout=0.1,
                statement_timeout=0.3,
                deadline_margin=0.1,
            ) as exporter,
        ):
            await exporter.sample(NOW)
            proxy.silent = True
            with pytest.raises(NoConnectionError, match="fell silent in the middle of a query") as raised:
                await asyncio.wait_for(exporter.sample(NOW + 15), timeout=200)
            assert raised.value.kind is ErrorClass.TIMEOUT
            proxy.silent = False
            assert (await exporter.sample(NOW + 30)).value(metrics.query_success, query="unfinished") == 1

    asyncio.run(story())


def test_a_change_of_the_schema_in_progress_is_not_queued_behind(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", completed_ago=5)

    async def story() -> None:
        async with asking(payments_database.dsn, lock_timeout=0.1, statement_timeout=30) as exporter:
            with psycopg.connect(payments_database.dsn) as migration:
                migration.execute("ALTER TABLE payments ADD COLUMN note text")
                during = await exporter.sample(NOW)
                assert during.value(metrics.query_success, query="last_completed") == 0
                duration = during.value(metrics.query_duration, query="last_completed")
                assert duration is not None
                assert duration < 10
                assert during.value(silence.last_completed) is None
                assert during.value(metrics.query_success, query="attempts") == 1
                assert payments_database.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0
                migration.commit()
            after = await exporter.sample(NOW + 15)
            assert after.value(silence.last_completed) == NOW - 5

    asyncio.run(story())


def test_a_connection_that_ended_between_two_samples_is_replaced_unnoticed(
    payments_database: PaymentsDatabase,
) -> None:
    async def story() -> None:
        async with asking(payments_database.dsn) as exporter:
            await exporter.sample(NOW)
            payments_database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'paymon-exporter'"
                f" AND datname = '{payments_database.name}'"
            )
            seen = await exporter.sample(NOW + 15)
            assert seen.value(metrics.query_success, query="last_completed") == 1

    asyncio.run(story())


def test_a_connection_that_ends_during_a_query_loses_no_count(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with asking(payments_database.dsn, queries=[custom("SELECT 1 AS value FROM pg_sleep(0.3)")]) as exporter:
            await exporter.sample(NOW)
            payments_database.attempt()
            sampling = asyncio.create_task(exporter.sample(NOW + 15))
            while not payments_database.value(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                f" AND datname = '{payments_database.name}'"
            ):
                await asyncio.sleep(0)
            seen = await sampling
            assert seen.value(SLEPT) == 1
            assert seen.value(metrics.recorded_attempts) == 1

    asyncio.run(story())


def test_a_column_of_another_name_fails_its_queries_alone(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("ALTER TABLE payments RENAME completed_at TO done_at")

    async def story() -> None:
        async with asking(payments_database.dsn) as exporter:
            seen = await exporter.sample(NOW)
            assert seen.value(metrics.query_success, query="last_completed") == 0
            assert seen.value(metrics.query_success, query="unfinished") == 1
        async with asking(payments_database.dsn, payments={"completed_at": "done_at"}) as exporter:
            seen = await exporter.sample(NOW)
            assert seen.value(metrics.query_success, query="last_completed") == 1

    asyncio.run(story())


def test_a_role_without_privileges_is_told_which_table_it_may_not_read(payments_database: PaymentsDatabase) -> None:
    role = f"nobody_{payments_database.name}"
    payments_database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")

    async def story() -> None:
        async with asking(changed(payments_database.dsn, user=role, password="hunter2")) as exporter:
            with pytest.raises(SampleError) as raised:
                await exporter.sample(NOW, Source.WEBHOOK_INBOX)
            assert raised.value.kind is ErrorClass.NOT_PERMITTED
            assert str(raised.value) == (
                "inbox_processed: the role may not read id, type, received_at, processed_at of public.webhook_events;"
                " GRANT SELECT (id, type, received_at, processed_at) ON public.webhook_events to it, as"
                " deploy/postgres/role.sql does"
            )
            seen = await exporter.sample(NOW)
            assert seen.value(metrics.table_present, table="payments") == 1
            assert seen.value(metrics.query_success, query="last_completed") == 0

    asyncio.run(story())
    payments_database.execute(f"DROP ROLE {role}")


def test_nothing_can_be_written_even_by_a_function_of_a_custom_query(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS"
        " $$ INSERT INTO audit_log (event_type) VALUES ('oops'); SELECT 1 $$"
    )

    async def story() -> None:
        async with asking(payments_database.dsn, queries=[custom("SELECT writes() AS value")]) as exporter:
            seen = await exporter.sample(NOW)
            assert seen.value(metrics.query_success, query="mine") == 0

    asyncio.run(story())
    assert payments_database.value("SELECT count(*) FROM audit_log") == 0


def test_all_sources_share_one_connection_and_leave_it_idle(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with asking(payments_database.dsn) as exporter:
            await asyncio.gather(exporter.sample(NOW), exporter.sample(NOW, Source.WEBHOOK_INBOX))
            assert payments_database.value(
                "SELECT array_agg(state || ' ' || coalesce(backend_xmin::text, 'no snapshot')) FROM"
                " pg_stat_activity WHERE application_name = 'paymon-exporter'"
                f" AND datname = '{payments_database.name}'"
            ) == ["idle no snapshot"]
            assert payments_database.value("SELECT count(*) FROM pg_prepared_xacts") == 0

    asyncio.run(story())


def test_an_unexpected_null_is_an_error_of_its_query(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("pending")
    payments_database.execute("ALTER TABLE payments ALTER created_at DROP NOT NULL")
    payments_database.execute("UPDATE payments SET created_at = NULL")

    async def story() -> None:
        async with asking(payments_database.dsn) as exporter:
            seen = await exporter.sample(NOW)
            assert seen.value(metrics.query_success, query="unfinished") == 0
            assert seen.value(metrics.unfinished, status="pending") is None

    asyncio.run(story())


def test_the_answer_of_a_query_that_fails_is_served_until_max_age_and_then_dropped(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.payment("completed", completed_ago=5)

    async def story() -> None:
        async with asking(payments_database.dsn, max_age=120) as exporter:
            await exporter.sample(NOW)
            payments_database.execute("ALTER TABLE payments RENAME TO gone")
            for later, value in ((15, NOW - 5), (120, NOW - 5), (121, None)):
                seen = await exporter.sample(NOW + later)
                assert seen.value(silence.last_completed) == value
                assert seen.value(metrics.query_success, query="last_completed") == 0
                assert seen.value(metrics.recorded_attempts) == 0

    asyncio.run(story())


def test_a_query_is_asked_again_only_when_its_own_interval_is_over(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with asking(payments_database.dsn) as exporter:
            await exporter.sample(NOW)
            payments_database.payment(order_id="twice")
            payments_database.payment(order_id="twice")
            payments_database.payment(completed_ago=5)
            soon = await exporter.sample(NOW + 15.2)
            assert (soon.value(metrics.duplicates), soon.value(silence.last_completed)) == (0, NOW - 5)
            assert (await exporter.sample(NOW + 59.8)).value(metrics.duplicates) == 1

    asyncio.run(story())


def test_each_answer_has_an_age_of_its_own(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", completed_ago=5)
    rare = custom("SELECT count(*) AS value FROM payments", interval="1d")

    async def story() -> None:
        async with asking(payments_database.dsn, max_age=120, queries=[rare]) as exporter:
            await exporter.sample(NOW)
            payments_database.execute("ALTER TABLE payments RENAME TO gone")
            for later, completed, slept in (
                (120, NOW - 5, 1),
                (121, None, 1),
                (172_800, None, 1),
                (172_801, None, None),
            ):
                seen = await exporter.sample(NOW + later)
                assert (seen.value(silence.last_completed), seen.value(SLEPT)) == (completed, slept)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("interval", "served"), [(15, False), (300, False), (599, False), (600, True), (3600, True), (604_800, True)]
)
def test_ten_minutes_after_a_query_failed_its_answer_is_served_only_where_it_is_asked_no_oftener(
    interval: int, served: bool, payments_database: PaymentsDatabase
) -> None:
    """So `PaymentDatabaseQueryFailing` says why it waits for that long."""
    ours = custom("SELECT count(*) AS value FROM payments", interval=interval)

    async def story() -> None:
        async with asking(payments_database.dsn, max_age=120, queries=[ours]) as exporter:
            assert (await exporter.sample(NOW)).value(SLEPT) == 0
            payments_database.execute("ALTER TABLE payments RENAME TO gone")
            await exporter.sample(NOW + interval)
            seen = await exporter.sample(NOW + interval + 600)
            assert seen.value(metrics.query_success, query="mine") == 0
            assert seen.value(SLEPT) == (0 if served else None)

    asyncio.run(story())


def test_a_clock_that_goes_back_does_not_stop_the_questions(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with asking(payments_database.dsn) as exporter:
            await exporter.sample(NOW, clock=NOW + 86_400)
            payments_database.payment("completed", completed_ago=5)
            seen = await exporter.sample(NOW + 15, clock=NOW)
            assert seen.value(silence.last_completed) == NOW - 5
            inbox = await exporter.sample(NOW + 15, Source.WEBHOOK_INBOX, clock=NOW)
            assert inbox.value(webhooks.inbox_backlog) == 0

    asyncio.run(story())


def test_a_clock_that_goes_back_makes_no_answer_younger(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", completed_ago=5)

    async def story() -> None:
        async with asking(payments_database.dsn, max_age=120) as exporter:
            await exporter.sample(NOW)
            payments_database.execute("ALTER TABLE payments RENAME TO gone")
            for later, value in ((120, NOW - 5), (121, None)):
                seen = await exporter.sample(NOW + later, clock=NOW + later - 86_400)
                assert seen.value(silence.last_completed) == value

    asyncio.run(story())
