"""What becomes of an event, from Stripe's list to a counter?"""

import json
from pathlib import Path
from typing import Any

import pytest

from exporters.sampling.model import SampleError
from exporters.sampling.reconciling import NotKnownYetError
from exporters.stripe import samplers
from exporters.stripe.counting.ledger import Counted, Ledger, Page
from exporters.stripe.counting.tally import COUNTERS, WINDOWED
from rules.payments import webhooks as definitions
from rules.vocabulary import Source
from simulator.stripe import Cause, Refusal, Slow, Wrong, declined, unexplained
from simulator.stripe.shapes import error
from tests.exporters.stripe.shop import HOUR, START, Clock, Watched, counters, values, watched

DAY = 86400
READ_BEFORE = 400
"""Events that a sample reads in which each request takes 8 seconds."""


def test_every_counter_is_0_for_the_first_scrapes_and_nothing_is_lost_meanwhile(world: Watched) -> None:
    first = world.sample()
    assert counters(first) == {}
    assert {one.metric for one in first.readings} >= set(COUNTERS)
    world.clock.on(30)
    world.shop.pay()
    assert counters(world.sample()) == {}
    world.clock.on(31)
    assert counters(world.sample())["payment_attempts_total", "success", "card", "api"] == 1


def test_what_happened_before_the_first_start_fills_windows_but_no_counter(world: Watched) -> None:
    for _ in range(250):
        world.shop.pay()
    world.clock.on(600)
    found = values(world.sample().readings)
    assert found["payments_window_attempts", "30d", "success"] == 250
    assert found["stripe_window_charges", "30d", "visa"] == 250
    assert not any(key[0] == "payment_attempts_total" for key in found)


def test_every_kind_of_event_is_counted_as_the_shop_books_it(world: Watched) -> None:
    world.begun()
    shop = world.shop
    for end in ("success", "no money", "stolen", "wrong cvc", "issuer is down", "blocked", "invalid", "3-D Secure"):
        shop.pay(end)
    shop.pay(method="apple_pay", currency="jpy", amount=1200)
    shop.pay("no money", cause=Cause.INVOICE)
    shop.capture(shop.pay(capture=False))
    paid = shop.pay()
    shop.refund(paid, 500)
    shop.lose_dispute(paid)
    shop.be_warned(paid)
    shop.be_paid()
    shop.cancel(shop.ask())
    shop.pay(after=shop.ask())
    shop.ask()
    assert counters(world.rest()) == shop.truth()


def test_a_declined_card_is_one_attempt_though_two_events_tell_of_it(world: Watched) -> None:
    world.begun().shop.pay("no money")
    found = counters(world.sample())
    assert sum(count for key, count in found.items() if key[0] == "payment_attempts_total") == 1


def test_retries_of_a_payment_are_attempts_but_one_payment(world: Watched) -> None:
    shop = world.begun().shop
    first = shop.pay("no money")
    world.clock.on(60)
    shop.pay("no money", after=first)
    world.clock.on(60)
    shop.pay(after=first)
    found = counters(world.rest())
    assert found["payment_intents_total", "succeeded"] == 1
    assert ("payment_intents_total", "failed") not in found
    assert found["payment_attempts_total", "issuer_declined", "card", "api"] == 2


def test_who_tries_three_times_in_vain_and_then_pays_counts_once_among_those_who_failed(world: Watched) -> None:
    shop = world.begun().shop
    payment = shop.pay("no money")
    world.rest()
    for _ in range(2):
        world.clock.on(60)
        payment = shop.pay("no money", after=payment)
        world.rest()
    shop.pay(after=payment)
    shop.pay("no money")
    found = counters(world.rest())
    assert found["payment_attempts_total", "issuer_declined", "card", "api"] == 4
    assert found["payment_distinct_attempts_total", "issuer_declined", "api"] == 2
    assert found["payment_distinct_attempts_total", "success", "api"] == 1


def test_a_payment_has_failed_after_an_hour_and_a_later_success_does_not_count_it_again(world: Watched) -> None:
    shop = world.begun().shop
    first = shop.pay("no money")
    world.rest()
    shop.pay(after=first, cause=Cause.INVOICE)
    found = counters(world.rest())
    assert found["payment_intents_total", "failed"] == 1
    assert ("payment_intents_total", "succeeded") not in found
    assert found["payment_attempts_total", "success", "card", "automatic"] == 1


