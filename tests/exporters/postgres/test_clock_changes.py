"""Is nothing told that nobody can know, where moments say no zone and a clock on the wall is set back or forward?"""

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from exporters.postgres import PostgresSettings
from exporters.postgres.zones import Repetition, next_repetition, repetition_at
from exporters.process.database_diagnosis import diagnose_database
from exporters.sampling.model import SampleError
from rules.payments import database as metrics
from rules.payments import silence, webhooks
from rules.vocabulary import Source
from tests.exporters.postgres.asking import Asked, Seen
from tests.exporters.postgres.test_shapes import why, with_exporter, without_zones
from tests.postgres import PaymentsDatabase

BERLIN = "Europe/Berlin"


def moment(text: str) -> float:
    """A moment in UTC, as seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


TWICE = moment("2026-10-25 00:00")
"""From here on the clocks of Berlin say the hour from two to three, and from an hour later on again."""
OVER = moment("2026-10-25 02:00")
FORWARD = moment("2026-03-29 01:00")
"""Here the clocks of Berlin go from two to three at once."""


@pytest.fixture(autouse=True)
def of_no_one_in_particular(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "ALTER TABLE payments ALTER user_id SET DEFAULT 1, ALTER amount SET DEFAULT 1, ALTER currency SET DEFAULT 'eur'"
    )


def pays(database: PaymentsDatabase, at: float) -> None:
    """A payment that is tried and completed at that moment, as a clock on the wall of Berlin writes it."""
    written = f"to_timestamp({at}) AT TIME ZONE '{BERLIN}'"
    database.execute(
        "INSERT INTO payments (order_id, payment_intent_id, status, created_at, completed_at)"
        f" VALUES ('{at}', 'pi_{at}', 'completed', {written}, {written})"
    )
    database.execute(f"INSERT INTO payment_attempts (user_id, status, created_at) VALUES (1, 'failed', {written})")


def waits(database: PaymentsDatabase, at: float) -> None:
    """A payment that is begun at that moment and does not end."""
    database.execute(
        "INSERT INTO payments (order_id, status, created_at)"
        f" VALUES ('waits', 'pending', to_timestamp({at}) AT TIME ZONE '{BERLIN}')"
    )


def ages(seen: Seen) -> tuple[float | None, float | None, float | None]:
    """What an alert that wakes somebody goes by, and the latest attempt."""
    return (
        seen.value(silence.last_completed),
        seen.value(metrics.oldest_unfinished, status="pending"),
        seen.value(metrics.last_attempt),
    )


@pytest.mark.slow
def test_in_the_hour_that_a_clock_says_twice_no_moment_is_told_and_before_and_after_it_every_one(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """A payment every five minutes, and one that is begun half a minute before each sample."""
    without_zones(payments_database, BERLIN)

    async def story(exporter: Asked) -> None:
        at, attempts = TWICE - 1800, 0
        await exporter.sample(at)
        while (at := at + 300) < OVER + 1800:
            pays(payments_database, at - 60)
            payments_database.execute("DELETE FROM payments WHERE status = 'pending'")
            waits(payments_database, at - 30)
            attempts += 1
            seen = await exporter.sample(at)
            known = (at - 60, at - 30, at - 60) if not TWICE <= at < OVER else (None, None, None)
            assert ages(seen) == known, datetime.fromtimestamp(at, UTC)
            told = (seen.value(metrics.recorded_attempts), seen.value(metrics.recorded_failures))
            assert told == ((attempts, attempts) if known[0] else (None, None)), datetime.fromtimestamp(at, UTC)
            for query in ("last_completed", "unfinished", "last_attempt", "attempts", "affected_users"):
                assert seen.value(metrics.query_success, query=query) == (known[0] is not None)
            assert seen.value(metrics.query_success, query="pending_review") == 1

    with caplog.at_level(logging.WARNING):
        with_exporter(payments_database.dsn, story, time_zone=BERLIN, max_age=120)
    assert why(caplog, "last_completed") == (
        "last_completed: the clock of Europe/Berlin says this hour twice, and public.payments.completed_at does not say"
        " which of the two it means; wait until it is over, at 2026-10-25 02:00 UTC, and write moments with their zone"
        " or in UTC (docs/your-schema.md)"
    )


@pytest.mark.slow
def test_payments_that_stop_before_the_hour_is_said_again_do_not_look_as_if_they_went_on(
    payments_database: PaymentsDatabase,
) -> None:
    """Each minute of the first hour comes to pass once more, while nobody pays."""
    without_zones(payments_database, BERLIN)
    for minute in range(-30, 30):
        pays(payments_database, TWICE + 60 * minute)

    async def story(exporter: Asked) -> None:
        for minute in range(60, 120, 7):
            assert ages(await exporter.sample(TWICE + 60 * minute)) == (None, None, None), minute

    with_exporter(payments_database.dsn, story, time_zone=BERLIN)


def test_the_inbox_counts_what_came_in_the_hour_that_was_said_twice_once_it_is_over(
    payments_database: PaymentsDatabase,
) -> None:
    without_zones(payments_database, BERLIN)

    async def story(exporter: Asked) -> None:
        await exporter.sample(TWICE - 600, Source.WEBHOOK_INBOX)
        for minute in range(120):
            received = f"to_timestamp({TWICE + 60 * minute + 30})"
            payments_database.execute(
                "INSERT INTO webhook_events (id, type, created_at, received_at, processed_at)"
                f" SELECT 'evt_{minute}', 'payment_intent.succeeded', at - interval '2 s', at, at + interval '1 s'"
                f" FROM (SELECT {received} AT TIME ZONE '{BERLIN}') AS moment (at)"
            )
        with pytest.raises(SampleError, match="says this hour twice"):
            await exporter.sample(OVER - 60, Source.WEBHOOK_INBOX)
        found = (await exporter.sample(OVER + 15, Source.WEBHOOK_INBOX)).distribution(
            webhooks.duration, event_type="payment_intent.succeeded"
        )
        assert found
        assert (found.count, found.total) == (120, 120)

    with_exporter(payments_database.dsn, story, time_zone=BERLIN)


def test_an_hour_that_the_clock_leaves_out_changes_nothing(payments_database: PaymentsDatabase) -> None:
    without_zones(payments_database, BERLIN)

    async def story(exporter: Asked) -> None:
        for minute in range(-30, 90, 5):
            at = FORWARD + 60 * minute
            pays(payments_database, at - 60)
            payments_database.execute("DELETE FROM payments WHERE status = 'pending'")
            waits(payments_database, at - 30)
            assert ages(await exporter.sample(at)) == (at - 60, at - 30, at - 60), datetime.fromtimestamp(at, UTC)

    with_exporter(payments_database.dsn, story, time_zone=BERLIN)


def examined(database: PaymentsDatabase, zone: str, at: float) -> dict[str, list[str]]:
    """What `paymon doctor` finds at that moment, by its place."""

    async def story() -> dict[str, list[str]]:
        settings = PostgresSettings.model_validate({"dsn": database.dsn, "time_zone": zone, "statement_timeout": 60})
        found: dict[str, list[str]] = {}
        async for one in diagnose_database(settings, lambda: at, stripe=False):
            found.setdefault(one.where, []).append(str(one))
        return found

    return asyncio.run(story())


@pytest.mark.slow
def test_the_doctor_says_when_the_clock_is_set_back_next_and_what_cannot_be_told_then(
    payments_database: PaymentsDatabase,
) -> None:
    without_zones(payments_database, BERLIN)
    pays(payments_database, TWICE - 3600)
    [told] = examined(payments_database, BERLIN, TWICE - 86400)["postgres.time_zone"]
    assert told == (
        "postgres.time_zone: the clock of Europe/Berlin says the time twice from 2026-10-25 00:00 to 02:00 UTC: nothing"
        " is told then by public.payments.completed_at, public.payments.created_at, public.payment_attempts.created_at,"
        " public.webhook_events.received_at, public.webhook_events.processed_at, public.webhook_events.created_at;"
        " write moments with their zone or in UTC (docs/your-schema.md)"
    )
    pays(payments_database, TWICE + 1800)
    now = examined(payments_database, BERLIN, TWICE + 1830)
    assert "says this hour twice" in str(now["postgres, last_completed"])
    assert "set postgres.time_zone" not in str(now)


def test_the_doctor_says_nothing_of_a_clock_where_no_moment_is_read_by_it(payments_database: PaymentsDatabase) -> None:
    assert "postgres.time_zone" not in examined(payments_database, BERLIN, TWICE - 86400)
    without_zones(payments_database, "UTC")
    assert "postgres.time_zone" not in examined(payments_database, "UTC", TWICE - 86400)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "Etc/GMT-1"])
def test_where_the_clock_is_never_set_back_every_hour_is_told(payments_database: PaymentsDatabase, zone: str) -> None:
    without_zones(payments_database, zone)
    at = f"to_timestamp({TWICE + 1800}) AT TIME ZONE '{zone}'"
    payments_database.execute(
        f"INSERT INTO payments (order_id, status, created_at, completed_at) VALUES ('one', 'completed', {at}, {at})"
    )

    async def story(exporter: Asked) -> None:
        assert (await exporter.sample(TWICE + 1830)).value(silence.last_completed) == TWICE + 1800

    with_exporter(payments_database.dsn, story, time_zone=zone)
    assert next_repetition(zone, TWICE) is None


def test_moments_with_their_zone_are_told_in_every_hour(payments_database: PaymentsDatabase) -> None:
    payments_database.execute(
        "INSERT INTO payments (order_id, status, created_at, completed_at) SELECT 'one', 'completed', at, at"
        f" FROM (SELECT to_timestamp({TWICE + 1800})) AS moment (at)"
    )

    async def story(exporter: Asked) -> None:
        assert (await exporter.sample(TWICE + 1830)).value(silence.last_completed) == TWICE + 1800

    with_exporter(payments_database.dsn, story, time_zone=BERLIN)


@pytest.mark.parametrize(
    ("zone", "begins", "ends"),
    [
        (BERLIN, "2026-10-25 00:00", "2026-10-25 02:00"),
        ("America/New_York", "2026-11-01 05:00", "2026-11-01 07:00"),
        ("Australia/Lord_Howe", "2027-04-03 14:30", "2027-04-03 15:30"),
    ],
)
def test_the_next_hours_that_a_clock_says_twice_are_found_to_the_second(zone: str, begins: str, ends: str) -> None:
    begin, end = moment(begins), moment(ends)
    assert next_repetition(zone, moment("2026-10-01 12:34:56")) == Repetition(begin, end)
    assert next_repetition(zone, begin + 1) == Repetition(begin, end)
    found = [repetition_at(zone, at) for at in (begin - 1, begin, end - 1, end)]
    assert found == [None, Repetition(begin, end), Repetition(begin, end), None]
    assert repetition_at(zone, begin - 60, ahead=60) == Repetition(begin, end)
    following = next_repetition(zone, end)
    assert following
    assert following.begins > end + 300 * 86400
