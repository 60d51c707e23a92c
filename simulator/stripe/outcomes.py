"""What can become of an attempt to pay, in the words of Stripe's charges?"""

from dataclasses import dataclass

__all__ = [
    "AUTHENTICATION_FAILED",
    "SUCCESS",
    "Outcome",
    "blocked",
    "declined",
    "invalid",
    "provider_failed",
    "unexplained",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an attempt: fields of the charge's `outcome`, or of the intent's error where there is no charge."""

    type: str
    network_status: str
    reason: str | None = None
    failure_code: str | None = None
    advice: str | None = None
    has_charge: bool = True

    @property
    def succeeded(self) -> bool:
        """Whether the charge went through."""
        return self.type == "authorized"


SUCCESS = Outcome("authorized", "approved_by_network")

AUTHENTICATION_FAILED = Outcome("", "", failure_code="payment_intent_authentication_failure", has_charge=False)
"""The customer or the issuer's server failed 3-D Secure: no charge is made."""

_OWN_CODES = frozenset({"expired_card", "incorrect_cvc", "incorrect_number", "incorrect_zip", "processing_error"})


def declined(code: str, advice: str | None = None) -> Outcome:
    """The issuer declined with that decline code (Stripe, "Decline codes")."""
    failure = code if code in _OWN_CODES else "card_declined"
    return Outcome("issuer_declined", "declined_by_network", code, failure, advice)


def blocked(reason: str = "highest_risk_level") -> Outcome:
    """Radar blocked it."""
    return Outcome("blocked", "not_sent_to_network", reason, "card_declined")


def invalid(code: str = "invalid_amount") -> Outcome:
    """The request itself was wrong."""
    return Outcome("invalid", "not_sent_to_network", None, code)


def provider_failed(code: str = "payment_method_provider_timeout") -> Outcome:
    """The provider of a redirected method failed before there was a charge."""
    return Outcome("", "", failure_code=code, has_charge=False)


def unexplained(code: str) -> Outcome:
    """A failed charge without an outcome, as methods other than cards have it."""
    return Outcome("", "", None, code)
