"""Is every difference between Stripe and the database found, and nothing else?"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.postgres.failures import NoConnectionError
from exporters.sampling.model import ErrorClass
from exporters.sampling.reconciling import NotKnownYetError, Received, SucceededPayments
from rules.payments import database as metrics
from rules.vocabulary import Source
from tests.exporters.postgres.asking import Seen, asking
from tests.postgres import NOW, PaymentsDatabase

HOUR = 3600.0


@dataclass(slots=True)
class Known(SucceededPayments):
    """Stripe's side in memory; times are seconds before NOW."""

    succeeded: dict[str, float] = field(default_factory=dict)
    sent: dict[str, float] = field(default_factory=dict)
    took: dict[str, Received] = field(default_factory=dict)
    since: float = 30 * 24 * HOUR
    until: float = 0

    async def known(self) -> tuple[float, float]:
        return NOW - self.since, NOW - self.until

    async def payment_intents(self, since: float, until: float) -> frozenset[str]:
        return frozenset(key for key, ago in self.succeeded.items() if since <= NOW - ago < until)

    async def received(self, since: float, until: float) -> Mapping[str, Received | None]:
        return {key: self.took.get(key) for key in await self.payment_intents(since, until)}

    async def events_sent(self, since: float, until: float) -> frozenset[str]:
        return frozenset(key for key, ago in self.sent.items() if since <= NOW - ago < until)


def compared(database: PaymentsDatabase, stripe: Known, **settings: Any) -> Seen:
    async def once() -> Seen:
        async with asking(database.dsn, stripe=stripe, **settings) as exporter:
            return await exporter.sample(NOW, Source.RECONCILIATION)

    return asyncio.run(once())


def missing(seen: Seen) -> tuple[float | None, float | None]:
    """At the database, at Stripe."""
    return seen.value(metrics.missing, side="database"), seen.value(metrics.missing, side="stripe")


