"""A shop at the fake Stripe that keeps its own books, and an exporter that looks at it over HTTP.

The books are the ground truth: they are kept from what the shop does, not from events.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import HttpUrl

from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Reading, Sampler, Snapshot
from exporters.stripe import Stripe, samplers
from exporters.stripe.settings import StripeSettings
from rules.vocabulary import Source
from simulator.serving import serving
from simulator.stripe import (
    AUTHENTICATION_FAILED,
    SUCCESS,
    Cause,
    FakeStripe,
    Outcome,
    Payment,
    StripeServer,
    blocked,
    declined,
    invalid,
)
from simulator.stripe.shapes import Refund

START = 1_799_971_200.0
"""2027-01-15 00:00 UTC."""

HOUR = 3600
KEY = "rk_test_everything"

ENDS: dict[str, tuple[Outcome, str, str, str]] = {
    "success": (SUCCESS, "success", "", ""),
    "no money": (declined("insufficient_funds"), "issuer_declined", "issuer_soft", "insufficient_funds"),
    "stolen": (declined("stolen_card"), "issuer_declined", "issuer_hard", "stolen_card"),
    "wrong cvc": (declined("incorrect_cvc"), "issuer_declined", "customer_data", "incorrect_cvc"),
    "issuer is down": (declined("issuer_not_available"), "technical_failure", "technical", "issuer_not_available"),
    "blocked": (blocked(), "blocked", "fraud_block", "card_declined"),
    "invalid": (invalid("invalid_amount"), "technical_failure", "integration", "other"),
    "3-D Secure": (AUTHENTICATION_FAILED, "issuer_declined", "authentication", "authentication_required"),
}
"""Ways for an attempt to end, with its result, class and decline code."""


INITIATORS = {
    Cause.REQUEST: "api",
    Cause.AUTHENTICATED: "api",
    Cause.AUTHENTICATED_BEFORE_2024: "api",
    Cause.INVOICE: "automatic",
    Cause.FIRST_ATTEMPT: "automatic",
    Cause.UNSAID: "unknown",
}
"""Whom a payment is put down to that was not asked for before."""


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def on(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(slots=True)
class Shop:
    """A shop that writes down what every counter should read."""

    fake: FakeStripe
    books: Counter[tuple[str, ...]] = field(default_factory=Counter)
    intents: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    endings: set[tuple[str, str, str]] = field(default_factory=set)
    """How each payment ended, by its intent, by whose doing."""

    def pay(self, end: str = "success", after: Payment | None = None, **options: Any) -> Payment:
        """Attempt to pay."""
        outcome, result, failure, code = ENDS[end]
        initiator = options.pop("initiator", INITIATORS[options.get("cause", Cause.REQUEST)])
        label = options.pop("label", options.get("method", "card"))
        payment = self.fake.pay(outcome=outcome, after=after, **options)
        method = label
        self.books["payment_attempts_total", result, method, initiator] += 1
        self._end(payment, result, initiator)
        self.books["payment_attempts_by_currency_total", result, payment.currency] += 1
        if payment.network:
            authentication = "failed" if failure == "authentication" else options.get("authentication", "none")
            self.books["payment_attempts_by_network_total", result, payment.network] += 1
            self.books["payment_attempts_by_country_total", result, options.get("country", "US").lower()] += 1
            self.books["payment_attempts_by_authentication_total", result, authentication] += 1
        if result == "success":
            self.books["payment_success_total", method, initiator] += 1
            if options.get("capture", True):
                self.books["payment_amount_minor_units_total", payment.currency] += payment.amount
        else:
            self.books["payment_failures_total", failure] += 1
            self.books["payment_failed_amount_minor_units_total", payment.currency] += payment.amount
            self.books["payment_declines_total", code] += 1
        held = "S" if options.get("capture", True) else "R"
        self._step(payment, held if result == "success" else "F")
        return payment

    def ask(self, after: Payment | None = None, **options: Any) -> Payment:
        """Ask the customer to act."""
        payment = self.fake.ask(after=after, **options)
        self._step(payment, "A")
        return payment

    def capture(self, payment: Payment, *parts: int) -> Payment:
        """Capture what was authorized, or parts of it one after the other, of which the last one ends it."""
        for part in parts[:-1]:
            self.fake.capture_part(payment, part)
        payment = self.fake.capture(payment, parts[-1] if parts else None)
        self.books["payment_amount_minor_units_total", payment.currency] += sum(parts) or payment.amount
        self._step(payment, "S")
        return payment

    def release(self, payment: Payment, *, expired: bool = False) -> None:
        """Let an authorization go, or let it grow too old: no money moved, whatever refunds an old version makes."""
        payment = self.fake.expire(payment) if expired else self.fake.cancel(payment)
        self._step(payment, "C")

    def settle(self, payment: Payment, end: str = "success", method: str = "us_bank_account") -> None:
        """A bank debit of days ago ends, and nothing tells whose it was."""
        outcome, result, failure, code = ENDS[end]
        payment = self.fake.settle(payment, outcome)
        self.books["payment_attempts_total", result, method, "unknown"] += 1
        self._end(payment, result, "unknown")
        self.books["payment_attempts_by_currency_total", result, payment.currency] += 1
        if result == "success":
            self.books["payment_success_total", method, "unknown"] += 1
            self.books["payment_amount_minor_units_total", payment.currency] += payment.amount
        else:
            self.books["payment_failures_total", failure] += 1
            self.books["payment_failed_amount_minor_units_total", payment.currency] += payment.amount
            self.books["payment_declines_total", code] += 1
        self._step(payment, "S" if result == "success" else "F")

    def cancel(self, payment: Payment) -> Payment:
        """Cancel an intent."""
        payment = self.fake.cancel(payment)
        self._step(payment, "C")
        return payment

    def refund(self, payment: Payment, amount: int) -> None:
        """Refund a part of a payment at once."""
        self._refunded(self.fake.refund(payment, amount), "succeeded")

    def refund_later(self, payment: Payment, amount: int, status: str = "succeeded") -> Refund:
        """Refund a part by a slow method; the bank's reference comes in the second in which the refund ends."""
        refund = self.fake.update_refund(self.fake.refund(payment, amount, status="pending"), status)
        self.fake.refer_to(refund)
        self._refunded(refund, status)
        return refund

    def lose_dispute(self, payment: Payment) -> None:
        """Be disputed, and lose."""
        dispute = self.fake.dispute(payment)
        self.fake.update_dispute(dispute, "under_review")
        self.fake.update_dispute(dispute, "lost")
        self.books["stripe_disputes_opened_total", "fraudulent"] += 1
        self.books["stripe_disputes_closed_total", "lost"] += 1

    def appeal(self, payment: Payment) -> None:
        """Lose a dispute, and win the appeal."""
        dispute = self.fake.dispute(payment)
        for status in ("lost", "appeal_needs_response", "appeal_under_review", "won"):
            dispute = self.fake.update_dispute(dispute, status)
        self.books["stripe_disputes_opened_total", "fraudulent"] += 1
        self.books["stripe_disputes_closed_total", "lost"] += 1
        self.books["stripe_disputes_closed_total", "won"] += 1

    def be_asked_about(self, payment: Payment) -> None:
        """An inquiry closes, escalates after all, and is lost."""
        dispute = self.fake.dispute(payment, status="warning_needs_response")
        for status in ("warning_under_review", "warning_closed", "needs_response", "lost"):
            dispute = self.fake.update_dispute(dispute, status)
        self.books["stripe_disputes_opened_total", "fraudulent"] += 1
        self.books["stripe_disputes_closed_total", "warning_closed"] += 1
        self.books["stripe_disputes_closed_total", "lost"] += 1

    def be_paid(self) -> None:
        """Get a payout that the bank returns."""
        payout = self.fake.pay_out()
        self.fake.fail_payout(payout)
        self.books["stripe_payouts_total", "paid"] += 1
        self.books["stripe_payouts_total", "failed"] += 1

    def be_warned(self, payment: Payment) -> None:
        """Get an early fraud warning."""
        self.fake.warn(payment)
        self.books["stripe_early_fraud_warnings_total",] += 1

    def truth(self) -> dict[tuple[str, ...], float]:
        """What the counters should read once every hour of grace is over."""
        found = Counter(self.books)
        for steps in self.intents.values():
            for key in folded(sorted(steps)):
                found[key] += 1
        return {key: float(count) for key, count in found.items() if count}

    def _refunded(self, refund: Refund, status: str) -> None:
        self.books["stripe_refunds_total", "created"] += 1
        self.books["stripe_refunds_total", status] += 1
        self.books["stripe_refund_amount_minor_units_total", refund.currency] += refund.amount

    def _end(self, payment: Payment, result: str, initiator: str) -> None:
        if not payment.intent or (payment.intent, result, initiator) not in self.endings:
            self.books["payment_distinct_attempts_total", result, initiator] += 1
        self.endings.add((payment.intent, result, initiator))

    def _step(self, payment: Payment, kind: str) -> None:
        at = self.fake.event_time(payment.events[-1])
        self.intents.setdefault(payment.intent, []).append((at, kind))


