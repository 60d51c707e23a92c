"""Which rules are replayed, and how does each read where Prometheus has, or has not, recorded what it looks at?"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from paymon.backtest.machine import Timing
from paymon.live.expressions import same_expression
from rules.promql import expanded, selectors, with_matchers

__all__ = ["AlertRule", "Condition", "Louder", "Ruleset"]

_PICKED = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}')
_MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of an alert's expression."""

    series: str
    title: str
    unit: str
    where: tuple[tuple[str, str], ...]
    comparison: str
    bound: str
    on: tuple[str, ...]
    watched: bool
    forbids: bool
    guard: bool
    """False for the watched signal, and for the age of a source."""


@dataclass(frozen=True, slots=True)
class Louder:
    """An alert that must not fire, nor have fired within so many seconds, on what agrees in these labels."""

    alert: str
    tier: str
    within: float
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alerting rule: the alert's name, with one of its tiers."""

    name: str
    area: str
    tier: str
    title: str
    summary: str
    unit: str
    timing: Timing
    labels: Mapping[str, str]
    always: bool
    branches: tuple[tuple[Condition, ...], ...]
    louder: tuple[tuple[Louder, ...], ...] = ()
    """For each branch, the alerts that keep it quiet."""
    stays: tuple[Condition, ...] = ()
    """What keeps it firing once it fires; none where only its branches do."""

    @property
    def id(self) -> str:
        """The name by which reports tell it from others."""
        return f"{self.name}/{self.tier}" if self.tier else self.name

    @property
    def priority(self) -> str:
        return self.labels.get("priority", "none")


@dataclass(frozen=True)
class Ruleset:
    """The rules of one environment of one revision."""

    environment: str
    interval: float
    alerts: tuple[AlertRule, ...]
    records: Mapping[str, str]
    """The expressions of recorded series, without the matchers of their environment."""
    titles: Mapping[str, str]
    scopes: Mapping[str, str]
    """The matchers that pick this environment's series of a name."""
    carried: Mapping[str, frozenset[str]]
    """The labels of raw series."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Ruleset":
        """The rules that `as_data` has written. Raises KeyError, TypeError and ValueError for what is none."""
        return cls(
            environment=data["environment"],
            interval=float(data["interval"]),
            alerts=tuple(_alert(one) for one in data["alerts"]),
            records=dict(data["records"]),
            titles=dict(data["titles"]),
            scopes=dict(data["scopes"]),
            carried={name: frozenset(labels) for name, labels in data["carried"].items()},
        )

    def text(self, condition: Condition, recorded: Collection[str], bound: str | None = None) -> str:
        """PromQL of a condition; what is not among the `recorded` is expanded down to what is, or to raw series."""
        return f"{self.series_text(condition, recorded)} {condition.comparison} {bound or condition.bound}"

    def series_text(self, condition: Condition, recorded: Collection[str]) -> str:
        """PromQL of the series that a condition looks at."""
        where = ",".join(f'{label}="{value}"' for label, value in condition.where)
        name = condition.series
        inner = name if name in recorded else f"({self._expanded(name, recorded)})"
        if name in recorded:
            return with_matchers(name, lambda _: ",".join(part for part in (self.scopes.get(name, ""), where) if part))
        # A label that the result carries comes from the raw series that have it.
        return with_matchers(self._pushed(inner, where), lambda found: self.scopes.get(found, ""))

    def _expanded(self, name: str, recorded: Collection[str]) -> str:
        def inner(found: str) -> str | None:
            if found in self.records and found not in recorded:
                return self._expanded(found, recorded)
            return None

        def picked(found: re.Match[str]) -> str:
            whole = inner(found[1])
            return found[0] if whole is None else f"({self._pushed(whole, found[2])})"

        return expanded(_PICKED.sub(picked, self.records[name]), inner)

    def _pushed(self, text: str, matchers: str) -> str:
        """An expression with matchers on its result put on the raw series that have their labels."""
        wanted = [(found[1], found[0]) for found in _MATCHER.finditer(matchers)]

        def of(name: str) -> str:
            return ",".join(one for label, one in wanted if label in self.carried.get(name, frozenset()))

        return with_matchers(text, of)

    def branch_text(self, branch: tuple[Condition, ...], recorded: Collection[str], bound: str | None = None) -> str:
        """PromQL of a way to be true; with `bound`, the watched series are compared with that."""
        parts = []
        for one in branch:
            join = "" if one.watched else f"{'unless' if one.forbids else 'and'} on ({', '.join(one.on)}) "
            parts.append(join + self.text(one, recorded, bound if one.watched else None))
        return "\n".join(parts)

    def reach(self, condition: Condition, recorded: Collection[str]) -> timedelta:
        """How far back a condition looks."""
        return self._reach(condition.series, recorded)

    def _reach(self, name: str, recorded: Collection[str]) -> timedelta:
        if name in recorded or name not in self.records:
            return timedelta(0)
        reaches = (one.reach + self._reach(one.name, recorded) for one in selectors(self.records[name]))
        return max(reaches, default=timedelta(0))

    def there(self, names: Iterable[str]) -> Iterator[str]:
        """PromQL selectors that pick those of the names of which there are series, of this service and environment."""
        by_scope: dict[str, list[str]] = {}
        for name in names:
            by_scope.setdefault(self.scopes.get(name, ""), []).append(name)
        for scope, alike in by_scope.items():
            pattern = "|".join(alike)
            yield f'{{__name__=~"{pattern}",{scope}}}' if scope else f'{{__name__=~"{pattern}"}}'

    def is_same_record(self, name: str, query: str) -> bool:
        """Whether a server that records `name` by that query records what these rules mean by it."""
        if name not in self.records:
            return False
        ours = with_matchers(self.records[name], lambda found: self.scopes.get(found, ""))
        return same_expression(ours, query)

    def unlike(self, other: "Ruleset") -> frozenset[str]:
        """The records of both that are recorded by another expression there."""
        return frozenset(
            name
            for name, expr in self.records.items()
            if name in other.records and not same_expression(expr, other.records[name])
        )

    def with_readers(self, names: Iterable[str]) -> frozenset[str]:
        """Those names, and every record that reads one of them, at whatever distance."""
        found = frozenset(names)
        reads = {name: {one.name for one in selectors(expr)} for name, expr in self.records.items()}
        while more := {name for name, read in reads.items() if name not in found and read & found}:
            found |= more
        return found


def _alert(data: Mapping[str, Any]) -> AlertRule:
    return AlertRule(
        name=data["name"],
        area=data["area"],
        tier=data["tier"],
        title=data["title"],
        summary=data["summary"],
        unit=data["unit"],
        timing=Timing(float(data["lasting"]), float(data["keep_firing"])),
        labels=dict(data["labels"]),
        always=bool(data["always"]),
        branches=tuple(tuple(_condition(one) for one in branch) for branch in data["branches"]),
        louder=tuple(tuple(map(_louder, branch)) for branch in data.get("louder", ())),
        stays=tuple(_condition(one) for one in data.get("stays", ())),
    )


def _louder(data: Mapping[str, Any]) -> Louder:
    return Louder(data["alert"], data["tier"], float(data["within"]), tuple(data["on"]))


def _condition(data: Mapping[str, Any]) -> Condition:
    Decimal(data["bound"])
    return Condition(
        series=data["series"],
        title=data["title"],
        unit=data["unit"],
        where=tuple((label, value) for label, value in data["where"]),
        comparison=data["comparison"],
        bound=data["bound"],
        on=tuple(data["on"]),
        watched=bool(data["watched"]),
        forbids=bool(data["forbids"]),
        guard=bool(data["guard"]),
    )
