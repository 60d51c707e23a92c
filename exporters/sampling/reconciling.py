"""What must Stripe's side be able to say, so that a database can be compared with it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["NotKnownYetError", "Received", "SucceededPayments"]


class NotKnownYetError(Exception):
    """Stripe's side has nothing to compare with: it was not read yet, another replica reads it, or it is not clear.

    That is no fault of the database.
    """


@dataclass(frozen=True, slots=True)
class Received:
    """What a payment intent took in all: in Stripe's smallest units of its currency, which is in lower case."""

    amount: int
    currency: str
    refunded: bool
    """Whether some or all of it was paid back since, or was meant to be."""


class SucceededPayments(Protocol):
    """What is known of Stripe's payments and events, from persisted state: no call to Stripe.

    Times are seconds since 1970 by Stripe's clock, and ranges are half open: since <= t < until. Every method raises
    NotKnownYetError while there is nothing to say, and SampleError where what is kept cannot be read.
    """

    async def known(self) -> tuple[float, float]:
        """From when to when everything that happened is known: the start of the backfill, the watermark."""

    async def payment_intents(self, since: float, until: float) -> frozenset[str]:
        """The ids of the payment intents that succeeded in that time."""

    async def received(self, since: float, until: float) -> Mapping[str, Received | None]:
        """What each payment intent took that succeeded in that time, by its id; None where that is not known."""

    async def events_sent(self, since: float, until: float) -> frozenset[str]:
        """The ids of the events created in that time that Stripe sends to the inbox's endpoint.

        Types to which none of its enabled endpoints subscribes are left out: it would never receive them.
        """
