"""How is told what became of the mutants?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paymon.mutation.confirmation import Confirmed
from paymon.mutation.equivalents import Equivalents
from paymon.mutation.survey import Examined, difference, nearest

__all__ = ["Score", "as_data", "confirmed_as_data", "confirmed_lines", "lines", "score"]

_LONGEST_LINE = 110


@dataclass(frozen=True, slots=True)
class Score:
    """Of so many mutants so many were noticed; `equivalent` ones, which nobody could notice, are among neither."""

    mutants: int
    noticed: int
    equivalent: int

    @property
    def percent(self) -> float:
        return 100 * self.noticed / self.mutants if self.mutants else 100.0

    def __str__(self) -> str:
        more = f", {self.equivalent} equivalent" if self.equivalent else ""
        return f"{self.noticed} of {self.mutants} ({self.percent:.1f} %){more}"


def score(every: Iterable[Examined], equivalents: Equivalents) -> Score:
    """What became of them in numbers."""
    counted = [one for one in every if one.counts]
    survivors = [one for one in counted if one.survived]
    equivalent = sum(equivalents.reason(one) is not None for one in survivors)
    return Score(len(counted) - equivalent, len(counted) - len(survivors), equivalent)


def lines(every: Sequence[Examined], equivalents: Equivalents) -> Iterator[str]:
    """The tables, then every survivor with what it changes and the test that comes nearest."""
    yield from _table("mistake", _by(every, lambda one: one.mutant.operator), equivalents)
    yield ""
    yield from _table("rule", _by(every, lambda one: f"{one.mutant.rule.kind} {one.mutant.rule.title}"), equivalents)
    for one in every:
        if one.survived and equivalents.reason(one) is None:
            yield ""
            yield from _survivor(one)


def _by(every: Iterable[Examined], of: Any) -> Mapping[str, list[Examined]]:
    found: dict[str, list[Examined]] = {}
    for one in every:
        found.setdefault(of(one), []).append(one)
    return found


def _table(head: str, parts: Mapping[str, Sequence[Examined]], equivalents: Equivalents) -> Iterator[str]:
    width = max(map(len, (head, *parts)))
    yield f"{head:{width}}  mutants  noticed  survived  equivalent     %"
    for name, some in parts.items():
        one = score(some, equivalents)
        survived = one.mutants - one.noticed
        yield (
            f"{name:{width}}  {one.mutants:7}  {one.noticed:7}  {survived or '':8}  {one.equivalent or '':10} "
            f"{one.percent:5.1f}"
        )


def _survivor(one: Examined) -> Iterator[str]:
    mutant = one.mutant
    yield f"{mutant.rule.file.name}: {mutant.rule.kind} {mutant.rule.title}: {mutant.operator}: {mutant.what}"
    before, after = difference(mutant)
    for sign, text, other in (("-", before, after), ("+", after, before)):
        others = set(_broken(other))
        for line in _broken(text):
            if line not in others:
                yield f"  {sign} {line}"
    yield f"  nearest test: {nearest(one)}"


def _broken(text: str) -> list[str]:
    """Lines that people can compare: a long expression is broken where its parts are joined."""
    found = []
    for line in text.splitlines():
        if len(line) > _LONGEST_LINE:
            for word in (" and ", " or ", " unless "):
                line = line.replace(word, f"\n    {word.strip()} ")
        found += line.splitlines()
    return found


def as_data(every: Sequence[Examined], equivalents: Equivalents) -> list[dict[str, Any]]:
    """Each mutant for machines."""
    found = []
    for one in every:
        entry = equivalents.reason(one) if one.survived else None
        before, after = difference(one.mutant)
        outcome = "noticed" if not one.survived else "equivalent" if entry else "survived"
        found.append(
            {
                "file": str(one.mutant.rule.file),
                "rule": one.mutant.rule.title,
                "kind": one.mutant.rule.kind,
                "mistake": one.mutant.operator,
                "what": one.mutant.what,
                "outcome": outcome if one.counts else "not loaded",
                "noticed_by": one.noticed_by if one.counts else None,
                "because": entry.because if entry else None,
                "before": before,
                "after": after,
                **({"nearest_test": nearest(one)} if outcome == "survived" else {}),
            }
        )
    return found


def confirmed_lines(seen: Confirmed) -> Iterator[str]:
    """Which of the mutants that are listed as changing nothing were seen to change nothing."""
    tried = len(seen.equal) + len(seen.different)
    yield (
        f"equivalent: {len(seen.equal)} of {tried} give what their rule gives on {seen.courses} random courses each"
        + (f"; {len(seen.untried)} cannot stand beside it" if seen.untried else "")
    )
    yield from (f"  differs on random series: {_told(one)}" for one in seen.different)


def confirmed_as_data(seen: Confirmed) -> dict[str, Any]:
    """The same for machines."""
    parts = {"equal": seen.equal, "different": seen.different, "untried": seen.untried}
    return {"courses": seen.courses, **{word: [_told(one) for one in some] for word, some in parts.items()}}


def _told(one: Examined) -> str:
    return f"{one.mutant.rule.title}: {one.mutant.operator}: {one.mutant.what}"
