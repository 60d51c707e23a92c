"""What made Stripe create an event, and how does the event show it? (Stripe API reference, "The Event object")"""

from enum import IntEnum

__all__ = ["Cause"]


class Cause(IntEnum):
    """Who caused an event: a request to the API, or Stripe by itself under a key of its own, if any."""

    REQUEST = 0
    AUTHENTICATED = 1
    """Stripe ends a payment that its customer authenticated."""
    AUTHENTICATED_BEFORE_2024 = 2
    INVOICE = 3
    """Stripe charges for an invoice, a renewal or a retry of it."""
    FIRST_ATTEMPT = 4
    """Stripe charges for a subscription's first invoice."""
    UNSAID = 5
    """Stripe acts, and says nothing of why."""

    def idempotency_key(self, intent: str) -> str | None:
        """The key that such an event carries, for a payment of that intent."""
        tail = intent.removeprefix("pi_")
        match self:
            case Cause.AUTHENTICATED:
                return f"{intent}-payatt_{tail[::-1]}"
            case Cause.AUTHENTICATED_BEFORE_2024:
                return f"{intent}-src_{tail[::-1]}"
            case Cause.INVOICE:
                return f"in_{tail}"
            case Cause.FIRST_ATTEMPT:
                return f"in_{tail}-initial_attempt-c3568e7a88ddb6b8b"
        return None
