"""What does Stripe say about payments, the account, webhooks and disputes?"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from exporters.labels import LabelOverflow
from exporters.logs import LOGGER
from exporters.model import Clock, Sampler
from exporters.stripe_api.account import AccountSampler
from exporters.stripe_api.asking import Shared
from exporters.stripe_api.client import StripeReads
from exporters.stripe_api.disputes import DisputesSampler
from exporters.stripe_api.events import EventsSampler
from exporters.stripe_api.governor import Governor
from exporters.stripe_api.history import StripeHistory
from exporters.stripe_api.settings import StripeSettings
from exporters.stripe_api.state import State
from exporters.stripe_api.webhooks import WebhooksSampler

__all__ = ["Stripe", "samplers"]

_LOG = logging.getLogger(f"{LOGGER}.stripe")


@dataclass(frozen=True, slots=True)
class Stripe:
    """Stripe's four sources, and what they know of the past for a reconciliation."""

    samplers: tuple[Sampler, ...]
    history: StripeHistory


def samplers(
    settings: StripeSettings,
    clock: Clock,
    overflow: LabelOverflow,
    is_leader: Callable[[], bool] = lambda: True,
    random: Callable[[], float] = random.random,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Stripe:
    """The samplers of everything that Stripe says, all under one governor. Opens nothing yet.

    A replica for which `is_leader` is false sends no request, holds no state and has no readings. `random` gives a
    number from 0 up to 1 for the jitter of back-offs; `pause(seconds)` waits between two requests.
    """
    if settings.has_full_access:
        _LOG.warning("stripe.api_key may do everything to the live account; use a restricted key with read permissions")
    governor = Governor(settings.read_share, random)
    reads = StripeReads(settings, governor, clock, pause)
    state = State(settings.state, clock, overflow.bounded)
    shared = Shared(reads, governor, clock, is_leader)
    webhooks = WebhooksSampler(shared, settings.webhook_api_version)
    events = EventsSampler(settings, shared, state)
    return Stripe(
        (events, AccountSampler(shared, overflow), webhooks, DisputesSampler(shared)), StripeHistory(state, webhooks)
    )
