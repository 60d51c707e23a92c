"""What does the exporter say of the webhook inbox?"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from exporters.sampling.model import ErrorClass, SampleError
from rules.payments import database, webhooks
from rules.vocabulary import OTHER, Source
from tests.exporters.postgres.asking import Asked, asking
from tests.postgres import NOW, PaymentsDatabase

INBOX = Source.WEBHOOK_INBOX
SUCCEEDED = "payment_intent.succeeded"


def with_exporter(payments: PaymentsDatabase, story: Callable[[Asked], Awaitable[None]], **settings: Any) -> None:
    async def told() -> None:
        async with asking(payments.dsn, **settings) as exporter:
            await story(exporter)

    asyncio.run(told())


def test_processing_time_is_a_histogram_of_what_was_processed_since_the_start(
    payments_database: PaymentsDatabase,
) -> None:
    async def story(exporter: Asked) -> None:
        payments_database.event("evt_before", created=90, received=80, processed=70)
        first = (await exporter.sample(NOW, INBOX)).distribution(webhooks.duration, event_type=SUCCEEDED)
        assert first is not None
        assert (first.count, first.total) == (0, 0)
        payments_database.event("evt_1", created=21, received=20, processed=17)  # exactly at the bound of 3 s
        payments_database.event("evt_2", created=21, received=20, processed=19.5)
        payments_database.event("evt_3", "charge.expired", created=900, received=800, processed=10)
        seen = await exporter.sample(NOW + 15, INBOX)
        duration = seen.distribution(webhooks.duration, event_type=SUCCEEDED)
        assert duration is not None
        assert dict(zip(map(float, webhooks.duration.bounds), duration.cumulative, strict=True)) == {
            0.1: 0, 0.25: 0, 0.5: 1, 1: 1, 3: 2, 5: 2, 10: 2, 30: 2, 60: 2, 300: 2,
        }  # fmt: skip
        assert (duration.count, duration.total) == (2, 3.5)
        other = seen.distribution(webhooks.duration, event_type=OTHER)
        assert other is not None
        assert (other.cumulative[-1], other.count, other.total) == (0, 1, 790)

    with_exporter(payments_database, story)


def test_rows_without_a_moment_hide_the_others_in_no_sample_though_nothing_else_can_be_answered(
    payments_database: PaymentsDatabase,
) -> None:
    """The histograms are asked for every five minutes; the backlog with every sample, and it fails."""

    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW, INBOX)
        payments_database.event("evt_well", created=21, received=20, processed=17)
        at = f"to_timestamp({NOW})"
        for moments in (f"'-infinity', {at}, NULL", f"{at}, '-infinity', {at}", f"{at}, '-infinity', NULL"):
            payments_database.execute(f"INSERT INTO webhook_events VALUES (md5(random()::text), 'x', {moments})")
        for after in range(300, 900, 15):
            seen = await exporter.sample(NOW + after, INBOX)
            assert seen.value(webhooks.inbox_backlog) is None
            for metric in (webhooks.duration, webhooks.delivery_delay):
                found = seen.distribution(metric, event_type=SUCCEEDED)
                assert found is not None, after
                assert found.count == 1

    rarely = {name: {"interval": 300} for name in ("inbox_processed", "inbox_received")}
    with_exporter(payments_database, story, built_in=rarely)


def test_delivery_delay_counts_events_that_nobody_has_processed_yet(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW, INBOX)
        payments_database.event("evt_1", created=60, received=20)
        delay = (await exporter.sample(NOW + 15, INBOX)).distribution(webhooks.delivery_delay, event_type=SUCCEEDED)
        assert delay is not None
        assert (delay.count, delay.total) == (1, 40)

    with_exporter(payments_database, story)


def test_an_event_that_is_marked_late_is_counted_once(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW, INBOX)
        payments_database.event("evt_2", created=9, received=8, processed=5)
        await exporter.sample(NOW + 15, INBOX)
        payments_database.event("evt_1", created=9, received=8, processed=7)  # by a transaction that took longer
        for later in (30, 45, 400):
            seen = (await exporter.sample(NOW + later, INBOX)).distribution(webhooks.duration, event_type=SUCCEEDED)
            assert seen is not None
            assert seen.count == 2

    with_exporter(payments_database, story)


def test_events_of_one_moment_are_all_counted(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW, INBOX)
        payments_database.execute(
            "INSERT INTO webhook_events (id, type, created_at, received_at, processed_at) SELECT 'evt_' || n,"
            f" 'charge.dispute.created', to_timestamp({NOW} + 1), to_timestamp({NOW} + 2), to_timestamp({NOW} + 3)"
            " FROM generate_series(1, 2500) AS n"
        )
        seen = await exporter.sample(NOW + 15, INBOX)
        for metric in (webhooks.duration, webhooks.delivery_delay):
            found = seen.distribution(metric, event_type="charge.dispute.created")
            assert found is not None
            assert (found.count, found.total) == (2500, 2500)

    with_exporter(payments_database, story)


def test_clocks_that_disagree_make_no_negative_time(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW, INBOX)
        payments_database.event("evt_1", created=3, received=5, processed=4)
        delay = (await exporter.sample(NOW + 15, INBOX)).distribution(webhooks.delivery_delay, event_type=SUCCEEDED)
        assert delay is not None
        assert (delay.cumulative[0], delay.total) == (1, 0)

    with_exporter(payments_database, story)


def test_a_moment_ahead_of_the_clock_waits_for_its_time_and_hides_nothing(
    payments_database: PaymentsDatabase,
) -> None:
    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW, INBOX)
        payments_database.event("evt_ahead", created=-1000, received=-1000, processed=-1001)
        counts = []
        for later in (15, 300, 600, 1200):
            payments_database.event(f"evt_{later}", created=-later + 3, received=-later + 2, processed=-later + 1)
            seen = (await exporter.sample(NOW + later, INBOX)).distribution(webhooks.duration, event_type=SUCCEEDED)
            assert seen is not None
            counts.append(seen.count)
        assert counts == [1, 2, 3, 5]

    with_exporter(payments_database, story)


def test_a_missing_moment_is_reported_and_holds_nothing_up(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("ALTER TABLE webhook_events ALTER created_at DROP NOT NULL")

    async def story(exporter: Asked) -> None:
        await exporter.sample(NOW, INBOX)
        payments_database.event("evt_1", created=9, received=8)
        payments_database.event("evt_2", created=9, received=8)
        payments_database.execute("UPDATE webhook_events SET created_at = NULL WHERE id = 'evt_1'")
        delay = (await exporter.sample(NOW + 15, INBOX)).distribution(webhooks.delivery_delay, event_type=SUCCEEDED)
        assert delay is not None
        assert delay.count == 1
        health = await exporter.sample(NOW + 15)
        assert health.value(database.query_success, query="inbox_received") == 0
        assert health.value(database.query_success, query="inbox_processed") == 1

    with_exporter(payments_database, story)


def test_the_backlog_is_capped_and_has_an_oldest_event(payments_database: PaymentsDatabase) -> None:
    async def story(exporter: Asked) -> None:
        empty = await exporter.sample(NOW, INBOX)
        assert empty.value(webhooks.inbox_backlog) == 0
        assert empty.value(webhooks.inbox_oldest) is None
        payments_database.event("evt_done", created=9000, received=9000, processed=1)
        payments_database.event("evt_old", created=800, received=700)
        payments_database.event("evt_new", created=60, received=50)
        some = await exporter.sample(NOW + 15, INBOX)
        assert some.value(webhooks.inbox_backlog) == 2
        assert some.value(webhooks.inbox_oldest) == NOW - 700
        payments_database.execute(
            "INSERT INTO webhook_events (id, type, created_at, received_at)"
            f" SELECT 'evt_' || n, 'x', to_timestamp({NOW}), to_timestamp({NOW}) FROM generate_series(1, 10100) AS n"
        )
        assert (await exporter.sample(NOW + 30, INBOX)).value(webhooks.inbox_backlog) == 10_001

    with_exporter(payments_database, story)


def test_a_missing_inbox_fails_its_own_source_alone_and_says_what_to_do(
    payments_database: PaymentsDatabase,
) -> None:
    payments_database.execute("DROP TABLE webhook_events")

    async def story(exporter: Asked) -> None:
        with pytest.raises(SampleError) as raised:
            await exporter.sample(NOW, INBOX)
        assert str(raised.value) == (
            "inbox_processed: there is no table public.webhook_events; create it, set its name in"
            " postgres.inbox.table, or turn the query off in postgres.built_in.inbox_processed"
        )
        assert raised.value.kind is ErrorClass.BAD_DATA
        others = await exporter.sample(NOW)
        assert others.value(database.table_present, table="webhook_events") == 0
        assert others.value(database.table_present, table="payments") == 1
        assert others.value(database.query_success, query="last_completed") == 1
        assert others.value(database.query_success, query="inbox_processed") == 0

    with_exporter(payments_database, story)


def test_an_inbox_that_is_turned_off_is_not_missed(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("DROP TABLE webhook_events")

    async def story(exporter: Asked) -> None:
        assert INBOX not in exporter.by_source
        assert (await exporter.sample(NOW)).value(database.table_present, table="webhook_events") is None

    with_exporter(payments_database, story, inbox={"enabled": False})
