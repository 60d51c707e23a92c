"""What does an ordinary shop do all day?"""

import random
from collections import deque

from simulator.stripe.causes import Cause
from simulator.stripe.outcomes import AUTHENTICATION_FAILED, SUCCESS, Outcome, blocked, declined
from simulator.stripe.world import FakeStripe, Payment

__all__ = ["Traffic"]

_METHODS = ("card",) * 12 + ("apple_pay", "apple_pay", "google_pay", "link", "us_bank_account")
_NETWORKS = ("visa", "visa", "visa", "mastercard", "mastercard", "amex", "discover")
_CURRENCIES = ("usd",) * 16 + ("eur", "eur", "gbp", "jpy")
_REMEMBERED = 10_000


class Traffic:
    """Customers who pay at random moments, are declined, come back, want their money back."""

    def __init__(self, fake: FakeStripe, per_minute: float, seed: int) -> None:
        self._fake = fake
        self._per_minute = per_minute
        self._chance = random.Random(seed)  # noqa: S311 - customers, no secrets
        self._paid: deque[Payment] = deque(maxlen=_REMEMBERED)
        self._next = fake.clock()

    def until(self, now: float) -> int:
        """Let everything happen that happens up to that moment (seconds since 1970); gives the number of attempts."""
        attempts = 0
        while self._next <= now:
            self._customer(self._next)
            self._next += self._chance.expovariate(self._per_minute / 60)
            attempts += 1
        return attempts

    def _customer(self, at: float) -> None:
        chance = self._chance
        method = chance.choice(_METHODS)
        network = chance.choice(_NETWORKS) if method != "us_bank_account" else ""
        outcome = self._outcome()
        payment = self._fake.pay(
            chance.randint(300, 20_000),
            chance.choice(_CURRENCIES),
            method=method,
            network=network,
            outcome=outcome,
            cause=Cause.INVOICE if chance.random() < 0.1 else Cause.REQUEST,
            at=at,
        )
        if outcome.succeeded:
            self._paid.append(payment)
        if chance.random() < 0.01:
            self._fake.ask(at=at)
        if self._paid and chance.random() < 0.02:
            self._fake.refund(chance.choice(self._paid), at=at)
        if self._paid and chance.random() < 0.002:
            self._fake.dispute(chance.choice(self._paid), at=at)
        if self._paid and chance.random() < 0.002:
            self._fake.warn(chance.choice(self._paid), at=at)

    def _outcome(self) -> Outcome:
        number = self._chance.random()
        if number < 0.92:
            return SUCCESS
        if number < 0.95:
            return declined("insufficient_funds")
        if number < 0.97:
            return declined("do_not_honor")
        if number < 0.98:
            return AUTHENTICATION_FAILED
        if number < 0.99:
            return blocked()
        if number < 0.998:
            return declined("expired_card")
        return declined("issuer_not_available")
