"""Does the exporter say which queries would read a large table, and do the shipped index and role files suffice?"""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import psycopg
import pytest

from exporters.postgres import Database, PostgresSettings, Scan, questions, scans
from exporters.postgres.settings import QueryName
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Reading
from rules.payments import database as metrics
from rules.payments import webhooks
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
        dsn = postgres.dsn(large, user="paymon_exporter", password="hunter2")

        async def sampled() -> None:
            async with asking(dsn, stripe=Known()) as exporter:
                for source in (Source.POSTGRES, Source.WEBHOOK_INBOX, Source.RECONCILIATION):
                    await exporter.sample(NOW, source)
                health = await exporter.sample(NOW)
                succeeded = {
                    dict(one.labels)["query"]: one.value
                    for one in health.snapshot.readings
                    if one.metric is metrics.query_success and isinstance(one, Reading)
                }
                assert succeeded == dict.fromkeys(get_args(QueryName), 1)
                assert health.value(metrics.last_completed) is not None
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
