"""What must Stripe's side be able to say, so that a database can be compared with it?"""

from typing import Protocol

__all__ = ["NotKnownYetError", "SucceededPayments"]


class NotKnownYetError(Exception):
    """Stripe's side has nothing to compare with: it was not read yet, or another replica reads it. That is no fault."""


class SucceededPayments(Protocol):
    """What is known of Stripe's payments and events, from persisted state: no call to Stripe.

    Times are seconds since 1970 by Stripe's clock, and ranges are half open: since <= t < until. Every method raises
    NotKnownYetError while there is nothing to say, and SampleError where what is kept cannot be read.
    """

    async def known(self) -> tuple[float, float]:
        """From when to when everything that happened is known: the start of the backfill, the watermark."""

    async def payment_intents(self, since: float, until: float) -> frozenset[str]:
        """The ids of the payment intents that succeeded in that time."""

    async def events_sent(self, since: float, until: float) -> frozenset[str]:
        """The ids of the events created in that time that Stripe sends to the inbox's endpoint.

        Types to which no enabled endpoint subscribes are left out: nobody would ever receive them.
        """
