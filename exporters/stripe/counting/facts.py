"""What does an event of Stripe say, in the few words that are counted?

Pure: one parsed event in, frozen facts out. An event keeps the API version that it was created with, so that only
fields that are old and stable are read, and each is checked.

A payment attempt is a charge. An attempt that never became a charge, such as one that failed 3-D Secure, is told by
`payment_intent.payment_failed` alone (Stripe, "Declines", "Events"); where `last_payment_error` names a charge, the
charge's own event tells it, and the intent's does not tell it again.

Results follow the cause. A failed authentication is `issuer_declined`: the issuer's access control server refused the
customer, or the customer did not pass; nothing of ours broke, yet a rise must show among the declines. A customer who
never came back from an authentication is `abandoned`, which the intent's steps decide (see `intents`).

What each reading of a field rests on is told in docs/stripe-evidence.md.
"""

import re
from dataclasses import dataclass
from typing import Any

from rules.payments.outcomes import UNKNOWN
from rules.payments.webhooks import EVENT_TYPES
from rules.vocabulary import OTHER

__all__ = [
    "AttemptEnded",
    "ChargeSucceeded",
    "DisputeClosed",
    "DisputeOpened",
    "Event",
    "Fact",
    "IntentStep",
    "MoneyTaken",
    "PayoutEnded",
    "RefundEnded",
    "RefundMade",
    "UnreadableError",
    "WarningReceived",
    "read_event",
]


class UnreadableError(Exception):
    """An event that cannot be understood; the text names the place, never the content."""


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """One attempt to pay came to its end; `failure` is a class of failures, empty where it succeeded.

    `intent` is the payment intent's id, empty where there is none.
    """

    result: str
    failure: str
    codes: tuple[str, ...]
    method: str
    initiator: str
    currency: str
    intent: str = ""


@dataclass(frozen=True, slots=True)
class ChargeSucceeded:
    """A charge succeeded on a card network, `other` where it was no card."""

    charge: str
    network: str


@dataclass(frozen=True, slots=True)
class MoneyTaken:
    """Money was captured, in the currency's smallest unit."""

    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class IntentStep:
    """A payment intent moved: A needs action, P is processing, F failed, S succeeded, C was canceled."""

    intent: str
    kind: str
    method: str
    initiator: str
    currency: str


@dataclass(frozen=True, slots=True)
class DisputeOpened:
    """A customer's bank disputes a charge; inquiries and prevented disputes are none."""

    dispute: str
    reason: str
    network: str


@dataclass(frozen=True, slots=True)
class DisputeClosed:
    """A dispute or an inquiry ended."""

    outcome: str


@dataclass(frozen=True, slots=True)
class RefundMade:
    """A refund was asked for, in the currency's smallest unit."""

    charge: str
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class RefundEnded:
    """A refund succeeded, failed or was canceled."""

    refund: str
    result: str


@dataclass(frozen=True, slots=True)
class WarningReceived:
    """A card network warns of fraud on a charge."""

    charge: str


@dataclass(frozen=True, slots=True)
class PayoutEnded:
    """A payout was paid or failed."""

    result: str


