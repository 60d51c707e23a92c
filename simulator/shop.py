"""What happens in the world of payments, moment by moment?

A shop with customers, its account at a fake Stripe, and the rows that its payments service means to write. No I/O: a
copy of the shop (`copied`) goes on by itself, which is how one past gets many futures.
"""

import heapq
import pickle
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from rules.payments.webhooks import EVENT_TYPES
from simulator.conditions import USUAL, Conditions, Database, StripeApi, Webhooks
from simulator.measurements import Measurements
from simulator.records import Attempt, InboxEvent, Order, Records
from simulator.stripe import AUTHENTICATION_FAILED, SUCCESS, Cause, FakeStripe, Outcome, Payment
from simulator.stripe.ids import token
from simulator.stripe.shapes import Dispute
from simulator.traffic import Customer, Customers

__all__ = ["Clock", "Shop"]

_DAY = 86400.0
_CHALLENGED = 0.1
"""Share of card payments that ask for 3-D Secure."""
_UNPASSED = 0.05
_ABANDONED = 0.04
_RETRIED = 0.4
_REFUNDED = 0.02
_DISPUTED = 0.0008
_PAYOUT_EVERY = _DAY
_RECENT = 900.0
"""Seconds over which the service's health reports its figures."""


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Shop:
    """Customers, the account at Stripe, and what the payments service knows; the same seed gives the same story."""

    def __init__(self, begins: float, per_minute: float, seed: int = 1) -> None:
        """`begins` is in seconds since 1970; `per_minute` is the mean number of customers over a week."""
        self.clock = Clock(begins)
        self.stripe = FakeStripe(self.clock)
        self.stripe.add_endpoint(EVENT_TYPES, api_version="2026-04-22.dahlia")
        self.conditions = USUAL
        self.customers = Customers(per_minute, Random(seed))  # noqa: S311 - customers, no secrets
        self.records = Records()
        self.measurements = Measurements()
        self._chance = Random(seed + 1)  # noqa: S311
        self._agenda: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._planned = 0
        self._paid: deque[Payment] = deque(maxlen=5000)
        self._ended: deque[tuple[float, bool]] = deque()
        self._waiting: list[tuple[int, Order | None]] = []
        """Events that Stripe could not deliver yet."""
        self._number = 0
        self._plan(begins, self._look)
        self._plan(begins, self._renew)
        self._plan(begins + 6 * 3600, self._pay_out)

    def copied(self) -> "Shop":
        """The same shop, from now on independent of this one."""
        with self.stripe.lock:
            copy: Shop = pickle.loads(pickle.dumps(self, pickle.HIGHEST_PROTOCOL))  # noqa: S301 - our own, just now
        return copy

    def advance(self, to: float) -> None:
        """Let everything happen up to that moment (seconds since 1970)."""
        while self._agenda and self._agenda[0][0] <= to:
            at, _, act, arguments = heapq.heappop(self._agenda)
            self.clock.now = max(at, self.clock.now)
            act(self.clock.now, *arguments)
        self.clock.now = max(to, self.clock.now)

    def meet(self, conditions: Conditions) -> None:
        """From now on, things are like this."""
        before, self.conditions = self.conditions, conditions
        status = "disabled" if conditions.webhooks is Webhooks.DISABLED else "enabled"
        self.stripe.webhook_endpoints = [{**one, "status": status} for one in self.stripe.webhook_endpoints]
        if conditions.webhooks is Webhooks.DELIVERED and conditions.database is not Database.DOWN:
            self._deliver_again(self.clock.now)
        if conditions.dead_event_age and not before.dead_event_age:
            self._lose_an_event(self.clock.now - conditions.dead_event_age)

    @property
    def attempts_per_minute(self) -> float:
        """Over the past quarter of an hour."""
        self._forget()
        return len(self._ended) / (_RECENT / 60)

    @property
    def success_ratio(self) -> float:
        """Over the past quarter of an hour; 1 where nobody tried."""
        self._forget()
        return sum(success for _, success in self._ended) / len(self._ended) if self._ended else 1.0

    # Customers

    def _look(self, at: float, comes: bool = False) -> None:
        """A customer comes, or it is time to see when the next one does."""
        if comes:
            self._visit(at)
        gap, somebody = self.customers.gap(at, self.conditions.traffic)
        self._plan(at + gap, self._look, somebody)

    def _visit(self, at: float) -> None:
        conditions, chance = self.conditions, self._chance
        for _ in range(3):
            self.measurements.request(conditions.api_seconds * chance.uniform(0.5, 1.5))
        if not conditions.takes_orders:
            if conditions.database is Database.LOCKED:
                self.measurements.request(10 + chance.random(), "5xx")
            return
        customer = self.customers.next()
        order = self._new_order(at, customer.user, customer.amount, customer.currency)
        if customer.by_bank:
            self._debit(at, customer, order)
        elif customer.method == "card" and chance.random() < _CHALLENGED:
            self._challenge(at, customer, order)
        else:
            self._try(at, customer, order, None)

    def _renew(self, at: float, due: bool = False) -> None:
        """Stripe takes money for subscriptions by itself, whether the service works or not."""
        conditions = self.conditions
        if due and conditions.stripe_api is not StripeApi.DOWN:
            customer = replace(self.customers.next(), method="card", network="visa")
            order = self._new_order(at, customer.user, customer.amount, customer.currency)
            self._end(at, customer, order, None, self.customers.outcome(customer, conditions), renewal=True)
        gap, another = self.customers.gap(at, conditions.renewals)
        self._plan(at + gap, self._renew, another)

    def _try(self, at: float, customer: Customer, order: Order, after: Payment | None) -> None:
        payment = self._end(at, customer, order, after, self.customers.outcome(customer, self.conditions))
        if payment and self._chance.random() < _RETRIED:
            self._plan(at + self._chance.uniform(5, 30), self._retry, customer, order, payment)

    def _end(
        self,
        at: float,
        customer: Customer,
        order: Order,
        after: Payment | None,
        outcome: Outcome,
        renewal: bool = False,
    ) -> Payment | None:
        """An attempt ends; gives it where it failed."""
        if not self.conditions.takes_orders and not renewal:
            return None
        payment = self.stripe.pay(
            customer.amount,
            customer.currency,
            method=customer.method,
            network=customer.network,
            outcome=outcome,
            cause=Cause.INVOICE if renewal else Cause.AUTHENTICATED if after else Cause.REQUEST,
            after=after,
            at=at,
        )
        self._happened(at, customer, order, payment, outcome.succeeded)
        if not outcome.succeeded:
            return payment
        self._succeeded(at, customer, order, payment)
        return None

    def _happened(self, at: float, customer: Customer, order: Order, payment: Payment, success: bool) -> None:
        conditions, chance = self.conditions, self._chance
        order.intent = payment.intent
        known = order.id if order.stored else None
        self.records.attempts.append(Attempt(known, order.user, "succeeded" if success else "failed", at))
        self.records.change(order)
        self._ended.append((at, success))
        hangs = chance.random() < conditions.hanging
        self.measurements.payment(
            chance.uniform(31, 50) if hangs else conditions.payment_seconds * chance.uniform(0.5, 1.5), customer.method
        )
        for event in payment.events:
            self._send(at, event, order)

    def _succeeded(self, at: float, customer: Customer, order: Order, payment: Payment) -> None:
        conditions, chance = self.conditions, self._chance
        self._paid.append(payment)
        if chance.random() < conditions.charged_twice:
            twin = self.stripe.pay(
                customer.amount, customer.currency, method=customer.method, network=customer.network, at=at
            )
            again = self._new_order(at, order.user, twin.amount, twin.currency, order.order_id)
            self._happened(at, customer, again, twin, success=True)
        if chance.random() < _REFUNDED:
            self._plan(at + chance.expovariate(1 / (3 * _DAY)), self._refund, payment)
        if chance.random() < _DISPUTED and customer.network:
            self._plan(at + chance.uniform(10, 45) * _DAY, self._warn, payment)

    def _retry(self, at: float, customer: Customer, order: Order, payment: Payment) -> None:
        """The customer tries once more, and then gives up."""
        order.status = "processing"
        self.records.change(order)
        self._end(at, customer, order, payment, self.customers.outcome(customer, self.conditions))

    def _challenge(self, at: float, customer: Customer, order: Order) -> None:
        asked = self.stripe.ask(
            customer.amount, customer.currency, method=customer.method, network=customer.network, at=at
        )
        order.intent, order.status = asked.intent, "requires_action"
        self._send(at, asked.events[0], None)
        number = self._chance.random()
        if number < _ABANDONED:
            self._plan(at + 3600, self._cancel, order, asked)
        elif number < _ABANDONED + _UNPASSED:
            self._plan(at + self._chance.uniform(10, 60), self._end, customer, order, asked, AUTHENTICATION_FAILED)
        else:
            self._plan(at + self._chance.uniform(5, 40), self._try, customer, order, asked)

    def _cancel(self, at: float, order: Order, asked: Payment) -> None:
        canceled = self.stripe.cancel(asked, at)
        order.status = "canceled"
        self.records.change(order)
        self._send(at, canceled.events[0], None)

    def _debit(self, at: float, customer: Customer, order: Order) -> None:
        begun = self.stripe.process(customer.amount, customer.currency, method=customer.method, at=at)
        order.intent, order.status = begun.intent, "awaiting_bank"
        for event in begun.events:
            self._send(at, event, None)
        self._plan(at + 3 * _DAY, self._debited, customer, order, begun)

    def _debited(self, at: float, customer: Customer, order: Order, begun: Payment) -> None:
        self._happened(at, customer, order, self.stripe.settle(begun, SUCCESS, at=at), success=True)

    # What follows payments

    def _refund(self, at: float, payment: Payment) -> None:
        if self.conditions.refunds_fail:
            refund = self.stripe.refund(payment, status="pending", at=at)
            self._tell_of_latest(at)
            self.stripe.update_refund(refund, "failed", at)
        else:
            self.stripe.refund(payment, at=at)
        self._tell_of_latest(at)

    def _warn(self, at: float, payment: Payment) -> None:
        self.stripe.warn(payment, at)
        self._tell_of_latest(at)
        self._plan(at + 4 * _DAY, self._dispute, payment)

    def _dispute(self, at: float, payment: Payment) -> None:
        dispute = self.stripe.dispute(payment, due_in=14 * _DAY, at=at)
        self._tell_of_latest(at)
        self._plan(at + 1.5 * _DAY, self._answer, dispute)

    def _answer(self, at: float, dispute: Dispute) -> None:
        answered = self.stripe.update_dispute(dispute, "under_review", at)
        self._tell_of_latest(at)
        self._plan(at + 20 * _DAY, self._close, answered)

    def _close(self, at: float, dispute: Dispute) -> None:
        self.stripe.update_dispute(dispute, self._chance.choice(("won", "lost")), at)
        self._tell_of_latest(at)

    def _pay_out(self, at: float) -> None:
        self.stripe.pay_out(at=at)
        self._tell_of_latest(at)
        self._plan(at + _PAYOUT_EVERY, self._pay_out)

    def pulse(self, seconds: float) -> None:
        """What the conditions bring about beyond the usual, over the past `seconds`, evenly."""
        conditions = self.conditions
        for per_minute, act in (
            (conditions.refunds_per_minute, self._refund),
            (conditions.warnings_per_minute, self._warn_of),
            (conditions.disputes_per_minute, self._dispute),
        ):
            due = per_minute * seconds / 60
            whole = int(due) + (self._chance.random() < due - int(due))
            for payment in self._chance.sample(self._candidates(), whole) if whole else ():
                act(self.clock.now, payment)

    def _warn_of(self, at: float, payment: Payment) -> None:
        self.stripe.warn(payment, at)
        self._tell_of_latest(at)

    def _candidates(self) -> list[Payment]:
        return [payment for payment in self._paid if payment.network == "visa"]

    # Webhooks

    def _tell_of_latest(self, at: float) -> None:
        self._send(at, self.stripe.last_event, None)

    def _send(self, at: float, event: int, order: Order | None) -> None:
        """Stripe sends an event to the payments service."""
        match self.conditions.webhooks:
            case Webhooks.DISABLED:
                return
            case Webhooks.FAILING | Webhooks.REFUSED:
                refused = self.conditions.webhooks is Webhooks.REFUSED
                self.measurements.webhook("invalid_signature" if refused else "failed")
                self.stripe.undeliver(event)
                self._waiting.append((event, order))
            case Webhooks.DELIVERED if self.conditions.database in (Database.DOWN, Database.LOCKED):
                self.measurements.webhook("failed")
                self.stripe.undeliver(event)
                self._waiting.append((event, order))
            case Webhooks.DELIVERED:
                if self._chance.random() >= self.conditions.webhooks_lost:
                    self._plan(at + self._chance.uniform(0.3, 1.2), self._receive, event, order)

    def _receive(self, at: float, event: int, order: Order | None) -> None:
        self.measurements.webhook("processed")
        row = InboxEvent(token("evt", event), self.stripe.event_type(event), self.stripe.event_time(event), at)
        self.records.receive(row)
        seconds = self.conditions.webhook_seconds * self._chance.uniform(0.4, 1.6)
        self._plan(at + seconds, self._process, row, order)

    def _process(self, at: float, row: InboxEvent, order: Order | None) -> None:
        if not self.conditions.workers:
            self._plan(at + 15, self._process, row, order)
            return
        row.processed = at
        self.records.process(row)
        if order is None:
            return
        match row.type:
            case "payment_intent.succeeded":
                order.status, order.completed = "completed", at
                self.records.change(order)
            case "payment_intent.payment_failed" if order.status != "completed":
                order.status = "failed"
                self.records.change(order)

    def _deliver_again(self, at: float) -> None:
        """Somebody resends what Stripe could not deliver."""
        waiting, self._waiting = self._waiting, []
        for event, order in waiting:
            self.stripe.undeliver(event, at + 20)
            self._plan(at + self._chance.uniform(5, 20), self._receive, event, order)

    def _lose_an_event(self, created: float) -> None:
        """The event created next after that moment is found never to have been delivered."""
        event = next(self.stripe.events(int(created), None, descending=False))
        self.stripe.undeliver(event)

    # How it is kept

    def _new_order(self, at: float, user: int, amount: int, currency: str, order_id: str = "") -> Order:
        self._number += 1
        stored = self._chance.random() >= self.conditions.records_lost
        name = order_id or f"order-{self._number}"
        order = Order(self._number, name, user, None, "processing", amount, currency, at, stored=stored)
        self.records.add(order)
        return order

    def _plan(self, at: float, act: Callable[..., object], *arguments: Any) -> None:
        self._planned += 1
        heapq.heappush(self._agenda, (at, self._planned, act, arguments))

    def _forget(self) -> None:
        while self._ended and self._ended[0][0] < self.clock.now - _RECENT:
            self._ended.popleft()
