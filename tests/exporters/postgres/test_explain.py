"""Does the exporter say which queries would read a large table, and do the shipped index and role files suffice?"""

import asyncio
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import psycopg
import pytest
from psycopg import sql

from exporters.postgres import Database, Plan, PostgresSettings, Scan, plan_of, questions, scans
from exporters.postgres.questions import SingleQuery
from exporters.postgres.settings import QueryName
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Reading
from rules.payments import database as metrics
from rules.payments import silence, webhooks
from rules.vocabulary import Source
from simulator.postgres_server import SCHEMA, PostgresServer
from tests.exporters.postgres.asking import asking
from tests.exporters.postgres.test_reconciliation import Known
from tests.postgres import NOW

DEPLOY = Path(__file__).parents[3] / "deploy" / "postgres"
LARGE = 1024**2

_FILL = f"""
INSERT INTO payments (order_id, user_id, payment_intent_id, status, amount, currency, created_at, completed_at)
SELECT 'order-' || n, n % 5000, 'pi_' || n, CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'completed' END, 100, 'usd',
    to_timestamp({NOW}) - n * interval '25 seconds',
    CASE WHEN n % 20 <> 0 THEN to_timestamp({NOW}) - n * interval '25 seconds' END
FROM generate_series(1, 30000) AS n;
INSERT INTO payment_attempts (user_id, status, created_at)
SELECT user_id, CASE status WHEN 'failed' THEN 'failed' ELSE 'succeeded' END, created_at FROM payments
ORDER BY created_at;
INSERT INTO webhook_events (id, type, created_at, received_at, processed_at)
SELECT 'evt_' || id, 'payment_intent.succeeded', created_at, created_at + interval '1 s', created_at + interval '2 s'
FROM payments;
VACUUM ANALYZE;
"""


@pytest.fixture(scope="module")
def large(postgres: PostgresServer) -> Iterator[str]:
    """The name of a database with 30,000 payments and no indexes but the primary keys."""
    name = "large"
    with psycopg.connect(postgres.create(name), autocommit=True) as connection:
        connection.execute(SCHEMA.read_bytes())
        for statement in _FILL.split(";"):
            connection.execute(statement.encode())
    yield name
    postgres.drop(name)


def found(dsn: str) -> list[Scan]:
    """What the exporter would scan, once it has started."""

    async def looked() -> list[Scan]:
        settings = PostgresSettings.model_validate({"dsn": dsn})
        database = Database(settings)
        try:
            scanned: list[Scan] = []
            for asked in questions(settings, LabelOverflow(), Known()).values():
                for question in asked:
                    await question.answer(database, NOW)
                    scanned += await scans(question, database, NOW, large=LARGE)
            return scanned
        finally:
            await database.close()

    return asyncio.run(looked())


