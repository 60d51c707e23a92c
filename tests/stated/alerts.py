"""When does each alert fire, and how urgent is it? `alerts.yml` states it by hand; here is what the definitions say."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import yaml

from rules.vocabulary import Alert, Branch, Catalog, Environment, Guard, Threshold, Unit, plain, prometheus_duration

__all__ = ["defined", "differences", "stated"]

TABLE = Path(__file__).with_name("alerts.yml")

Statement = tuple[str, ...]


@lru_cache(maxsize=2)
def stated(environment: str) -> Mapping[str, Statement]:
    """The table: for each alert, or each tier of one, its lines."""
    production, staging = yaml.safe_load_all(TABLE.read_text())
    if environment == "staging":
        calmly = {
            name: [_WAKING.sub(r"P3 warning\1 answered within 1h", line) for line in lines]
            for name, lines in production.items()
        }
        production = calmly | staging
    return {name: tuple(lines) for name, lines in production.items()}


_WAKING = re.compile(r"^P[12] critical(,.*) answered within \w+")


def defined(catalog: Catalog, environment: Environment) -> Mapping[str, Statement]:
    """The definitions in the words of the table, as one environment has them."""
    return {
        alert.threshold_id(threshold): tuple(_lines(catalog, alert, threshold, environment))
        for alert in catalog.alerts
        for threshold in alert.thresholds_in(environment)
    }


def differences(catalog: Catalog, environment: Environment) -> list[str]:
    """Where the definitions do not say what is stated."""
    ours, theirs = stated(environment.name), defined(catalog, environment)
    found = [f"{name}: is not stated" for name in theirs.keys() - ours.keys()]
    found += [f"{name}: is not defined" for name in ours.keys() - theirs.keys()]
    for name in ours.keys() & theirs.keys():
        found += [f"{name}: states {line!r}" for line in ours[name] if line not in theirs[name]]
        found += [f"{name}: defines {line!r}" for line in theirs[name] if line not in ours[name]]
        if not found and ours[name] != theirs[name]:
            found.append(f"{name}: has its lines in another order, or some of them twice")
    return sorted(found)


def _lines(catalog: Catalog, alert: Alert, threshold: Threshold, environment: Environment) -> Iterator[str]:
    yield _level(catalog, alert, threshold)
    for branch in alert.branches(threshold, environment):
        yield from _branch(branch)
    if alert.stays_while:
        word = "unless" if alert.stays_while.forbids else "while"
        yield f"stays {word} {_condition(alert.stays_while)}"
    for louder in alert.hidden_by:
        yield f"quiet while {louder} fires"


def _level(catalog: Catalog, alert: Alert, threshold: Threshold) -> str:
    words = [f"{threshold.priority.value} {threshold.severity.value}"]
    if threshold.lasting:
        words.append(f"after {prometheus_duration(threshold.lasting)}")
    if threshold.keep_firing:
        words.append(f"kept {prometheus_duration(threshold.keep_firing)}")
    policies = [one for one in catalog.organisation.policies if one.priority is threshold.priority]
    within = threshold.respond_within or (policies[0].respond_within if policies else None)
    if within:
        words.append(f"answered within {prometheus_duration(within)}")
    if alert.always:
        words.append("always")
    if alert.told_at_once:
        words.append("told at once")
    if alert.own_incident:
        words.append("an incident of its own")
    return ", ".join(words)


def _branch(branch: Branch) -> Iterator[str]:
    yield f"{branch.watches} {branch.comparison.value} {_bound(branch.value, branch.watches.unit)}"
    for guard in branch.guards:
        yield f"{'unless' if guard.forbids else 'if'} {_condition(guard)}"


def _condition(guard: Guard) -> str:
    return f"{guard.selector} {guard.comparison.value} {_bound(guard.value, guard.signal.unit)}"


_SHARES = (Unit.RATIO, Unit.EXCESS, Unit.SHARE_OF_COUNTED)


def _bound(value: Decimal, unit: Unit) -> str:
    """As people say it: `5 %`, `30d`."""
    if unit in _SHARES:
        return f"{plain(value * 100)} %"
    if unit is Unit.SECONDS and value >= 0 and value == int(value):
        return prometheus_duration(timedelta(seconds=int(value)))
    return plain(value)
