"""What do rule files and files of rule tests say?"""

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from rules.promtool.series import Series, labels_of

__all__ = ["Case", "Expectation", "Rule", "RuleFile", "Suite", "UnreadableError", "names_in"]

_NAMES = re.compile(r'"(?:[^"\\]|\\.)*"|#[^\n]*|([A-Za-z_:][A-Za-z0-9_:]*)')
_COUNTED_ALERTS = re.compile(r"count\(ALERTS\{([^}]*)\}\)\s*(?:#\s*(.*))?\Z", re.DOTALL)
_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|#\s*(.*)')
_ALERT_READ = re.compile(r'\bALERTS\{(?:[^}]*,)?alertname="([^"]*)"')
_DURATION = re.compile(r"([0-9]+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


class UnreadableError(Exception):
    """A file that is no rule file, or no file of rule tests: which, and why."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path}: {cause}")
        self.path, self.cause = path, cause


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule, recording or alerting."""

    kind: str
    name: str
    expr: str
    labels: Mapping[str, str]
    annotations: frozenset[str]
    file: Path
    data: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Its name, with the tier where it has one."""
        tier = self.labels.get("tier")
        return f"{self.name} ({tier})" if tier else self.name

    @cached_property
    def reads(self) -> frozenset[str]:
        """Every name in its expression: of series, functions and labels alike."""
        return names_in(self.expr)

    @cached_property
    def alerts_read(self) -> frozenset[str]:
        """Every alert of which its expression asks whether it fires."""
        return frozenset(_ALERT_READ.findall(self.expr))


@dataclass(frozen=True, eq=False)
class RuleFile:
    """The groups of one rule file."""

    path: Path
    groups: tuple[tuple[Mapping[str, Any], tuple[Rule, ...]], ...]

    @classmethod
    def read(cls, path: Path) -> "RuleFile":
        """The file. Raises UnreadableError."""
        document = _yaml(path)
        try:
            groups = tuple((group, tuple(_rule(rule, path) for rule in group["rules"])) for group in document["groups"])
        except (KeyError, TypeError) as error:
            raise UnreadableError(path, f"is no rule file ({error!r})") from error
        return cls(path, groups)

    @property
    def rules(self) -> Iterator[Rule]:
        """Every rule of the file."""
        return (rule for _, rules in self.groups for rule in rules)


@dataclass(frozen=True)
class Expectation:
    """What a test expects at one moment: of alerts, of an expression, or of alerts through an expression."""

    at: float
    """Seconds since the start of the test."""
    comment: str
    expr: str = ""
    alert: str = ""
    labels: Mapping[str, str] | None = None
    """The labels by which the alerts are chosen."""
    firing: int | None = None
    """How many alerts fire, where it is about alerts."""
    alerts: tuple[tuple[frozenset[tuple[str, str]], frozenset[str]], ...] = ()
    """Labels, and names of annotations, of each alert that is spelt out."""
    empty: bool = False
    """True where the expression has no result."""


@dataclass(frozen=True, eq=False)
class Case:
    """One test group."""

    name: str
    interval: float | None
    series: tuple[tuple[Series, str], ...]
    expectations: tuple[Expectation, ...]


@dataclass(frozen=True, eq=False)
class Suite:
    """One file of rule tests."""

    path: Path
    rule_files: tuple[Path, ...]
    unmatched: tuple[str, ...]
    """Patterns under rule_files that match no file."""
    cases: tuple[Case, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @classmethod
    def read(cls, path: Path) -> "Suite":
        """The file. Raises UnreadableError."""
        document = _yaml(path)
        try:
            found = [(pattern, sorted(_matches(path.parent, pattern))) for pattern in document["rule_files"]]
            cases = tuple(_case(group) for group in document["tests"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UnreadableError(path, f"is no file of rule tests ({error!r})") from error
        matched = tuple(Path(os.path.normpath(match)) for _, matches in found for match in matches)
        return cls(path, matched, tuple(pattern for pattern, matches in found if not matches), cases)

    @property
    def alerts_named(self) -> frozenset[str]:
        """Every alert that a case asks about."""
        return frozenset(one.alert for case in self.cases for one in case.expectations if one.alert)

    @cached_property
    def names_asked(self) -> frozenset[str]:
        """Every name in the expressions of its cases."""
        exprs = {one.expr for case in self.cases for one in case.expectations if one.expr and not one.alert}
        return frozenset(name for expr in exprs for name in names_in(expr))


def names_in(expr: str) -> frozenset[str]:
    """Every name in an expression, those in strings and comments left out."""
    return frozenset(found for found in _NAMES.findall(expr) if found)


def _yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise UnreadableError(path, f"cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise UnreadableError(path, f"is no YAML ({' '.join(str(error).split())})") from error


def _matches(folder: Path, pattern: str) -> list[str]:
    return glob.glob(str(folder / pattern))  # noqa: PTH207 - Path.glob knows neither `..` nor absolute patterns


def _rule(data: Mapping[str, Any], path: Path) -> Rule:
    kind = "alert" if "alert" in data else "record"
    labels = {str(name): str(value) for name, value in (data.get("labels") or {}).items()}
    annotations = frozenset(data.get("annotations") or {})
    return Rule(kind, str(data[kind]), str(data["expr"]), labels, annotations, path, data)


def _case(group: Mapping[str, Any]) -> Case:
    interval = group.get("interval")
    return Case(
        str(group.get("name", "")),
        None if interval is None else _seconds(interval),
        tuple((Series.parse(one["series"]), str(one["values"])) for one in group.get("input_series") or ()),
        (
            *(_of_alerts(test) for test in group.get("alert_rule_test") or ()),
            *(_of_expression(test) for test in group.get("promql_expr_test") or ()),
        ),
    )


def _of_alerts(test: Mapping[str, Any]) -> Expectation:
    alerts = tuple(
        (
            frozenset((str(name), str(value)) for name, value in (alert.get("exp_labels") or {}).items()),
            frozenset(alert.get("exp_annotations") or {}),
        )
        for alert in test.get("exp_alerts") or ()
    )
    at = _seconds(test["eval_time"])
    return Expectation(at, "", alert=str(test["alertname"]), labels={}, firing=len(alerts), alerts=alerts)


def _of_expression(test: Mapping[str, Any]) -> Expectation:
    expr, at, samples = str(test["expr"]), _seconds(test["eval_time"]), test.get("exp_samples") or ()
    counted = _COUNTED_ALERTS.match(expr.strip())
    if counted is None:
        comments = [found for found in _COMMENT.findall(expr) if found]
        return Expectation(at, comments[0] if comments else "", expr, empty=not samples)
    labels = dict(labels_of(counted[1]))
    alert, state = labels.pop("alertname", ""), labels.pop("alertstate", "")
    firing = int(float(samples[0]["value"])) if samples else 0
    return Expectation(at, counted[2] or "", expr, alert, labels, firing if state == "firing" else None)


def _seconds(duration: object) -> float:
    parts = _DURATION.findall(str(duration))
    if "".join(count + unit for count, unit in parts) != str(duration) and str(duration) != "0":
        raise ValueError(f"{duration!r} is no duration")
    return sum(int(count) * _SECONDS[unit] for count, unit in parts)