def test_a_payment_that_stripe_ends_is_its_customers_where_they_took_a_step_within_the_hour(world: Watched) -> None:
    shop = world.begun().shop
    at_once, soon, late = (shop.ask() for _ in range(3))
    shop.pay("no money", after=at_once, cause=Cause.UNSAID, initiator="api")  # both are on one page of the list
    world.sample()
    world.clock.on(HOUR)
    shop.pay("no money", after=soon, cause=Cause.UNSAID, initiator="api")
    world.clock.on(1)
    shop.pay("no money", after=late, cause=Cause.UNSAID, initiator="unknown")
    assert counters(world.rest()) == shop.truth()


def test_a_bank_debit_counts_when_it_settles(world: Watched) -> None:
    fake = world.begun().fake
    debit = fake.process(method="us_bank_account")
    assert counters(world.rest()) == {}
    fake.settle(debit, declined("insufficient_funds"))
    found = counters(world.rest())
    assert found["payment_attempts_total", "issuer_declined", "us_bank_account", "unknown"] == 1
    assert ("payment_attempts_total", "abandoned", "us_bank_account", "api") not in found


def test_a_late_event_is_counted_once_and_noted(world: Watched) -> None:
    world.begun().rest(1)
    payment = world.shop.pay()
    for number in payment.events:
        world.fake.delay(number, 890)
    for _ in range(2):
        assert counters(world.sample()) == {}
        world.clock.on(440)
    assert counters(world.rest()) == world.shop.truth()
    assert world.about()["payments_exporter_late_events_total",] == 2


def test_a_doubled_event_is_counted_once_and_noted(world: Watched) -> None:
    payment = world.begun().shop.pay()
    for number in payment.events:
        world.fake.repeat(number)
    assert counters(world.rest()) == world.shop.truth()
    assert world.about()["payments_exporter_doubled_events_total",] == 2


@pytest.mark.parametrize(
    "raw", [{"data": None}, {"created": "soon"}, {"data": {"object": {"id": 7}}}, {"id": None}, "nonsense", None, []]
)
def test_an_event_that_makes_no_sense_is_noted_once_and_stops_nothing(world: Watched, raw: object) -> None:
    broken = world.begun().fake.pay()
    for number in broken.events:
        world.fake.garble(number, raw)
    world.shop.pay()
    assert counters(world.rest()) == world.shop.truth()
    assert world.about()["payments_exporter_parse_errors_total",] == (1 if not isinstance(raw, dict) else 2)


@pytest.mark.slow
def test_a_thousand_events_in_one_second_are_all_counted(world: Watched) -> None:
    world.begun()
    for _ in range(500):
        world.shop.pay()
    assert counters(world.rest()) == world.shop.truth()


def test_events_keep_the_api_version_that_they_were_created_with(world: Watched) -> None:
    world.begun()
    for version in ("2016-07-06", "2019-12-03", "2024-06-20", "2026-04-22.dahlia"):
        world.fake.use_version(version)
        world.shop.pay()
        told = "unknown" if version == "2016-07-06" else "automatic"  # it has no idempotency key
        world.shop.pay("no money", cause=Cause.INVOICE, initiator=told)
    assert counters(world.rest()) == world.shop.truth()


def test_hundreds_of_unknown_values_make_no_new_series(world: Watched) -> None:
    world.begun()
    before = {(one.metric.name, one.labels) for one in world.sample().readings}
    for number in range(300):
        world.fake.pay(currency=f"x{number}", method=f"method_{number}", outcome=unexplained(f"code_{number}"))
    after = world.rest()
    assert {(one.metric.name, one.labels) for one in after.readings} == before
    assert counters(after)["payment_attempts_total", "issuer_declined", "other", "api"] == 300
    overflow = values(world.overflow.readings())
    for label in ("payment_method", "currency", "decline_code"):
        assert overflow["payments_exporter_label_overflow_total", label] == 300


def test_a_network_is_known_for_refunds_and_warnings_though_their_events_do_not_name_it(world: Watched) -> None:
    world.begun()
    for network in ("visa", "mastercard", "cartes_bancaires"):
        payment = world.fake.pay(network=network)
        world.fake.refund(payment)
        world.fake.warn(payment)
    found = values(world.sample().readings)
    for name in ("stripe_window_refunds", "stripe_window_early_fraud_warnings", "stripe_window_charges"):
        assert [found[name, "24h", one] for one in ("visa", "mastercard", "other")] == [1, 1, 1]


