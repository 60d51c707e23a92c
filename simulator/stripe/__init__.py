"""A fake Stripe: an account with a clock of its own, served over HTTP, that can be made to fail in every known way."""

from simulator.stripe.causes import Cause
from simulator.stripe.faults import (
    RATE_LIMIT_REASONS,
    CutOff,
    Fault,
    Faults,
    NotJson,
    Refusal,
    Slow,
    Wrong,
    invalid_key,
    rate_limited,
    server_error,
)
from simulator.stripe.outcomes import (
    AUTHENTICATION_FAILED,
    SUCCESS,
    Outcome,
    blocked,
    declined,
    invalid,
    provider_failed,
    unexplained,
)
from simulator.stripe.server import PERMISSIONS, StripeServer
from simulator.stripe.world import FakeStripe, Payment

__all__ = [
    "AUTHENTICATION_FAILED",
    "PERMISSIONS",
    "RATE_LIMIT_REASONS",
    "SUCCESS",
    "Cause",
    "CutOff",
    "FakeStripe",
    "Fault",
    "Faults",
    "NotJson",
    "Outcome",
    "Payment",
    "Refusal",
    "Slow",
    "StripeServer",
    "Wrong",
    "blocked",
    "declined",
    "invalid",
    "invalid_key",
    "provider_failed",
    "rate_limited",
    "server_error",
    "unexplained",
]
