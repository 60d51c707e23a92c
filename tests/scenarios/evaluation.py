"""Which alerts fire when on a history of scrapes, by promtool's word?

promtool is asked at every evaluation what fires, is told to expect nothing, and says what it got instead.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from generators.rules import Expressions, rule_file, rule_groups
from generators.text import as_yaml
from paymon.promtool import Promtool, TestFileResult
from rules.catalog import catalog
from rules.payments.organisation import PRODUCTION
from rules.vocabulary import Alert, Gauge, Source
from tests.scenarios.series import Scrapes

__all__ = ["Evaluated", "Firing", "Notification", "evaluate", "run_on", "seconds_of"]

_FIRING = 'ALERTS{alertstate="firing",alertname!="PaymentsWatchdog"}'
_WATCHDOG = 'count(ALERTS{alertstate="firing",alertname="PaymentsWatchdog"}) or vector(0)'
_OF_TARGETS = frozenset({"__name__", "alertname", "alertstate", "environment", "instance", "job", "service", "team"})
_SERIES = re.compile(r"\{([^{}]*)\}")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ALERT = re.compile(
    r"Labels:\{(?P<labels>.*?)\}\s*\n?\s*Annotations:\{(?P<annotations>.*?)\}(?=\s*\n|\s*,?\s*$|\])", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that fired without a pause; moments are seconds of the history, the last one included."""

    alert: str
    labels: tuple[tuple[str, str], ...]
    """Those that tell it from the alert's others."""
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Notification:
    """What an alert says while it fires."""

    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Everything that fired, in the order in which it began, and what one alert said."""

    firings: tuple[Firing, ...]
    said: Notification | None


def evaluate(
    promtool: Promtool, scrapes: Scrapes, until: int, every: int, folder: Path, asked: Alert | None = None
) -> Evaluated:
    """Evaluate production's rules, all of them, every so many seconds up to that second of the history.

    `asked` is the alert whose notification is wanted: as it is when it is first seen firing on a full minute.
    """
    moments = range(0, until + 1, every)
    questions = [(_FIRING, moment) for moment in moments] + [(_WATCHDOG, until)]
    wanted: list[dict[str, object]] = [
        {"alertname": asked.name, "eval_time": f"{moment}s", "exp_alerts": []}
        for moment in moments
        if asked and moment % 60 == 0
    ]
    result = run_on(promtool, scrapes, _read(), until, every, questions, folder, wanted)
    expressions = [failure for failure in result.failures if failure.expr]
    # The watchdog always fires: had the rules not been evaluated, silence would prove nothing.
    assert any(failure.expr == _WATCHDOG and "1E+00" in (failure.got or "") for failure in expressions), result.raw[
        -3000:
    ]
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
    for failure in expressions:
        if failure.expr == _FIRING:
            moment = seconds_of(failure.eval_time or "")
            for labels in _labels(failure.got or ""):
                name = labels["alertname"]
                own = tuple(sorted((key, value) for key, value in labels.items() if key not in _OF_TARGETS))
                found.setdefault((name, own), []).append(moment)
    firings = [firing for (name, own), times in found.items() for firing in _stretches(name, own, sorted(times), every)]
    said = next(
        (_notification(failure.got or "") for failure in result.failures if failure.alertname and failure.got), None
    )
    return Evaluated(tuple(sorted(firings, key=lambda one: (one.first, one.alert, one.labels))), said)


def _of_the_watchers(samples: int) -> Iterator[dict[str, str]]:
    """What Prometheus and Alertmanager count of themselves while neither loses anything."""
    group = f"rules.yml;{catalog().organisation.service}.{PRODUCTION.name}.outcomes"
    for metric in catalog().metrics:
        if metric.source in (Source.PROMETHEUS, Source.ALERTMANAGER):
            of_a_group = any(label.name == "rule_group" for label in metric.labels)
            series = metric.where(rule_group=group) if of_a_group else metric.name
            yield {"series": series, "values": f"{int(isinstance(metric, Gauge))}x{samples}"}


def run_on(
    promtool: Promtool,
    scrapes: Scrapes,
    names: frozenset[str],
    until: int,
    every: int,
    questions: Iterable[tuple[str, int]],
    folder: Path,
    alerts: Iterable[dict[str, object]] = (),
) -> TestFileResult:
    """What promtool says where it expects no answer to any question: PromQL, and a second of the history.

    It evaluates production's rules every so many seconds on those of the scraped series that have one of the names,
    while Prometheus and Alertmanager lose nothing. Fails where promtool refuses something.
    """
    for name, text in _rule_files().items():
        (folder / name).write_text(text)
    document = {
        "rule_files": sorted(_rule_files()),
        "evaluation_interval": f"{every}s",
        "group_eval_order": [group.name for group in rule_groups(catalog(), PRODUCTION)],
        "tests": [
            {
                "interval": f"{scrapes.every}s",
                "input_series": [*scrapes.input_series(names), *_of_the_watchers(until // scrapes.every + 1)],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": f"{moment}s", "exp_samples": []} for expr, moment in questions
                ],
                "alert_rule_test": [*alerts],
            }
        ],
    }
    path = folder / "history.yml"
    path.write_text(as_yaml(document))
    (result,) = promtool.run_tests([path])
    errors = [failure.raw for failure in result.failures if failure.error]
    assert not errors, "\n".join(errors)
    return result


@lru_cache
def _rule_files() -> dict[str, str]:
    """Production's rules, by the file's name."""
    return {f"{group.area.name}.yml": rule_file(group) for group in rule_groups(catalog(), PRODUCTION)}


@lru_cache
def _read() -> frozenset[str]:
    """The names of all series that some rule reads; the rest would only cost time."""
    expressions = Expressions(catalog(), PRODUCTION)
    return frozenset().union(*(expressions.index.names_read(signal) for signal in catalog().signals))


def _stretches(name: str, labels: tuple[tuple[str, str], ...], times: list[int], every: int) -> Iterator[Firing]:
    first = last = times[0]
    for moment in times[1:]:
        if moment > last + every:
            yield Firing(name, labels, first, last)
            first = moment
        last = moment
    yield Firing(name, labels, first, last)


def _labels(got: str) -> Iterator[dict[str, str]]:
    for series in _SERIES.findall(got):
        yield dict(_LABEL.findall(series))


def _notification(got: str) -> Notification:
    first = _ALERT.search(got)
    assert first, got
    return Notification(dict(_LABEL.findall(first["labels"])), dict(_LABEL.findall(first["annotations"])))


def seconds_of(duration: str) -> int:
    """Of a duration as promtool writes it."""
    return sum(
        int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in re.findall(r"(\d+)([hms])", duration)
    )
