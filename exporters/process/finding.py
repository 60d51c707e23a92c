"""What is one thing that the doctor looked at?"""

from dataclasses import dataclass
from enum import Enum

from exporters.postgres.failures import QueryError
from exporters.sampling.model import SampleError

__all__ = ["Finding", "Verdict", "failed", "fine", "mend", "note"]


class Verdict(Enum):
    """What a finding asks of its reader."""

    FINE = "fine"
    NOTE = "note"
    MEND = "mend"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and the statement that was sent where a database refused it."""

    verdict: Verdict
    where: str
    what: str
    how_to_fix: str = ""
    statement: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.how_to_fix}" if self.how_to_fix else "")


def fine(where: str, what: str) -> Finding:
    """All is well there."""
    return Finding(Verdict.FINE, where, what)


def note(where: str, what: str, how_to_fix: str = "") -> Finding:
    """Something to know."""
    return Finding(Verdict.NOTE, where, what, how_to_fix)


def mend(where: str, what: str, how_to_fix: str) -> Finding:
    """Something that makes the exporter say less than it could, or worse."""
    return Finding(Verdict.MEND, where, what, how_to_fix)


def failed(error: SampleError, where: str = "") -> Finding:
    """What an error says, with the statement that was sent."""
    statement = error.statement if isinstance(error, QueryError) else ""
    return Finding(Verdict.MEND, where or error.where, error.what, error.how_to_fix, statement)
