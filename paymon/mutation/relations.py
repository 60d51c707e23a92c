"""Which rules read which, and what does a test ask about?"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from paymon.mutation.documents import UnreadableError, document, kind_of, rule_files_of
from rules.promql import Expression, PromqlError, Series, read, walk

__all__ = ["Case", "Expectation", "Rule", "RuleSource", "Suite", "key_of_alert", "read_rules", "read_suite", "renamed"]

_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
_QUERY = re.compile(r"\{\{(?:(?!\}\}).)*(?<![\w.$])query\b", re.DOTALL)
"""A template that asks a query, by the function of that name; a label may be called so, too."""


def key_of_alert(name: str) -> str:
    """What stands for the series that Prometheus writes of an alert."""
    return f"ALERTS/{name}"


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule of a file."""

    file: Path
    group: int
    place: int
    interval: str
    """The group's own, empty where it has none."""
    data: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return "alert" if "alert" in self.data else "record"

    @property
    def name(self) -> str:
        return str(self.data[self.kind])

    @property
    def title(self) -> str:
        """Its name, with the tier or severity that tells it from others of the name."""
        labels = self.data.get("labels") or {}
        tier = labels.get("tier") or (labels.get("severity") if self.kind == "alert" else "")
        return f"{self.name} ({tier})" if tier else self.name

    @property
    def key(self) -> str:
        """Under which others read it."""
        return key_of_alert(self.name) if self.kind == "alert" else self.name

    @cached_property
    def expression(self) -> Expression | str:
        """The tree, or why there is none."""
        try:
            return read(str(self.data["expr"]))
        except PromqlError as error:
            return error.message

    @cached_property
    def reads(self) -> frozenset[str] | None:
        """The keys of what it reads; None where it could be anything."""
        templates = [*(self.data.get("labels") or {}).values(), *(self.data.get("annotations") or {}).values()]
        if any(_QUERY.search(str(one)) for one in templates) or isinstance(self.expression, str):
            return None
        return _keys(self.expression)


@dataclass(frozen=True, eq=False)
class RuleSource:
    """A rule file as it stands, and its rules."""

    path: Path
    found: Mapping[str, Any]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, eq=False)
class Expectation:
    """One item under `alert_rule_test` or `promql_expr_test`."""

    data: Mapping[str, Any]

    @property
    def alert(self) -> str:
        """The alert that it is about; empty where it is about an expression."""
        return str(self.data.get("alertname", ""))

    @cached_property
    def expression(self) -> Expression | None:
        try:
            return read(str(self.data["expr"]))
        except (KeyError, PromqlError):
            return None

    @cached_property
    def reads(self) -> frozenset[str] | None:
        """The keys of what it asks about; None where it could be anything."""
        if self.alert:
            return frozenset({key_of_alert(self.alert)})
        return None if self.expression is None else _keys(self.expression)


@dataclass(frozen=True, eq=False)
class Case:
    """One test group."""

    number: int
    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.data.get("name") or f"number {self.number + 1}")

    @cached_property
    def expectations(self) -> tuple[Expectation, ...]:
        both = (*(self.data.get("alert_rule_test") or ()), *(self.data.get("promql_expr_test") or ()))
        return tuple(Expectation(one) for one in both)

    @cached_property
    def fed(self) -> tuple[tuple[str | None, Mapping[str, Any]], ...]:
        """Its series, each with the key under which rules read it, None where that is not to be told."""
        return tuple((_key_of_series(str(one.get("series", ""))), one) for one in self.data.get("input_series") or ())


@dataclass(frozen=True, eq=False)
class Suite:
    """A file of rule tests."""

    path: Path
    found: Mapping[str, Any]
    sources: tuple[RuleSource, ...]
    cases: tuple[Case, ...]
    _readers: dict[str, frozenset[str] | None] = field(default_factory=dict)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for source in self.sources for rule in source.rules)

    @cached_property
    def by_key(self) -> Mapping[str, Sequence[Rule]]:
        found: dict[str, list[Rule]] = {}
        for rule in self.rules:
            found.setdefault(rule.key, []).append(rule)
        return found

    def affected(self, key: str) -> frozenset[str] | None:
        """The keys of what changes with a rule: its own and every reader's; None where that is not to be told."""
        if key not in self._readers:
            self._readers[key] = self._affected(key)
        return self._readers[key]

    def _affected(self, key: str) -> frozenset[str] | None:
        found = {key}
        if any(rule.reads is None for rule in self.rules):
            return None
        while True:
            more = {rule.key for rule in self.rules if rule.reads and rule.reads & found} - found
            if not more:
                return frozenset(found)
            found |= more

    def needed(self, keys: Iterable[str]) -> Sequence[Rule]:
        """Every rule that has a part in what stands under these keys, in the order of the files."""
        wanted: set[str] = set()
        left = list(keys)
        while left:
            key = left.pop()
            if key not in wanted:
                wanted.add(key)
                left += (name for rule in self.by_key.get(key, ()) for name in rule.reads or ())
        return [rule for rule in self.rules if rule.key in wanted]


