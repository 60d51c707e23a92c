"""What does an event of Stripe say, in the few words that are counted?

Pure: one parsed event in, frozen facts out. An event keeps the API version that it was created with, so that only
fields that are old and stable are read, and each is checked. What its words mean is told in `words`, and what each
reading of a field rests on in docs/stripe-evidence.md.

A payment attempt is a charge. An attempt that never became a charge, such as one that failed 3-D Secure, is told by
`payment_intent.payment_failed` alone (Stripe, "Declines", "Events"); where `last_payment_error` names a charge, the
charge's own event tells it, and the intent's does not tell it again. An attempt ends when it is authorized; the money
is taken then, or with a capture.

Results follow the cause. A failed authentication is `issuer_declined`: the issuer's access control server refused the
customer, or the customer did not pass; nothing of ours broke, yet a rise must show among the declines. A customer who
never came back from an authentication is `abandoned`, which the intent's steps decide (see `intents`).
"""

import re
from dataclasses import dataclass
from typing import Any, TypeGuard

from exporters.stripe.counting import words
from rules.payments.outcomes import BY_CUSTOMER, BY_STRIPE, UNKNOWN
from rules.payments.webhooks import EVENT_TYPES
from rules.vocabulary import OTHER

__all__ = [
    "AttemptEnded",
    "CardUsed",
    "ChargeAuthorized",
    "ChargeCaptured",
    "DisputeClosed",
    "DisputeOpened",
    "Event",
    "Fact",
    "IntentStep",
    "MoneyReceived",
    "MoneyTaken",
    "PayoutEnded",
    "RefundEnded",
    "RefundMade",
    "UnreadableError",
    "WarningReceived",
    "read_event",
]

_RELEASES_WITHOUT_REFUNDS = "2025-03-31"
"""From this API version on, releasing an authorization or a part of it makes no refund object."""


class UnreadableError(Exception):
    """An event that cannot be understood; the text names the place, never the content."""


@dataclass(frozen=True, slots=True)
class CardUsed:
    """The card of an attempt: its network, its country in lower case, and how its holder was authenticated."""

    network: str
    country: str
    authentication: str


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """One attempt to pay came to its end; `failure` is a class of failures, empty where it succeeded.

    `intent` is the payment intent's id, empty where there is none; `amount` in the currency's smallest unit.
    """

    result: str
    failure: str
    codes: tuple[str, ...]
    method: str
    initiator: str
    currency: str
    intent: str = ""
    amount: int = 0
    card: CardUsed | None = None
    again: bool = False
    """Whether its payment had ended like this before."""


@dataclass(frozen=True, slots=True)
class MoneyTaken:
    """A charge took money, at once or by its last capture; its network is `other` where it was no card."""

    charge: str
    network: str
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class ChargeAuthorized:
    """A charge succeeded without taking money: a capture takes it, or it is let go."""

    charge: str
    network: str


@dataclass(frozen=True, slots=True)
class ChargeCaptured:
    """What was authorized is captured, and the rest of it is let go."""

    charge: str
    rest: int


@dataclass(frozen=True, slots=True)
class IntentStep:
    """A payment intent moved: A needs action, P is processing, R was authorized, F failed, S succeeded, C canceled."""

    intent: str
    kind: str
    method: str
    initiator: str
    currency: str


@dataclass(frozen=True, slots=True)
class MoneyReceived:
    """What a payment intent took in all, in the smallest unit of the currency that the customer paid in."""

    intent: str
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class DisputeOpened:
    """A customer's bank disputes a charge; inquiries and prevented disputes are none."""

    dispute: str
    charge: str
    reason: str
    network: str


@dataclass(frozen=True, slots=True)
class DisputeClosed:
    """A dispute or an inquiry ended."""

    outcome: str


@dataclass(frozen=True, slots=True)
class RefundMade:
    """A refund was asked for, in the currency's smallest unit; `may_be_release` where no money may have been taken."""

    refund: str
    charge: str
    currency: str
    amount: int
    may_be_release: bool = False
    intent: str = ""
    """The payment intent's id, empty where there is none."""


