"""Which mistakes could somebody make in `rules/`: a number, a window, a guard, a wait, a priority?

Unlike a mistake in a generated file, such a one changes rule and generated tests alike.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from paymon.mutation.expressions import Change, changes
from rules.promql import read
from rules.vocabulary import (
    Alert,
    Branch,
    Catalog,
    Comparison,
    Environment,
    Guard,
    Priority,
    Severity,
    Signal,
    Threshold,
    plain,
    prometheus_duration,
)

__all__ = ["DefinitionMutant", "alert_mutants", "environment_mutants", "signal_mutants"]

_EVALUATION = timedelta(seconds=30)
_FACTORS = ("0.9", "0.99", "1.01", "1.1")
_FLIPPED = {">": ("<", ">="), ">=": ("<=", ">"), "<": (">", "<="), "<=": (">=", "<")}
_WINDOW = re.compile(r"(?:\d+[smhd]|month)\Z")


@dataclass(frozen=True)
class DefinitionMutant:
    """The catalog with one mistake in it."""

    operator: str
    """The kind of mistake."""
    what: str
    catalog: Catalog


def alert_mutants(catalog: Catalog) -> Iterator[DefinitionMutant]:
    """Every mutant of every alert, in the order of the catalog."""
    signals = {signal.name: signal for signal in catalog.signals}
    for place, area in enumerate(catalog.areas):
        for number, alert in enumerate(area.alerts):
            for operator, what, changed in _of_alert(alert, signals):
                alerts = (*area.alerts[:number], changed, *area.alerts[number + 1 :])
                areas = (*catalog.areas[:place], replace(area, alerts=alerts), *catalog.areas[place + 1 :])
                yield DefinitionMutant(operator, f"{alert}: {what}", replace(catalog, areas=areas))


def environment_mutants(catalog: Catalog) -> Iterator[DefinitionMutant]:
    """Every mutant of what environments override, and of how soon a priority is answered."""
    organisation = catalog.organisation

    def mutant(operator: str, what: str, **changed: Any) -> DefinitionMutant:
        return DefinitionMutant(operator, what, replace(catalog, organisation=replace(organisation, **changed)))

    for number, policy in enumerate(organisation.policies):
        for other in (policy.respond_within / 2, policy.respond_within * 2):
            policies = _with(organisation.policies, number, replace(policy, respond_within=other))
            yield mutant("response", f"{policy.priority.value}: {other}", policies=policies)
    for place, environment in enumerate(organisation.environments):
        for operator, what, changed in _of_environment(environment):
            environments = _with(organisation.environments, place, changed)
            yield mutant(operator, f"{environment.name}: {what}", environments=environments)


_OF_DEFINITIONS = frozenset({"number", "window", "offset", "guard", "branch", "comparison", "matcher"})
"""Functions and aggregations that are mixed up are for the examples to notice; `paymon mutate` says whether they do."""


def signal_mutants(catalog: Catalog) -> Iterator[tuple[Signal, Change]]:
    """Every mutant of every signal's expression as it is defined: numbers, windows, matchers, parts."""
    for signal in catalog.signals:
        for change in changes(read(signal.expr)):
            if change.operator in _OF_DEFINITIONS:
                yield signal, change


def _of_environment(environment: Environment) -> Iterator[tuple[str, str, Environment]]:
    yield "environment", "wakes somebody, or nobody", replace(environment, pages=not environment.pages)
    overrides = environment.overrides
    for number, one in enumerate(overrides):
        fewer = (*overrides[:number], *overrides[number + 1 :])
        yield "override", f"{one.threshold}: is dropped", replace(environment, overrides=fewer)
        changes = [("value", other) for other in _numbers(one.value)] if one.value is not None else []
        changes_of_time = [one.lasting - _EVALUATION, one.lasting + _EVALUATION] if one.lasting is not None else []
        for word, value in (*changes, *(("lasting", other) for other in changes_of_time)):
            changed = replace(one, **{word: value})  # type: ignore[arg-type]
            yield (
                "override",
                f"{one.threshold}: {value}",
                replace(environment, overrides=_with(overrides, number, changed)),
            )