def test_a_refund_read_before_its_charge_finds_its_network_later(world: Watched) -> None:
    payment = world.begun().fake.pay(network="mastercard")
    for number in payment.events:
        world.fake.delay(number, 300)
    world.fake.refund(payment)
    world.fake.warn(payment)
    assert values(world.sample().readings)["stripe_window_refunds", "24h", "other"] == 1
    found = values(world.rest(1).readings)
    assert found["stripe_window_refunds", "24h", "mastercard"] == 1
    assert found["stripe_window_early_fraud_warnings", "24h", "mastercard"] == 1
    assert ("stripe_window_refunds", "24h", "other") not in found


def test_inquiries_and_prevented_disputes_are_no_disputes_until_they_turn_into_one(world: Watched) -> None:
    payment = world.begun().fake.pay()
    inquiry = world.fake.dispute(payment, status="warning_needs_response")
    world.fake.dispute(payment, status="prevented")
    found = values(world.sample().readings)
    assert ("stripe_disputes_opened_total", "fraudulent") not in found
    assert ("stripe_window_disputes", "30d", "visa") not in found
    world.fake.update_dispute(inquiry, "needs_response")
    found = values(world.sample().readings)
    assert found["stripe_disputes_opened_total", "fraudulent"] == 1
    assert found["stripe_window_disputes", "30d", "visa"] == 1


def test_a_refund_that_fails_after_all_is_counted_on_its_way(world: Watched) -> None:
    payment = world.begun().fake.pay()
    refund = world.fake.refund(payment, status="pending")
    world.fake.update_refund(world.fake.update_refund(refund, "succeeded"), "failed")
    found = counters(world.sample())
    assert {key[1]: count for key, count in found.items() if key[0] == "stripe_refunds_total"} == {
        "created": 1,
        "succeeded": 1,
        "failed": 1,
    }


def test_windows_follow_the_days_of_utc(world: Watched) -> None:
    world.begun().fake.pay()
    world.sample()
    world.clock.now = START + 17 * DAY + HOUR  # 1 February
    world.fake.pay()
    found = values(world.rest(1).readings)
    assert found["stripe_window_charges", "24h", "visa"] == 1
    assert found["stripe_window_charges", "30d", "visa"] == 2
    assert found["stripe_window_charges", "month_to_date", "visa"] == 1


def test_a_window_that_is_not_wholly_known_is_absent(world: Watched) -> None:
    names = {one.labels[0][1] for one in world.sample().readings if one.metric in WINDOWED}
    assert names == {"24h", "30d", "month_to_date"}
    world.clock.now = START + 17 * DAY
    names = {one.labels[0][1] for one in world.rest(1).readings if one.metric in WINDOWED}
    assert names == {"24h", "30d", "month_to_date", "previous_month"}


def test_after_a_long_absence_everything_is_counted_and_the_watermark_waits_for_it(world: Watched) -> None:
    world.begun()
    world.sample()
    away = world.clock.now
    for _ in range(40):
        world.clock.on(HOUR)
        for _ in range(10):
            world.shop.pay()
    world.per_request = 8
    first = world.sample()
    assert first.catching_up
    assert first.complete_until
    assert first.complete_until < away
    assert world.sampler(Source.STRIPE_EVENTS).interval.total_seconds() == 1
    last = world.rest()
    assert counters(last) == world.shop.truth()
    assert last.complete_until
    assert last.complete_until > world.clock.now - 30


def test_the_watermark_stays_behind_a_gap_though_the_newest_is_read(world: Watched) -> None:
    world.begun().rest(1)
    away = world.clock()
    for _ in range(40):
        world.clock.on(HOUR)
        for _ in range(20):
            world.shop.pay()
    world.per_request = 8
    assert world.sample().catching_up
    world.clock.on(60)
    world.shop.pay()
    again = world.sample()
    assert again.catching_up
    assert again.complete_until
    assert again.complete_until <= away


def test_an_event_that_appears_while_catching_up_is_counted_once(world: Watched) -> None:
    world.begun()
    for _ in range(30):
        world.clock.on(HOUR)
        for _ in range(20):
            world.shop.pay()
    world.per_request = 8
    while world.sample().catching_up:
        world.clock.on(15)
        payment = world.shop.pay()
        world.fake.delay(payment.events[0], 60)
    assert counters(world.rest()) == world.shop.truth()


