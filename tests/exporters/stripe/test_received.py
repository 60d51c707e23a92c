"""Is it known of each payment what Stripe took for it in all, and of no other payment?"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.sampling.reconciling import Received
from tests.exporters.stripe.shop import HOUR, START, Watched, watched


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Watched]:
    """A shop, and an exporter that has begun to count."""
    with watched(tmp_path) as one:
        yield one.begun()


def received(world: Watched) -> dict[str, Received | None]:
    """What is known after another sample, of all payments since the start."""
    world.sample()
    return dict(world.runner.run(world.stripe.history.received(START, world.clock.now + 1)))


def test_a_payment_took_its_amount_in_the_currency_that_its_customer_paid_in(world: Watched) -> None:
    paid = {currency: world.fake.pay(1230, currency) for currency in ("jpy", "eur", "kwd")}
    assert received(world) == {one.intent: Received(1230, currency, False) for currency, one in paid.items()}


def test_a_payment_that_is_only_authorized_or_pending_took_nothing_yet(world: Watched) -> None:
    held, pending = world.fake.pay(capture=False), world.fake.process(700)
    world.fake.ask()
    assert received(world) == {}
    world.clock.on(2 * 24 * HOUR)
    world.fake.settle(pending)
    world.fake.capture(held)
    assert received(world) == {
        pending.intent: Received(700, "usd", False),
        held.intent: Received(2000, "usd", False),
    }


def test_of_an_authorization_only_the_captured_part_is_taken(world: Watched) -> None:
    held = world.fake.pay(2000, capture=False)
    world.fake.capture(held, 1500)
    assert received(world) == {held.intent: Received(1500, "usd", False)}


def test_several_captures_count_as_their_sum_and_not_before_the_last(world: Watched) -> None:
    held = world.fake.pay(2000, capture=False)
    world.fake.capture_part(held, 400)
    assert received(world) == {}
    world.clock.on(24 * HOUR)
    world.fake.capture_part(held, 300)
    world.clock.on(24 * HOUR)
    world.fake.capture(held, 500)
    assert received(world) == {held.intent: Received(1200, "usd", False)}


def test_a_payment_succeeds_with_the_attempt_that_did(world: Watched) -> None:
    world.shop.pay("no money")
    failed = world.shop.pay("no money")
    assert received(world) == {}
    world.fake.pay(after=failed)
    assert received(world) == {failed.intent: Received(2000, "usd", False)}


@pytest.mark.parametrize("seen_between", [True, False])
def test_a_refund_is_noted_whichever_is_seen_first(world: Watched, seen_between: bool) -> None:
    paid, kept = world.fake.pay(), world.fake.pay()
    if seen_between:
        assert received(world)[paid.intent] == Received(2000, "usd", False)
        world.clock.on(HOUR)
    world.fake.refund(paid, 300)
    assert received(world) == {paid.intent: Received(2000, "usd", True), kept.intent: Received(2000, "usd", False)}


def test_a_refund_whose_payment_appears_late_in_stripe_s_list_is_noted(world: Watched) -> None:
    paid = world.fake.pay()
    world.fake.delay(paid.events[1], 300)
    world.fake.refund(paid)
    assert received(world) == {}
    world.clock.on(600)
    assert received(world) == {paid.intent: Received(2000, "usd", True)}


def test_what_an_old_version_calls_a_refund_of_what_was_not_captured_is_none(world: Watched) -> None:
    world.fake.use_version("2024-06-20")
    held, paid = world.fake.pay(2000, capture=False), world.fake.pay()
    world.clock.on(HOUR)
    world.fake.capture(held, 1500)
    world.fake.refund(paid)
    world.rest()
    assert received(world) == {held.intent: Received(1500, "usd", False), paid.intent: Received(2000, "usd", True)}


def test_an_amount_that_cannot_be_read_is_not_known(world: Watched) -> None:
    paid = world.fake.pay()
    raw = world.fake.event(paid.events[1])
    assert isinstance(raw, dict)
    del raw["data"]["object"]["amount_received"]
    world.fake.garble(paid.events[1], raw)
    assert received(world) == {paid.intent: None}


def test_what_is_known_survives_a_restart_and_an_event_that_comes_twice(world: Watched) -> None:
    paid = world.fake.pay()
    before = received(world)
    world.fake.repeat(paid.events[1])
    world.restart()
    assert received(world) == before == {paid.intent: Received(2000, "usd", False)}


def test_amounts_of_the_past_are_known_as_far_as_a_comparison_looks_back(tmp_path: Path) -> None:
    with watched(tmp_path) as one:
        long_ago, lately = one.fake.pay(), None
        one.clock.on(20 * 24 * HOUR)
        lately = one.fake.pay()
        one.clock.on(24 * HOUR)
        one.begun()
        found = received(one)
        assert found[lately.intent] == Received(2000, "usd", False)
        assert found.get(long_ago.intent) is None


@pytest.mark.slow
def test_a_payment_takes_few_bytes_and_is_forgotten_after_two_days(world: Watched) -> None:
    """By what SQLite says of the table's pages: for a thousand payments, and once they are of no use."""

    def rows_and_bytes() -> tuple[int, int]:
        with sqlite3.connect(world.settings.state.path) as state:
            [(rows, size)] = state.execute(
                "SELECT count(*), coalesce(sum(length(intent) + 8 + 8 + length(currency) + 1), 0) FROM paymon_received"
            )
        state.close()
        return rows, size

    for _ in range(1000):
        world.fake.pay()
    while world.sample().catching_up:
        pass
    rows, size = rows_and_bytes()
    assert rows == 1000
    assert size / rows < 64
    for _ in range(53):
        world.clock.on(HOUR)
        while world.sample().catching_up:
            pass
    assert rows_and_bytes() == (0, 0)