@dataclass(frozen=True, slots=True)
class RefundEnded:
    """A refund succeeded, failed or was canceled."""

    refund: str
    result: str
    charge: str
    amount: int
    may_be_release: bool = False


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
    | MoneyTaken
    | MoneyReceived
    | ChargeAuthorized
    | ChargeCaptured
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
    missing: tuple[str, ...] = ()
    """Fields that it should have and that cannot be read: what they would have said is not counted."""
    unknown: tuple[tuple[str, str], ...] = ()
    """Words that no list names: of what kind, and which."""


_Object = dict[str, Any]

_ONCE = frozenset(EVENT_TYPES) - {
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "payment_intent.amount_capturable_updated",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "refund.updated",
    "invoice.payment_failed",
}
"""Types that an object can have once in its life, so that a second such event repeats the first."""

_STEPS = {
    "payment_intent.requires_action": "A",
    "payment_intent.processing": "P",
    "payment_intent.amount_capturable_updated": "R",
    "payment_intent.payment_failed": "F",
    "payment_intent.succeeded": "S",
    "payment_intent.canceled": "C",
}

_ENDS_OF_REFUNDS = ("succeeded", "failed", "canceled")

_OF_A_CUSTOMER = re.compile(r"pi_[A-Za-z0-9_]+-(payatt|src)_")
"""Idempotency keys under which Stripe ends a payment that its customer authenticated; those with `src` before 2024."""

_FLOWS = ("challenge", "frictionless")
_WORD = re.compile(r"[a-z0-9_]{1,60}\Z")


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
    reading = _Reading(type_, thing, event)
    key = f"{type_}:{about}"
    if type_ == "charge.failed":  # a charge ends once, in one way or the other
        key = f"charge.succeeded:{about}"
    elif type_ == "charge.dispute.closed":  # one that is appealed, or that was an inquiry, closes more than once
        key += f":{thing.get('status')}"
    elif type_ not in _ONCE:
        key += f":{reading.request or at}:{thing.get('status')}"
        if type_.endswith(".updated") and "status" not in _before(event):  # another change, of the same second perhaps
            key += ":as before"
    return Event(id_, type_, at, about, key, reading.facts(), tuple(reading.missing), tuple(reading.unknown))