Fact = (
    AttemptEnded
    | ChargeSucceeded
    | MoneyTaken
    | IntentStep
    | DisputeOpened
    | DisputeClosed
    | RefundMade
    | RefundEnded
    | WarningReceived
    | PayoutEnded
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `at` in seconds since 1970, `business_key` the same for two events that tell the same change."""

    id: str
    type: str
    at: int
    about: str
    """The id of the object that it is about."""
    business_key: str
    facts: tuple[Fact, ...]


_Object = dict[str, Any]

_ONCE = frozenset(EVENT_TYPES) - {
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "charge.captured",
    "charge.dispute.updated",
    "refund.updated",
    "invoice.payment_failed",
}
"""Types that an object can have once in its life, so that a second such event repeats the first."""

_AUTHENTICATION_FAILED = "payment_intent_authentication_failure"

_STEPS = {
    "payment_intent.requires_action": "A",
    "payment_intent.processing": "P",
    "payment_intent.payment_failed": "F",
    "payment_intent.succeeded": "S",
    "payment_intent.canceled": "C",
}

_OF_A_CUSTOMER = re.compile(r"pi_[A-Za-z0-9_]+-(payatt|src)_")
"""Idempotency keys under which Stripe ends a payment that its customer authenticated; those with `src` before 2024."""

_FLOWS = ("challenge", "frictionless")

_ONLY_BY_CUSTOMERS = frozenset(
    (
        "affirm",
        "afterpay_clearpay",
        "alma",
        "bancontact",
        "billie",
        "boleto",
        "card_present",
        "eps",
        "fpx",
        "giropay",
        "grabpay",
        "ideal",
        "interac_present",
        "konbini",
        "mb_way",
        "multibanco",
        "oxxo",
        "p24",
        "paynow",
        "pix",
        "promptpay",
        "sofort",
        "swish",
        "twint",
        "wechat_pay",
        "zip",
    )
)
"""Methods that cannot be charged without their customer: a mandate made with one is charged as another method."""

_ENDS_OF_REFUNDS = ("succeeded", "failed", "canceled")

_WALLETS = ("apple_pay", "google_pay", "link")

_CLASSES = {
    "technical": (
        "processing_error",
        "issuer_not_available",
        "try_again_later",
        "reenter_transaction",
        "payment_method_provider_timeout",
        "payment_method_not_available",
        "api_error",
        "lock_timeout",
        "rate_limit",
    ),
    "integration": (
        "amount_too_large",
        "amount_too_small",
        "country_unsupported",
        "currency_not_supported",
        "idempotency_key_in_use",
        "invalid_amount",
        "live_mode_test_card",
        "livemode_mismatch",
        "parameter_invalid_empty",
        "parameter_invalid_integer",
        "parameter_missing",
        "parameter_unknown",
        "test_mode_live_card",
        "testmode_decline",
    ),
    "fraud_block": ("highest_risk_level", "elevated_risk_level", "rule", "previously_declined_do_not_retry"),
    "authentication": (
        "authentication_not_handled",
        "authentication_required",
        "mobile_device_authentication_required",
        _AUTHENTICATION_FAILED,
    ),
    "customer_data": (
        "expired_card",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_pin",
        "incorrect_zip",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "invalid_pin",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "pin_try_exceeded",
    ),
    "issuer_hard": (
        "account_closed",
        "bank_account_restricted",
        "card_not_supported",
        "debit_not_authorized",
        "fraudulent",
        "invalid_account",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_account",
        "no_action_taken",
        "not_permitted",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "service_not_allowed",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    ),
    "issuer_soft": (
        "approve_with_id",
        "call_issuer",
        "card_declined",
        "card_velocity_exceeded",
        "do_not_honor",
        "duplicate_transaction",
        "generic_decline",
        "insufficient_funds",
        "withdrawal_count_limit_exceeded",
    ),
}
_CLASS_OF = {code: name for name, codes in _CLASSES.items() for code in codes}
_ADVICE = {"try_again_later": "issuer_soft", "do_not_try_again": "issuer_hard", "confirm_card_data": "customer_data"}
_RESULT_OF = {"technical": "technical_failure", "integration": "technical_failure", "fraud_block": "blocked"}


def read_event(raw: object) -> Event:
    """The facts of one event as Stripe's API gives it (Stripe API reference, "The Event object").

    An event of a type that is not counted has no facts. Raises UnreadableError for one that does not make sense.
    """
    event = _object(raw, "event")
    id_ = _text(event, "id")
    type_ = _text(event, "type")
    at = _whole(event, "created")
    thing = _object(_object(event.get("data"), "data").get("object"), "data.object")
    about = _text(thing, "id")
    request, idempotency_key = _request(event)
    key = f"{type_}:{about}"
    if type_ not in _ONCE:
        key += f":{request or at}:{thing.get('status')}"
    return Event(id_, type_, at, about, key, _facts(type_, thing, event, _initiator(request, idempotency_key, thing)))


def _facts(type_: str, thing: _Object, event: _Object, initiator: str) -> tuple[Fact, ...]:
    match type_:
        case "charge.succeeded":
            return _charge_succeeded(thing, initiator)
        case "charge.failed":
            return (_charge_failed(thing, initiator),)
        case "charge.captured":
            return (MoneyTaken(_text(thing, "currency"), _captured(thing, event)),)
        case "payment_intent.payment_failed":
            return _payment_failed(thing, initiator)
        case (
            "payment_intent.succeeded"
            | "payment_intent.canceled"
            | "payment_intent.processing"
            | "payment_intent.requires_action"
        ):
            return _step(type_, thing, initiator)
        case "charge.dispute.created" | "charge.dispute.updated":
            return _dispute_opened(type_, thing, event)
        case "charge.dispute.closed":
            return (DisputeClosed(_text(thing, "status")),)
        case "refund.created" | "refund.updated" | "refund.failed":
            return _refund(type_, thing)
        case "radar.early_fraud_warning.created":
            return (WarningReceived(_reference(thing, "charge")),)
        case "payout.paid" | "payout.failed":
            return (PayoutEnded(type_.removeprefix("payout.")),)
    return ()


def _charge_succeeded(charge: _Object, initiator: str) -> tuple[Fact, ...]:
    currency = _text(charge, "currency")
    method, network = _method_and_network(_optional(charge, "payment_method_details"))
    ended = AttemptEnded("success", "", (), method, initiator, currency, _reference(charge, "payment_intent"))
    succeeded = ChargeSucceeded(_text(charge, "id"), network)
    if charge.get("captured") is False:
        return (ended, succeeded)
    return (ended, succeeded, MoneyTaken(currency, _whole(charge, "amount")))


def _charge_failed(charge: _Object, initiator: str) -> AttemptEnded:
    outcome = _optional(charge, "outcome")
    codes = tuple(code for code in (outcome.get("reason"), charge.get("failure_code")) if isinstance(code, str))
    failure = _failure(codes, outcome.get("type"), outcome.get("network_status"), outcome.get("advice_code"))
    method, _ = _method_and_network(_optional(charge, "payment_method_details"))
    return AttemptEnded(
        _RESULT_OF.get(failure, "issuer_declined"),
        failure,
        codes,
        method,
        initiator,
        _text(charge, "currency"),
        _reference(charge, "payment_intent"),
    )


def _payment_failed(intent: _Object, initiator: str) -> tuple[Fact, ...]:
    error = _optional(intent, "last_payment_error")
    (step,) = _step("payment_intent.payment_failed", intent, initiator)
    if error.get("charge"):
        return (step,)
    codes = tuple(code for code in (error.get("decline_code"), error.get("code")) if isinstance(code, str))
    failure = _failure(codes, None, None, error.get("advice_code"))
    if failure == OTHER and error.get("type") == "api_error":
        failure = "technical"
    method, _ = _method_and_network(_optional(error, "payment_method"))
    shown = tuple("authentication_required" if code == _AUTHENTICATION_FAILED else code for code in codes)
    result = _RESULT_OF.get(failure, "issuer_declined")
    return (
        AttemptEnded(result, failure, shown, method, initiator, _text(intent, "currency"), _text(intent, "id")),
        step,
    )


def _failure(codes: tuple[str, ...], type_: object, network_status: object, advice: object) -> str:
    """The class of a failure (Stripe, "Declines": outcome.type, network_status, decline codes, advice codes)."""
    if type_ == "blocked" or network_status == "reversed_after_approval":
        return "fraud_block"
    for code in codes:
        if code in _CLASS_OF:
            found = _CLASS_OF[code]
            return "issuer_hard" if found == "issuer_soft" and advice == "do_not_try_again" else found
    if type_ == "invalid":
        return "integration"
    return _ADVICE.get(advice, OTHER) if isinstance(advice, str) else OTHER


def _step(type_: str, intent: _Object, initiator: str) -> tuple[IntentStep]:
    kind = _STEPS[type_]
    method = ""
    if kind == "A":
        action = _optional(intent, "next_action").get("type")
        if action not in ("use_stripe_sdk", "redirect_to_url"):
            kind = "P"  # a voucher or a bank transfer: the customer has days to pay
        types = intent.get("payment_method_types")
        if isinstance(types, list) and len(types) == 1 and isinstance(types[0], str):
            method = types[0]
        else:
            method = "card" if action == "use_stripe_sdk" else OTHER
    return (IntentStep(_text(intent, "id"), kind, method, initiator, _text(intent, "currency")),)


def _dispute_opened(type_: str, dispute: _Object, event: _Object) -> tuple[Fact, ...]:
    """A dispute counts when it is created, or when an inquiry turns into one (Stripe, "Disputes", "Inquiries")."""
    status = _text(dispute, "status")
    if _is_no_dispute(status):
        return ()
    if type_ == "charge.dispute.updated":
        before = _optional(_object(event.get("data"), "data"), "previous_attributes").get("status")
        if not (isinstance(before, str) and before.startswith("warning_")):
            return ()
    _, network = _method_and_network(_optional(dispute, "payment_method_details"))
    return (DisputeOpened(_text(dispute, "id"), _text(dispute, "reason"), network),)


def _is_no_dispute(status: str) -> bool:
    return status.startswith("warning_") or status == "prevented"


def _refund(type_: str, refund: _Object) -> tuple[Fact, ...]:
    status = refund.get("status")
    ended = (RefundEnded(_text(refund, "id"), status),) if status in _ENDS_OF_REFUNDS else ()
    if type_ != "refund.created":
        return ended
    made = RefundMade(_reference(refund, "charge"), _text(refund, "currency"), _whole(refund, "amount"))
    return (made, *ended)


def _captured(charge: _Object, event: _Object) -> int:
    """What this capture added; a charge that is captured in parts tells the sum and the sum before."""
    total = _whole(charge, "amount_captured") if "amount_captured" in charge else _whole(charge, "amount")
    before = _optional(_object(event.get("data"), "data"), "previous_attributes").get("amount_captured")
    return total - before if isinstance(before, int) and 0 <= before <= total else total


def _method_and_network(details: _Object) -> tuple[str, str]:
    """The method of payment, wallets by their own name, and the card network."""
    method = details.get("type")
    if not isinstance(method, str):
        return OTHER, OTHER
    card = details.get("card")
    if method != "card" or not isinstance(card, dict):
        return method, OTHER
    network = card.get("network") or card.get("brand")
    wallet = card.get("wallet")
    if isinstance(wallet, dict) and wallet.get("type") in _WALLETS:
        method = str(wallet["type"])
    return method, network if isinstance(network, str) else OTHER


def _request(event: _Object) -> tuple[str, str]:
    """The id of the API request that caused the event, and its idempotency key; old versions give the id alone."""
    request = event.get("request")
    if not isinstance(request, dict):
        return request if isinstance(request, str) else "", ""
    id_, key = request.get("id"), request.get("idempotency_key")
    return id_ if isinstance(id_, str) else "", key if isinstance(key, str) else ""


def _initiator(request: str, idempotency_key: str, thing: _Object) -> str:
    """Who made the payment, as far as the event says so by itself: `api` is the customer, `automatic` is Stripe.

    That an event has no request does not mean that Stripe began the payment: Stripe also ends what a customer began,
    after 3-D Secure or on another's page.
    """
    method, details = _details(thing)
    if details.get("stored_credential_usage"):
        return "automatic"
    if request or _OF_A_CUSTOMER.match(idempotency_key):
        return "api"
    if idempotency_key.startswith("in_"):
        return "automatic"
    authentication = details.get("three_d_secure")
    if isinstance(authentication, dict) and authentication.get("authentication_flow") in _FLOWS:
        return "api"
    if method in _ONLY_BY_CUSTOMERS:
        return "api"
    return "automatic" if thing.get("invoice") else UNKNOWN


def _details(thing: _Object) -> tuple[str, _Object]:
    """The method of a charge, or of an intent that has but one, and what is said of the charge by that method."""
    details = thing.get("payment_method_details")
    if not isinstance(details, dict):
        types = thing.get("payment_method_types")
        only = types[0] if isinstance(types, list) and len(types) == 1 else ""
        return only if isinstance(only, str) else "", {}
    method = details.get("type")
    if not isinstance(method, str):
        return "", {}
    found = details.get(method)
    return method, found if isinstance(found, dict) else {}


def _object(value: object, where: str) -> _Object:
    if isinstance(value, dict):
        return value
    raise UnreadableError(f"{where} is no object")


def _optional(thing: _Object, name: str) -> _Object:
    value = thing.get(name)
    if value is None:
        return {}
    return _object(value, name)


def _text(thing: _Object, name: str) -> str:
    value = thing.get(name)
    if isinstance(value, str) and value:
        return value
    raise UnreadableError(f"{name} is no text")


def _reference(thing: _Object, name: str) -> str:
    """The id of another object, which may be given whole; empty where there is none."""
    value = thing.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def _whole(thing: _Object, name: str) -> int:
    value = thing.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    raise UnreadableError(f"{name} is no whole number")
