"""Which rules are replayed, and how does each read where Prometheus has, or has not, recorded what it looks at?"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from paymon.backtest.machine import Timing
from paymon.live.expressions import same_expression
from rules.promql import expanded, selectors, with_matchers

__all__ = ["AlertRule", "Condition", "Louder", "Ruleset"]


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

    @cached_property
    def _record_depths(self) -> Mapping[str, frozenset[str]]:
        return {name: frozenset(one.name for one in selectors(expr)) for name, expr in self.records.items()}

    def signals_read(self, name: str) -> frozenset[str]:
        """The recorded series that one reads, directly or not; itself too."""
        found, waiting = {name}, [name]
        while waiting:
            for inner in self._record_depths.get(waiting.pop(), frozenset()):
                if inner in self.records and inner not in found:
                    found.add(inner)
                    waiting.append(inner)
        return frozenset(found)

    def text(self, condition: Condition, recorded: Collection[str], bound: str | None = None) -> str:
        """PromQL of a condition; what is not among the `recorded` is expanded down to what is, or to raw series."""
        return f"{self.series_text(condition, recorded)} {condition.comparison} {bound or condition.bound}"

    def series_text(self, condition: Condition, recorded: Collection[str]) -> str:
        """PromQL of the series that a condition looks at."""
        where = ",".join(f'{label}="{value}"' for label, value in condition.where)
        name = condition.series
        inner = name if name in recorded else f"({self._expanded(name, recorded)})"
        wanted = dict(condition.where)

        def matchers(name: str) -> str:
            scope = self.scopes.get(name, "")
            if name == condition.series and name in recorded:
                return ",".join(part for part in (scope, where) if part)
            # A label that the result carries comes from the raw series that have it.
            pushed = ",".join(f'{k}="{v}"' for k, v in wanted.items() if k in self.carried.get(name, frozenset()))
            return ",".join(part for part in (scope, pushed) if part)

        return with_matchers(inner, matchers)

    def _expanded(self, name: str, recorded: Collection[str]) -> str:
        def inner(found: str) -> str | None:
            if found in self.records and found not in recorded:
                return self._expanded(found, recorded)
            return None

        return expanded(self.records[name], inner)

    def branch_text(self, branch: tuple[Condition, ...], recorded: Collection[str], bound: str | None = None) -> str:
        """PromQL of a way to be true; with `bound`, the watched series are compared with that."""
        parts = []
        for one in branch:
            join = "" if one.watched else f"{'unless' if one.forbids else 'and'} on ({', '.join(one.on)}) "
            parts.append(join + self.text(one, recorded, bound if one.watched else None))
        return "\n".join(parts)

    def reach(self, text: str) -> timedelta:
        """How far back a PromQL text looks."""
        return max((one.reach for one in selectors(text)), default=timedelta(0))

    def is_same_record(self, name: str, query: str) -> bool:
        """Whether a server that records `name` by that query records what these rules mean by it."""
        if name not in self.records:
            return False
        ours = with_matchers(self.records[name], lambda found: self.scopes.get(found, ""))
        return same_expression(ours, query)


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
