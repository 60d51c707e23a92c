"""What does a check say about a definition that breaks a promise?"""

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken promise: place, cause and cure."""

    where: str
    what: str
    how_to_fix: str

    def __str__(self) -> str:
        return " ".join(f"{self.where} {self.what}; {self.how_to_fix}".split())
