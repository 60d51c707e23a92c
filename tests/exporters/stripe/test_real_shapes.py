"""What is made of what Stripe really sends: captures, releases, appeals, old versions, absent fields, false lists?

Each shape is told with its source in docs/stripe-evidence.md. Expected values are stated by hand.
"""

from pathlib import Path
from typing import Any

import pytest

from exporters.sampling.model import ErrorClass, SampleError
from simulator.stripe import Cause, Wrong, declined, unexplained
from simulator.stripe.shapes import Json
from tests.exporters.stripe.shop import HOUR, Watched, counters, values, watched

DAY = 86400
OLD = "2024-06-20"


def told(world: Watched, name: str) -> dict[tuple[str, ...], float]:
    """The series of one counter, once everything is decided."""
    return {key[1:]: value for key, value in counters(world.rest()).items() if key[0] == name}


# Manual capture


def test_an_authorization_answers_the_request_to_act_and_the_capture_decides(world: Watched) -> None:
    fake = world.begun().fake
    asked = fake.ask()
    world.clock.on(30)
    held = fake.pay(capture=False, after=asked, cause=Cause.AUTHENTICATED)
    before = counters(world.rest())
    assert before["payment_attempts_total", "success", "card", "api"] == 1
    assert ("payment_attempts_total", "abandoned", "card", "api") not in before
    assert not any(key[0] in ("payment_intents_total", "payment_amount_minor_units_total") for key in before)
    world.clock.on(DAY)
    fake.capture(held)
    after = counters(world.rest())
    assert after["payment_attempts_total", "success", "card", "api"] == 1
    assert after["payment_intents_total", "succeeded"] == 1
    assert after["payment_amount_minor_units_total", "usd"] == 2000


def test_a_payment_that_is_authorized_after_a_decline_has_not_failed(world: Watched) -> None:
    fake = world.begun().fake
    refused = fake.pay(outcome=declined("insufficient_funds"), capture=False)
    world.clock.on(60)
    held = fake.pay(capture=False, after=refused)
    assert told(world, "payment_intents_total") == {}
    world.clock.on(3 * DAY)
    fake.capture(held)
    assert told(world, "payment_intents_total") == {("succeeded",): 1}


@pytest.mark.parametrize("end", ["cancel", "expire"])
@pytest.mark.parametrize("version", [OLD, "2026-04-22.dahlia"])
def test_an_authorization_that_is_let_go_takes_nothing_and_gives_nothing_back(
    world: Watched, end: str, version: str
) -> None:
    fake = world.begun().fake
    fake.use_version(version)
    held = fake.pay(capture=False)
    world.clock.on(DAY)
    getattr(fake, end)(held)
    snapshot = world.rest()
    found = counters(snapshot)
    assert found["payment_attempts_total", "success", "card", "api"] == 1
    assert found["payment_intents_total", "canceled"] == 1
    assert not any(key[0].startswith("stripe_refund") for key in found)
    assert ("payment_amount_minor_units_total", "usd") not in found
    assert not any(key[0] in ("stripe_window_refunds", "stripe_window_charges") for key in values(snapshot.readings))


@pytest.mark.parametrize("version", [OLD, "2026-04-22.dahlia"])
def test_the_rest_of_a_capture_in_part_is_no_refund_and_a_later_refund_is_one(world: Watched, version: str) -> None:
    fake = world.begun().fake
    fake.use_version(version)
    held = fake.pay(3000, capture=False)
    world.clock.on(HOUR)
    fake.capture(held, 2000)
    world.clock.on(HOUR)
    fake.refund(held, 1000)  # as much as was let go
    found = counters(world.rest())
    assert found["payment_amount_minor_units_total", "usd"] == 2000
    assert found["stripe_refunds_total", "created"] == found["stripe_refunds_total", "succeeded"] == 1
    assert found["stripe_refund_amount_minor_units_total", "usd"] == 1000


def test_a_refund_of_an_old_version_whose_charge_nobody_knows_is_a_refund(world: Watched) -> None:
    fake = world.fake
    fake.use_version(OLD)
    paid = fake.pay()
    world.clock.on(40 * DAY)  # before anything that is read
    world.begun()
    fake.refund(paid, 700)
    assert told(world, "stripe_refund_amount_minor_units_total") == {("usd",): 700}


def test_releases_of_the_past_do_not_fill_the_windows_either(world: Watched) -> None:
    fake = world.fake
    fake.use_version(OLD)
    held = fake.pay(capture=False)
    refunded = fake.pay()
    world.clock.on(DAY)
    fake.cancel(held)
    fake.refund(refunded)
    for _ in range(250):
        fake.pay()
    found = values(world.begun().rest().readings)
    assert found["stripe_window_refunds", "30d", "visa"] == 1
    assert found["stripe_window_charges", "30d", "visa"] == 251


def test_captures_in_parts_add_up(world: Watched) -> None:
    fake = world.begun().fake
    held = fake.pay(3000, capture=False)
    world.clock.on(DAY)
    fake.capture_part(held, 1000)
    world.clock.on(DAY)
    fake.capture(held)
    found = counters(world.rest())
    assert found["payment_amount_minor_units_total", "usd"] == 3000
    assert found["payment_intents_total", "succeeded"] == 1