def _of_alert(alert: Alert, signals: Mapping[str, Signal]) -> Iterator[tuple[str, str, Alert]]:
    for number, threshold in enumerate(alert.thresholds):
        name = threshold.tier or "threshold"
        for operator, what, changed in _of_threshold(threshold):
            yield operator, f"{name}: {what}", replace(alert, thresholds=_with(alert.thresholds, number, changed))
    for other in _other_windows(alert.watches, signals):
        yield "window", f"{alert.watches} is {other}", replace(alert, watches=other)
    for operator, what, guards in _of_guards(alert.guards, signals):
        yield operator, what, replace(alert, guards=guards)
    for number, branch in enumerate(alert.or_else):
        fewer = (*alert.or_else[:number], *alert.or_else[number + 1 :])
        yield "branch", f"dropped: {branch.watches}", replace(alert, or_else=fewer)
        for operator, what, changed_branch in _of_branch(branch, signals):
            changed_branches = _with(alert.or_else, number, changed_branch)
            yield operator, f"branch {number + 2}: {what}", replace(alert, or_else=changed_branches)
    if alert.stays_while:
        yield "guard", "stays_while is dropped", replace(alert, stays_while=None)
        for operator, what, guard in _of_guard(alert.stays_while, signals):
            yield operator, f"stays while: {what}", replace(alert, stays_while=guard)
    for number, louder in enumerate(alert.hidden_by):
        fewer_louder = (*alert.hidden_by[:number], *alert.hidden_by[number + 1 :])
        yield "guard", f"is not hidden by {louder}", replace(alert, hidden_by=fewer_louder)
    yield "always", "always is the other", replace(alert, always=not alert.always)
    yield "told at once", "told_at_once is the other", replace(alert, told_at_once=not alert.told_at_once)
    yield "own incident", "own_incident is the other", replace(alert, own_incident=not alert.own_incident)


def _of_threshold(one: Threshold) -> Iterator[tuple[str, str, Threshold]]:
    yield from _of_bound(one)
    for word in ("lasting", "keep_firing"):
        now: timedelta = getattr(one, word)
        spans = {now - _EVALUATION, timedelta(0), now + _EVALUATION} if now else {_EVALUATION}
        for span in sorted(spans - {now}):
            what = f"{word}: {prometheus_duration(now)} is {prometheus_duration(span)}"
            yield word, what, replace(one, **{word: span})  # type: ignore[arg-type]
    for priority in Priority:
        if priority is not one.priority:
            yield "priority", f"{one.priority.value} is {priority.value}", replace(one, priority=priority)
    for severity in Severity:
        if severity is not one.severity:
            yield "severity", f"{one.severity.value} is {severity.value}", replace(one, severity=severity)
    if one.respond_within:
        yield "response", "respond_within is dropped", replace(one, respond_within=None)
        yield "response", "respond_within is doubled", replace(one, respond_within=one.respond_within * 2)


def _of_branch(branch: Branch, signals: Mapping[str, Signal]) -> Iterator[tuple[str, str, Branch]]:
    yield from _of_bound(branch)
    for other in _other_windows(branch.watches, signals):
        yield "window", f"{branch.watches} is {other}", replace(branch, watches=other)
    for operator, what, guards in _of_guards(branch.guards, signals):
        yield operator, what, replace(branch, guards=guards)


def _of_guards(
    guards: tuple[Guard, ...], signals: Mapping[str, Signal]
) -> Iterator[tuple[str, str, tuple[Guard, ...]]]:
    for number, guard in enumerate(guards):
        yield "guard", f"dropped: {guard.condition}", (*guards[:number], *guards[number + 1 :])
        for operator, what, other in _of_guard(guard, signals):
            yield operator, what, _with(guards, number, other)


def _of_guard(guard: Guard, signals: Mapping[str, Signal]) -> Iterator[tuple[str, str, Guard]]:
    yield from _of_bound(guard)
    yield "guard", f"forbids, or not: {guard.condition}", replace(guard, forbids=not guard.forbids)
    for number, (label, value) in enumerate(guard.where):
        yield "matcher", f'{guard.signal}: {label}="{value}" is dropped', replace(guard, where=_without(guard, number))
    for other in _other_windows(guard.signal, signals):
        yield "window", f"{guard.signal} is {other}", replace(guard, signal=other)


def _without(guard: Guard, number: int) -> tuple[tuple[str, str], ...]:
    return (*guard.where[:number], *guard.where[number + 1 :])


def _of_bound(one: Any) -> Iterator[tuple[str, str, Any]]:
    """Of a threshold, a branch or a guard."""
    bound = "bound" if isinstance(one, Guard) else "value"
    for other in _numbers(one.value):
        yield "number", f"{plain(one.value)} is {plain(other)}", replace(one, **{bound: other})
    for sign in _FLIPPED[one.comparison.value]:
        yield "comparison", f"{one.comparison.value} is {sign}", replace(one, comparison=Comparison(sign))


def _numbers(value: Decimal) -> list[Decimal]:
    return [value * Decimal(factor) for factor in _FACTORS] if value else [Decimal(-1), Decimal(1)]


def _other_windows(signal: Signal, signals: Mapping[str, Signal]) -> Iterator[Signal]:
    """The same over other windows."""
    stem = _WINDOW.sub("", signal.name)
    if stem != signal.name:
        for name, other in signals.items():
            if other is not signal and _WINDOW.sub("", name) == stem:
                yield other


def _with(items: tuple[Any, ...], number: int, item: object) -> tuple[Any, ...]:
    return (*items[:number], item, *items[number + 1 :])
