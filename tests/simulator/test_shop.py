"""Is the story of the shop the same every time, and is what it writes down what happened?"""

from collections import Counter

import pytest

from simulator.conditions import USUAL, Conditions, Webhooks
from simulator.records import Order
from simulator.shop import Shop

BEGINS = 1_804_600_800.0
"""2027-03-09 12:00 UTC, a Tuesday."""
HOUR = 3600.0


def told(shop: Shop) -> tuple[object, ...]:
    """What is known of a shop's story."""
    statuses = Counter(order.status for order in shop.records.orders.values())
    return (shop.stripe.last_event, statuses, len(shop.records.events), shop.measurements.page())


def open_for(seconds: float, conditions: Conditions = USUAL, seed: int = 1) -> Shop:
    shop = Shop(BEGINS, 10, seed)
    shop.meet(conditions)
    shop.advance(BEGINS + seconds)
    return shop


def completed(shop: Shop) -> list[Order]:
    return [order for order in shop.records.orders.values() if order.completed is not None]


@pytest.mark.slow
def test_the_same_seed_tells_the_same_story_and_another_one_another() -> None:
    assert told(open_for(HOUR)) == told(open_for(HOUR))
    assert told(open_for(HOUR)) != told(open_for(HOUR, seed=2))


def test_it_does_not_matter_in_how_many_steps_time_passes() -> None:
    stepped = Shop(BEGINS, 10)
    for second in range(7, 3600, 7):
        stepped.advance(BEGINS + second)
    stepped.advance(BEGINS + HOUR)
    assert told(stepped) == told(open_for(HOUR))


@pytest.mark.slow
def test_a_copy_goes_on_by_itself() -> None:
    original = open_for(HOUR)
    copy = original.copied()
    copy.meet(Conditions(technical=1.0))
    copy.advance(BEGINS + 2 * HOUR)
    assert told(original) == told(open_for(HOUR))
    original.advance(BEGINS + 2 * HOUR)
    assert told(original) == told(open_for(2 * HOUR))
    assert len(completed(copy)) < len(completed(original))


@pytest.mark.slow
def test_days_are_busier_than_nights() -> None:
    shop = Shop(BEGINS, 10)
    shop.advance(BEGINS + HOUR)
    by_day = shop.stripe.last_event
    shop.advance(BEGINS + 15 * HOUR)
    before_night = shop.stripe.last_event
    shop.advance(BEGINS + 16 * HOUR)
    assert shop.stripe.last_event - before_night < by_day / 3


def test_every_payment_that_stripe_took_is_completed_in_the_database_seconds_later() -> None:
    shop = open_for(HOUR)
    shop.meet(Conditions(traffic=0, renewals=0))
    shop.advance(BEGINS + HOUR + 120)
    taken = {intent["id"] for intent in shop.stripe.payment_intents() if intent["status"] == "succeeded"}
    assert {order.intent for order in completed(shop)} == taken
    assert len(taken) > 500
    assert all(order.completed - order.created < 180 for order in completed(shop) if order.completed)


def test_a_share_that_fails_is_that_share_of_any_hour() -> None:
    usual, broken = open_for(HOUR), open_for(HOUR, Conditions(technical=0.2))
    failed = Counter(attempt.status for attempt in broken.records.attempts)["failed"]
    before = Counter(attempt.status for attempt in usual.records.attempts)["failed"]
    assert (failed - before) / len(broken.records.attempts) == pytest.approx(0.2, abs=0.03)


def test_what_was_not_delivered_waits_at_stripe_until_the_endpoint_works_again() -> None:
    shop = open_for(600, Conditions(webhooks=Webhooks.FAILING))
    assert not completed(shop)
    assert len(shop.stripe.undelivered()) == shop.stripe.last_event + 1
    shop.meet(USUAL)
    shop.advance(shop.clock.now + 60)
    assert not shop.stripe.undelivered()
    assert completed(shop)


def test_with_the_kill_switch_pulled_only_renewals_go_on() -> None:
    shop = open_for(60)
    shop.meet(Conditions(killed=True))
    shop.advance(BEGINS + 120)
    before = shop.stripe.last_event
    shop.advance(BEGINS + HOUR)
    events = [shop.stripe.event(number) for number in range(before + 1, shop.stripe.last_event + 1)]
    started = [one for one in events if isinstance(one, dict) and one["type"] == "charge.succeeded"]
    assert started
    assert all(one["request"]["id"] is None for one in started)