def test_a_capture_whose_authorization_was_never_seen_counts_what_it_took(world: Watched) -> None:
    held = world.fake.pay(3000, capture=False)
    world.clock.on(20)
    world.begun().fake.capture(held)
    found = counters(world.rest())
    assert found["payment_amount_minor_units_total", "usd"] == 3000
    assert found["payment_intents_total", "succeeded"] == 1


# Events that contradict each other


@pytest.mark.parametrize("later", [0, 5, HOUR])
def test_a_charge_that_says_twice_that_it_was_captured_took_its_money_once(world: Watched, later: int) -> None:
    fake = world.begun().fake
    paid = fake.pay()  # its event says `captured: true`
    world.clock.on(later)
    if later:
        world.rest()
    fake.capture(paid)
    snapshot = world.rest()
    found = counters(snapshot)
    assert found["payment_amount_minor_units_total", "usd"] == 2000
    assert found["payment_attempts_total", "success", "card", "api"] == 1
    assert found["payment_intents_total", "succeeded"] == 1
    assert values(snapshot.readings)["stripe_window_charges", "24h", "visa"] == 1


def test_a_charge_whose_event_was_written_after_a_part_of_it_was_captured_took_that_part(world: Watched) -> None:
    fake = world.begun().fake
    held = fake.pay(capture=False)
    fake.capture(held, 700)
    succeeded, captured = fake.event(held.events[0]), fake.event(fake.last_event - 1)
    assert isinstance(succeeded, dict)
    assert isinstance(captured, dict)
    fake.garble(held.events[0], {"data": captured["data"]})
    assert told(world, "payment_amount_minor_units_total") == {("usd",): 700}


def test_a_charge_that_both_succeeded_and_failed_is_one_attempt(world: Watched) -> None:
    fake = world.begun().fake
    paid = fake.pay()
    fake.garble(fake.repeat(paid.events[0]), {"type": "charge.failed"})
    assert sum(told(world, "payment_attempts_total").values()) == 1


# Disputes


def test_a_loss_that_is_appealed_and_won_closes_twice(world: Watched) -> None:
    fake = world.begun().fake
    dispute = fake.dispute(fake.pay())
    for status in ("under_review", "lost", "appeal_needs_response", "appeal_under_review", "won"):
        world.clock.on(DAY)
        dispute = fake.update_dispute(dispute, status)
        world.sample()
    found = counters(world.rest())
    assert found["stripe_disputes_opened_total", "fraudulent"] == 1
    assert found["stripe_disputes_closed_total", "lost"] == found["stripe_disputes_closed_total", "won"] == 1


def test_an_inquiry_that_closed_and_escalates_is_a_dispute_that_can_be_lost(world: Watched) -> None:
    fake = world.begun().fake
    dispute = fake.dispute(fake.pay(), status="warning_needs_response")
    for status in ("warning_under_review", "warning_closed"):
        dispute = fake.update_dispute(dispute, status)
    world.clock.on(DAY)
    for status in ("needs_response", "lost"):
        dispute = fake.update_dispute(dispute, status)
    snapshot = world.rest()
    found = counters(snapshot)
    assert found["stripe_disputes_opened_total", "fraudulent"] == 1
    assert found["stripe_disputes_closed_total", "warning_closed"] == found["stripe_disputes_closed_total", "lost"] == 1


@pytest.mark.parametrize("version", [OLD, "2026-04-22.dahlia"])
@pytest.mark.parametrize("charge_is_late", [False, True])
def test_a_dispute_of_a_co_branded_card_meets_its_charge_on_the_charges_network(
    tmp_path: Path, version: str, charge_is_late: bool
) -> None:
    with watched(tmp_path) as world:
        fake = world.begun().fake
        fake.use_version(version)
        paid = fake.pay(network="cartes_bancaires")
        if charge_is_late:
            fake.delay(paid.events[0], 120)
        fake.dispute(paid, brand="visa")
        found = values(world.rest().readings)
        assert found["stripe_window_charges", "24h", "other"] == found["stripe_window_disputes", "24h", "other"] == 1
        assert ("stripe_window_disputes", "24h", "visa") not in found


def test_a_dispute_of_a_charge_that_nobody_knows_is_on_the_network_that_it_tells(world: Watched) -> None:
    paid = world.fake.pay(network="mastercard")
    world.clock.on(40 * DAY)
    world.begun().fake.dispute(paid)
    assert values(world.rest().readings)["stripe_window_disputes", "24h", "mastercard"] == 1


def test_a_card_at_a_terminal_has_a_network_too(world: Watched) -> None:
    fake = world.begun().fake
    for event in fake.pay(network="amex").events[:1]:
        shown: Any = fake.event(event)
        details = shown["data"]["object"]["payment_method_details"]
        shown["data"]["object"]["payment_method_details"] = {"type": "card_present", "card_present": details["card"]}
        fake.garble(event, shown)
    found = values(world.rest().readings)
    assert found["stripe_window_charges", "24h", "amex"] == 1
    assert found["payment_attempts_by_network_total", "success", "amex"] == 1


