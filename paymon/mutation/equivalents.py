"""Which mutants change nothing that could be seen, and why?

One file lists them, each entry for the mutants that it describes, with the reason. An entry for which no mutant
survives any more says something that is no longer so, and is reported.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paymon.mutation.documents import UnreadableError
from paymon.mutation.survey import Examined

__all__ = ["Equivalent", "Equivalents", "read_equivalents"]


class Equivalent(BaseModel):
    """Some mutants, and why nobody could tell them from the rule as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[str, ...] = Field(min_length=1)
    """Names of rules; `*` stands for anything, `\\*` for itself."""
    mutants: tuple[str, ...] = Field(min_length=1)
    """`operator: what`, as survivors are printed; `*` stands for anything."""
    because: str = Field(min_length=10)

    def describes(self, one: Examined) -> bool:
        """Whether it speaks of that mutant."""
        told = f"{one.mutant.operator}: {one.mutant.what}"
        return _any(self.rules, one.mutant.rule.name) and _any(self.mutants, told)

    def __str__(self) -> str:
        return f"{', '.join(self.rules)}: {'; '.join(self.mutants)}"


@dataclass(frozen=True)
class Equivalents:
    """The entries of one file."""

    file: Path | None
    entries: tuple[Equivalent, ...] = ()

    def reason(self, one: Examined) -> Equivalent | None:
        """The entry that speaks of a survivor."""
        return next((entry for entry in self.entries if entry.describes(one)), None)

    def stale(self, every: Iterable[Examined]) -> Sequence[Equivalent]:
        """The entries that speak of no survivor, where every mutant of the rules has been examined."""
        survivors = [one for one in every if one.survived]
        return [entry for entry in self.entries if not any(entry.describes(one) for one in survivors)]


def read_equivalents(file: Path) -> Equivalents:
    """The file's entries. Raises UnreadableError."""
    try:
        found = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise UnreadableError(file, f"cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise UnreadableError(file, f"is no YAML ({' '.join(str(error).split())})") from error
    if found is None:
        return Equivalents(file)
    if not isinstance(found, list):
        raise UnreadableError(file, "is no list of entries, each with rules, mutants and because")
    entries = []
    for number, one in enumerate(found, 1):
        try:
            entries.append(Equivalent.model_validate(one))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the entry"
            raise UnreadableError(file, f"entry {number}: {where}: {first['msg']}") from error
    return Equivalents(file, tuple(entries))


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(_pattern(one).fullmatch(text) for one in patterns)


@lru_cache(maxsize=4096)
def _pattern(written: str) -> re.Pattern[str]:
    parts = (part.replace("\\*", "*") for part in re.split(r"(?<!\\)\*", written))
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
