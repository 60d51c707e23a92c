"""Which samplers does a configuration ask for?"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from exporters import postgres, probes
from exporters import stripe as stripe_source
from exporters.configuration.secrets import meaning_of
from exporters.configuration.settings import Settings
from exporters.postgres import Leader
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock, Reading, Sampler, reading
from rules.payments import monitoring
from rules.vocabulary import Source

__all__ = ["Assembly", "assemble"]


@dataclass(frozen=True, slots=True)
class Assembly:
    """The samplers of one configuration, and who decides whether this replica samples Stripe."""

    samplers: tuple[Sampler, ...]
    leader: Leader | None
    samples_stripe: bool
    allow_lists: str
    """The hash of the lists by which it counts."""
    asked: Mapping[Source, object]
    """Of each source, what its answers are of: equal where another configuration makes them mean the same."""

    def same_as(self, other: "Assembly") -> frozenset[Source]:
        """The sources whose answers mean the same as the other's."""
        return frozenset(
            source for source, asked in self.asked.items() if source in other.asked and other.asked[source] == asked
        )

    def about(self) -> tuple[Reading, ...]:
        """Whether this replica is the one that samples Stripe; nothing where none does."""
        leads = self.leader is None or self.leader.is_leader()
        lists = reading(monitoring.allow_lists, 1, hash=self.allow_lists)
        return (lists, reading(monitoring.leader, leads)) if self.samples_stripe else (lists,)

    async def run(self) -> None:
        """Stand for election until cancelled."""
        if self.leader:
            await self.leader.run()


def assemble(
    settings: Settings,
    overflow: LabelOverflow,
    clock: Clock = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Assembly:
    """The samplers of every section that is there; nothing is opened yet.

    `monotonic` gives seconds that never go back, `pause` waits between two requests to Stripe.
    """
    overflow.allow(settings.allow_lists)
    leader = Leader(settings.leader, monotonic) if settings.leader else None
    stripe = None
    if settings.stripe:
        is_leader = leader.is_leader if leader else lambda: True
        probed = settings.probe.webhook_url if settings.probe else None
        stripe = stripe_source.samplers(settings.stripe, clock, overflow, is_leader, pause=pause, webhook_url=probed)
    found: tuple[Sampler, ...] = stripe.samplers if stripe else ()
    if settings.postgres:
        found += postgres.samplers(settings.postgres, overflow, stripe.history if stripe else None)
    found += probes.samplers(
        health=settings.health,
        probe=settings.probe,
        flag=settings.flag,
        declared=settings.declared,
        monotonic=monotonic,
    )
    return Assembly(found, leader, stripe is not None, settings.allow_lists.hash, _asked(settings))


def _asked(settings: Settings) -> dict[Source, object]:
    stripe, database = meaning_of(settings.stripe), meaning_of(settings.postgres)
    lists, probe = settings.allow_lists, meaning_of(settings.probe)
    return {
        Source.STRIPE_EVENTS: (stripe, lists),
        Source.STRIPE_ACCOUNT: (stripe, lists),
        Source.STRIPE_WEBHOOKS: (stripe, settings.probe and settings.probe.webhook_url),
        Source.STRIPE_DISPUTES: stripe,
        Source.POSTGRES: (database, lists),
        Source.WEBHOOK_INBOX: database,
        Source.RECONCILIATION: (stripe, database, lists),
        Source.HEALTH: meaning_of(settings.health),
        Source.PROBE: probe,
        Source.FLAG: meaning_of(settings.flag),
        Source.DECLARED: meaning_of(settings.declared),
    }
