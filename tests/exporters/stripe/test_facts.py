"""What is read from an event, and what is not?"""

from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.stripe.counting.facts import (
    AttemptEnded,
    CardUsed,
    ChargeAuthorized,
    ChargeCaptured,
    Event,
    Fact,
    IntentStep,
    MoneyReceived,
    MoneyTaken,
    RefundEnded,
    UnreadableError,
    read_event,
)
from rules.payments.declines import FAILURE_CLASS
from rules.payments.outcomes import RESULT
from rules.payments.webhooks import EVENT_TYPES
from simulator.stripe import (
    AUTHENTICATION_FAILED,
    SUCCESS,
    Cause,
    FakeStripe,
    Outcome,
    blocked,
    declined,
    invalid,
    provider_failed,
    unexplained,
)
from tests.exporters.stripe.shop import START


@pytest.fixture
def fake() -> FakeStripe:
    return FakeStripe(lambda: START)


def facts(fake: FakeStripe, number: int = -1) -> tuple[Fact, ...]:
    """The facts of an event, the latest unless it is named."""
    return read_event(fake.event(fake.last_event if number < 0 else number)).facts


def understood(raw: object) -> Event | UnreadableError:
    """The event, or what is wrong with it: nothing else may come of anything."""
    try:
        return read_event(raw)
    except UnreadableError as error:
        return error


def attempt(fake: FakeStripe, outcome: Outcome, **options: Any) -> AttemptEnded:
    """The attempt that a payment's first event tells of."""
    found = facts(fake, fake.pay(outcome=outcome, **options).events[0])[0]
    assert isinstance(found, AttemptEnded)
    return found


@pytest.mark.parametrize(
    ("outcome", "result", "failure"),
    [
        (declined("insufficient_funds"), "issuer_declined", "issuer_soft"),
        (declined("do_not_honor"), "issuer_declined", "issuer_soft"),
        (declined("do_not_honor", advice="do_not_try_again"), "issuer_declined", "issuer_hard"),
        (declined("stolen_card"), "issuer_declined", "issuer_hard"),
        (declined("expired_card"), "issuer_declined", "customer_data"),
        (declined("authentication_required"), "issuer_declined", "authentication"),
        (declined("try_again_later"), "technical_failure", "technical"),
        (declined("processing_error"), "technical_failure", "technical"),
        (declined("issuer_not_available"), "technical_failure", "technical"),
        (declined("reenter_transaction"), "technical_failure", "technical"),
        (blocked(), "blocked", "fraud_block"),
        (blocked("rule"), "blocked", "fraud_block"),
        (Outcome("issuer_declined", "reversed_after_approval", "do_not_honor"), "blocked", "fraud_block"),
        (invalid("invalid_amount"), "technical_failure", "integration"),
        (invalid("something_new"), "technical_failure", "integration"),
        (unexplained("account_closed"), "issuer_declined", "issuer_hard"),
        (declined("something_new", advice="try_again_later"), "issuer_declined", "issuer_soft"),
        (unexplained("something_new"), "issuer_declined", "other"),
        (AUTHENTICATION_FAILED, "issuer_declined", "authentication"),
        (provider_failed(), "technical_failure", "technical"),
    ],
)
def test_the_cause_decides_about_class_and_result(
    fake: FakeStripe, outcome: Outcome, result: str, failure: str
) -> None:
    found = attempt(fake, outcome)
    assert (found.result, found.failure) == (result, failure)
    assert found.result in RESULT.values
    assert found.failure in FAILURE_CLASS.values


def test_a_success_is_an_attempt_a_charge_and_money(fake: FakeStripe) -> None:
    payment = fake.pay(2599, "eur", method="google_pay", network="mastercard")
    assert facts(fake, payment.events[0]) == (
        AttemptEnded(
            "success", "", (), "google_pay", "api", "eur", payment.intent, 2599, CardUsed("mastercard", "us", "none")
        ),
        MoneyTaken(payment.charge, "mastercard", "eur", 2599),
    )
    assert facts(fake, payment.events[1]) == (
        IntentStep(payment.intent, "S", "", "api", "eur"),
        MoneyReceived(payment.intent, "eur", 2599),
    )