def read_rules(path: Path) -> RuleSource:
    """A rule file. Raises UnreadableError."""
    path = path.absolute()
    found = document(path)
    if kind_of(found) != "rules":
        raise UnreadableError(path, "has no `groups`, so that it is no rule file")
    return RuleSource(path, found, tuple(_rules(path, found["groups"])))


def _rules(path: Path, groups: Sequence[Any]) -> Iterator[Rule]:
    for number, group in enumerate(groups):
        rules = group.get("rules") if isinstance(group, dict) else None
        if not isinstance(rules, list):
            if isinstance(group, dict) and rules is None:
                continue
            raise UnreadableError(path, f"group {number + 1} has no list of rules")
        for place, data in enumerate(rules):
            if not isinstance(data, dict) or "expr" not in data or not ({"alert", "record"} & data.keys()):
                raise UnreadableError(path, f"group {number + 1}, rule {place + 1} is neither an alert nor a record")
            yield Rule(path, number, place, str(group.get("interval") or ""), data)


def read_suite(path: Path, sources: dict[Path, RuleSource]) -> Suite:
    """A file of rule tests; the rule files that it names are read once into `sources`. Raises UnreadableError."""
    path = path.absolute()
    found = document(path)
    if kind_of(found) != "tests":
        raise UnreadableError(path, "has no `tests`, so that it is no file of rule tests")
    names = rule_files_of(path, found)
    for name in names:
        if name not in sources:
            sources[name] = read_rules(name)
    groups = found["tests"]
    for number, group in enumerate(groups):
        if not isinstance(group, dict):
            raise UnreadableError(path, f"test {number + 1} is no mapping")
        for word in ("input_series", "alert_rule_test", "promql_expr_test"):
            if not all(isinstance(one, dict) for one in group.get(word) or ()):
                raise UnreadableError(path, f"test {number + 1}: {word} is no list of mappings")
    cases = tuple(Case(number, group) for number, group in enumerate(groups))
    return Suite(path, found, tuple(sources[name] for name in names), cases)


def renamed(expression: Expression, names: Mapping[str, str]) -> Expression:
    """The tree with the series of these keys under other names; names map a key to the bare new name."""
    if isinstance(expression, Series):
        return _renamed_series(expression, names)
    changed: dict[str, Any] = {}
    for one in fields(expression):
        value = getattr(expression, one.name)
        if isinstance(value, tuple) and value and is_dataclass(value[0]):
            changed[one.name] = tuple(renamed(part, names) for part in value)
        elif is_dataclass(value):
            changed[one.name] = renamed(value, names)  # type: ignore[arg-type]
    return replace(expression, **changed) if changed else expression


def _renamed_series(series: Series, names: Mapping[str, str]) -> Series:
    if series.name in _ALERTS:
        matchers = tuple(
            (
                label,
                operator,
                names.get(key_of_alert(value), value) if (label, operator) == ("alertname", "=") else value,
            )
            for label, operator, value in series.matchers
        )
        return replace(series, matchers=matchers)
    return replace(series, name=names[series.name]) if series.name in names else series


def _keys(expression: Expression) -> frozenset[str] | None:
    found = set()
    for one in walk(expression):
        if isinstance(one, Series):
            key = _key(one)
            if key is None:
                return None
            found.add(key)
    return frozenset(found)


def _key(series: Series) -> str | None:
    if not series.name or any(label == "__name__" for label, _, _ in series.matchers):
        return None
    if series.name in _ALERTS:
        named = [value for label, operator, value in series.matchers if label == "alertname" and operator == "="]
        return key_of_alert(named[0]) if named else None
    return series.name


def _key_of_series(text: str) -> str | None:
    try:
        found = read(text)
    except PromqlError:
        return None
    return _key(found) if isinstance(found, Series) else None