def test_without_indexes_the_expensive_queries_are_named_and_with_the_shipped_ones_none_is_left(
    postgres: PostgresServer, large: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = found(postgres.dsn(large))
    assert {(scan.query, scan.table) for scan in before} == {
        ("last_completed", "public.payments"),
        ("unfinished", "public.payments"),
        ("duplicates", "public.payments"),
        ("pending_review", "public.payments"),
        ("last_attempt", "public.payment_attempts"),
        ("attempts", "public.payment_attempts"),
        ("affected_users", "public.payment_attempts"),
        ("inbox_processed", "public.webhook_events"),
        ("inbox_received", "public.webhook_events"),
        ("inbox_backlog", "public.webhook_events"),
        ("reconciled_payments", "public.payments"),
    }
    assert str(Scan("last_completed", "public.payments", 5 * 1024**2)) == (
        "last_completed: reads the whole of public.payments (5 MiB) each time;"
        " create the indexes of deploy/postgres/indexes.sql and run ANALYZE"
    )

    async def started() -> None:
        async with asking(postgres.dsn(large), large_table=LARGE) as exporter:
            for _ in range(2):
                await exporter.sample(NOW)

    with caplog.at_level(logging.WARNING):
        asyncio.run(started())
    warned = [record.getMessage() for record in caplog.records]
    assert sum("reads the whole of" in line for line in warned) == 7, "once for each query, not for each sample"

    postgres.psql(large, DEPLOY / "indexes.sql")
    with psycopg.connect(postgres.dsn(large), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    assert found(postgres.dsn(large)) == []


def test_the_shipped_role_can_sample_everything_and_write_or_read_nothing_else(
    postgres: PostgresServer, large: str
) -> None:
    postgres.psql(large, DEPLOY / "role.sql")
    try:
        with psycopg.connect(postgres.dsn(large), autocommit=True) as connection:
            connection.execute("ALTER ROLE paymon_exporter PASSWORD 'hunter2'")
            for grant in re.findall(r"^--     (GRANT .+;)$", (DEPLOY / "role.sql").read_text(), re.MULTILINE):
                connection.execute(grant.encode())
        dsn = postgres.dsn(large, user="paymon_exporter", password="hunter2")

        async def sampled() -> None:
            amounts = {"amount": "amount", "currency": "currency", "unit": "minor"}
            opted = {"payments": {"amounts": amounts}, "identifiers": [{"table": "payments"}]}
            async with asking(dsn, stripe=Known(), **opted) as exporter:
                for source in (Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION):
                    await exporter.sample(NOW, source)
                health = await exporter.sample(NOW)
                succeeded = {
                    dict(one.labels)["query"]: one.value
                    for one in health.snapshot.readings
                    if one.metric is metrics.query_success and isinstance(one, Reading)
                }
                assert succeeded == dict.fromkeys(get_args(QueryName), 1)
                assert health.value(silence.last_completed) is not None
                inbox = await exporter.sample(NOW, Source.WEBHOOK_INBOX)
                assert inbox.value(webhooks.inbox_backlog) == 0

        asyncio.run(sampled())
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            for forbidden in (
                "SELECT user_id FROM payments",
                "SELECT * FROM webhook_events",
                "SELECT details FROM audit_log",
                "UPDATE payments SET status = 'completed'",
                "DELETE FROM payment_attempts",
                "INSERT INTO schema_migrations VALUES ('1', true)",
                "CREATE TABLE mine ()",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(forbidden.encode())
    finally:
        with psycopg.connect(postgres.dsn(large), autocommit=True) as connection:
            connection.execute("DROP OWNED BY paymon_exporter; DROP ROLE paymon_exporter")


def plan(dsn: str, statement: str, large: int) -> Plan:
    """What is found out about a question that asks this."""

    async def looked() -> Plan:
        database = Database(PostgresSettings.model_validate({"dsn": dsn}))
        try:
            second = timedelta(seconds=1)
            question = SingleQuery("mine", second, None, sql.SQL(statement).format(), lambda _: ())
            return await plan_of(question, database, NOW, large=large)
        finally:
            await database.close()

    return asyncio.run(looked())


@pytest.fixture(scope="module")
def partitioned(postgres: PostgresServer) -> Iterator[str]:
    """The DSN of a database with a table of sixteen partitions, 60 kB each."""
    dsn = postgres.create("partitioned")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE parts (id int, kind text, at timestamptz) PARTITION BY HASH (id)")
        for part in range(16):
            connection.execute(
                f"CREATE TABLE part_{part} PARTITION OF parts FOR VALUES WITH (MODULUS 16, REMAINDER {part})".encode()
            )
        connection.execute("INSERT INTO parts SELECT n, 'kind ' || n % 9, now() FROM generate_series(1, 20000) AS n")
        connection.execute("CREATE INDEX ON parts (kind, at)")
        connection.execute("VACUUM ANALYZE")
    yield dsn
    postgres.drop("partitioned")


def test_partitions_that_are_small_each_are_large_together(partitioned: str) -> None:
    [scan] = plan(partitioned, "SELECT count(*) FROM parts WHERE id %% 7 = 0", 512 * 1024).scans
    assert scan.table == "public.parts"
    assert 16 * 48 * 1024 < scan.size < 16 * 96 * 1024
    assert plan(partitioned, "SELECT count(*) FROM part_3 WHERE id %% 7 = 0", 512 * 1024).scans == ()


@pytest.mark.parametrize(
    ("statement", "whole"),
    [
        ("SELECT count(*) FROM entries WHERE kind = 'kind 3' AND at > now()", False),
        ("SELECT at FROM entries WHERE kind = 'kind 3' ORDER BY at DESC LIMIT 1", False),
        ("SELECT count(*) FROM (SELECT 1 FROM entries WHERE kind > 'kind 9999' LIMIT 10) AS few", False),
        ("SELECT count(*) FROM (SELECT 1 FROM entries LIMIT 10) AS few", False),
        ("SELECT count(*) FROM entries WHERE at > now()", True),
        ("SELECT kind FROM entries WHERE at < now() ORDER BY at LIMIT 1", True),
        ("SELECT count(*) FROM entries", True),
        ("SELECT max(other) FROM entries", True),
    ],
)
def test_an_index_whose_first_column_has_no_bound_is_read_as_a_whole(
    postgres: PostgresServer, statement: str, whole: bool
) -> None:
    name = "entries"
    with psycopg.connect(postgres.create(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE entries (kind text, at timestamptz, other int)")
        connection.execute(
            "INSERT INTO entries SELECT 'kind ' || n, now() - n * interval '1 s', n FROM generate_series(1, 20000) AS n"
        )
        connection.execute("CREATE INDEX ON entries (kind, at)")
        connection.execute("VACUUM ANALYZE")
    try:
        found = plan(postgres.dsn(name), statement, 256 * 1024)
    finally:
        postgres.drop(name)
    assert [scan.table for scan in found.scans] == (["public.entries"] if whole else [])


def test_of_a_foreign_table_nothing_is_claimed(postgres: PostgresServer) -> None:
    name = "foreign"
    with psycopg.connect(postgres.create(name), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION postgres_fdw")
        connection.execute("CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw")
        connection.execute("CREATE USER MAPPING FOR PUBLIC SERVER elsewhere")
        connection.execute("CREATE FOREIGN TABLE far (id int) SERVER elsewhere")
    try:
        found = plan(postgres.dsn(name), "SELECT count(*) FROM far WHERE id %% 2 = 0", 0)
    finally:
        postgres.drop(name)
    assert found == Plan((), ("the foreign table: Aggregate on (public.far)",))
