"""What does Stripe say about payments, the account, webhooks and disputes?"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import HttpUrl

from exporters.process.logs import LOGGER
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import Clock, Sampler
from exporters.stripe.account import AccountSampler
from exporters.stripe.disputes import DisputesSampler
from exporters.stripe.events import EventsSampler
from exporters.stripe.history import StripeHistory
from exporters.stripe.reading.asking import Shared
from exporters.stripe.reading.client import StripeReads
from exporters.stripe.reading.governor import Governor
from exporters.stripe.settings import StripeSettings
from exporters.stripe.state import State
from exporters.stripe.webhooks import WebhooksSampler

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
    webhook_url: HttpUrl | None = None,
) -> Stripe:
    """The samplers of everything that Stripe says, all under one governor. Opens nothing yet.

    A replica for which `is_leader` is false sends no request, holds no state and has no readings. `random` gives a
    number from 0 up to 1 for the jitter of back-offs; `pause(seconds)` waits between two requests. `webhook_url` is
    where the probe asks the payments service's webhook endpoint.
    """
    if settings.has_full_access:
        _LOG.warning("stripe.api_key may do everything to the live account; use a restricted key with read permissions")
    governor = Governor(settings.read_share, random, settings.api_key.get_secret_value)
    reads = StripeReads(settings, governor, clock, pause)
    state = State(settings, clock, overflow)
    shared = Shared(reads, governor, clock, is_leader)
    webhooks = WebhooksSampler(shared, settings, webhook_url)
    events = EventsSampler(settings, shared, state)
    return Stripe(
        (events, AccountSampler(shared, overflow), webhooks, DisputesSampler(shared)), StripeHistory(state, webhooks)
    )
