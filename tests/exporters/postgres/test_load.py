"""Does a database that cannot answer in time get less to do, and all of it back when it can?"""

import asyncio
import time
from contextlib import suppress

import pytest

from exporters.sampling.model import SampleError
from rules.payments import database as metrics
from rules.vocabulary import Source
from tests.exporters.postgres.asking import asking
from tests.exporters.postgres.test_connection import SLEPT, custom
from tests.postgres import NOW, PaymentsDatabase

SLOW = "SELECT 1 AS value FROM pace, pg_sleep(pace.seconds)"
LIMIT = 0.3


@pytest.mark.slow
def test_a_query_that_times_out_takes_at_most_a_twentieth_of_the_time_and_comes_back_slowly(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.execute("CREATE TABLE pace AS SELECT 60 AS seconds")

    async def story() -> None:
        queries = [custom(SLOW, timeout=LIMIT, interval=1)]
        async with asking(payments_database.dsn, interval=1, queries=queries) as exporter:
            intervals, busy = [], []
            for second in range(120):
                started = time.monotonic()
                seen = await exporter.sample(NOW + second)
                busy.append(time.monotonic() - started >= LIMIT)
                intervals.append(seen.value(metrics.query_interval, query="mine"))
                assert seen.value(metrics.query_interval, query="last_attempt") == 1
            assert intervals[0] == 2
            settled = busy[-60:]
            assert sum(settled) >= 1
            assert sum(settled) * LIMIT <= 0.05 * len(settled)

            payments_database.execute("UPDATE pace SET seconds = 0")
            back = []
            for second in range(120, 180):
                seen = await exporter.sample(NOW + second)
                if seen.value(SLEPT) is not None:
                    back.append(seen.value(metrics.query_interval, query="mine"))
            assert back[0] is not None
            assert back[0] > 2, "not at full pace at once"
            assert back[-1] == 1

    asyncio.run(story())


@pytest.mark.slow
def test_the_queries_of_all_sources_together_step_back(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("CREATE TABLE pace AS SELECT 60 AS seconds")
    payments_database.execute("ALTER TABLE webhook_events RENAME TO events_kept")
    payments_database.execute(
        "CREATE VIEW webhook_events AS SELECT e.* FROM pace, pg_sleep(pace.seconds), events_kept AS e"
    )

    async def story() -> None:
        queries = [custom(SLOW, interval=1)]
        slow = ("mine", "inbox_processed", "inbox_received", "inbox_backlog")
        async with asking(
            payments_database.dsn, interval=1, statement_timeout=LIMIT, lock_timeout=0.1, queries=queries
        ) as exporter:
            for second in range(90):
                seen = await exporter.sample(NOW + second)
                with suppress(SampleError):
                    await exporter.sample(NOW + second, Source.WEBHOOK_INBOX)
            intervals = [seen.value(metrics.query_interval, query=query) for query in slow]
            assert sum(LIMIT / interval for interval in intervals if interval) <= 0.05
            assert None not in intervals

    asyncio.run(story())


def test_what_no_longer_times_out_comes_back_though_something_else_is_wrong_with_it(
    payments_database: PaymentsDatabase,
) -> None:
    """A NULL among the rows for months, say, is no burden to the database."""
    payments_database.execute("CREATE TABLE pace AS SELECT 60 AS seconds")

    async def story() -> None:
        queries = [custom(SLOW.replace("1 AS", "nullif(seconds, 0) AS"), timeout=LIMIT, interval=1)]
        async with asking(payments_database.dsn, interval=1, queries=queries) as exporter:
            for second in (0, 2, 6):
                seen = await exporter.sample(NOW + second)
            assert seen.value(metrics.query_interval, query="mine") == 8
            payments_database.execute("UPDATE pace SET seconds = 0")
            intervals = []
            for second in (14, 18, 20, 21):
                seen = await exporter.sample(NOW + second)
                assert seen.value(metrics.query_success, query="mine") == 0
                intervals.append(seen.value(metrics.query_interval, query="mine"))
            assert intervals == [4, 2, 1, 1]

    asyncio.run(story())


def test_a_lock_makes_nobody_ask_less(payments_database: PaymentsDatabase) -> None:
    async def story() -> None:
        async with asking(payments_database.dsn, lock_timeout=0.1) as exporter:
            await exporter.sample(NOW)
            with payments_database.admin.transaction():
                payments_database.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
                seen = await exporter.sample(NOW + 15)
            assert seen.value(metrics.query_success, query="last_completed") == 0
            assert seen.value(metrics.query_interval, query="last_completed") == 15

    asyncio.run(story())
