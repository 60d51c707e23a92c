"""Are the numbers right, or withheld with their cause, whatever shape the tables have?"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from exporters.sampling.model import SampleError
from rules.payments import database as metrics
from rules.payments import silence, webhooks
from rules.vocabulary import Source
from tests.exporters.postgres.asking import Asked, Seen, asking
from tests.postgres import NOW, PaymentsDatabase


def with_exporter(dsn: str, story: Callable[[Asked], Awaitable[None]], **settings: Any) -> None:
    async def told() -> None:
        async with asking(dsn, **settings) as exporter:
            await story(exporter)

    asyncio.run(told())


def counts(seen: Seen) -> tuple[float | None, float | None]:
    return seen.value(metrics.recorded_attempts), seen.value(metrics.recorded_failures)


def why(caplog: pytest.LogCaptureFixture, query: str) -> str:
    """The latest that was logged about the query."""
    return [line for line in caplog.messages if line.startswith(f"{query}: ")][-1]


def attempts(database: PaymentsDatabase, key: str, default: str = "") -> None:
    """A table of attempts with another kind of key, and 3,000 old rows in it."""
    database.execute("DROP TABLE payment_attempts")
    database.execute(
        f"CREATE TABLE payment_attempts (id {key} PRIMARY KEY {default}, user_id bigint, status text,"
        " created_at timestamptz NOT NULL)"
    )
    database.execute("CREATE INDEX ON payment_attempts (created_at, id)")


KEYS = {
    "uuid": "gen_random_uuid()",
    "text": "md5(random()::text || n)",
    "bigint": "1000000 - n",
    "numeric(20)": "n",
    "varchar(40)": "lpad(n::text, 26, '0')",
}


@pytest.mark.parametrize("key", KEYS)
def test_every_attempt_is_counted_whatever_order_its_key_has(payments_database: PaymentsDatabase, key: str) -> None:
    attempts(payments_database, key)

    def add(first: int, last: int, since: float) -> None:
        payments_database.execute(
            f"INSERT INTO payment_attempts SELECT {KEYS[key]}, n,"
            " CASE WHEN n % 3 = 0 THEN 'failed' ELSE 'succeeded' END,"
            f" to_timestamp({since}) + n * interval '1 ms' FROM generate_series({first}, {last}) AS n"
        )

    async def story(exporter: Asked) -> None:
        add(1, 3000, NOW - 600)
        assert counts(await exporter.sample(NOW)) == (0, 0)
        add(3001, 3600, NOW)
        assert counts(await exporter.sample(NOW + 15)) == (600, 200)
        add(3601, 6000, NOW + 300)
        assert counts(await exporter.sample(NOW + 315)) == (3000, 1000)
        assert counts(await exporter.sample(NOW + 600)) == (3000, 1000)

    with_exporter(payments_database.dsn, story)


def test_ids_that_are_handed_out_in_blocks_are_all_counted_though_one_session_is_far_behind(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.execute("ALTER TABLE payment_attempts ALTER id SET CACHE 50")

    def insert(session: psycopg.Connection[Any], at: float, status: str = "succeeded") -> None:
        session.execute(
            "INSERT INTO payment_attempts (user_id, status, created_at) VALUES (1, %s, to_timestamp(%s))", (status, at)
        )

    async def story(exporter: Asked) -> None:
        with (
            psycopg.connect(payments_database.dsn, autocommit=True) as slow,
            psycopg.connect(payments_database.dsn, autocommit=True) as busy,
        ):
            insert(slow, NOW - 1)
            await exporter.sample(NOW)
            for minute in range(1, 21):
                for second in range(100):
                    insert(busy, NOW + 60 * minute + second / 10)
                insert(slow, NOW + 60 * minute, "failed")
                seen = await exporter.sample(NOW + 60 * minute + 30)
            assert counts(seen) == (2020, 20)

    with_exporter(payments_database.dsn, story)


def test_a_key_by_which_rows_cannot_be_put_in_order_is_refused_by_name(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    payments_database.execute("ALTER TABLE payment_attempts ADD place point")

    async def story(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert counts(seen) == (None, None)
        assert seen.value(metrics.query_success, query="last_attempt") == 1

    with caplog.at_level(logging.WARNING):
        with_exporter(payments_database.dsn, story, attempts={"id": "place"})
    assert why(caplog, "attempts") == (
        "attempts: public.payment_attempts.place (postgres.attempts.id) is of type point, by which rows cannot be told"
        " apart and put in order; set postgres.attempts.id to a key, or name a view that has one (docs/your-schema.md)"
    )


@pytest.fixture
def reader(payments_database: PaymentsDatabase) -> Iterator[str]:
    """The DSN of a role that may read everything there is by then, as long as no policy says otherwise."""
    role = f"reader_{payments_database.name}"
    payments_database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    payments_database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    yield conninfo.make_conninfo(payments_database.dsn, user=role, password="x")
    payments_database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("shape", ["table", "view", "query of one's own"])
def test_where_row_level_security_may_hide_rows_no_number_is_given(
    payments_database: PaymentsDatabase, reader: str, caplog: pytest.LogCaptureFixture, shape: str
) -> None:
    payments_database.payment("pending")
    payments_database.execute("ALTER TABLE payments ENABLE ROW LEVEL SECURITY")
    settings: dict[str, Any] = {}
    query = "unfinished"
    if shape == "view":
        payments_database.execute("CREATE VIEW seen WITH (security_invoker) AS SELECT * FROM payments")
        payments_database.execute("GRANT SELECT ON seen TO PUBLIC")
        settings["payments"] = {"table": "seen"}
    if shape == "query of one's own":
        query = "mine"
        counted = {"sql": "SELECT count(*) AS value FROM payments", "help": "Payments of all", "name": query}
        settings["queries"] = [{**counted, "metric": "payments_custom_mine"}]

    async def hidden(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert seen.value(metrics.query_success, query=query) == 0
        assert seen.value(metrics.unfinished, status="pending") is None
        assert seen.value(metrics.affected_users) == 0, "of another table"

    with caplog.at_level(logging.WARNING):
        with_exporter(reader, hidden, **settings)
    assert "row level security may hide rows from this role" in why(caplog, query)
    assert "postgres.role_sees_all_rows" in why(caplog, query)

    async def shown(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert seen.value(metrics.query_success, query=query) == 1
        assert seen.value(metrics.unfinished, status="pending") == 1

    payments_database.execute("CREATE POLICY all_rows ON payments FOR SELECT TO PUBLIC USING (true)")
    with_exporter(reader, shown, role_sees_all_rows=True, **settings)


def test_dead_rows_of_partitions_count_for_their_table(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "DROP TABLE webhook_events;"
        " CREATE TABLE webhook_events (id text, type text, created_at timestamptz, received_at timestamptz,"
        " processed_at timestamptz) PARTITION BY HASH (id)"
    )
    for part in range(3):
        payments_database.execute(
            f"CREATE TABLE part_{part} PARTITION OF webhook_events FOR VALUES WITH (MODULUS 3, REMAINDER {part})"
        )
    for number in range(30):
        payments_database.event(f"evt_{number}", created=3, received=2)
    payments_database.execute("UPDATE webhook_events SET type = 'seen'")
    payments_database.execute("SELECT pg_stat_force_next_flush()")

    async def story(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert seen.value(metrics.dead_tuples, table="webhook_events") == 30
        assert seen.value(metrics.table_present, table="webhook_events") == 1

    with_exporter(payments_database.dsn, story)


def without_zones(database: PaymentsDatabase, zone: str) -> None:
    """The moments as many frameworks keep them, written by a clock on the wall of that zone."""
    for table, columns in (
        ("payments", ("created_at", "completed_at")),
        ("payment_attempts", ("created_at",)),
        ("webhook_events", ("created_at", "received_at", "processed_at")),
    ):
        for column in columns:
            database.execute(
                f"ALTER TABLE {table} ALTER {column} DROP DEFAULT,"
                f" ALTER {column} TYPE timestamp USING {column} AT TIME ZONE '{zone}'"
            )


def as_numbers(database: PaymentsDatabase, unit: str) -> None:
    """The moments as numbers since 1970."""
    factor = {"seconds": 1, "milliseconds": 1000}[unit]
    for table, columns in (
        ("payments", ("created_at", "completed_at")),
        ("payment_attempts", ("created_at",)),
        ("webhook_events", ("created_at", "received_at", "processed_at")),
    ):
        for column in columns:
            database.execute(
                f"ALTER TABLE {table} ALTER {column} DROP DEFAULT,"
                f" ALTER {column} TYPE bigint USING floor({factor} * extract(epoch FROM {column}))"
            )


def fill(database: PaymentsDatabase) -> None:
    database.payment("completed", ago=70, completed_ago=60)
    database.payment("pending", ago=3000)
    database.payment("completed", ago=23 * 3600, order_id="one")
    database.payment("completed", ago=23 * 3600, order_id="one")
    database.payment("completed", ago=25 * 3600, order_id="two")
    database.payment("completed", ago=25 * 3600, order_id="two")
    database.attempt("failed", user=1, ago=600)
    database.attempt("failed", user=2, ago=1000)
    database.event("evt_waiting", created=500, received=400)
    database.event("evt_done", created=500, received=400, processed=300)


@pytest.mark.parametrize(
    ("shape", "machine"),
    [
        ("UTC", "Asia/Tokyo"),
        ("UTC", "America/New_York"),
        ("Asia/Tokyo", "America/New_York"),
        ("America/New_York", "UTC"),
        ("seconds", "Asia/Tokyo"),
        ("milliseconds", "America/New_York"),
    ],
)
def test_moments_are_right_however_they_are_written_and_wherever_the_exporter_runs(
    payments_database: PaymentsDatabase, monkeypatch: pytest.MonkeyPatch, shape: str, machine: str
) -> None:
    fill(payments_database)
    settings: dict[str, Any]
    if shape in ("seconds", "milliseconds"):
        as_numbers(payments_database, shape)
        settings = {table: {"moments": shape} for table in ("payments", "attempts", "inbox")}
    else:
        without_zones(payments_database, shape)
        settings = {"time_zone": shape}

    async def story(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert seen.value(silence.last_completed) == NOW - 60
        assert seen.value(metrics.oldest_unfinished, status="pending") == NOW - 3000
        assert seen.value(metrics.duplicates) == 1
        assert seen.value(metrics.last_attempt) == NOW - 600
        assert seen.value(metrics.affected_users) == 1
        inbox = await exporter.sample(NOW, Source.WEBHOOK_INBOX)
        assert inbox.value(webhooks.inbox_oldest) == NOW - 400

    try:
        with monkeypatch.context() as changed:
            changed.setenv("TZ", machine)
            time.tzset()
            with_exporter(payments_database.dsn, story, **settings)
    finally:
        assert os.environ.get("TZ") != machine or machine == "UTC"
        time.tzset()


def test_while_a_burst_is_caught_up_with_the_inbox_says_how_far_it_is_in_any_zone(
    payments_database: PaymentsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_zones(payments_database, "UTC")
    payments_database.execute("CREATE INDEX ON webhook_events (received_at, id)")

    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW, Source.WEBHOOK_INBOX)
        payments_database.execute(
            "INSERT INTO webhook_events (id, type, created_at, received_at) SELECT 'evt_' || n, 'x', at, at"
            " FROM generate_series(1, 30000) AS n,"
            f" LATERAL (SELECT to_timestamp({NOW} + n / 1000.0) AT TIME ZONE 'UTC') AS moment (at)"
        )
        snapshot = (await exporter.sample(NOW + 60, Source.WEBHOOK_INBOX)).snapshot
        assert snapshot.catching_up
        assert snapshot.complete_until is not None
        assert NOW + 20 <= snapshot.complete_until < NOW + 30

    try:
        with monkeypatch.context() as changed:
            changed.setenv("TZ", "Asia/Tokyo")
            time.tzset()
            with_exporter(payments_database.dsn, story)
    finally:
        time.tzset()


def test_an_infinite_moment_gives_no_number_and_takes_none_from_the_others(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    for ends in ("-infinity", "infinity"):
        payments_database.execute(
            "INSERT INTO payments (order_id, user_id, status, amount, currency, created_at, completed_at)"
            f" VALUES ('a', 1, 'completed', 1, 'usd', '{ends}', '{ends}')"
        )
    payments_database.payment("failed", ago=5)

    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW)
        await exporter.sample(NOW, Source.WEBHOOK_INBOX)
        payments_database.execute(
            "INSERT INTO webhook_events (id, type, created_at, received_at, processed_at)"
            f" SELECT 'evt_' || n, 'x', '-infinity', to_timestamp({NOW}), to_timestamp({NOW + 2})"
            " FROM generate_series(1, 3) AS n"
        )
        payments_database.event("evt_well", created=4, received=3, processed=1)
        payments_database.execute(
            "INSERT INTO payments (order_id, user_id, status, amount, currency, created_at)"
            " VALUES ('a', 1, 'processing', 1, 'usd', '-infinity')"
        )
        seen = await exporter.sample(NOW + 15)
        assert seen.value(silence.last_completed) is None
        assert seen.value(metrics.query_success, query="unfinished") == 0
        assert seen.value(metrics.recorded_attempts) == 0
        inbox = await exporter.sample(NOW + 15, Source.WEBHOOK_INBOX)
        processed = inbox.distribution(webhooks.duration, event_type="other")
        assert processed is not None
        assert (processed.count, processed.total) == (3, 6)
        received = inbox.distribution(webhooks.delivery_delay, event_type="payment_intent.succeeded")
        assert received is not None
        assert (received.count, received.total) == (1, 1)
        assert inbox.value(webhooks.inbox_backlog) == 0

    with caplog.at_level(logging.WARNING):
        with_exporter(payments_database.dsn, story)
    assert why(caplog, "unfinished") == (
        "unfinished: the creation of an unfinished payment is NULL, or infinite; mend the data, or let the query leave"
        " NULLs out"
    )


def test_moments_that_are_ahead_of_the_clock_for_want_of_their_zone_give_no_number(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    fill(payments_database)
    without_zones(payments_database, "Asia/Tokyo")

    async def story(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        for query in ("last_completed", "unfinished", "duplicates", "last_attempt", "affected_users", "attempts"):
            assert seen.value(metrics.query_success, query=query) == 0, query
        with pytest.raises(SampleError):
            await exporter.sample(NOW, Source.WEBHOOK_INBOX)

    with caplog.at_level(logging.WARNING):
        with_exporter(payments_database.dsn, story)
    assert why(caplog, "last_completed") == (
        "last_completed: the newest public.payments.completed_at is 9.0 h ahead of the clock, and does not say its time"
        " zone; set postgres.time_zone to the zone in which it is written (postgres.payments.moments where it is a"
        " number), or mend the row"
    )


@pytest.mark.parametrize(
    ("change", "settings", "query", "said"),
    [
        (
            "CREATE TYPE pay_state AS ENUM ('pending', 'completed', 'failed'); ALTER TABLE payments ALTER status DROP"
            " DEFAULT, ALTER status TYPE pay_state USING status::pay_state",
            {},
            "pending_review",
            "public.payments.status is of the enum type pay_state (pending, completed, failed), which lacks"
            " pending_review of postgres.statuses.pending_review; set postgres.statuses.pending_review to the words"
            " that it has, or turn the query off",
        ),
        (
            "ALTER TABLE payments ALTER status DROP DEFAULT, ALTER status TYPE int USING 1",
            {},
            "pending_review",
            "public.payments.status is of type integer, and postgres.statuses.pending_review holds pending_review; set"
            " postgres.statuses.pending_review to the numbers that stand for these words, each in quotes, or name a"
            " view",
        ),
        (
            "ALTER TABLE payments ALTER completed_at TYPE bigint USING 1",
            {},
            "last_completed",
            "public.payments.completed_at (postgres.payments.completed_at) is of type bigint, not a timestamp; set"
            " postgres.payments.moments to seconds or milliseconds",
        ),
        (
            "ALTER TABLE payments ALTER completed_at TYPE date",
            {},
            "last_completed",
            "public.payments.completed_at (postgres.payments.completed_at) is of type date, not a timestamp; set"
            " postgres.payments.completed_at to a column of moments, or name a view that has one"
            " (docs/your-schema.md)",
        ),
        (
            "",
            {"payments": {"moments": "seconds"}},
            "last_completed",
            "public.payments.completed_at (postgres.payments.completed_at) is of type timestamp with time zone, and"
            " postgres.payments.moments says seconds; set postgres.payments.moments to timestamp",
        ),
        (
            'ALTER TABLE payments RENAME completed_at TO "completedAt"',
            {},
            "last_completed",
            "public.payments has no column completed_at (there is completedAt); set postgres.payments.completed_at to"
            " what the table calls it, or turn the query off",
        ),
        (
            "ALTER TABLE schema_migrations RENAME applied TO dirty",
            {"migrations": {"applied": "version"}},
            "migrations",
            "public.schema_migrations.version (postgres.migrations.applied) is of type text, not true or false; set"
            " postgres.migrations.tool to what keeps this table, or name a view that has one (docs/your-schema.md)",
        ),
    ],
    ids=["enum", "numbers for words", "number for moment", "day", "moment for number", "name", "text for truth"],
)
def test_a_column_of_another_shape_is_named_with_the_setting_that_mends_it(
    payments_database: PaymentsDatabase,
    caplog: pytest.LogCaptureFixture,
    change: str,
    settings: dict[str, Any],
    query: str,
    said: str,
) -> None:
    if change:
        payments_database.execute(change)

    async def story(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert seen.value(metrics.query_success, query=query) == 0
        assert seen.value(metrics.query_success, query="last_attempt") == 1

    with caplog.at_level(logging.WARNING):
        with_exporter(payments_database.dsn, story, **settings)
    assert why(caplog, query) == f"{query}: {said}"


def test_an_inbox_that_marks_what_it_processed_with_true_has_no_backlog_of_zero(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    payments_database.event("evt_waiting", created=500, received=400)
    payments_database.execute("ALTER TABLE webhook_events ALTER processed_at TYPE boolean USING false")

    async def story(exporter: Asked) -> None:
        assert (await exporter.sample(NOW, Source.WEBHOOK_INBOX)).value(webhooks.inbox_backlog) is None

    with caplog.at_level(logging.WARNING):
        with_exporter(payments_database.dsn, story)
    assert "(postgres.inbox.processed_at) is of type boolean, not a timestamp" in why(caplog, "inbox_backlog")


MIGRATIONS = {
    "alembic": ("alembic_version (version_num text)", "('b')", ["b"], ["c"]),
    "diesel": ("__diesel_schema_migrations (version text, run_on timestamp)", "('1', now())", ["1"], ["1", "2"]),
    "django": (
        "django_migrations (id bigint, app text, name text, applied timestamptz)",
        "(1, 'shop', '0001_initial', now())",
        ["shop.0001_initial"],
        ["shop.0001_initial", "auth.0001_initial"],
    ),
    "rails": ("schema_migrations (version text)", "('20260101')", ["20260101"], ["20260101", "20260102"]),
}


@pytest.mark.parametrize("tool", MIGRATIONS)
def test_of_a_tool_that_writes_down_what_it_applied_the_expected_ones_that_are_missing_are_pending(
    payments_database: PaymentsDatabase, tool: str
) -> None:
    table, rows, applied, more = MIGRATIONS[tool]
    payments_database.execute(f"DROP TABLE schema_migrations; CREATE TABLE {table}")
    payments_database.execute(f"INSERT INTO {table.partition(' ')[0]} VALUES {rows}")
    assert pending(payments_database, tool=tool, expected=applied) == 0
    assert pending(payments_database, tool=tool, expected=more) == 1


@pytest.mark.parametrize(
    ("tool", "table", "rows"),
    [
        ("flyway", "flyway_schema_history (version text, success boolean)", "('1', true), ('2', false)"),
        ("golang-migrate", "schema_migrations (version bigint, dirty boolean)", "(7, true)"),
        (
            "liquibase",
            "databasechangelog (id text, exectype text)",
            "('1', 'EXECUTED'), ('2', 'RERAN'), ('3', 'FAILED'), ('4', 'MARK_RAN')",
        ),
        (
            "prisma",
            "_prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz)",
            "('1', now(), NULL), ('2', NULL, now()), ('3', NULL, NULL)",
        ),
    ],
)
def test_of_a_tool_that_writes_down_what_failed_that_is_pending(
    payments_database: PaymentsDatabase, tool: str, table: str, rows: str
) -> None:
    payments_database.execute(f"DROP TABLE schema_migrations; CREATE TABLE {table}")
    payments_database.execute(f"INSERT INTO {table.partition(' ')[0]} VALUES {rows}")
    assert pending(payments_database, tool=tool) == 1


PRISMA = "_prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz)"
FLYWAY = "flyway_schema_history (installed_rank int, version text, type text, success boolean)"


@pytest.mark.parametrize(
    ("tool", "table", "rows", "waiting"),
    [
        pytest.param("prisma", PRISMA, ["'a', now(), NULL"], 0, id="prisma, applied"),
        pytest.param("prisma", PRISMA, ["'a', NULL, NULL"], 1, id="prisma, failed or under way"),
        pytest.param("prisma", PRISMA, ["'a', NULL, now()"], 1, id="prisma, rolled back"),
        pytest.param("prisma", PRISMA, ["'a', NULL, now()", "'a', now(), NULL"], 0, id="prisma, at the second try"),
        pytest.param("prisma", PRISMA, ["'a', now(), NULL", "'b', NULL, NULL"], 1, id="prisma, and an unexpected one"),
        pytest.param("prisma", PRISMA, ["'a', now(), NULL", "'b', NULL, now()"], 0, id="prisma, and one given up"),
        pytest.param("flyway", FLYWAY, ["1, 'a', 'SQL', true"], 0, id="flyway, applied"),
        pytest.param("flyway", FLYWAY, ["1, 'a', 'BASELINE', true"], 0, id="flyway, in the baseline"),
        pytest.param("flyway", FLYWAY, ["1, 'a', 'SQL', false"], 1, id="flyway, failed"),
        pytest.param("flyway", FLYWAY, ["1, 'a', 'SQL', true", "2, 'b', 'SQL', false"], 1, id="flyway, and another"),
        pytest.param("flyway", FLYWAY, ["1, 'a', 'SQL', true", "2, 'a', 'UNDO_SQL', true"], 1, id="flyway, undone"),
        pytest.param(
            "flyway", FLYWAY, ["1, 'a', 'SQL', true", "2, 'a', 'UNDO_SQL', false"], 1, id="flyway, half undone"
        ),
        pytest.param(
            "flyway", FLYWAY, ["1, 'a', 'SQL', true", "2, 'a', 'DELETE', true"], 1, id="flyway, marked deleted"
        ),
        pytest.param(
            "flyway",
            FLYWAY,
            ["1, 'a', 'SQL', true", "2, 'a', 'UNDO_SQL', true", "3, 'a', 'SQL', true"],
            0,
            id="flyway, applied again",
        ),
    ],
)
def test_of_a_tool_that_keeps_its_history_the_migration_that_is_expected_is_pending_unless_it_is_applied_now(
    payments_database: PaymentsDatabase, tool: str, table: str, rows: list[str], waiting: int
) -> None:
    payments_database.execute(f"CREATE TABLE {table}")
    for row in rows:
        payments_database.execute(f"INSERT INTO {table.partition(' ')[0]} VALUES ({row})")
    assert pending(payments_database, tool=tool, expected=["a"]) == waiting
    assert pending(payments_database, tool=tool, expected=["a", "c"]) == waiting + 1


def pending(database: PaymentsDatabase, **migrations: Any) -> float | None:
    async def once() -> float | None:
        async with asking(database.dsn, migrations=migrations) as exporter:
            return (await exporter.sample(NOW)).value(metrics.migrations_pending)

    return asyncio.run(once())


def test_a_role_that_lacks_one_grant_is_told_that_one_and_the_other_queries_are_served(
    payments_database: PaymentsDatabase, reader: str, caplog: pytest.LogCaptureFixture
) -> None:
    role = conninfo.conninfo_to_dict(reader)["user"]
    payments_database.execute(f"REVOKE SELECT ON payments FROM {role}")
    payments_database.execute(f"GRANT SELECT (order_id, payment_intent_id, status, created_at) ON payments TO {role}")

    async def story(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert seen.value(metrics.query_success, query="last_completed") == 0
        assert seen.value(metrics.query_success, query="duplicates") == 1

    with caplog.at_level(logging.WARNING):
        with_exporter(reader, story)
    assert why(caplog, "last_completed") == (
        "last_completed: the role may not read completed_at of public.payments; GRANT SELECT (completed_at) ON"
        " public.payments to it, as deploy/postgres/role.sql does"
    )


def test_a_schema_that_the_role_may_not_look_into_fails_its_own_queries_alone(
    payments_database: PaymentsDatabase, reader: str, caplog: pytest.LogCaptureFixture
) -> None:
    payments_database.execute("CREATE SCHEMA hidden; ALTER TABLE payment_attempts SET SCHEMA hidden")

    async def story(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert counts(seen) == (None, None)
        assert seen.value(metrics.table_present, table="payment_attempts") == 1
        assert seen.value(metrics.query_success, query="last_completed") == 1

    with caplog.at_level(logging.WARNING):
        with_exporter(reader, story, attempts={"table": "hidden.payment_attempts"})
    assert "GRANT USAGE ON SCHEMA hidden to it" in why(caplog, "attempts")


def test_a_hundred_thousand_rows_of_a_query_of_ones_own_are_neither_read_nor_served(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    many = "SELECT n AS value, 'x' || n AS kind FROM generate_series(1, 100000) AS n"
    query = {"name": "many", "sql": many, "metric": "payments_custom_many", "help": "Far too many of them"}

    async def story(exporter: Asked) -> None:
        seen = await exporter.sample(NOW)
        assert seen.value(metrics.query_success, query="many") == 0
        assert not [one for one in seen.snapshot.readings if one.metric.name == "payments_custom_many"]

    with caplog.at_level(logging.WARNING):
        with_exporter(payments_database.dsn, story, queries=[{**query, "labels": {"kind": ["x1"]}}])
    assert why(caplog, "many") == "many: more than 100 rows; let the query group them, or raise max_rows"


def test_a_table_that_is_dropped_or_changed_while_the_exporter_runs_takes_its_own_number_away(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.payment("completed", completed_ago=60)

    async def story(exporter: Asked) -> None:
        assert (await exporter.sample(NOW)).value(silence.last_completed) == NOW - 60
        payments_database.execute("ALTER TABLE payments ALTER completed_at TYPE bigint USING 1")
        seen = await exporter.sample(NOW + 400)
        assert seen.value(silence.last_completed) is None
        assert seen.value(metrics.query_success, query="last_completed") == 0
        payments_database.execute("ALTER TABLE payments ALTER completed_at TYPE timestamptz USING to_timestamp(1)")
        assert (await exporter.sample(NOW + 415)).value(metrics.query_success, query="last_completed") == 1

    with_exporter(payments_database.dsn, story)