class _Reading:
    """One event while it is read: what it lacks, and which of its words nobody knows."""

    def __init__(self, type_: str, thing: _Object, event: _Object) -> None:
        self._type = type_
        self._thing = thing
        self._event = event
        self.request, self._idempotency_key = _request(event)
        self.missing: list[str] = []
        self.unknown: list[tuple[str, str]] = []

    def facts(self) -> tuple[Fact, ...]:
        """What it says."""
        thing = self._thing
        match self._type:
            case "charge.succeeded":
                return self._charge_succeeded()
            case "charge.failed":
                return (self._charge_failed(),)
            case "charge.captured":
                return self._captured()
            case "payment_intent.payment_failed":
                return self._payment_failed()
            case "payment_intent.succeeded":
                return (self._step("S"), *self._received())
            case "payment_intent.canceled" | "payment_intent.processing":
                return (self._step(_STEPS[self._type]),)
            case "payment_intent.amount_capturable_updated":
                return (self._step("R"),) if thing.get("status") == "requires_capture" else ()
            case "payment_intent.requires_action":
                return (self._asked(),)
            case "charge.dispute.created" | "charge.dispute.updated":
                return self._dispute_opened()
            case "charge.dispute.closed":
                return (DisputeClosed(self._known("dispute status", thing.get("status"), words.DISPUTE_STATUSES)),)
            case "refund.created" | "refund.updated" | "refund.failed":
                return self._refund()
            case "radar.early_fraud_warning.created":
                return (WarningReceived(_reference(thing, "charge")),)
            case "payout.paid" | "payout.failed":
                return (PayoutEnded(self._type.removeprefix("payout.")),)
        return ()

    # Charges

    def _charge_succeeded(self) -> tuple[Fact, ...]:
        charge = self._thing
        currency, amount = self._money("amount")
        method, card = self._method(_details(charge))
        intent = _reference(charge, "payment_intent")
        initiator = self._initiator()
        ended = AttemptEnded("success", "", (), method, initiator, currency, intent, amount, card)
        id_, network = _text(charge, "id"), card.network if card else OTHER
        if charge.get("captured") is not False:
            taken = charge.get("amount_captured")  # less where a part was captured before the event was written
            return (ended, MoneyTaken(id_, network, currency, taken if _is_whole(taken) and taken else amount))
        held = ChargeAuthorized(id_, network)
        return (ended, held, IntentStep(intent, "R", "", initiator, currency)) if intent else (ended, held)

    def _charge_failed(self) -> AttemptEnded:
        charge = self._thing
        outcome = _mapping(charge.get("outcome"))
        codes = _words(outcome.get("reason"), charge.get("failure_code"))
        failure = self._failure(codes, outcome)
        currency, amount = self._money("amount")
        method, card = self._method(_details(charge))
        return self._ended(failure, codes, method, currency, _reference(charge, "payment_intent"), amount, card)

    def _captured(self) -> tuple[Fact, ...]:
        """The last capture tells the sum of all; the ones before it come as `charge.updated`, and are not read."""
        charge = self._thing
        currency, amount = self._money("amount_captured" if "amount_captured" in charge else "amount")
        _, card = self._method(_details(charge))
        id_, whole = _text(charge, "id"), charge.get("amount")
        rest = max(whole - amount, 0) if isinstance(whole, int) else 0
        return (MoneyTaken(id_, card.network if card else OTHER, currency, amount), ChargeCaptured(id_, rest))

    # Payment intents

    def _payment_failed(self) -> tuple[Fact, ...]:
        intent = self._thing
        error = _mapping(intent.get("last_payment_error"))
        step = self._step("F")
        if error.get("charge") or (not error and _has_charge(intent)):
            return (step,)
        codes = _words(error.get("decline_code"), error.get("code"))
        if codes and codes[-1] in words.CUSTOMER_LEFT:
            failure = ""
        elif error.get("type") == "api_error" and not any(code in words.CLASS_OF for code in codes):
            failure = "technical"
        else:
            failure = self._failure(codes, {"advice_code": error.get("advice_code")})
        method, card = self._method(_mapping(error.get("payment_method")))
        if card and failure == "authentication":
            card = CardUsed(card.network, card.country, "failed")
        shown = tuple("authentication_required" if code == words.AUTHENTICATION_FAILED else code for code in codes)
        amount = intent.get("amount")
        ended = self._ended(
            failure,
            shown,
            method,
            step.currency,
            step.intent,
            amount if _is_whole(amount) else 0,
            card,
        )
        return (ended, step)

    def _step(self, kind: str, method: str = "") -> IntentStep:
        currency = self._thing.get("currency")
        return IntentStep(
            _text(self._thing, "id"),
            kind,
            method,
            self._initiator(),
            currency if isinstance(currency, str) else OTHER,
        )

    def _received(self) -> tuple[MoneyReceived, ...]:
        """Nothing where the amount or the currency cannot be read: what was received is not known then."""
        currency, amount = self._thing.get("currency"), self._thing.get("amount_received")
        if not isinstance(currency, str) or not _is_whole(amount):
            return ()
        return (MoneyReceived(_text(self._thing, "id"), currency, amount),)

    def _asked(self) -> IntentStep:
        """The customer is asked to act: at once, or within days for a voucher or a bank transfer."""
        action = self._known(
            "next action",
            _mapping(self._thing.get("next_action")).get("type"),
            words.ACTIONS_OF_NOW | words.PATIENT_ACTIONS,
        )
        if action not in words.ACTIONS_OF_NOW:
            return self._step("P")
        return self._step("A", _only_method(self._thing) or words.METHOD_OF_ACTION.get(action, OTHER))

    # What follows payments

    def _dispute_opened(self) -> tuple[Fact, ...]:
        """A dispute counts when it is created, or when an inquiry turns into one (Stripe, "Disputes", "Inquiries")."""
        dispute = self._thing
        status = self._known("dispute status", dispute.get("status"), words.DISPUTE_STATUSES)
        if status.startswith("warning_") or status == "prevented":
            return ()
        if self._type == "charge.dispute.updated":
            before = _before(self._event).get("status")
            if not (isinstance(before, str) and before.startswith("warning_")):
                return ()
        reason = dispute.get("reason")
        _, card = self._method(_details(dispute))
        return (
            DisputeOpened(
                _text(dispute, "id"),
                _reference(dispute, "charge"),
                reason if isinstance(reason, str) else OTHER,
                card.network if card else OTHER,
            ),
        )

    def _refund(self) -> tuple[Fact, ...]:
        """A refund ends when its status becomes an end: later updates, of its reference or metadata, repeat it."""
        refund = self._thing
        if refund.get("reason") == "expired_uncaptured_charge":
            return ()
        if self._type == "refund.updated" and "status" not in _before(self._event):
            return ()
        version = self._event.get("api_version")
        may_be_release = isinstance(version, str) and version < _RELEASES_WITHOUT_REFUNDS
        id_, charge = _text(refund, "id"), _reference(refund, "charge")
        currency, amount = self._money("amount")
        status = self._known("refund status", refund.get("status"), words.REFUND_STATUSES)
        ended: tuple[Fact, ...] = ()
        if status in _ENDS_OF_REFUNDS:
            ended = (RefundEnded(id_, status, charge, amount, may_be_release),)
        if self._type != "refund.created":
            return ended
        made = RefundMade(id_, charge, currency, amount, may_be_release, _reference(refund, "payment_intent"))
        return (made, *ended)

    # Words and fields

    def _ended(
        self,
        failure: str,
        codes: tuple[str, ...],
        method: str,
        currency: str,
        intent: str,
        amount: int,
        card: CardUsed | None,
    ) -> AttemptEnded:
        """An attempt that did not succeed."""
        result = words.RESULT_OF.get(failure, "issuer_declined") if failure else "abandoned"
        shown = codes if failure else ()
        return AttemptEnded(result, failure, shown, method, self._initiator(), currency, intent, amount, card)

    def _failure(self, codes: tuple[str, ...], outcome: _Object) -> str:
        """The class of a failure (Stripe, "Declines": outcome.type, network_status, decline codes, advice codes)."""
        advice = outcome.get("advice_code")
        if outcome.get("type") == "blocked" or outcome.get("network_status") == "reversed_after_approval":
            return "fraud_block"
        for code in codes:
            if code in words.CLASS_OF:
                found = words.CLASS_OF[code]
                return "issuer_hard" if found == "issuer_soft" and advice == "do_not_try_again" else found
            self._tell("decline or error code", code)
        if outcome.get("type") == "invalid":
            return "integration"
        return words.ADVICE.get(advice, OTHER) if isinstance(advice, str) else OTHER

    def _initiator(self) -> str:
        """Who made the payment, as far as the event says so by itself.

        That an event has no request does not mean that Stripe began the payment: Stripe also ends what a customer
        began, after 3-D Secure or on another's page.
        """
        details = _details(self._thing)
        method = details.get("type") or _only_method(self._thing)
        said = _mapping(details.get(method)) if isinstance(method, str) else {}
        if said.get("stored_credential_usage"):
            return BY_STRIPE
        if self.request or _OF_A_CUSTOMER.match(self._idempotency_key):
            return BY_CUSTOMER
        if self._idempotency_key.startswith("in_"):
            return BY_STRIPE
        if _mapping(said.get("three_d_secure")).get("authentication_flow") in _FLOWS:
            return BY_CUSTOMER
        if method in words.BY_CUSTOMERS_ONLY:
            return BY_CUSTOMER
        return BY_STRIPE if self._thing.get("invoice") else UNKNOWN

    def _method(self, details: _Object) -> tuple[str, CardUsed | None]:
        """The method of payment, wallets by their own name, and the card where there is one."""
        method = self._known("payment method", details.get("type"), words.METHODS)
        card = details.get(method)
        if method not in ("card", "card_present", "interac_present") or not isinstance(card, dict):
            return method, None
        network = card.get("network") or card.get("brand")
        country = card.get("country")
        used = CardUsed(
            self._known("card network", network, words.NETWORKS) if isinstance(network, str) else OTHER,
            country.lower() if isinstance(country, str) else OTHER,
            _authentication(_mapping(card.get("three_d_secure"))),
        )
        wallet = _mapping(card.get("wallet")).get("type")
        return (wallet, used) if wallet in words.WALLETS else (method, used)

    def _money(self, name: str) -> tuple[str, int]:
        """The currency and an amount; what cannot be read is noted, and adds nothing."""
        currency, amount = self._thing.get("currency"), self._thing.get(name)
        if not isinstance(currency, str):
            self.missing.append("currency")
        if not _is_whole(amount):
            self.missing.append(name)
        return currency if isinstance(currency, str) else OTHER, amount if _is_whole(amount) else 0

    def _known(self, kind: str, word: object, known: frozenset[str]) -> str:
        """The word as it is, told where nobody knows it; `other` where it is none."""
        if not isinstance(word, str):
            return OTHER
        if word not in known:
            self._tell(kind, word)
        return word

    def _tell(self, kind: str, word: str) -> None:
        self.unknown.append((kind, word if _WORD.match(word) else "one that is no word"))


