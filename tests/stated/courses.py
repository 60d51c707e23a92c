"""Whom does a course of raw series wake, through all records in an alert's way? `courses.yml` states it, for promtool.

Nothing but what exporter, application and servers emit is given, and the rules of production are asked: the alert's own
and all records in its way, but no alert that would hide it. So a record that never records, has another name or is some
per cent off fails the very test of each alert that needs it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import repeat
from pathlib import Path
from typing import Any

import yaml

from paymon.mutation.project import generated_files
from paymon.mutation.relations import Case, RuleSource, Suite, key_of_alert, read_rules
from rules.promtool.series import Series, labels_of
from tests.stated.durations import duration

__all__ = ["Way", "stated", "suites", "values_in_promtool_s_notation"]

TABLE = Path(__file__).with_name("courses.yml")
_SCRAPED = (("environment", "production"), ("service", "payments"), ("job", "payments-exporter"))
_RECORDED = {"environment": "production", "service": "payments", "job": "paymon", "instance": "rules"}
_SERVERS = ("prometheus", "alertmanager")
"""Jobs whose series carry neither service nor environment."""
_ASKED_EVERY = 100
_READ = {"fresh": "298s ago", "stale": "302s ago", "seen": "0s ago"}
"""Barely fresh, and barely no more: a source counts as fresh for three times the interval at which it is asked."""
_OTHERWISE = {"fresh": "stale", "stale": "fresh"}
_NOBODY, _PENDING, _FIRING = "nobody", "pending", "firing"


@dataclass(frozen=True)
class Way:
    """One way in which an alert is told, and what is missing where it is not."""

    series: Mapping[str, str]
    sources: Mapping[str, str]
    """Of each source whether it is fresh, stale, or only seen."""
    step: int
    """Seconds from sample to sample."""
    every: str
    """The pace at which rules are evaluated."""
    then: Mapping[str, Sequence[str]]
    """For each moment what fires, or what is pending: priority, severity, labels of its own."""
    nobody_if: Sequence[Mapping[str, str]]


@lru_cache(maxsize=1)
def stated() -> Mapping[str, tuple[Way, ...]]:
    """The table: for each alert its ways."""
    names, alerts = yaml.safe_load_all(TABLE.read_text())
    return {alert: tuple(_way(way, names) for way in ways) for alert, ways in alerts.items()}


@lru_cache(maxsize=1)
def suites() -> Mapping[str, tuple[Suite, ...]]:
    """For each alert its tests, with the rules of production: a suite for each pace of evaluation."""
    sources = tuple(_of_production())
    return {alert: tuple(_suites(alert, ways, sources)) for alert, ways in stated().items()}


def _of_production() -> Iterator[RuleSource]:
    _, tests = generated_files("production")
    folder = tests[0].parents[1] / "rules"
    return (read_rules(path) for path in sorted(folder.glob("*.yml")))


def _way(stated: Mapping[str, Any], names: Mapping[str, str]) -> Way:
    unknown = stated.keys() - {"while", *_READ, "step", "every", "then", "nobody if"}
    assert not unknown, f"{TABLE.name}: {', '.join(sorted(unknown))}: no word of a way"

    def series(some: Mapping[str, Any]) -> Mapping[str, str]:
        return {names.get(name, name): str(values) for name, values in some.items()}

    return Way(
        series(stated.get("while", {})),
        {source: state for state in _READ for source in str(stated.get(state, "")).split()},
        int(duration(stated.get("step", "1m")).total_seconds()),
        stated.get("every", "1m"),
        {moment: [told] if isinstance(told, str) else told for moment, told in stated["then"].items()},
        [series(one) for one in stated.get("nobody if", ())],
    )


def _suites(alert: str, ways: Sequence[Way], sources: tuple[RuleSource, ...]) -> Iterator[Suite]:
    order = [group["name"] for source in _before_their_readers(sources) for group in source.found["groups"]]
    wanted = _in_its_way(alert, sources)
    own = tuple(replace(one, rules=tuple(rule for rule in one.rules if rule.key in wanted)) for one in sources)
    cases: dict[str, list[Mapping[str, Any]]] = {}
    for number, way in enumerate(ways, 1):
        cases.setdefault(way.every, []).extend(_cases(alert, number, way))
    for every, some in cases.items():
        found = {"evaluation_interval": every, "group_eval_order": order}
        yield Suite(TABLE, found, own, tuple(Case(number, case) for number, case in enumerate(some)))


def _in_its_way(alert: str, sources: Sequence[RuleSource]) -> frozenset[str]:
    """The keys of the alert and of every record that it reads, through others or not."""
    reads = {rule.key: rule.reads or frozenset() for source in sources for rule in source.rules}
    wanted, left = set[str](), [key_of_alert(alert)]
    while left:
        key = left.pop()
        wanted.add(key)
        left += (one for one in reads[key] if one in reads and one not in wanted and "/" not in one)
    return frozenset(wanted)


def _before_their_readers(sources: Sequence[RuleSource]) -> Iterator[RuleSource]:
    """So that one evaluation is enough, however far the next one is."""
    left = list(sources)
    while left:
        keys = {one: {rule.key for rule in one.rules} for one in left}
        read = {one: {key for rule in one.rules for key in rule.reads or ()} for one in left}
        ready = [one for one in left if not any(read[one] & keys[other] for other in left if other is not one)]
        assert ready, "groups that read each other"
        yield from ready
        left = [one for one in left if one not in ready]


def _cases(alert: str, number: int, way: Way) -> Iterator[Mapping[str, Any]]:
    name = f"{alert}, way {number}"
    nobody = {at: [f"{_NOBODY} {_state(told)}"] for at, told in way.then.items() if _NOBODY not in told}
    yield _case(name, alert, way, way.series, way.sources, way.then)
    for source, state in way.sources.items():
        if state in _OTHERWISE:
            other = {**way.sources, source: _OTHERWISE[state]}
            yield _case(f"{name}, but {source} is {other[source]}", alert, way, way.series, other, nobody)
    for changed in way.nobody_if:
        what = ", ".join(f"{series}: {values}" for series, values in changed.items())
        yield _case(f"{name}, but {what}", alert, way, {**way.series, **changed}, way.sources, nobody)


def _state(told: Sequence[str]) -> str:
    return _PENDING if any(one.split(" {")[0].endswith(_PENDING) for one in told) else _FIRING


def _case(
    name: str,
    alert: str,
    way: Way,
    series: Mapping[str, str],
    sources: Mapping[str, str],
    then: Mapping[str, Sequence[str]],
) -> Mapping[str, Any]:
    last = max(int(duration(moment).total_seconds()) for moment in then)
    fed = dict(series)
    for source, state in sources.items():
        fed[f'payments_exporter_watermark_timestamp_seconds{{source="{source}"}}'] = _READ[state]
        fed[f'payments_exporter_interval_seconds{{source="{source}"}}'] = str(_ASKED_EVERY)
    return {
        "name": name,
        "interval": f"{way.step}s",
        "input_series": [
            {"series": _scraped(one), "values": values_in_promtool_s_notation(text, way.step, last // way.step)}
            for one, text in fed.items()
        ],
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{alert}",alertstate="{_state(told)}"}}',
                "eval_time": moment,
                "exp_samples": [{"labels": _told(alert, one), "value": 1} for one in told if _NOBODY not in one],
            }
            for moment, told in then.items()
        ],
    }


def _scraped(text: str) -> str:
    series = Series.parse(text)
    return str(series if series.label("job") in _SERVERS else series.having_first(*_SCRAPED))


def _told(alert: str, text: str) -> str:
    """`P3 warning {network="visa"}` as the series that Prometheus writes of the alert."""
    level, _, own = text.partition("{")
    priority, severity = level.split()[:2]
    return str(
        Series("ALERTS", tuple(labels_of(own.rstrip("}")).items())).having(
            alertname=alert,
            alertstate=_state([text]),
            priority=priority,
            severity=severity,
            team="payments",
            **_RECORDED,
        )
    )


def values_in_promtool_s_notation(text: str, step: int, last: int) -> str:
    """`20/min for 1h, then 0/min` in promtool's notation, for samples 0 to `last`."""
    pieces, first, until, value = [], 0, 0, 0.0
    for segment in text.split(", then "):
        what, _, lasting = segment.partition(" for ")
        until = until + int(duration(lasting).total_seconds()) // step if lasting else last
        rises = min(until, last) - first
        if rises < 0:
            break
        if what == "none":
            pieces.append(f"_x{rises + 1}")
        else:
            begin, rise = _line(what, value, step, first)
            pieces.append(f"{begin!r}{rise:+}x{rises}")
            value = reduce(float.__add__, repeat(rise, rises), begin)  # as promtool adds: a counter must not fall
        first = until + 1
    return " ".join(pieces)


def _line(what: str, before: float, step: int, place: int) -> tuple[float, float]:
    """The first sample of a segment, which is sample number `place` of the series, and how much each after it rises."""
    if what == "stays":
        return before, 0.0
    if what.endswith((" ago", " ahead")):
        span = duration(what.split()[0]).total_seconds()
        return step * place + (-span if what.endswith("ago") else span), float(step)
    if what.endswith("/min"):
        start, _, rate = what.removesuffix("/min").rpartition(" + ")
        rise = float(rate) * step / 60
        return (before + rise if place else float(start or 0)), rise
    return float(what), 0.0
