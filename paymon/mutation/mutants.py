"""Which mistakes could somebody make in a rule?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from paymon.mutation.documents import Plain, text_of
from paymon.mutation.expressions import changes
from paymon.mutation.relations import Rule
from rules.promql import Number, Operation, written
from rules.vocabulary import prometheus_duration

__all__ = ["ELSE", "Mutant", "mutants_of"]

ELSE = "_otherwise"
"""What a name ends in that was changed."""
_NEVER = "vector(1) unless vector(1)"
_ALWAYS = "vector(1)"
_OFF = 1.01
_PART = re.compile(r"([0-9]+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


@dataclass(frozen=True, eq=False)
class Mutant:
    """A rule with one mistake in it."""

    rule: Rule
    operator: str
    """The kind of mistake."""
    what: str
    data: Mapping[str, Any]
    """The rule as it would stand in the file."""

    @property
    def content(self) -> str:
        """What tells it from every other mutant of its rule."""
        return text_of(self.data)


def mutants_of(rule: Rule, evaluation: timedelta) -> Iterator[Mutant]:
    """Every mutant of a rule that is evaluated at that pace; of a rule whose expression is not understood, none."""
    if isinstance(rule.expression, str):
        return

    def mutant(operator: str, what: str, **changed: Any) -> Mutant:
        data = {name: value for name, value in (dict(rule.data) | changed).items() if value is not None}
        return Mutant(rule, operator, what, data)

    whole = written(rule.expression)
    for change in changes(rule.expression):
        yield mutant(change.operator, change.what, expr=written(change.expression))
    yield mutant("never", "it is never there", expr=_NEVER)
    if whole != _ALWAYS:
        yield mutant("always", "it is always 1", expr=_ALWAYS)
    if rule.kind == "record":
        yield mutant("1 % off", "it is 1 % too large", expr=written(Operation("*", rule.expression, Number(_OFF))))
    yield mutant("name", f"{rule.name} has another name", **{rule.kind: rule.name + ELSE})
    for word in ("for", "keep_firing_for") if rule.kind == "alert" else ():
        yield from (
            mutant(word, f"{_shown(now)} is {_shown(other)}", **{word: Plain(prometheus_duration(other))})
            for now, other in _times(rule, word, evaluation)
        )
    for word in ("labels", "annotations"):
        told = rule.data.get(word) or {}
        for name, value in told.items():
            left = {one: text for one, text in told.items() if one != name}
            yield mutant(word, f"{name} is dropped", **{word: left or None})
            yield mutant(word, f"{name} is another", **{word: {**told, name: f"{value}x"}})


def _times(rule: Rule, word: str, evaluation: timedelta) -> Iterator[tuple[timedelta, timedelta]]:
    now = _time(rule.data.get(word))
    if now is None:
        return
    if now:
        yield now, max(now - evaluation, timedelta(0))
    yield now, now + evaluation


def _time(text: object) -> timedelta | None:
    if text is None:
        return timedelta(0)
    parts = _PART.findall(str(text))
    if "".join(count + unit for count, unit in parts) != str(text):
        return timedelta(0) if str(text) == "0" else None
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in parts)
    return timedelta(seconds=seconds) if seconds == int(seconds) else None


def _shown(span: timedelta) -> str:
    return prometheus_duration(span) if span else "0s"
