"""Which alerts, branches, conditions, times, labels and records do the tests look at?

Read off the rule files and the test files alone. What a test feeds is evaluated here a second time, in the plain way
that an alert of comparisons allows: so a condition counts as tested only where, of all conditions of its branch, it
alone kept the alert quiet.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from paymon.rule_testing.files import Case, Expectation, Rule, Suite
from rules.promql import Call, Expression, Number, Operation, PromqlError, Selector, parse, selectors
from rules.promql import Series as Selected
from rules.promtool.rows import STALE, samples
from rules.promtool.series import Series

__all__ = ["Coverage", "RuleCoverage", "coverage"]

LOOKBACK_SECONDS = 300
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class RuleCoverage:
    """What the tests ask of one rule: each aspect by name, true where it is asked."""

    rule: Rule
    aspects: Mapping[str, bool]


@dataclass(frozen=True)
class Coverage:
    """What the tests ask of all rules."""

    alerts: tuple[RuleCoverage, ...]
    records: tuple[RuleCoverage, ...]

    @property
    def counts(self) -> tuple[int, int]:
        """Aspects asked, and aspects there are."""
        asked = [value for one in (*self.alerts, *self.records) for value in one.aspects.values()]
        return sum(asked), len(asked)

    @property
    def gaps(self) -> Iterator[tuple[Rule, str]]:
        """Every aspect of a rule that no test asks about."""
        for one in (*self.alerts, *self.records):
            for aspect, asked in one.aspects.items():
                if not asked:
                    yield one.rule, aspect


def coverage(rules: Iterable[Rule], suites: Sequence[Suite]) -> Coverage:
    """How far the suites cover these rules; `suites` are those of one environment."""
    rules = tuple(rules)
    records = {rule.name: rule for rule in rules if rule.kind == "record"}
    by_alert: dict[str, list[tuple[Case, Expectation]]] = {}
    for suite in suites:
        for case in suite.cases:
            for one in case.expectations:
                if one.alert and one.firing is not None:
                    by_alert.setdefault(one.alert, []).append((case, one))
    return Coverage(
        tuple(_of_alert(rule, by_alert.get(rule.name, ()), records) for rule in rules if rule.kind == "alert"),
        tuple(_of_record(rule, records, suites) for rule in records.values()),
    )


# ---- alerts


@dataclass(frozen=True)
class _Condition:
    """A comparison of the alert's expression."""

    text: str
    selected: Selected
    holds: Callable[[float], bool]
    forbids: bool

    def favours(self, values: Sequence[tuple[Series, float]]) -> bool:
        """Whether, as far as it goes, the alert is true with these series."""
        met = any(
            self.holds(value)
            for series, value in values
            if series.selected_by(self.selected.name, self.selected.matchers)
        )
        return met != self.forbids


def _of_alert(rule: Rule, asked: Iterable[tuple[Case, Expectation]], records: Mapping[str, Rule]) -> RuleCoverage:
    branches = _branches(rule.expr)
    aspects = {"fires": False, "labels and annotations": False}
    if not _speaks_always(branches, records):
        aspects["stays quiet"] = False
        aspects |= {_alone(branches, index): False for index in range(len(branches))}
        aspects |= {f"quiet for want of {one.text}": False for branch in branches for one in branch}
        if rule.data.get("for"):
            aspects["waits"] = False
        if rule.data.get("keep_firing_for"):
            aspects["keeps firing"] = False
    for case, expectation in asked:
        for aspect in _asked(rule, case, expectation, branches):
            if aspect in aspects:
                aspects[aspect] = True
    return RuleCoverage(rule, aspects)


def _asked(rule: Rule, case: Case, expectation: Expectation, branches: Sequence[Sequence[_Condition]]) -> Iterator[str]:
    if any(rule.labels.get(label, value) != value for label, value in (expectation.labels or {}).items()):
        return
    firing = expectation.firing
    if expectation.alerts:
        pinned = [one for one in expectation.alerts if rule.labels.items() <= one[0]]
        firing = len(pinned)
        if any(annotations == rule.annotations for _, annotations in pinned):
            yield "labels and annotations"
    values = _values(case, expectation.at)
    true = [index for index, branch in enumerate(branches) if all(one.favours(values) for one in branch)]
    if firing:
        yield "fires"
        if not true:
            yield "keeps firing"
        if len(true) == 1:
            yield _alone(branches, true[0])
        return
    yield "stays quiet"
    if true:
        yield "waits"
        return
    for branch in branches:
        lacking = [one for one in branch if not one.favours(values)]
        if len(lacking) == 1:
            yield f"quiet for want of {lacking[0].text}"


