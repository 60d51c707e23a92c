"""What does the exporter say of the table of payment attempts?"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from exporters.postgres import Database, PostgresSettings
from exporters.postgres.attempts import RecordedAttempts
from rules.payments import database as metrics
from tests.exporters.postgres.asking import Asked, Seen, Ticks, asking
from tests.postgres import NOW, PaymentsDatabase

FAILED = f"INSERT INTO payment_attempts (user_id, status, created_at) VALUES (1, 'failed', to_timestamp({NOW - 2}))"


def with_exporter(database: PaymentsDatabase, story: Callable[[Asked], Awaitable[None]], **settings: Any) -> None:
    async def told() -> None:
        async with asking(database.dsn, **settings) as exporter:
            await story(exporter)

    asyncio.run(told())


def counts(seen: Seen) -> tuple[float | None, float | None]:
    return seen.value(metrics.recorded_attempts), seen.value(metrics.recorded_failures)


def test_counters_start_at_zero_and_count_what_is_added(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        payments_database.attempt("failed")
        payments_database.attempt()
        assert counts(await exporter.sample(NOW)) == (0, 0)
        payments_database.attempt("failed")
        payments_database.attempt()
        assert counts(await exporter.sample(NOW + 15)) == (2, 1)
        assert counts(await exporter.sample(NOW + 30)) == (2, 1)

    with_exporter(payments_database, story)


def test_a_row_that_commits_after_later_ones_is_counted_once(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW)
        with psycopg.connect(payments_database.dsn) as slow:
            slow.execute(FAILED)
            payments_database.attempt()
            assert counts(await exporter.sample(NOW + 15)) == (1, 0)
            assert counts(await exporter.sample(NOW + 100)) == (1, 0)
            slow.commit()
        assert counts(await exporter.sample(NOW + 115)) == (2, 1)
        assert counts(await exporter.sample(NOW + 400)) == (2, 1)

    with_exporter(payments_database, story)


def test_a_row_that_was_not_committed_when_the_exporter_started_is_counted(
    payments_database: PaymentsDatabase,
) -> None:
    async def story(exporter: Asked) -> None:
        with psycopg.connect(payments_database.dsn) as slow:
            slow.execute(FAILED)
            payments_database.attempt()
            assert counts(await exporter.sample(NOW)) == (0, 0)
            slow.commit()
        assert counts(await exporter.sample(NOW + 15)) == (1, 1)

    with_exporter(payments_database, story)


def test_an_attempt_that_turns_out_to_have_failed_counts_as_failed_then(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW)
        payments_database.attempt("pending")
        assert counts(await exporter.sample(NOW + 15)) == (1, 0)
        payments_database.execute("UPDATE payment_attempts SET status = 'failed'")
        assert counts(await exporter.sample(NOW + 30)) == (1, 1)
        assert counts(await exporter.sample(NOW + 45)) == (1, 1)

    with_exporter(payments_database, story)


def test_a_long_absence_is_caught_up_with_in_portions(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW)
        payments_database.execute(
            "INSERT INTO payment_attempts (user_id, status)"
            " SELECT 1, CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'succeeded' END FROM generate_series(1, 25000) AS n"
        )
        first = await exporter.sample(NOW + 3600)
        assert first.snapshot.catching_up
        assert counts(first) == (20_000, 2_000)
        second = await exporter.sample(NOW + 3615)
        assert not second.snapshot.catching_up
        assert counts(second) == (25_000, 2_500)

    with_exporter(payments_database, story)


def test_a_truncated_table_is_counted_on_from_its_new_beginning(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        for _ in range(5):
            payments_database.attempt()
        await exporter.sample(NOW)
        payments_database.attempt()
        assert counts(await exporter.sample(NOW + 15)) == (1, 0)
        assert counts(await exporter.sample(NOW + 200)) == (1, 0)
        payments_database.execute("TRUNCATE payment_attempts RESTART IDENTITY")
        assert counts(await exporter.sample(NOW + 215)) == (1, 0)
        payments_database.attempt("failed", ago=-216)
        assert counts(await exporter.sample(NOW + 230)) == (2, 1)

    with_exporter(payments_database, story)


def test_a_clock_that_goes_back_lets_no_more_be_read_each_time(payments_database: PaymentsDatabase) -> None:
    settings, elapsed = PostgresSettings.model_validate({"dsn": payments_database.dsn}), Ticks()

    async def story() -> None:
        question, database = RecordedAttempts(settings, elapsed), Database(settings)
        for sample in range(40):
            elapsed.at = 15.0 * sample
            payments_database.attempt(ago=-elapsed.at)
            await question.answer(database, NOW + elapsed.at + (86_400 if sample < 20 else 0))
        _, (statement, parameters) = question.statements(NOW + 86_400)
        assert len(await database.rows(statement, parameters, where="a test")) == 120 / 15
        await database.close()

    asyncio.run(story())


def test_users_with_a_failed_attempt_in_the_past_15_minutes_are_counted_once(
    payments_database: PaymentsDatabase,
) -> None:
    async def story(exporter: Asked) -> None:
        payments_database.attempt("failed", user=1, ago=10)
        payments_database.attempt("failed", user=1, ago=20)
        payments_database.attempt("failed", user=2, ago=899)
        payments_database.attempt("failed", user=3, ago=901)
        payments_database.attempt("succeeded", user=4, ago=10)
        payments_database.attempt("failed", user=None, ago=10)
        seen = await exporter.sample(NOW)
        assert seen.value(metrics.affected_users) == 2
        assert seen.value(metrics.last_attempt) == NOW - 10

    with_exporter(payments_database, story)


def test_an_attempt_without_a_status_is_an_attempt_that_has_not_failed(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("ALTER TABLE payment_attempts ALTER status DROP NOT NULL")

    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW)
        payments_database.execute("INSERT INTO payment_attempts (status) VALUES (NULL)")
        assert counts(await exporter.sample(NOW + 15)) == (1, 0)

    with_exporter(payments_database, story)
