"""What does the exporter say of the table of payments?"""

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg import sql

from exporters.postgres.payments import payments_questions
from exporters.postgres.settings import PostgresSettings
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import reading
from rules.payments import database as metrics
from rules.payments import monitoring, silence
from rules.vocabulary import OTHER
from tests.exporters.postgres.asking import Seen, asking
from tests.postgres import NOW, PaymentsDatabase


def seen(database: PaymentsDatabase, **settings: Any) -> Seen:
    async def once() -> Seen:
        async with asking(database.dsn, **settings) as exporter:
            return await exporter.sample(NOW)

    return asyncio.run(once())


def test_the_latest_completion_is_served_as_a_moment(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", ago=500, completed_ago=400.5)
    payments_database.payment("completed", ago=300, completed_ago=200.25)
    payments_database.payment("failed", ago=10)
    assert seen(payments_database).value(silence.last_completed) == NOW - 200.25


def test_the_rollback_of_the_runbook_does_not_hide_the_latest_completion(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", ago=300, completed_ago=200)
    payments_database.execute(
        "UPDATE payments SET status = 'pending_review', updated_at = now(), review_reason = 'system_rollback'"
    )
    after = seen(payments_database)
    assert after.value(silence.last_completed) == NOW - 200
    assert after.value(metrics.pending_review) == 1


def test_a_refunded_payment_was_completed_all_the_same(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("refunded", completed_ago=200)
    assert seen(payments_database).value(silence.last_completed) == NOW - 200


def test_a_failed_payment_with_a_completion_time_was_not_completed(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("failed", completed_ago=100)
    assert seen(payments_database).value(silence.last_completed) is None


def test_a_completion_far_ahead_of_the_clock_does_not_hide_that_nothing_completes(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.payment("completed", completed_ago=-86_400)
    payments_database.payment("completed", completed_ago=900)
    assert seen(payments_database).value(silence.last_completed) == NOW - 900


def test_an_empty_table_has_no_latest_completion_and_zero_counts(payments_database: PaymentsDatabase) -> None:
    nothing = seen(payments_database)
    assert nothing.value(silence.last_completed) is None
    assert nothing.value(metrics.last_attempt) is None
    assert nothing.value(metrics.duplicates) == 0
    assert nothing.value(metrics.pending_review) == 0
    for status in metrics.STATUS.values:
        assert nothing.value(metrics.unfinished, status=status) == 0
        assert nothing.value(metrics.oldest_unfinished, status=status) is None
    assert nothing.value(metrics.query_success, query="last_completed") == 1


def test_unfinished_payments_are_counted_by_status_with_the_oldest(payments_database: PaymentsDatabase) -> None:
    for status, ago in (
        ("completed", 9000),
        ("failed", 9000),
        ("pending", 50),
        ("pending", 2400),
        ("processing", 70),
        ("requires_payment_method", 80),
        ("requires_capture", 90),
    ):
        payments_database.payment(status, ago=ago)
    found = seen(payments_database)
    assert {status: found.value(metrics.unfinished, status=status) for status in metrics.STATUS.values} == {
        "pending": 2,
        "processing": 1,
        "requires_action": 0,
        OTHER: 2,
    }
    assert {status: found.value(metrics.oldest_unfinished, status=status) for status in metrics.STATUS.values} == {
        "pending": NOW - 2400,
        "processing": NOW - 70,
        "requires_action": None,
        OTHER: NOW - 90,
    }


def test_a_status_that_no_setting_names_is_counted_as_an_overflow(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("on_hold")

    async def once() -> None:
        async with asking(payments_database.dsn) as exporter:
            await exporter.sample(NOW)
            assert reading(monitoring.label_overflow, 1, label="status") in exporter.overflow.readings()

    asyncio.run(once())


def test_statuses_of_ones_own_are_a_setting(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("paid", completed_ago=30)
    payments_database.payment("in_flight", ago=90)
    found = seen(
        payments_database, statuses={"completed": ["paid"], "ended": ["paid", "void"], "processing": ["in_flight"]}
    )
    assert found.value(silence.last_completed) == NOW - 30
    assert found.value(metrics.unfinished, status="processing") == 1


def test_methods_that_take_days_are_left_out_of_unfinished_payments(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("ALTER TABLE payments ADD payment_method text")
    for method, ago in (("sepa_debit", 90_000), ("us_bank_account", 80_000), ("card", 40), (None, 70)):
        payments_database.payment("processing", ago=ago)
        written = "NULL" if method is None else f"'{method}'"
        payments_database.execute(
            f"UPDATE payments SET payment_method = {written} WHERE id = (SELECT max(id) FROM payments)"
        )
    everything = seen(payments_database)
    assert everything.value(metrics.oldest_unfinished, status="processing") == NOW - 90_000
    swift = seen(payments_database, slow_methods=["sepa_debit", "us_bank_account"])
    assert swift.value(metrics.unfinished, status="processing") == 2
    assert swift.value(metrics.oldest_unfinished, status="processing") == NOW - 70


def test_slow_methods_cost_nothing_where_the_index_leaves_them_out_too(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "ALTER TABLE payments ADD payment_method text;"
        " INSERT INTO payments (user_id, status, amount, currency, created_at, payment_method)"
        f" SELECT 1, 'processing', 100, 'usd', to_timestamp({NOW}), 'sepa_debit' FROM generate_series(1, 20000);"
        " CREATE INDEX swift ON payments (status, created_at)"
        " WHERE status NOT IN ('completed', 'failed', 'canceled', 'refunded', 'pending_review')"
        " AND (payment_method IN ('us_bank_account', 'sepa_debit')) IS NOT TRUE;"
        " ANALYZE payments"
    )
    settings = PostgresSettings.model_validate(
        {"dsn": payments_database.dsn, "slow_methods": ["us_bank_account", "sepa_debit"]}
    )
    (question,) = (one for one in payments_questions(settings, LabelOverflow()) if one.name == "unfinished")
    ((statement, parameters),) = question.statements(NOW)
    with psycopg.connect(payments_database.dsn) as connection:
        plan = "\n".join(row[0] for row in connection.execute(sql.SQL("EXPLAIN ") + statement, parameters))
    assert "Index Only Scan using swift" in plan, plan
    assert "Seq Scan" not in plan, plan


def test_a_status_may_be_an_enum(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "CREATE TYPE state AS ENUM ('pending', 'processing', 'completed', 'failed', 'canceled', 'refunded',"
        " 'pending_review');"
        " ALTER TABLE payments ALTER status DROP DEFAULT, ALTER status TYPE state USING status::state"
    )
    payments_database.payment("completed", completed_ago=30)
    payments_database.payment("processing", ago=90)
    found = seen(payments_database)
    assert found.value(silence.last_completed) == NOW - 30
    assert found.value(metrics.oldest_unfinished, status="processing") == NOW - 90


def test_moments_without_a_time_zone_are_read_as_utc(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", completed_ago=30)
    payments_database.execute(
        "ALTER TABLE payments ALTER completed_at TYPE timestamp USING completed_at AT TIME ZONE 'UTC'"
    )
    payments_database.execute(f"ALTER DATABASE {payments_database.name} SET timezone = 'America/Los_Angeles'")
    assert seen(payments_database).value(silence.last_completed) == NOW - 30


def test_counts_stop_at_their_cap(payments_database: PaymentsDatabase) -> None:
    for status in ("pending_review", "on_hold", "blocked"):
        payments_database.execute(
            "INSERT INTO payments (user_id, status, amount, currency, created_at)"
            f" SELECT 1, '{status}', 100, 'usd', to_timestamp({NOW}) FROM generate_series(1, 10100)"
        )
    found = seen(payments_database)
    assert found.value(metrics.pending_review) == 10_001
    assert found.value(metrics.unfinished, status=OTHER) == 10_001


def test_an_order_with_two_payment_intents_is_a_duplicate_charge(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", order_id="twice", ago=3600)
    payments_database.payment("pending_review", order_id="twice", ago=60)
    payments_database.payment("completed", order_id="thrice", ago=90)
    payments_database.payment("completed", order_id="thrice", ago=80)
    payments_database.payment("completed", order_id="thrice", ago=70)
    assert seen(payments_database).value(metrics.duplicates) == 2


def test_an_order_that_is_named_as_settled_is_no_duplicate_charge_any_more(payments_database: PaymentsDatabase) -> None:
    for order in ("settled", "open"):
        payments_database.payment("completed", order_id=order, ago=90)
        payments_database.payment("completed", order_id=order, ago=80)
    assert seen(payments_database, settled_duplicates=("settled", "of old")).value(metrics.duplicates) == 1


@pytest.mark.parametrize(
    ("why", "first", "second"),
    [
        ("the same intent, recorded twice", {"payment_intent_id": "pi_1"}, {"payment_intent_id": "pi_1"}),
        ("the first one failed", {"status": "failed"}, {}),
        ("the first one was refunded", {"status": "refunded"}, {}),
        ("the first one is a day old", {"ago": 86_401}, {}),
        ("not for an order", {"order_id": None}, {"order_id": None}),
    ],
)
def test_what_is_no_duplicate_charge(
    payments_database: PaymentsDatabase, why: str, first: dict[str, object], second: dict[str, object]
) -> None:
    for columns in (first, second):
        payments_database.payment(**({"order_id": "order"} | columns))  # type: ignore[arg-type]
    assert seen(payments_database).value(metrics.duplicates) == 0, why
