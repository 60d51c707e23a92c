"""Which disputes wait for our evidence, and until when?"""

import logging
from datetime import timedelta

from exporters.process.logs import LOGGER
from exporters.sampling.model import Reading, reading
from exporters.stripe.counting.words import DISPUTE_STATUSES, DISPUTE_WAITS
from exporters.stripe.reading.answers import Dispute
from exporters.stripe.reading.asking import Asked, Asking, Shared
from rules.payments import disputes
from rules.vocabulary import Source

__all__ = ["DisputesSampler"]

_LOG = logging.getLogger(f"{LOGGER}.stripe.disputes")
_NEW_FOR = 60 * 86400
"""Seconds within which almost every dispute that waits was opened: networks give 7 to 45 days. Those that grow older
than that count as new until the older ones are read again."""
_OLD_EVERY = 86400
"""Seconds after which the older ones are read again: an inquiry that escalates, and a loss that is appealed, keep the
moment at which they were opened, and wait for days once more."""
_OLD_THAT_WAIT_EVERY = 3600
_PAGES = 50
_OLD_PAGES = 20


class DisputesSampler(Asking):
    """The sampler of open disputes; an inquiry that wants an answer is one of them, and so is an appeal."""

    endpoints = ("disputes",)
    least = timedelta(minutes=10)

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._old: tuple[Dispute, ...] = ()
        self._old_at: float | None = None
        self._new_since = 0
        self._told: set[str] = set()

    @property
    def source(self) -> Source:
        return Source.STRIPE_DISPUTES

    async def read(self, asked: Asked) -> tuple[Reading, ...]:
        """How many disputes wait, and the earliest deadline."""
        old_are_due = self._old_are_due(asked.here)
        since = int(asked.here) - _NEW_FOR if old_are_due else self._new_since
        new, complete = await asked.all("disputes", Dispute, {"created": {"gte": since}}, _PAGES)
        self._tell_of_limit(complete, "of the past 60 days", _PAGES)
        if old_are_due:
            self._old, complete = await asked.all("disputes", Dispute, {"created": {"lt": since}}, _OLD_PAGES)
            self._old_at, self._new_since = asked.here, since
            self._tell_of_limit(complete, "that are older than 60 days", _OLD_PAGES)
        found = {dispute.id: dispute for dispute in (*self._old, *new)}.values()
        for dispute in found:
            if dispute.status not in DISPUTE_STATUSES:
                self._tell(f"status {dispute.status[:60]!r} is not known to this release: such a dispute does not wait")
        waiting = [dispute for dispute in found if dispute.status in DISPUTE_WAITS]
        moments = [one.evidence_details.due_by for one in waiting if one.evidence_details]
        due = [moment for moment in moments if moment is not None]
        count = reading(disputes.need_response, len(waiting))
        return (count, reading(disputes.evidence_due, min(due))) if due else (count,)

    def _old_are_due(self, here: float) -> bool:
        every = _OLD_THAT_WAIT_EVERY if any(one.status in DISPUTE_WAITS for one in self._old) else _OLD_EVERY
        return self._old_at is None or not 0 <= here - self._old_at < every

    def _tell_of_limit(self, complete: bool, which: str, pages: int) -> None:
        if not complete:
            self._tell(f"only the newest {100 * pages} {which} are read; whether one before them waits is not known")

    def _tell(self, message: str) -> None:
        """Each once."""
        if message not in self._told and len(self._told) < 100:
            self._told.add(message)
            _LOG.warning("disputes: %s", message)
