"""What does a check say about a definition that breaks a promise?"""

from dataclasses import dataclass, field

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken promise: place, cause and cure."""

    where: str
    """The module and the definition: `rules.payments.outcomes: alert PaymentSuccessRateLow`."""
    what: str
    how_to_fix: str
    check: str = field(default="", compare=False)
    """The name of the check that found it, as docs/checks.md has it; by that of a promise on definitions these are excused."""

    def __str__(self) -> str:
        return " ".join(f"{self.where} {self.what}; {self.how_to_fix}".split())
