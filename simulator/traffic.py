"""Who comes to pay, when, with what, and how does it end?"""

from dataclasses import dataclass
from random import Random

from simulator.arithmetic.traffic import week_shape
from simulator.conditions import Conditions
from simulator.stripe import SUCCESS, Outcome, blocked, declined

__all__ = ["Customer", "Customers"]

_METHODS = ("card",) * 13 + ("apple_pay",) * 3 + ("google_pay",) * 2 + ("link", "us_bank_account")
_NETWORKS = ("visa",) * 6 + ("mastercard",) * 3 + ("amex",)
_CURRENCIES = ("usd",) * 16 + ("eur", "eur", "gbp", "jpy")
_DECLINES = (
    *("insufficient_funds",) * 5,
    *("do_not_honor",) * 3,
    *("expired_card",) * 2,
    "incorrect_cvc",
    "lost_card",
)
_MONDAY = 4 * 86400
"""1970-01-05 was the first Monday."""
_GAP = 30.0
"""Seconds after which it is drawn again when the next customer comes: until then, conditions may have changed."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who wants to pay once."""

    user: int
    method: str
    network: str
    currency: str
    amount: int
    """In minor units of the currency."""

    @property
    def by_bank(self) -> bool:
        """Whether the money takes days to come."""
        return self.method == "us_bank_account"


class Customers:
    """Independent customers around a pace that has a day and a week.

    `per_minute` is the mean over a week. What incidents make fail is dealt out evenly, as from a deck, so that a share
    of 3 % is 3 % of any hour, renewals included; everything else, and which of them are renewals, is left to chance.
    """

    def __init__(self, per_minute: float, random: Random) -> None:
        self.per_minute = per_minute
        self._random = random
        self._owed = 0.0

    def gap(self, at: float, traffic: float) -> tuple[float, bool]:
        """Seconds until the next look, and whether somebody comes then; `traffic` is a multiple of the usual."""
        per_second = self.per_minute * week_shape(int(at) - _MONDAY) * traffic / 60
        gap = self._random.expovariate(per_second) if per_second else _GAP
        return (gap, True) if gap < _GAP else (_GAP, False)

    def next(self) -> Customer:
        """The customer who comes."""
        chance = self._random
        method = chance.choice(_METHODS)
        return Customer(
            user=chance.randrange(1, 100_000),
            method=method,
            network="" if method == "us_bank_account" else chance.choice(_NETWORKS),
            currency=chance.choice(_CURRENCIES),
            amount=chance.randrange(300, 20_000),
        )

    def outcome(self, customer: Customer, conditions: Conditions) -> Outcome:
        """How an attempt of that customer ends."""
        if customer.method == conditions.failing_method:
            return declined("processing_error")
        self._owed += conditions.technical
        if self._owed >= 1:
            self._owed -= 1
            return declined("issuer_not_available")
        number = self._random.random()
        if number < conditions.declined:
            return declined(self._random.choice(_DECLINES))
        if number < conditions.declined + conditions.blocked:
            return blocked()
        return SUCCESS