def _authentication(secure: _Object) -> str:
    """How the card's holder was authenticated (Stripe API reference, "three_d_secure")."""
    if secure.get("result") in ("failed", "processing_error"):
        return "failed"
    flow = secure.get("authentication_flow")
    if flow in _FLOWS:
        return str(flow)
    return OTHER if secure.get("authenticated") else "none"


def _request(event: _Object) -> tuple[str, str]:
    """The id of the API request that caused the event, and its idempotency key; old versions give the id alone."""
    request = event.get("request")
    if not isinstance(request, dict):
        return request if isinstance(request, str) else "", ""
    id_, key = request.get("id"), request.get("idempotency_key")
    return id_ if isinstance(id_, str) else "", key if isinstance(key, str) else ""


def _before(event: _Object) -> _Object:
    """What an update changed, as it was before (Stripe API reference, "The Event object", `previous_attributes`)."""
    return _mapping(_mapping(event.get("data")).get("previous_attributes"))


def _details(thing: _Object) -> _Object:
    return _mapping(thing.get("payment_method_details"))


def _only_method(intent: _Object) -> str:
    """The method of an intent that takes but one."""
    types = intent.get("payment_method_types")
    return types[0] if isinstance(types, list) and len(types) == 1 and isinstance(types[0], str) else ""


def _has_charge(intent: _Object) -> bool:
    """Whether any attempt of an intent became a charge; versions before 2022-11-15 list them."""
    return bool(intent.get("latest_charge") or _mapping(intent.get("charges")).get("data"))


def _words(*found: object) -> tuple[str, ...]:
    return tuple(word for word in found if isinstance(word, str))


def _object(value: object, where: str) -> _Object:
    if isinstance(value, dict):
        return value
    raise UnreadableError(f"{where} is no object")


def _mapping(value: object) -> _Object:
    return value if isinstance(value, dict) else {}


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


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _whole(thing: _Object, name: str) -> int:
    value = thing.get(name)
    if _is_whole(value):
        return value
    raise UnreadableError(f"{name} is no whole number")