def test_two_sides_that_agree_miss_nothing(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", payment_intent_id="pi_1", completed_ago=HOUR)
    assert missing(compared(payments_database, Known({"pi_1": HOUR + 3}))) == (0, 0)


def test_a_payment_that_only_stripe_has_is_missing_in_the_database(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("processing", payment_intent_id="pi_1")
    assert missing(compared(payments_database, Known({"pi_1": HOUR, "pi_2": HOUR}))) == (2, 0)


def test_a_payment_that_only_the_database_has_is_missing_at_stripe(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", payment_intent_id="pi_1", completed_ago=HOUR)
    payments_database.payment("completed", payment_intent_id=None, completed_ago=HOUR)
    assert missing(compared(payments_database, Known())) == (0, 1)


def test_a_rolled_back_or_refunded_payment_is_not_missing(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("pending_review", payment_intent_id="pi_1", completed_ago=HOUR)
    payments_database.payment("refunded", payment_intent_id="pi_2", completed_ago=HOUR)
    assert missing(compared(payments_database, Known({"pi_1": HOUR, "pi_2": HOUR}))) == (0, 0)


def test_a_payment_that_was_begun_weeks_before_it_succeeded_is_not_missing(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", ago=40 * 24 * HOUR, payment_intent_id="pi_1", completed_ago=HOUR)
    assert missing(compared(payments_database, Known({"pi_1": HOUR}))) == (0, 0)


def test_differences_within_the_grace_period_are_not_yet_any(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", payment_intent_id="pi_1", completed_ago=899)
    assert missing(compared(payments_database, Known({"pi_2": 899}))) == (0, 0)
    assert missing(compared(payments_database, Known({"pi_2": 899}), reconciliation={"grace": 890})) == (1, 1)


def test_differences_older_than_the_window_are_no_longer_counted(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", payment_intent_id="pi_1", completed_ago=25 * HOUR)
    assert missing(compared(payments_database, Known({"pi_2": 25 * HOUR}))) == (0, 0)


def test_a_completion_long_after_the_success_is_no_difference(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", payment_intent_id="pi_1", completed_ago=HOUR)
    assert missing(compared(payments_database, Known({"pi_1": 30 * HOUR}))) == (0, 0)


def test_what_stripes_side_cannot_know_is_not_compared(payments_database: PaymentsDatabase) -> None:
    payments_database.payment("completed", payment_intent_id="before", completed_ago=6 * HOUR)
    payments_database.payment("completed", payment_intent_id="just_before", completed_ago=5 * HOUR - 60)
    payments_database.payment("completed", payment_intent_id="behind_the_watermark", completed_ago=1 * HOUR)
    payments_database.payment("completed", payment_intent_id="lost", completed_ago=3 * HOUR)
    stripe = Known({"pi_1": 4 * HOUR}, since=5 * HOUR, until=2 * HOUR)
    seen = compared(payments_database, stripe)
    assert missing(seen) == (1, 1)
    assert seen.snapshot.complete_until == NOW - 2 * HOUR


def test_waiting_for_stripes_side_is_no_failure_and_over_soon(
    payments_database: PaymentsDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    class NotYet(Known):
        read = False

        async def known(self) -> tuple[float, float]:
            if not self.read:
                raise NotKnownYetError("not read yet")
            return await super().known()

    async def story() -> None:
        stripe = NotYet({"pi_1": HOUR})
        async with asking(payments_database.dsn, stripe=stripe) as exporter:
            first = await exporter.sample(NOW, Source.RECONCILIATION)
            assert (first.snapshot.readings, first.snapshot.complete_until) == ((), None)
            stripe.read = True
            seen = await exporter.sample(NOW + 15, Source.RECONCILIATION)
            assert missing(seen) == (1, 0)
            assert seen.snapshot.complete_until
            stripe.read = False
            followed = await exporter.sample(NOW + 400, Source.RECONCILIATION)
            assert (followed.snapshot.readings, followed.snapshot.complete_until) == ((), None)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_comparison_that_failed_and_waits_since_is_no_query_that_fails(payments_database: PaymentsDatabase) -> None:
    """A replica that follows, and has nothing to compare with: the database was away for a moment."""

    class Follows(Known):
        away = False

        async def known(self) -> tuple[float, float]:
            if self.away:
                raise NoConnectionError(ErrorClass.UNREACHABLE, "Postgres", "it is away", "wait")
            raise NotKnownYetError("another replica reads it")

    async def story() -> list[float | None]:
        stripe, found = Follows(), []
        async with asking(payments_database.dsn, stripe=stripe) as exporter:
            for moment, away in ((15, False), (30, True), (45, False)):
                stripe.away = away
                with contextlib.suppress(NoConnectionError):
                    await exporter.sample(NOW + moment, Source.RECONCILIATION)
                seen = await exporter.sample(NOW + moment)
                found.append(seen.value(metrics.query_success, query="reconciled_payments"))
        return found

    assert asyncio.run(story()) == [None, 0, None]


def test_a_young_exporter_says_nothing_rather_than_zero(payments_database: PaymentsDatabase) -> None:
    seen = compared(payments_database, Known({"pi_1": 300}, since=600))
    assert missing(seen) == (None, None)
    assert seen.snapshot.catching_up


def test_what_a_young_exporter_could_not_say_is_asked_again_soon(payments_database: PaymentsDatabase) -> None:
    stripe = Known({"pi_1": HOUR}, since=0)

    async def story() -> None:
        async with asking(payments_database.dsn, stripe=stripe) as exporter:
            assert missing(await exporter.sample(NOW, Source.RECONCILIATION)) == (None, None)
            stripe.since = 30 * 24 * HOUR
            assert missing(await exporter.sample(NOW + 15, Source.RECONCILIATION)) == (1, 0)

    asyncio.run(story())


def test_events_that_the_inbox_never_saw_are_counted(payments_database: PaymentsDatabase) -> None:
    payments_database.event("evt_1", created=HOUR, received=HOUR)
    seen = compared(payments_database, Known(sent={"evt_1": HOUR, "evt_2": HOUR, "evt_3": 60}))
    assert seen.value(metrics.events_missing) == 1


def test_without_an_inbox_payments_are_compared_all_the_same(payments_database: PaymentsDatabase) -> None:
    payments_database.execute("DROP TABLE webhook_events")
    seen = compared(payments_database, Known({"pi_1": HOUR}, sent={"evt_1": HOUR}))
    assert missing(seen) == (1, 0)
    assert seen.value(metrics.events_missing) is None


moments = st.dictionaries(
    st.sampled_from([f"pi_{number}" for number in range(6)]),
    st.sampled_from([60.0, 2 * HOUR, 10 * HOUR, 23 * HOUR]),
    max_size=6,
)


@pytest.mark.slow
def test_both_counts_are_the_differences_of_the_two_sets(payments_database: PaymentsDatabase) -> None:
    @settings(max_examples=25, deadline=None)
    @given(at_stripe=moments, completed=moments)
    def holds(at_stripe: dict[str, float], completed: dict[str, float]) -> None:
        payments_database.execute("DELETE FROM payments")
        for key, ago in completed.items():
            payments_database.payment("completed", payment_intent_id=key, completed_ago=ago)
        assert missing(compared(payments_database, Known(at_stripe))) == (
            len({key for key, ago in at_stripe.items() if ago > 900} - completed.keys()),
            len({key for key, ago in completed.items() if ago > 900} - at_stripe.keys()),
        )

    holds()
