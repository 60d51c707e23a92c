"""What happens at the fake Stripe: payments, refunds, disputes, payouts, and the events that tell of them?

Creation is cheap and memory bounded, so that weeks of a busy shop can be kept: payments and events are rows of numbers,
and JSON is made when somebody reads it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from threading import RLock
from typing import Generic, TypeVar

from rules.payments.webhooks import EVENT_TYPES
from simulator.stripe import shapes
from simulator.stripe.causes import Cause
from simulator.stripe.columns import Columns
from simulator.stripe.ids import number_of, token
from simulator.stripe.outcomes import SUCCESS, Outcome
from simulator.stripe.shapes import Attempt, Dispute, EarlyWarning, Invoice, Json, Payout, Refund

__all__ = ["RETENTION", "FakeStripe", "Payment"]

RETENTION = 30 * 86400
"""Seconds for which events are kept."""

_OBJECTS_KEPT = 120 * 86400
_LONGEST_AUTHORIZATION = 31 * 86400
_TYPE = {type_: number for number, type_ in enumerate(EVENT_TYPES)}
_RELEASES_WITHOUT_REFUNDS = "2025-03-31"
"""The API version from which on letting an authorization go makes no refund."""
_INTENT_STATUS = {
    "payment_intent.amount_capturable_updated": "requires_capture",
    "payment_intent.succeeded": "succeeded",
    "payment_intent.payment_failed": "requires_payment_method",
    "payment_intent.canceled": "canceled",
    "payment_intent.requires_action": "requires_action",
    "payment_intent.processing": "processing",
}
_AUTHORIZED_FIRST = 1
_UNCAPTURED = 2
_OPEN = 4
_CAUSE = 8
"""The first of the three bits in which the cause is kept."""

Snapshot = Refund | Dispute | EarlyWarning | Payout | Invoice
Word = TypeVar("Word")
Mark = TypeVar("Mark")


@dataclass(frozen=True, slots=True)
class Payment:
    """An attempt that was made: `events` are the numbers of the events that this caused."""

    number: int
    intent: str
    charge: str
    amount: int
    currency: str
    network: str
    events: tuple[int, ...]


class _Words(Generic[Word]):
    """Values that rows refer to by a number."""

    def __init__(self) -> None:
        self.values: list[Word] = []
        self._numbers: dict[Word, int] = {}

    def number(self, value: Word) -> int:
        found = self._numbers.get(value)
        if found is None:
            found = self._numbers[value] = len(self.values)
            self.values.append(value)
        return found


class FakeStripe:
    """An account at Stripe: what happened to it, and what it shows.

    `clock` gives its time in seconds since 1970. Every method may be called from any thread. Events are created in the
    order of their time: one that would be older than its predecessor gets its predecessor's second.
    """

    def __init__(self, clock: Callable[[], float], api_version: str = "2026-04-22.dahlia") -> None:
        self.clock = clock
        self.lock = RLock()
        self.account: Json = {
            "id": "acct_1Qx7mK2eZvKYlo2C",
            "object": "account",
            "charges_enabled": True,
            "payouts_enabled": True,
            "details_submitted": True,
            "email": "owner@example.com",
            "requirements": {"currently_due": [], "past_due": [], "eventually_due": [], "disabled_reason": None},
        }
        self.balance: Json = {
            "object": "balance",
            "available": [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}],
            "pending": [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}],
            "livemode": False,
        }
        self.webhook_endpoints: list[Json] = []
        self._attempts = Columns("IIHHHHBQ")  # created, amount, currency, method, network, outcome, flags, first
        self._events = Columns("IHQ")  # created, type, attempt
        self._currencies: _Words[str] = _Words()
        self._methods: _Words[str] = _Words()
        self._networks: _Words[str] = _Words()
        self._outcomes: _Words[Outcome] = _Words()
        self._snapshots: dict[int, tuple[Snapshot, Json | None]] = {}
        self._causes: dict[int, Cause] = {}
        self._visible_at: dict[int, float] = {}
        self._copies: dict[int, int] = {}
        self._garbled: dict[int, object] = {}
        self._actions: dict[int, str] = {}
        self._cards: dict[int, tuple[str, str]] = {}
        self._captured: dict[int, int] = {}
        self._captured_before: dict[int, int] = {}
        self.left_out: dict[str, tuple[str, ...]] = {}
        """Fields that objects in events are shown without, by the object's name: the optional ones, or null ones."""
        self._undelivered: dict[int, float] = {}
        self._versions: list[tuple[int, str]] = [(0, api_version)]
        self._refunds: deque[str] = deque()
        self._disputes: deque[str] = deque()
        self._objects: dict[str, Refund | Dispute] = {}
        self._counts: dict[str, int] = {}
        self._latest = 0

    def __getstate__(self) -> Json:
        return {name: value for name, value in vars(self).items() if name != "lock"}

    def __setstate__(self, state: Json) -> None:
        vars(self).update(state, lock=RLock())

    # What can happen

    def pay(
        self,
        amount: int = 2000,
        currency: str = "usd",
        *,
        method: str = "card",
        network: str = "visa",
        outcome: Outcome = SUCCESS,
        cause: Cause = Cause.REQUEST,
        capture: bool = True,
        country: str = "US",
        authentication: str = "",
        after: Payment | None = None,
        at: float | None = None,
    ) -> Payment:
        """Attempt to pay, in the currency's smallest unit; `after` is an earlier attempt of the same intent.

        Without `capture` the money is only authorized. `country` is the card's; `authentication` how 3-D Secure went:
        `challenge` or `frictionless`.
        """
        with self.lock:
            flags = cause * _CAUSE | (0 if capture else _AUTHORIZED_FIRST | _UNCAPTURED)
            number = self._attempt(amount, currency, method, network, outcome, flags, after, at)
            if country != "US" or authentication:
                self._cards[number] = (country, authentication)
            return self._payment(number, self._ended(number, outcome, capture, at))

    def ask(
        self,
        amount: int = 2000,
        currency: str = "usd",
        *,
        method: str = "card",
        network: str = "visa",
        action: str = "use_stripe_sdk",
        cause: Cause = Cause.REQUEST,
        after: Payment | None = None,
        at: float | None = None,
    ) -> Payment:
        """Ask the customer to act, for 3-D Secure or on another page; the attempt is still open then."""
        with self.lock:
            flags = _OPEN | cause * _CAUSE
            number = self._attempt(amount, currency, method, network, SUCCESS, flags, after, at)
            self._actions[number] = action
            return self._payment(number, (self._emit("payment_intent.requires_action", number, at),))

    def process(
        self,
        amount: int = 2000,
        currency: str = "usd",
        *,
        method: str = "us_bank_account",
        after: Payment | None = None,
        at: float | None = None,
    ) -> Payment:
        """Begin a payment that takes days: its charge is pending until `settle`."""
        with self.lock:
            number = self._attempt(amount, currency, method, "", SUCCESS, _OPEN, after, at)
            return self._payment(number, (self._emit("payment_intent.processing", number, at),))

    def settle(
        self,
        payment: Payment,
        outcome: Outcome = SUCCESS,
        *,
        cause: Cause = Cause.UNSAID,
        at: float | None = None,
    ) -> Payment:
        """End what `process` began."""
        with self.lock:
            self._attempts.set(payment.number, 5, self._outcomes.number(outcome))
            self._attempts.set(payment.number, 6, cause * _CAUSE)
            return self._payment(payment.number, self._ended(payment.number, outcome, True, at))

    def capture_part(self, payment: Payment, amount: int) -> None:
        """Capture a part, and more later (multicapture): only `charge.updated` tells of it, which nobody reads."""
        with self.lock:
            self._captured[payment.number] = self._captured.get(payment.number, 0) + amount

    def capture(self, payment: Payment, amount: int | None = None, at: float | None = None) -> Payment:
        """Capture what was authorized, or a part of it, for the last time; the rest is let go."""
        with self.lock:
            before = self._captured.get(payment.number, 0)
            taken = before + (payment.amount - before if amount is None else amount)
            self._captured[payment.number] = taken
            if before:
                self._captured_before[payment.number] = before
            if taken < payment.amount:
                self._release(payment, payment.amount - taken, None, at)
            flags = self._attempts.row(payment.number)[6]
            self._attempts.set(payment.number, 6, flags & ~_UNCAPTURED)
            types = ("charge.captured", "payment_intent.succeeded")
            return self._payment(
                payment.number, tuple(self._emit(type_, payment.number, at, Cause.REQUEST) for type_ in types)
            )

    def expire(self, payment: Payment, at: float | None = None) -> Payment:
        """An authorization was never captured."""
        with self.lock:
            self._release(payment, payment.amount, "expired_uncaptured_charge", at)
            types = ("charge.expired", "payment_intent.canceled")
            return self._payment(
                payment.number, tuple(self._emit(type_, payment.number, at, Cause.UNSAID) for type_ in types)
            )

    def cancel(self, payment: Payment, at: float | None = None) -> Payment:
        """Cancel the intent; an authorization is let go."""
        with self.lock:
            if self._attempts.row(payment.number)[6] & _UNCAPTURED:
                self._release(payment, payment.amount, None, at)
            return self._payment(payment.number, (self._emit("payment_intent.canceled", payment.number, at),))

    def refund(
        self, payment: Payment, amount: int | None = None, status: str = "succeeded", at: float | None = None
    ) -> Refund:
        """Refund a payment, or a part of it."""
        with self.lock:
            refund = Refund(
                self._next("re"),
                self._second(at),
                payment.charge,
                payment.intent,
                amount or payment.amount,
                payment.currency,
                status,
            )
            self._keep(refund, self._refunds)
            self._tell("refund.created", refund, at, cause=Cause.REQUEST)
            return refund

    def update_refund(self, refund: Refund, status: str, at: float | None = None) -> Refund:
        """A refund succeeded, failed or was canceled after all."""
        with self.lock:
            before, refund = {"status": refund.status}, replace(refund, status=status)
            if refund.id in self._objects:
                self._objects[refund.id] = refund
            self._tell("refund.updated", refund, at, before)
            if status == "failed":
                self._tell("refund.failed", refund, at)
            return refund

    def refer_to(self, refund: Refund, at: float | None = None) -> None:
        """The bank's reference of a refund becomes known, days later: nothing else of it changes."""
        with self.lock:
            before: Json = {"destination_details": {"card": {"reference": None, "reference_status": "pending"}}}
            self._tell("refund.updated", refund, at, before)

    def dispute(
        self,
        payment: Payment,
        reason: str = "fraudulent",
        status: str = "needs_response",
        due_in: float | None = 7 * 86400,
        brand: str = "",
        at: float | None = None,
    ) -> Dispute:
        """A customer's bank disputes a payment, or asks about it where `status` begins with `warning_`.

        `brand` is the card's where that is not the network (co-branded cards); old versions tell of it alone.
        """
        with self.lock:
            created = self._second(at)
            dispute = Dispute(
                self._next("du"),
                created,
                payment.charge,
                payment.intent,
                payment.amount,
                payment.currency,
                "" if brand and self._version < _RELEASES_WITHOUT_REFUNDS else payment.network,
                brand or payment.network,
                reason,
                status,
                None if due_in is None else int(created + due_in),
            )
            self._keep(dispute, self._disputes)
            self._tell("charge.dispute.created", dispute, at)
            return dispute

    def update_dispute(self, dispute: Dispute, status: str, at: float | None = None) -> Dispute:
        """A dispute moved, or its loss was appealed; `won`, `lost`, `warning_closed` and `prevented` close it."""
        with self.lock:
            before, dispute = {"status": dispute.status}, replace(dispute, status=status)
            if dispute.id in self._objects:
                self._objects[dispute.id] = dispute
            self._tell("charge.dispute.updated", dispute, at, before)
            if status in ("won", "lost", "warning_closed", "prevented"):
                self._tell("charge.dispute.closed", dispute, at)
            return dispute

    def warn(self, payment: Payment, at: float | None = None) -> EarlyWarning:
        """A card network warns of fraud."""
        with self.lock:
            warning = EarlyWarning(self._next("issfr"), self._second(at), payment.charge, payment.intent)
            self._tell("radar.early_fraud_warning.created", warning, at)
            return warning

    def pay_out(self, amount: int = 100_000, currency: str = "usd", at: float | None = None) -> Payout:
        """Pay out to the bank account."""
        with self.lock:
            payout = Payout(self._next("po"), self._second(at), amount, currency, "paid")
            self._tell("payout.paid", payout, at)
            return payout

    def fail_payout(self, payout: Payout, at: float | None = None) -> Payout:
        """The bank returned a payout."""
        with self.lock:
            payout = replace(payout, status="failed")
            self._tell("payout.failed", payout, at)
            return payout

    def fail_invoice(self, amount: int = 2000, currency: str = "usd", at: float | None = None) -> Invoice:
        """An invoice could not be paid."""
        with self.lock:
            invoice = Invoice(self._next("in"), self._second(at), amount, currency)
            self._tell("invoice.payment_failed", invoice, at)
            return invoice

    # What can go wrong with events

    def delay(self, event: int, seconds: float) -> None:
        """Show an event only so long after its creation."""
        with self.lock:
            self._visible_at[event] = self._events.row(event)[0] + seconds

    def repeat(self, event: int, at: float | None = None) -> int:
        """Tell the same change by another event, too."""
        with self.lock:
            created, type_, attempt = self._events.row(event)
            copy = self._events.append(self._second(created if at is None else at), type_, attempt)
            self._copies[copy] = self._copies.get(event, event)
            if event in self._snapshots:
                self._snapshots[copy] = self._snapshots[event]
            if event in self._garbled:
                self._garbled[copy] = self._garbled[event]
            if event in self._causes:
                self._causes[copy] = self._causes[event]
            return copy

    def garble(self, event: int, raw: object) -> None:
        """Show that instead of an event; a mapping is merged into it."""
        with self.lock:
            self._garbled[event] = raw

    def undeliver(self, event: int, until: float = float("inf")) -> None:
        """An event could not be delivered to every webhook endpoint until that moment."""
        with self.lock:
            self._undelivered[event] = until

    def use_version(self, api_version: str) -> None:
        """Events keep the API version that is in use when they are created."""
        with self.lock:
            self._versions.append((self._events.end, api_version))

    def add_endpoint(
        self,
        events: tuple[str, ...] = ("*",),
        status: str = "enabled",
        api_version: str | None = None,
        application: str | None = None,
        url: str = "https://example.com/webhooks/stripe",
    ) -> None:
        """Configure a webhook endpoint; one of Connect belongs to an application."""
        with self.lock:
            self.webhook_endpoints.append(
                {
                    "id": self._next("we"),
                    "object": "webhook_endpoint",
                    "application": application,
                    "api_version": api_version,
                    "created": int(self.clock()),
                    "enabled_events": list(events),
                    "livemode": False,
                    "status": status,
                    "url": url,
                }
            )

    # What can be read

    def event(self, number: int) -> object:
        """The event of that number as JSON."""
        with self.lock:
            created, type_number, attempt = self._events.row(number)
            original = self._copies.get(number, number)
            type_ = EVENT_TYPES[type_number]
            if number in self._snapshots:
                snapshot, before = self._snapshots[number]
                thing = snapshot.json()
            else:
                thing, before = self._thing(type_, attempt)
            cause = self._causes.get(number, Cause.REQUEST)
            request = token("req", original) if cause is Cause.REQUEST else None
            key = None if number in self._snapshots else cause.idempotency_key(self._shown(attempt).intent)
            _, version = self._versions[bisect_right(self._versions, original, key=lambda one: one[0]) - 1]
            for name in self.left_out.get(thing["object"], ()):
                thing.pop(name, None)
            shown = shapes.event(token("evt", number), type_, created, version, (request, key), thing, before)
            if number in self._garbled:
                raw = self._garbled[number]
                return {**shown, **raw} if isinstance(raw, dict) else raw
            return shown

    def events(self, oldest: int | None, newest: int | None, descending: bool) -> Iterator[int]:
        """The numbers of the visible events created in those seconds, both included."""
        now = self.clock()
        first = self._events.since(max(int(now - RETENTION), oldest or 0))
        end = self._events.end if newest is None else self._events.since(max(newest + 1, 0))
        numbers = range(end - 1, first - 1, -1) if descending else range(first, end)
        for number in numbers:
            if not self._visible_at or self._visible_at.get(number, 0) <= now:
                yield number

    def undelivered(self) -> list[int]:
        """The numbers of the events that were not delivered, newest first."""
        now = self.clock()
        return sorted(
            (number for number, until in self._undelivered.items() if until > now and number >= self._events.first),
            reverse=True,
        )

    @property
    def last_event(self) -> int:
        """The number of the event created last."""
        return self._events.end - 1

    def event_type(self, number: int) -> str:
        """An event's type."""
        return EVENT_TYPES[self._events.row(number)[1]]

    def event_time(self, number: int) -> int:
        """An event's second."""
        return self._events.row(number)[0]

    def event_number(self, id_: str) -> int | None:
        """The number of an event that can still be read, None for any other id."""
        number = number_of("evt", id_)
        if number is None or not self._events.first <= number < self._events.end:
            return None
        return number if self._events.row(number)[0] >= int(self.clock() - RETENTION) else None

    def charges(self) -> Iterator[Json]:
        """Charges, newest first."""
        for number in range(self._attempts.end - 1, self._attempts.first - 1, -1):
            shown = self._shown(number)
            if shown.outcome.has_charge and not self._attempts.row(number)[6] & _OPEN:
                yield shapes.charge(shown)

    def payment_intents(self) -> Iterator[Json]:
        """Payment intents, by their latest attempt, newest first."""
        told = set()
        for number in range(self._attempts.end - 1, self._attempts.first - 1, -1):
            row = self._attempts.row(number)
            if row[7] in told:
                continue
            told.add(row[7])
            shown = self._shown(number)
            if row[6] & _OPEN:
                status = "requires_action"
            elif not shown.outcome.succeeded:
                status = "requires_payment_method"
            else:
                status = "succeeded" if shown.captured else "requires_capture"
            yield shapes.payment_intent(shown, status)

    def refunds(self) -> Iterator[Json]:
        """Refunds, newest first."""
        return (self._objects[id_].json() for id_ in reversed(self._refunds))

    def disputes(self) -> Iterator[Json]:
        """Disputes, newest first."""
        return (self._objects[id_].json() for id_ in reversed(self._disputes))

    def forget(self) -> None:
        """Forget what nobody can read any more; called by itself now and then."""
        with self.lock:
            now = self.clock()
            self._events.forget(int(now - RETENTION))
            self._attempts.forget(int(now - RETENTION - _LONGEST_AUTHORIZATION))
            first = self._events.first
            _forget(self._snapshots, first)
            _forget(self._visible_at, first)
            _forget(self._copies, first)
            _forget(self._garbled, first)
            _forget(self._undelivered, first)
            _forget(self._actions, self._attempts.first)
            _forget(self._cards, self._attempts.first)
            _forget(self._captured, self._attempts.first)
            _forget(self._captured_before, self._attempts.first)
            _forget(self._causes, first)
            for kept in (self._refunds, self._disputes):
                while kept and self._objects[kept[0]].created < now - _OBJECTS_KEPT:
                    del self._objects[kept.popleft()]

    # How it is kept

    def _attempt(
        self,
        amount: int,
        currency: str,
        method: str,
        network: str,
        outcome: Outcome,
        flags: int,
        after: Payment | None,
        at: float | None,
    ) -> int:
        number = self._attempts.end
        first = number if after is None else number_of("pi", after.intent) or 0
        return self._attempts.append(
            self._second(at),
            amount,
            self._currencies.number(currency),
            self._methods.number(method),
            self._networks.number(network),
            self._outcomes.number(outcome),
            flags,
            first,
        )

    def _shown(self, number: int) -> Attempt:
        created, amount, currency, method, network, outcome, flags, first = self._attempts.row(number)
        country, authentication = self._cards.get(number, ("US", ""))
        return Attempt(
            charge=token("ch", number),
            intent=token("pi", first),
            created=created,
            amount=amount,
            currency=self._currencies.values[currency],
            method=self._methods.values[method],
            network=self._networks.values[network],
            outcome=self._outcomes.values[outcome],
            captured=not flags & _UNCAPTURED,
            action=self._actions.get(number, ""),
            taken=self._captured.get(number, amount),
            country=country,
            authentication=authentication,
        )

    def _payment(self, number: int, events: tuple[int, ...]) -> Payment:
        _, amount, currency, _, network, _, _, first = self._attempts.row(number)
        return Payment(
            number,
            token("pi", first),
            token("ch", number),
            amount,
            self._currencies.values[currency],
            self._networks.values[network],
            events,
        )

    def _ended(self, number: int, outcome: Outcome, captured: bool, at: float | None) -> tuple[int, ...]:
        if outcome.succeeded:
            then = "payment_intent.succeeded" if captured else "payment_intent.amount_capturable_updated"
            types: tuple[str, ...] = ("charge.succeeded", then)
        elif outcome.has_charge:
            types = ("charge.failed", "payment_intent.payment_failed")
        else:
            types = ("payment_intent.payment_failed",)
        return tuple(self._emit(type_, number, at) for type_ in types)

    @property
    def _version(self) -> str:
        return self._versions[-1][1]

    def _release(self, payment: Payment, amount: int, reason: str | None, at: float | None) -> None:
        """What an old version makes of money that was authorized and not taken: a refund."""
        if self._version >= _RELEASES_WITHOUT_REFUNDS:
            return
        refund = Refund(
            self._next("re"),
            self._second(at),
            payment.charge,
            payment.intent,
            amount,
            payment.currency,
            "succeeded",
            reason,
        )
        self._keep(refund, self._refunds)
        self._tell("refund.created", refund, at, cause=Cause.UNSAID if reason else Cause.REQUEST)

    def _thing(self, type_: str, attempt: int) -> tuple[Json, Json | None]:
        """What an event shows: the object as it was when it was created."""
        shown = self._shown(attempt)
        match type_:
            case "charge.captured":
                before = self._captured_before.get(attempt, 0)
                return shapes.charge(replace(shown, captured=True)), {"captured": False, "amount_captured": before}
            case "charge.succeeded":
                authorized = self._attempts.row(attempt)[6] & _AUTHORIZED_FIRST
                return shapes.charge(replace(shown, captured=not authorized)), None
            case "charge.failed" | "charge.expired":
                return shapes.charge(shown), None
        return shapes.payment_intent(shown, _INTENT_STATUS[type_]), None

    def _emit(self, type_: str, attempt: int, at: float | None, cause: Cause | None = None) -> int:
        number = self._events.append(self._second(at), _TYPE[type_], attempt)
        cause = Cause(self._attempts.row(attempt)[6] // _CAUSE) if cause is None else cause
        if cause is not Cause.REQUEST:
            self._causes[number] = cause
        self._now_and_then(number)
        return number

    def _tell(
        self, type_: str, snapshot: Snapshot, at: float | None, before: Json | None = None, cause: Cause = Cause.UNSAID
    ) -> int:
        number = self._events.append(self._second(at), _TYPE[type_], 0)
        self._snapshots[number] = (snapshot, before)
        if cause is not Cause.REQUEST:
            self._causes[number] = cause
        self._now_and_then(number)
        return number

    def _now_and_then(self, number: int) -> None:
        if number % 65_536 == 0:
            self.forget()

    def _second(self, at: float | None) -> int:
        """The second of the next event: never before the latest one's."""
        self._latest = max(int(self.clock() if at is None else at), self._latest)
        return self._latest

    def _next(self, prefix: str) -> str:
        self._counts[prefix] = self._counts.get(prefix, 0) + 1
        return token(prefix, self._counts[prefix])

    def _keep(self, thing: Refund | Dispute, kept: deque[str]) -> None:
        self._objects[thing.id] = thing
        kept.append(thing.id)


def _forget(marks: dict[int, Mark], first: int) -> None:
    for number in [number for number in marks if number < first]:
        del marks[number]