@pytest.mark.slow
@pytest.mark.parametrize(("per_request", "together"), [(0, [1000, 100]), (8, [200, 100])])
def test_pages_share_a_transaction_as_long_as_they_come_quickly(
    world: Watched, monkeypatch: pytest.MonkeyPatch, per_request: float, together: list[int]
) -> None:
    world.begun()
    for _ in range(550):
        world.shop.pay()
    world.clock.on(30)
    world.per_request = per_request  # but for the first request, which follows none
    recorded: list[int] = []
    record = Ledger.record

    def noted(ledger: Ledger, page: Page, *rest: Any) -> Counted:
        recorded.append(len(page.events))
        return record(ledger, page, *rest)

    monkeypatch.setattr(Ledger, "record", noted)
    world.sample()
    assert recorded[:2] == together
    assert counters(world.rest()) == world.shop.truth()


def test_what_was_read_before_a_request_failed_is_not_read_again(world: Watched) -> None:
    world.begun()
    for _ in range(300):
        world.shop.pay()
    world.clock.on(30)
    world.server.faults.next(*[Slow(0)] * 3, Refusal(500, error("api_error", "Down")), endpoint="events")
    with pytest.raises(SampleError):
        world.sample()
    world.clock.on(10)
    asked = len(world.server.queries)
    world.sample()
    assert "starting_after" in world.server.queries[asked]
    assert counters(world.rest()) == world.shop.truth()


def test_a_cursor_that_grew_too_old_ends_a_pass_without_losing_what_is_left(world: Watched) -> None:
    world.begun()
    for _ in range(500):
        world.shop.pay()
    world.clock.on(29 * DAY + 23 * HOUR)
    world.per_request = 8
    assert world.sample().catching_up
    world.clock.on(2 * HOUR)
    world.shop.pay()
    last = world.rest()
    assert not last.catching_up
    assert counters(last)["payment_attempts_total", "success", "card", "api"] == 1 + READ_BEFORE / 2


def test_a_cursor_that_vanished_is_begun_again(world: Watched) -> None:
    world.begun()
    for _ in range(300):
        world.clock.on(6)
        world.shop.pay()
    world.per_request = 8
    gone = Refusal(400, error("invalid_request_error", "No such event", "resource_missing", "starting_after"))
    assert world.sample().catching_up
    world.server.faults.next(Slow(0), gone, endpoint="events")
    with pytest.raises(SampleError, match="the place to go on from is gone"):
        world.sample()
    assert counters(world.rest()) == world.shop.truth()


@pytest.mark.parametrize("skew", [-86_400.0, -90.0, 90.0, 86_400.0])
def test_stripes_clock_decides_and_the_skew_is_shown(tmp_path: Path, skew: float) -> None:
    clock = Clock()
    with watched(tmp_path, ours=lambda: clock.now + skew) as world:
        clock.now = world.clock.now
        world.clock = clock
        world.fake.clock = clock
        world.begun()
        world.shop.pay()
        assert counters(world.rest()) == world.shop.truth()
        assert world.about()["payments_exporter_clock_skew_seconds",] == pytest.approx(skew, abs=1)


@pytest.mark.parametrize("jump", [-7200.0, 7200.0, 40 * DAY])
def test_a_jump_of_stripes_clock_loses_nothing(world: Watched, jump: float) -> None:
    world.begun().shop.pay()
    world.server.date_ahead = jump
    world.sample()
    world.clock.on(60)
    world.shop.pay()
    world.sample()
    world.server.date_ahead = 0
    world.shop.pay()
    assert counters(world.rest()) == world.shop.truth()


def test_a_jump_of_our_own_clock_loses_nothing(tmp_path: Path) -> None:
    ahead = Clock(0)
    stripes = Clock()
    with watched(tmp_path, ours=lambda: stripes.now + ahead.now) as world:
        world.clock = stripes
        world.fake.clock = stripes
        world.begun().shop.pay()
        world.sample()
        for jump in (5 * HOUR, -5 * HOUR, -40 * DAY, 0):
            ahead.now = jump
            world.clock.on(60)
            world.shop.pay()
            world.sample()
        assert counters(world.rest()) == world.shop.truth()


