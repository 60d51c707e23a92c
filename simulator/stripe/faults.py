"""How can an answer of the fake Stripe go wrong?"""

from collections import deque
from dataclasses import dataclass

from simulator.stripe.shapes import Json, error

__all__ = [
    "RATE_LIMIT_REASONS",
    "CutOff",
    "Fault",
    "Faults",
    "NotJson",
    "Refusal",
    "Slow",
    "Wrong",
    "invalid_key",
    "rate_limited",
    "server_error",
]

RATE_LIMIT_REASONS = (
    "global-concurrency",
    "global-rate",
    "endpoint-concurrency",
    "endpoint-rate",
    "resource-specific",
)
"""Values of the header Stripe-Rate-Limited-Reason (Stripe, "Rate limits")."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of Stripe's own."""

    status: int
    body: Json
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Slow:
    """A good answer, so many real seconds late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CutOff:
    """A good answer whose connection ends in the middle of it."""


@dataclass(frozen=True, slots=True)
class NotJson:
    """A page of a proxy."""

    status: int = 200
    body: str = "<html><body>Gateway: customer jenny.rosen@example.com</body></html>"


@dataclass(frozen=True, slots=True)
class Wrong:
    """JSON that is not what was asked for."""

    body: object


Fault = Refusal | Slow | CutOff | NotJson | Wrong


def rate_limited(reason: str | None) -> Refusal:
    """Too many requests; without a reason it is a lock that was not got in time."""
    body = error("invalid_request_error", "Request rate limit exceeded.", None if reason else "lock_timeout")
    return Refusal(429, body, (("Stripe-Rate-Limited-Reason", reason),) if reason else ())


def server_error(status: int = 500) -> Refusal:
    """Stripe is not well."""
    return Refusal(status, error("api_error", "An unknown error occurred."))


def invalid_key(shown: str) -> Refusal:
    """The key is revoked, or never was one."""
    return Refusal(401, error("invalid_request_error", f"Invalid API Key provided: {shown}"))


class Faults:
    """The faults that wait for their requests, by endpoint; `*` is for any."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = {}

    def next(self, *faults: Fault, endpoint: str = "*") -> None:
        """Let the next requests fail, one each."""
        self._waiting.setdefault(endpoint, deque()).extend(faults)

    def take(self, endpoint: str) -> Fault | None:
        """The fault for a request, None where it may succeed."""
        for name in (endpoint, "*"):
            if self._waiting.get(name):
                return self._waiting[name].popleft()
        return None

    def clear(self) -> None:
        """Let everything succeed again."""
        self._waiting.clear()
