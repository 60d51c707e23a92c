"""Is everything read as well through a pooler in transaction mode, which hands one session to all its clients?"""

import asyncio

import psycopg

from exporters.sampling.model import Reading
from rules.payments import database as metrics
from rules.vocabulary import Source
from tests.exporters.postgres.asking import asking
from tests.exporters.postgres.test_connection import SLEPT, custom
from tests.pooler import pooled
from tests.postgres import NOW, PaymentsDatabase

OF_ITSELF = {metrics.query_duration.name}
"""What no two samples have in common."""


def test_every_number_is_the_same_through_a_pooler(payments_database: PaymentsDatabase) -> None:
    for number in range(30):
        payments_database.payment("failed" if number % 3 else "completed", ago=60 + number, completed_ago=30)
        payments_database.attempt("failed" if number % 3 else "succeeded")
        payments_database.event(f"evt_{number}", created=20, received=15, processed=10 if number % 2 else None)

    async def read(dsn: str) -> dict[tuple[object, ...], object]:
        found: dict[tuple[object, ...], object] = {}
        async with asking(dsn) as exporter:
            for source in (Source.POSTGRES, Source.WEBHOOK_INBOX):
                seen = await exporter.sample(NOW, source)
                for one in seen.snapshot.readings:
                    if one.metric.name not in OF_ITSELF:
                        found[(one.metric.name, *one.labels)] = one.value if isinstance(one, Reading) else one
        return found

    with pooled(payments_database.server, payments_database.name) as dsn:
        through = asyncio.run(read(dsn))
    assert through == asyncio.run(read(payments_database.dsn))
    assert len(through) > 40


def test_a_query_behind_a_pooler_ends_at_its_timeout_and_leaves_the_session_as_it_was(
    payments_database: PaymentsDatabase,
) -> None:
    async def story(dsn: str) -> None:
        async with asking(dsn, queries=[custom("SELECT 1 AS value FROM pg_sleep(60)", timeout=0.2)]) as exporter:
            seen = await exporter.sample(NOW)
            assert seen.value(metrics.query_success, query="mine") == 0
            assert seen.value(SLEPT) is None
            assert seen.value(metrics.recorded_attempts) == 0

    with pooled(payments_database.server, payments_database.name) as dsn:
        asyncio.run(story(dsn))
        with psycopg.connect(dsn, autocommit=True) as another:
            left = {
                name: another.execute(f"SHOW {name}".encode()).fetchall()
                for name in ("statement_timeout", "lock_timeout", "row_security", "transaction_read_only", "jit")
            }
    with psycopg.connect(payments_database.dsn, autocommit=True) as fresh:
        assert left == {name: fresh.execute(f"SHOW {name}".encode()).fetchall() for name in left}