def test_a_decline_is_told_by_its_charge_and_its_intent_tells_only_of_a_step(fake: FakeStripe) -> None:
    payment = fake.pay(outcome=declined("do_not_honor"))
    assert len(payment.events) == 2
    assert facts(fake, payment.events[1]) == (IntentStep(payment.intent, "F", "", "api", "usd"),)


def test_money_that_is_only_authorized_is_not_taken_yet(fake: FakeStripe) -> None:
    payment = fake.pay(capture=False)
    ended, *rest = facts(fake, payment.events[0])
    assert isinstance(ended, AttemptEnded)
    assert ended.result == "success"
    authorized = IntentStep(payment.intent, "R", "", "api", "usd")
    assert rest == [ChargeAuthorized(payment.charge, "visa"), authorized]
    assert facts(fake, payment.events[1]) == (authorized,)
    captured = fake.capture(payment)
    assert facts(fake, captured.events[0]) == (
        MoneyTaken(payment.charge, "visa", "usd", 2000),
        ChargeCaptured(payment.charge, 0),
    )
    assert not any(isinstance(fact, MoneyTaken) for fact in facts(fake, payment.events[0]))


def test_a_capture_in_parts_takes_the_sum_with_its_last_part(fake: FakeStripe) -> None:
    payment = fake.pay(3000, capture=False)
    fake.capture_part(payment, 1000)
    assert facts(fake, fake.capture(payment).events[0])[0] == MoneyTaken(payment.charge, "visa", "usd", 3000)
    in_part = fake.pay(3000, capture=False)
    assert facts(fake, fake.capture(in_part, 1200).events[0]) == (
        MoneyTaken(in_part.charge, "visa", "usd", 1200),
        ChargeCaptured(in_part.charge, 1800),
    )


@pytest.mark.parametrize(
    ("cause", "initiator"),
    [
        (Cause.REQUEST, "api"),
        (Cause.AUTHENTICATED, "api"),
        (Cause.AUTHENTICATED_BEFORE_2024, "api"),
        (Cause.INVOICE, "automatic"),
        (Cause.FIRST_ATTEMPT, "automatic"),
        (Cause.UNSAID, "unknown"),
    ],
)
def test_the_request_and_its_key_tell_who_paid(fake: FakeStripe, cause: Cause, initiator: str) -> None:
    assert attempt(fake, SUCCESS, cause=cause).initiator == initiator
    assert attempt(fake, declined("do_not_honor"), cause=cause).initiator == initiator


def test_in_old_versions_the_request_is_its_id_alone_and_nothing_tells_of_a_key(fake: FakeStripe) -> None:
    fake.use_version("2016-07-06")
    assert attempt(fake, declined("do_not_honor")).initiator == "api"
    assert attempt(fake, declined("do_not_honor"), cause=Cause.INVOICE).initiator == "unknown"


def charge_told_by(fake: FakeStripe, **fields: Any) -> AttemptEnded:
    """The attempt that a charge without request or key tells of, with some fields of its own."""
    raw: Any = fake.event(fake.pay(cause=Cause.UNSAID).events[0])
    raw["data"]["object"].update(fields)
    found = read_event(raw).facts[0]
    assert isinstance(found, AttemptEnded)
    return found


def test_without_request_and_key_the_charge_itself_may_tell_who_paid(fake: FakeStripe) -> None:
    challenged = {"type": "card", "card": {"three_d_secure": {"authentication_flow": "challenge"}}}
    exempted = {"type": "card", "card": {"three_d_secure": {"authentication_flow": None, "result": "exempted"}}}
    merchant = {"type": "card", "card": {"stored_credential_usage": "recurring"}}
    assert charge_told_by(fake, payment_method_details=challenged).initiator == "api"
    assert charge_told_by(fake, payment_method_details=exempted).initiator == "unknown"
    assert charge_told_by(fake, payment_method_details={"type": "ideal", "ideal": {}}).initiator == "api"
    assert charge_told_by(fake, payment_method_details={"type": "sepa_debit"}).initiator == "unknown"
    assert charge_told_by(fake, payment_method_details=merchant).initiator == "automatic"
    assert charge_told_by(fake, invoice="in_1").initiator == "automatic"


