"""Which disputes wait for our evidence, and until when?"""

from datetime import timedelta

from exporters.sampling.model import Reading, reading
from exporters.stripe.reading.answers import Dispute
from exporters.stripe.reading.asking import Asked, Asking
from rules.payments import disputes
from rules.vocabulary import Source

__all__ = ["DisputesSampler"]

_WAITING = ("needs_response", "warning_needs_response")
_OPEN_FOR = 60 * 86400
"""Seconds after which no dispute waits for evidence any more: networks give 7 to 45 days."""
_PAGES = 50


class DisputesSampler(Asking):
    """The sampler of open disputes; an inquiry that wants an answer is one of them."""

    endpoints = ("disputes",)
    least = timedelta(minutes=10)

    @property
    def source(self) -> Source:
        return Source.STRIPE_DISPUTES

    async def read(self, asked: Asked) -> tuple[Reading, ...]:
        """How many disputes wait, and the earliest deadline."""
        since = int(asked.here) - _OPEN_FOR
        found, _ = await asked.all("disputes", Dispute, {"created": {"gte": since}}, _PAGES)
        waiting = [dispute for dispute in found if dispute.status in _WAITING]
        moments = [one.evidence_details.due_by for one in waiting if one.evidence_details]
        due = [moment for moment in moments if moment is not None]
        count = reading(disputes.need_response, len(waiting))
        return (count, reading(disputes.evidence_due, min(due))) if due else (count,)