def _alone(branches: Sequence[Sequence[_Condition]], index: int) -> str:
    return f"fires by branch {index + 1} alone" if len(branches) > 1 else "fires by its conditions"


def _speaks_always(branches: Sequence[Sequence[_Condition]], records: Mapping[str, Rule]) -> bool:
    """Whether the alert's signals are made of no series, so that nothing can silence it."""
    names = [one.selected.name for branch in branches for one in branch]
    return bool(names) and all(name in records and not selectors(records[name].expr) for name in names)


def _branches(expr: str) -> list[list[_Condition]]:
    """The alert's branches, each a row of comparisons; none where it is written in another way."""
    try:
        return _rows(parse(expr))
    except (PromqlError, _OtherwiseWrittenError):
        return []


class _OtherwiseWrittenError(Exception):
    """An expression that is no row of comparisons."""


def _rows(expression: Expression, *, forbids: bool = False) -> list[list[_Condition]]:
    match expression:
        case Operation(operator="or", left=left, right=right) if not forbids:
            return _rows(left) + _rows(right)
        case Operation(operator="and" | "unless" as word, left=left, right=right) if not forbids:
            others = _rows(right, forbids=word == "unless")
            if len(others) > 1:
                raise _OtherwiseWrittenError
            return [[*row, *others[0]] for row in _rows(left)]
        case Operation(operator=sign, left=Call(function="max_over_time", arguments=(one,)), right=Number() as bound):
            return _rows(Operation(sign, one, bound), forbids=forbids)
        case Operation(operator=sign, left=Selected() as selected, right=Number(value=bound)) if sign in _COMPARISONS:
            compare = _COMPARISONS[sign]
            matchers = ",".join(f'{a}{b}"{c}"' for a, b, c in selected.matchers if a != "environment")
            text = f"{selected.name}{f'{{{matchers}}}' if matchers else ''} {sign} {bound:.15g}"
            return [[_Condition(text, selected, lambda value: compare(value, bound), forbids)]]
        case _:
            raise _OtherwiseWrittenError


def _values(case: Case, at: float) -> list[tuple[Series, float]]:
    """Every series that has a value at that moment, with the value."""
    found = []
    interval = case.interval or 60.0
    for series, text in case.series:
        value = _value_at(text, int(at // interval), int(LOOKBACK_SECONDS // interval))
        if value is not None:
            found.append((series, value))
    return found


@lru_cache(maxsize=4096)
def _value_at(text: str, index: int, lookback: int) -> float | None:
    row = samples(text)
    for place in range(min(index, len(row) - 1), max(index - lookback, 0) - 1, -1):
        value = row[place]
        if value == STALE:
            return None
        if value is not None:
            return float(value)
    return None


# ---- records


def _of_record(rule: Rule, records: Mapping[str, Rule], suites: Sequence[Suite]) -> RuleCoverage:
    aspects = {"a value": False, "none of its series": False}
    raw = tuple(_raw_selectors(rule, records))
    for suite in suites:
        if rule.name not in suite.names_asked:
            continue
        for case in suite.cases:
            asked = [one for one in case.expectations if not one.alert and rule.name in one.expr]
            if not asked or any(series.name == rule.name for series, _ in case.series):
                continue
            there = any(series.selected_by(one.name, one.matchers) for series, _ in case.series for one in raw)
            if not there:
                aspects["none of its series"] = True
            if (there or not raw or _of_absence(raw)) and not all(one.empty for one in asked):
                aspects["a value"] = True
    return RuleCoverage(rule, aspects)


def _raw_selectors(rule: Rule, records: Mapping[str, Rule]) -> Iterator[Selector]:
    for selector in selectors(rule.expr):
        if selector.name in records:
            yield from _raw_selectors(records[selector.name], records)
        else:
            yield selector


def _of_absence(raw: Iterable[Selector]) -> bool:
    return any(one.of_absence for one in raw)