def test_a_restart_goes_on_counting_where_it_was(world: Watched) -> None:
    world.begun().shop.pay()
    world.sample()
    world.restart()
    world.shop.pay("no money")
    assert counters(world.rest()) == world.shop.truth()


def test_a_follower_asks_nothing_and_shows_nothing_until_it_leads(world: Watched) -> None:
    world.leads = False
    for sampler in world.stripe.samplers:
        followed = world.sample(sampler.source)
        assert (followed.readings, followed.complete_until) == ((), None)
        assert sampler.interval.total_seconds() == 5
    assert not world.server.reads
    world.leads = True
    assert world.sample().readings
    assert world.sample(Source.STRIPE_ACCOUNT).readings


def test_a_leader_that_lost_its_place_lets_go_of_the_state(world: Watched) -> None:
    world.begun().shop.pay()
    world.sample()
    world.leads = False
    world.sample()
    heir = samplers(world.settings, world.ours, world.overflow).samplers[0]
    world.shop.pay()
    world.clock.on(301)
    snapshot = world.runner.run(heir.sample(world.clock()))
    assert counters(snapshot)["payment_attempts_total", "success", "card", "api"] == 2
    world.runner.run(heir.close())


def test_exactly_the_twenty_counted_types_are_asked_for_in_one_call(world: Watched) -> None:
    world.sample()
    asked = world.server.queries[0]
    assert asked.count("types[") == 20
    assert all(type_ in asked for type_ in definitions.EVENT_TYPES)


def test_every_poll_reads_a_short_tail_again(world: Watched) -> None:
    payment = world.begun().shop.pay()
    world.fake.delay(payment.events[0], 10)
    world.fake.delay(payment.events[1], 10)
    world.sample()
    world.clock.on(12)
    world.sample()
    assert counters(world.sample())["payment_attempts_total", "success", "card", "api"] == 1
    assert ("payments_exporter_late_events_total",) not in world.about()


def test_history_knows_what_succeeded_and_what_was_sent(world: Watched) -> None:
    payment = world.begun().shop.pay()
    world.fake.add_endpoint(("payment_intent.succeeded",))
    with pytest.raises(NotKnownYetError, match="which types of event the payments service subscribes to is not known"):
        world.runner.run(world.stripe.history.events_sent(0, 2**40))
    world.rest()
    world.sample(Source.STRIPE_WEBHOOKS)
    since, until = world.runner.run(world.stripe.history.known())
    assert since < START
    assert until > world.clock() - 30
    assert world.runner.run(world.stripe.history.payment_intents(since, until)) == {payment.intent}
    sent = world.runner.run(world.stripe.history.events_sent(since, until))
    assert len(sent) == 1
    everything = json.dumps([world.fake.event(number) for number in payment.events])
    assert next(iter(sent)) in everything


def test_history_knows_nothing_before_the_first_sample_nor_while_another_replica_reads(world: Watched) -> None:
    unknown = "not read yet, or another replica reads them"
    with pytest.raises(NotKnownYetError, match=unknown):
        world.runner.run(world.stripe.history.known())
    world.sample()
    assert world.runner.run(world.stripe.history.known())
    world.leads = False
    world.sample()
    with pytest.raises(NotKnownYetError, match=unknown):
        world.runner.run(world.stripe.history.known())


def test_an_event_without_an_id_is_not_one_that_was_sent(world: Watched) -> None:
    world.begun().fake.add_endpoint(("*",))
    world.sample(Source.STRIPE_WEBHOOKS)
    nameless = {"object": "event", "created": int(world.clock()), "type": "charge.succeeded"}
    named = {**nameless, "id": "evt_unreadable"}
    world.server.faults.next(Wrong({"data": [nameless, named], "has_more": False}), endpoint="events")
    world.sample()
    assert world.about()["payments_exporter_parse_errors_total",] == 2
    world.clock.on(60)
    sent = world.runner.run(world.stripe.history.events_sent(0, world.clock()))
    assert sent == {"evt_unreadable"}


def test_all_four_sources_of_stripe_have_a_sampler(world: Watched) -> None:
    assert {sampler.source for sampler in world.stripe.samplers} == {
        Source.STRIPE_EVENTS,
        Source.STRIPE_ACCOUNT,
        Source.STRIPE_WEBHOOKS,
        Source.STRIPE_DISPUTES,
    }