def test_an_intent_that_only_takes_a_customers_method_failed_by_a_customer(fake: FakeStripe) -> None:
    fake.pay(method="ideal", outcome=provider_failed(), cause=Cause.UNSAID)
    (ended, step) = facts(fake)
    assert isinstance(ended, AttemptEnded)
    assert isinstance(step, IntentStep)
    assert (ended.initiator, step.initiator) == ("api", "api")


def test_a_voucher_gives_the_customer_days_and_is_no_attempt_that_can_be_abandoned(fake: FakeStripe) -> None:
    fake.ask(action="boleto_display_details")
    (step,) = facts(fake)
    assert isinstance(step, IntentStep)
    assert step.kind == "P"


def test_two_events_of_one_change_share_a_business_key_and_two_changes_do_not(fake: FakeStripe) -> None:
    failed = fake.pay(outcome=AUTHENTICATION_FAILED)
    again = fake.repeat(failed.events[0])
    another = fake.pay(outcome=AUTHENTICATION_FAILED, after=failed)
    keys = [read_event(fake.event(number)).business_key for number in (failed.events[0], again, another.events[0])]
    assert keys[0] == keys[1] != keys[2]


def refund_events(fake: FakeStripe) -> list[Event]:
    """Every event about a refund."""
    read = (read_event(fake.event(number)) for number in range(fake.last_event + 1))
    return [event for event in read if event.type.startswith("refund.")]


def test_a_refund_ends_with_its_status_and_not_again_when_its_reference_comes(fake: FakeStripe) -> None:
    pending = fake.refund(fake.pay(), status="pending")
    fake.refer_to(fake.update_refund(pending, "succeeded"))
    fake.refer_to(fake.refund(fake.pay()))
    fake.refer_to(fake.update_refund(fake.refund(fake.pay(), status="pending"), "failed"))
    ends = [[fact.result for fact in event.facts if isinstance(fact, RefundEnded)] for event in refund_events(fake)]
    assert ends == [[], ["succeeded"], [], ["succeeded"], [], [], ["failed"], ["failed"], []]


def test_an_update_that_changes_the_status_is_another_than_one_of_the_same_second_that_does_not(
    fake: FakeStripe,
) -> None:
    fake.refer_to(fake.update_refund(fake.refund(fake.pay(), status="pending"), "succeeded"))
    _, ended, referred = refund_events(fake)
    assert ended.at == referred.at
    assert ended.business_key != referred.business_key
    fake.update_dispute(fake.dispute(fake.pay(), status="warning_needs_response"), "needs_response")
    escalated: Any = fake.event(fake.last_event)
    noted = {**escalated, "data": {**escalated["data"], "previous_attributes": {"metadata": {"ticket": None}}}}
    assert read_event(escalated).business_key != read_event(noted).business_key


def test_each_of_the_twenty_types_can_be_read(fake: FakeStripe) -> None:
    paid = fake.pay()
    fake.pay(outcome=declined("lost_card"))
    fake.cancel(fake.ask())
    fake.settle(fake.process())
    fake.expire(fake.pay(capture=False))
    fake.capture(fake.pay(capture=False))
    fake.update_refund(fake.refund(paid, status="pending"), "failed")
    fake.update_dispute(fake.dispute(paid), "won")
    fake.warn(paid)
    fake.fail_payout(fake.pay_out())
    fake.fail_invoice()
    read = [read_event(fake.event(number)) for number in range(fake.last_event + 1)]
    assert {event.type for event in read} == set(EVENT_TYPES)


def test_an_event_of_another_type_says_nothing(fake: FakeStripe) -> None:
    raw: Any = fake.event(fake.pay().events[0])
    raw["type"] = "charge.refunded"
    assert read_event(raw).facts == ()


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: (
            st.lists(one)
            | st.dictionaries(
                st.sampled_from(
                    ("id", "type", "created", "data", "object", "request", "amount", "currency", "outcome")
                ),
                one,
            )
        ),
    )
)
def test_nonsense_is_unreadable_and_nothing_else(raw: object) -> None:
    assert isinstance(understood(raw), Event | UnreadableError)


