"""Which payments and events does Stripe know of, for a comparison with the database?"""

import asyncio
from collections.abc import Mapping

from exporters.sampling.reconciling import NotKnownYetError, Received
from exporters.stripe.counting.ledger import IDS_KEPT, Ledger
from exporters.stripe.counting.marks import Marks
from exporters.stripe.state import State
from exporters.stripe.webhooks import WebhooksSampler

__all__ = ["StripeHistory"]


class StripeHistory:
    """What the persisted state says of past payments and events; it never calls Stripe.

    Every method raises NotKnownYetError while there is nothing to say, and SampleError where the state cannot be read.
    """

    def __init__(self, state: State, webhooks: WebhooksSampler) -> None:
        self._state = state
        self._webhooks = webhooks

    async def known(self) -> tuple[float, float]:
        """From when to when everything that happened is known."""
        _, marks = self._held()
        return max(marks.covered_from, marks.watermark - IDS_KEPT), marks.watermark

    async def payment_intents(self, since: float, until: float) -> frozenset[str]:
        """The ids of the payment intents that succeeded in that time, since <= t < until."""
        ledger, _ = self._held()
        return await asyncio.to_thread(ledger.succeeded, since, until)

    async def received(self, since: float, until: float) -> Mapping[str, Received | None]:
        """What each payment intent took that succeeded in that time, by its id; None where that is not known."""
        ledger, _ = self._held()
        return await asyncio.to_thread(ledger.received, since, until)

    async def events_sent(self, since: float, until: float) -> frozenset[str]:
        """The ids of the events of that time to whose type the payments service subscribes, as far as they have ids."""
        ledger, _ = self._held()
        subscribed = self._webhooks.subscribed
        if subscribed is None:
            raise NotKnownYetError("which types of event the payments service subscribes to is not known")
        return await asyncio.to_thread(ledger.events, since, until, None if "*" in subscribed else subscribed)

    def _held(self) -> tuple[Ledger, Marks]:
        ledger = self._state.current
        if ledger is None or ledger.marks is None:
            raise NotKnownYetError("Stripe's events were not read yet, or another replica reads them")
        return ledger, ledger.marks