# Words


def test_an_attempt_that_expired_was_abandoned_once(world: Watched) -> None:
    fake = world.begun().fake
    asked = fake.ask()
    world.clock.on(DAY)
    expired = fake.pay(outcome=declined("do_not_honor"), after=asked, cause=Cause.UNSAID)
    left = fake.pay(outcome=declined("do_not_honor"))
    for payment, code in (
        (expired, "payment_intent_payment_attempt_expired"),
        (left, "payment_method_customer_decline"),
    ):
        fake.garble(payment.events[0], {"type": "payout.created"})
        shown: Any = fake.event(payment.events[1])
        shown["data"]["object"]["last_payment_error"] = {"type": "invalid_request_error", "code": code}
        fake.garble(payment.events[1], shown)
    found = counters(world.rest())
    attempts = {key[1]: value for key, value in found.items() if key[0] == "payment_attempts_by_currency_total"}
    assert attempts == {"abandoned": 2}
    assert not any(key[0] == "payment_failures_total" for key in found)


def test_a_word_that_nobody_knows_counts_as_other_and_is_told_once(
    world: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    fake = world.begun().fake
    for _ in range(3):
        fake.pay(outcome=unexplained("moon_phase_wrong"))
        world.clock.on(20)
        world.sample()
    found = counters(world.rest())
    assert found["payment_declines_total", "other"] == found["payment_failures_total", "other"] == 3
    lines = [record.getMessage() for record in caplog.records if "moon_phase_wrong" in record.getMessage()]
    assert lines == [
        "events: decline or error code 'moon_phase_wrong' is not known to this release; what it says is not counted"
    ]


def test_what_is_no_word_is_not_told(world: Watched, caplog: pytest.LogCaptureFixture) -> None:
    world.begun().fake.pay(outcome=declined("jenny.rosen@example.com"))
    world.sample()
    assert "jenny" not in caplog.text


# Fields


def test_events_without_their_optional_fields_lose_nothing_else(world: Watched) -> None:
    fake = world.begun().fake
    fake.left_out = {
        "payment_intent": ("currency", "payment_method_types", "next_action", "latest_charge"),
        "charge": ("outcome", "amount_captured", "billing_details"),
    }
    fake.pay()
    fake.pay(outcome=declined("do_not_honor"))
    fake.capture(fake.pay(capture=False))
    found = counters(world.rest())
    assert found["payment_attempts_total", "success", "card", "api"] == 2
    assert found["payment_attempts_total", "issuer_declined", "card", "api"] == 1
    assert found["payment_intents_total", "succeeded"] == 2
    assert found["payment_intents_total", "failed"] == 1
    assert found["payment_amount_minor_units_total", "usd"] == 4000
    assert world.about().get(("payments_exporter_parse_errors_total",), 0) == 0


def test_a_charge_without_an_amount_is_an_attempt_all_the_same_and_is_told_as_not_understood(world: Watched) -> None:
    fake = world.begun().fake
    fake.left_out = {"charge": ("amount", "amount_captured")}
    fake.pay()
    found = counters(world.rest())
    assert found["payment_attempts_total", "success", "card", "api"] == 1
    assert ("payment_amount_minor_units_total", "usd") not in found
    assert sum(value for key, value in world.about().items() if "parse_errors" in key[0]) == 1


# False lists


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"object": "list", "data": [], "has_more": False}, id="empty, where there was something"),
        pytest.param({"data": [{"error": "busy"}, {"error": "busy"}], "has_more": False}, id="nothing is an event"),
        pytest.param(
            {
                "data": [{"id": "evt_1", "type": "charge.succeeded", "created": 1234567890, "data": {"object": {}}}],
                "has_more": False,
            },
            id="as a mock answers, whatever is asked",
        ),
    ],
)
def test_a_list_that_is_well_formed_and_false_moves_nothing(world: Watched, answer: Json) -> None:
    shop = world.begun().shop
    shop.pay()
    world.clock.on(20)
    world.sample()
    refused: list[ErrorClass] = []
    for _ in range(60):  # half an hour
        shop.pay()
        world.clock.on(30)
        world.server.faults.next(*[Wrong(answer)] * 5, endpoint="events")
        try:
            world.sample()  # for some minutes, that nothing is new is as good as true
        except SampleError as error:
            refused.append(error.kind)
        world.server.faults.clear()
    assert len(refused) > 15
    assert set(refused) == {ErrorClass.BAD_ANSWER}
    world.clock.on(601)
    assert counters(world.rest()) == shop.truth()


def test_a_single_event_that_makes_no_sense_does_not_hold_up_the_list(world: Watched) -> None:
    shop = world.begun().shop
    for number in shop.fake.pay().events:
        shop.fake.garble(number, {"data": "?"})
    world.clock.on(20)
    world.sample()
    shop.pay()
    assert counters(world.rest()) == shop.truth()