FIELDS = ("id", "currency", "amount", "outcome", "payment_method_details", "status", "reason", "last_payment_error")


@settings(deadline=None)
@given(st.integers(0, 30), st.sampled_from(FIELDS), st.none() | st.booleans() | st.integers() | st.text(max_size=3))
def test_a_field_that_is_not_as_documented_never_breaks_anything(number: int, field: str, value: object) -> None:
    fake = FakeStripe(lambda: START)
    paid = fake.pay(outcome=declined("lost_card"))
    paid = fake.pay()
    fake.pay(outcome=AUTHENTICATION_FAILED)
    fake.cancel(fake.ask())
    fake.update_dispute(fake.dispute(paid), "lost")
    fake.update_refund(fake.refund(paid), "failed")
    fake.fail_payout(fake.pay_out())
    raw: Any = fake.event(number % (fake.last_event + 1))
    raw["data"]["object"][field] = value
    understood(raw)


def places(thing: object) -> Iterator[tuple[str, ...]]:
    """Every place in an event, by its keys from outside to inside."""
    if isinstance(thing, dict):
        for key, inner in thing.items():
            yield (key,)
            yield from ((key, *place) for place in places(inner))


def without(raw: dict[str, Any], place: tuple[str, ...], *, null: bool) -> dict[str, Any]:
    """The event with nothing at that place."""
    changed = deepcopy(raw)
    *outer, last = place
    holder = reduce(lambda thing, key: thing[key], outer, changed)
    if null:
        holder[last] = None
    else:
        del holder[last]
    return changed


REQUIRED = {("id",), ("type",), ("created",), ("data",), ("data", "object"), ("data", "object", "id")}
"""Without these there is no event: it is told as one that cannot be understood."""

DECISIVE = {
    ("charge.succeeded", "captured"),
    ("charge.succeeded", "payment_intent"),
    ("payment_intent.amount_capturable_updated", "status"),
    ("payment_intent.payment_failed", "charge"),
    ("payment_intent.succeeded", "amount_received"),
    ("payment_intent.succeeded", "currency"),
    ("charge.dispute.created", "status"),
    ("charge.dispute.updated", "status"),
    ("charge.dispute.updated", "previous_attributes"),
    ("refund.created", "status"),
    ("refund.updated", "status"),
    ("refund.updated", "previous_attributes"),
    ("refund.failed", "status"),
}
"""Fields whose absence means something else: an attempt that became no charge, a refund that has not ended, ..."""


def test_an_event_without_any_one_of_its_fields_says_everything_else(fake: FakeStripe) -> None:
    for outcome in (SUCCESS, declined("lost_card"), AUTHENTICATION_FAILED, blocked(), provider_failed()):
        paid = fake.pay(outcome=outcome, method="google_pay", authentication="challenge")
    paid = fake.pay(cause=Cause.AUTHENTICATED)
    fake.settle(fake.process())
    fake.capture(fake.pay(capture=False), 700)
    fake.expire(fake.pay(capture=False))
    fake.cancel(fake.ask())
    fake.update_dispute(fake.dispute(paid, status="warning_needs_response"), "needs_response")
    fake.update_dispute(fake.dispute(paid), "lost")
    fake.update_refund(fake.refund(paid), "failed")
    fake.warn(paid)
    fake.fail_payout(fake.pay_out())
    fake.fail_invoice()
    types, tried = set(), 0
    for number in range(fake.last_event + 1):
        raw: Any = fake.event(number)
        types.add(raw["type"])
        whole = [type(fact) for fact in read_event(raw).facts]
        for place in places(raw):
            for null in (False, True):
                found = understood(without(raw, place, null=null))
                tried += 1
                if place in REQUIRED:
                    assert isinstance(found, UnreadableError), (raw["type"], place)
                elif not DECISIVE & {(raw["type"], name) for name in place}:
                    assert isinstance(found, Event), (raw["type"], place)
                    assert [type(fact) for fact in found.facts] == whole, (raw["type"], place)
                else:
                    assert isinstance(found, Event), (raw["type"], place)
    assert types == set(EVENT_TYPES)
    assert tried > 3000