def folded(steps: list[tuple[int, str]]) -> Iterator[tuple[str, ...]]:
    """What a payment counts as, by the definitions of payment_intents_total and of abandoned attempts."""
    failures = [at for at, kind in steps if kind == "F"]
    good = [at for at, kind in steps if kind in "SCR"]
    ends = [kind for at, kind in steps if kind in "SC"]
    if failures and not (good and good[0] - failures[0] <= HOUR):
        yield ("payment_intents_total", "failed")
    elif ends:
        yield ("payment_intents_total", "succeeded" if ends[0] == "S" else "canceled")
    for asked in (at for at, kind in steps if kind == "A"):
        answers = [(at, kind) for at, kind in steps if asked <= at <= asked + HOUR and (at, kind) != (asked, "A")]
        canceled = [at for at, kind in answers if kind == "C"]
        before = [kind for at, kind in answers if kind != "C" and (not canceled or at <= canceled[0])]
        if not before:
            yield ("payment_attempts_total", "abandoned", "card", "api")
            yield ("payment_distinct_attempts_total", "abandoned", "api")
            yield ("payment_attempts_by_currency_total", "abandoned", "usd")


@dataclass(slots=True)
class Watched:
    """A shop, its fake Stripe over HTTP, and an exporter beside it."""

    clock: Clock
    shop: Shop
    server: StripeServer
    url: str
    folder: Path
    settings: StripeSettings
    ours: Callable[[], float]
    runner: asyncio.Runner
    overflow: LabelOverflow = field(default_factory=LabelOverflow)
    webhook_url: HttpUrl | None = None
    """Where the probe asks the webhook endpoint."""
    leads: bool = True
    per_request: float = 0
    """Seconds that pass with each request, so that a sample ends before it has read everything."""
    stripe: Stripe = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    @property
    def fake(self) -> FakeStripe:
        """The fake Stripe."""
        return self.shop.fake

    def start(self) -> None:
        """Start the exporter, on what an earlier one left behind."""
        self.stripe = samplers(
            self.settings,
            self.ours,
            self.overflow,
            lambda: self.leads,
            random=lambda: 0.5,
            pause=self._pause,
            webhook_url=self.webhook_url,
        )

    async def _pause(self, seconds: float) -> None:
        self.clock.on(self.per_request)

    def stop(self) -> None:
        """Stop the exporter."""
        for sampler in self.stripe.samplers:
            self.runner.run(sampler.close())

    def restart(self, **changes: Any) -> None:
        """Stop the exporter and start another, with other settings perhaps."""
        self.stop()
        self.settings = self.settings.model_copy(update=changes)
        self.start()

    def sampler(self, source: Source) -> Sampler:
        """One of the exporter's samplers."""
        return next(sampler for sampler in self.stripe.samplers if sampler.source is source)

    def sample(self, source: Source = Source.STRIPE_EVENTS) -> Snapshot:
        """Sample a source once. Raises SampleError."""
        found: list[Snapshot] = []  # as the task's result it would be written out whole, for nobody to read

        async def once() -> None:
            found.append(await self.sampler(source).sample(self.ours()))

        self.runner.run(once())
        return found[0]

    def begun(self) -> "Watched":
        """With the counters at 0 and the first scrapes over."""
        self.sample()
        self.clock.on(61)
        return self

    def rest(self, hours: int = 2) -> Snapshot:
        """Sample every ten minutes until nothing is left to be decided."""
        snapshot = self.sample()
        for _ in range(6 * hours):
            self.clock.on(600)
            snapshot = self.sample()
            while snapshot.catching_up:
                snapshot = self.sample()
        return snapshot

    def about(self) -> dict[tuple[str, ...], float]:
        """What the events sampler says of itself, without zeros."""
        return values(self.sampler(Source.STRIPE_EVENTS).about())


@contextmanager
def watched(folder: Path, ours: Callable[[], float] | None = None, **changes: Any) -> Iterator[Watched]:
    """A shop without customers so far, and an exporter that has not sampled yet.

    `ours` is the exporter's clock where it differs from Stripe's; `changes` are settings.
    """
    clock = Clock()
    server = StripeServer(FakeStripe(clock))
    state = {"path": folder / "state.sqlite3", **changes.pop("state", {})}
    with serving(server.app) as port, asyncio.Runner() as runner:
        url = f"http://127.0.0.1:{port}"
        settings = StripeSettings.model_validate({"api_key": KEY, "api_url": url, "state": state, **changes})
        one = Watched(clock, Shop(server.world), server, url, folder, settings, ours or clock, runner)
        try:
            yield one
        finally:
            one.stop()


def values(readings: Iterator[Any] | tuple[Any, ...]) -> dict[tuple[str, ...], float]:
    """Readings by name and label values, without zeros."""
    return {
        (reading.metric.name, *(value for _, value in reading.labels)): reading.value
        for reading in readings
        if isinstance(reading, Reading) and reading.value
    }


def counters(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """The counters of a snapshot, without zeros."""
    return {key: value for key, value in values(snapshot.readings).items() if key[0].endswith("_total")}
