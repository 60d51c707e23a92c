"""What must Stripe's side be able to say, so that a database can be compared with it?"""

from typing import Protocol

__all__ = ["SucceededPayments"]


class SucceededPayments(Protocol):
    """What is known of Stripe's payments and events, from persisted state: no call to Stripe.

    Times are seconds since 1970 by Stripe's clock, and ranges are half open: since <= t < until.
    """

    async def known(self) -> tuple[float, float]:
        """From when to when everything that happened is known: the start of the backfill, the watermark."""

    async def payment_intents(self, since: float, until: float) -> frozenset[str]:
        """The ids of the payment intents that succeeded in that time."""

    async def events_sent(self, since: float, until: float) -> frozenset[str]:
        """The ids of the events created in that time that Stripe sends to the inbox's endpoint.

        Types to which no enabled endpoint subscribes are left out: nobody would ever receive them.
        """
