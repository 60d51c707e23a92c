"""Which recording and alerting rules does Prometheus evaluate in an environment?"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache

from generators.panel_links import panel_link
from generators.text import as_yaml, generated_header
from generators.wording import spoken_value, value_template
from rules.promql import labels_carried, selectors
from rules.vocabulary import (
    Alert,
    Area,
    Branch,
    Catalog,
    Environment,
    Guard,
    Organisation,
    Priority,
    Signal,
    Source,
    Threshold,
    plain,
    prometheus_duration,
    spoken_duration,
)

__all__ = [
    "AlertingRule",
    "Conjunct",
    "Expressions",
    "RecordingRule",
    "RuleGroup",
    "rule_file",
    "rule_groups",
    "rules_document",
    "runbook_anchor",
]

RECORDED_BY = (("instance", "rules"), ("job", "paymon"))
"""What stands for the target of a series that rules record: dashboards select by both labels, as their linter asks."""

STALE_AFTER_INTERVALS = 3
"""Age of a source's data, in its own intervals, from which no alert trusts them; PaymentExporterStale says so."""


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A signal as Prometheus records it."""

    signal: Signal
    expr: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One comparison of an alert's expression; `join` puts it behind the one before (`and on ()`, `unless on ()`)."""

    join: str
    selector: str
    comparison: str
    guard: Guard | None = None
    """The guard that it stems from; None for the watched signal and for the freshness of sampled data."""

    def __str__(self) -> str:
        return f"{self.join} {self.selector} {self.comparison}".strip()


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """One threshold of an alert as Prometheus evaluates it."""

    alert: Alert
    threshold: Threshold
    branches: tuple[tuple[Conjunct, ...], ...]
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]

    @property
    def expr(self) -> str:
        """The PromQL text."""
        texts = ["\n".join(map(str, conjuncts)) for conjuncts in self.branches]
        if len(texts) == 1:
            return texts[0]
        return "\nor\n".join("(\n" + "\n".join(f"  {line}" for line in text.splitlines()) + "\n)" for text in texts)


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """The rules of one area, evaluated together and in order."""

    area: Area
    name: str
    interval: timedelta
    rules: tuple[RecordingRule | AlertingRule, ...]


_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|([A-Za-z_:][A-Za-z0-9_:]*)(\{)?')


class Expressions:
    """The catalog's PromQL as one environment evaluates it, and what it reads."""

    def __init__(self, catalog: Catalog, environment: Environment) -> None:
        self.catalog = catalog
        self.environment = environment
        self._labels: dict[str, frozenset[str]] = {}
        self._sources: dict[str, frozenset[Source]] = {}

    @property
    def recorded_labels(self) -> tuple[tuple[str, str], ...]:
        """The labels that every recorded series gets, in the order of their names."""
        return (("environment", self.environment.name), *RECORDED_BY)

    @cached_property
    def _metric_of(self) -> Mapping[str, tuple[Source, frozenset[str]]]:
        found = {}
        for metric in self.catalog.metrics:
            labels = frozenset(label.name for label in metric.labels)
            for name in metric.series_names:
                found[name] = (metric.source, labels | {"le"} if name.endswith("_bucket") else labels)
        return found

    @cached_property
    def _signal_of(self) -> Mapping[str, Signal]:
        return {signal.name: signal for signal in self.catalog.signals}

    def scoped(self, expr: str) -> str:
        """The expression with a matcher for the environment on every selector of this environment's series."""
        matcher = f'environment="{self.environment.name}"'

        def add(found: re.Match[str]) -> str:
            name = found.group(1)
            if name is None or not self._of_environment(name):
                return found.group(0)
            return f"{name}{{{matcher}," if found.group(2) else f"{name}{{{matcher}}}"

        return _TOKENS.sub(add, expr)

    def expanded(self, expr: str) -> str:
        """The expression over raw metrics alone: every signal that it reads is replaced by its own expression."""

        def expand(found: re.Match[str]) -> str:
            signal = self._signal_of.get(found.group(1) or "")
            if signal is None or found.group(2):
                return found.group(0)
            return f"({self.expanded(signal.expr)})"

        return _TOKENS.sub(expand, expr)

    def _of_environment(self, name: str) -> bool:
        if name in self._metric_of:
            return self._metric_of[name][0].of_environment
        return name in self._signal_of

    def labels(self, signal: Signal) -> frozenset[str]:
        """The declared labels that the recorded signal carries."""
        if signal.name not in self._labels:
            self._labels[signal.name] = labels_carried(signal.expr, self._labels_of)
        return self._labels[signal.name]

    def _labels_of(self, name: str) -> frozenset[str]:
        if name in self._metric_of:
            return self._metric_of[name][1]
        signal = self._signal_of.get(name)
        return self.labels(signal) if signal else frozenset()

    def sources(self, signal: Signal) -> frozenset[Source]:
        """Who exports the values that the signal reads, directly or through other signals; absence is no value."""
        if signal.name not in self._sources:
            found: set[Source] = set()
            for selector in selectors(signal.expr):
                if "absent" in selector.calls:
                    continue
                if selector.name in self._metric_of:
                    found.add(self._metric_of[selector.name][0])
                elif selector.name in self._signal_of:
                    found |= self.sources(self._signal_of[selector.name])
            self._sources[signal.name] = frozenset(found)
        return self._sources[signal.name]

    def signals_read(self, signal: Signal) -> tuple[Signal, ...]:
        """The signals that it reads, directly or not, in the order in which they must be recorded; itself last."""
        found: dict[str, Signal] = {}
        for selector in selectors(signal.expr):
            inner = self._signal_of.get(selector.name)
            if inner:
                found.update({one.name: one for one in self.signals_read(inner)})
        found[signal.name] = signal
        return tuple(found.values())

    def names_read(self, signal: Signal) -> frozenset[str]:
        """The names of every series that it reads, directly or through other signals."""
        return frozenset(selector.name for one in self.signals_read(signal) for selector in selectors(one.expr))

    def conjuncts(self, branch: Branch) -> tuple[Conjunct, ...]:
        """The branch's comparisons: the watched signal, its guards, and the freshness of what is sampled."""
        watched = branch.watches
        parts = [Conjunct("", self.scoped(watched.name), f"{branch.comparison.value} {plain(branch.value)}")]
        sources = set(self.sources(watched))
        for guard in branch.guards:
            shared = self.labels(watched) & (self.labels(guard.signal) - {name for name, _ in guard.where})
            word = "unless" if guard.forbids else "and"
            parts.append(
                Conjunct(
                    f"{word} on ({', '.join(sorted(shared))})",
                    self.scoped(guard.selector),
                    f"{guard.comparison.value} {plain(guard.value)}",
                    guard,
                )
            )
            if not guard.forbids:
                sources |= self.sources(guard.signal)
        age = self.source_age
        for source in sorted(sources, key=lambda source: source.value):
            if source.sampled and age is not None:
                selector = self.scoped(age.where(source=source.value))
                parts.append(Conjunct("and on ()", selector, f"< {STALE_AFTER_INTERVALS}"))
        return tuple(parts)

    @cached_property
    def source_age(self) -> Signal | None:
        """The signal that tells how old each source's data are: the one of unit intervals, by source."""
        for signal in self.catalog.signals:
            if signal.unit.name == "INTERVALS" and "source" in self.labels(signal):
                return signal
        return None


def runbook_anchor(alert: Alert) -> str:
    """The anchor of the alert's heading on its runbook page."""
    return alert.name.lower()


@lru_cache(maxsize=8)
def rule_groups(catalog: Catalog, environment: Environment) -> tuple[RuleGroup, ...]:
    """The environment's groups, one per area: the signals in the order of their text, then the alerts."""
    expressions = Expressions(catalog, environment)
    return tuple(
        RuleGroup(
            area=area,
            name=f"{catalog.organisation.service}.{environment.name}.{area.name}",
            interval=catalog.organisation.evaluation_interval,
            rules=(
                *(_recording_rule(signal, expressions) for signal in area.signals),
                *(
                    _alerting_rule(alert, threshold, area, expressions)
                    for alert in area.alerts
                    for threshold in alert.thresholds_in(environment)
                ),
            ),
        )
        for area in catalog.areas
        if area.signals or area.alerts
    )


def _recording_rule(signal: Signal, expressions: Expressions) -> RecordingRule:
    return RecordingRule(signal, expressions.scoped(signal.expr), expressions.recorded_labels)


def _alerting_rule(alert: Alert, threshold: Threshold, area: Area, expressions: Expressions) -> AlertingRule:
    organisation = expressions.catalog.organisation
    labels = [
        *expressions.recorded_labels,
        ("priority", threshold.priority.value),
        ("service", organisation.service),
        ("severity", threshold.severity.value),
        ("team", organisation.team),
    ]
    if threshold.tier:
        labels.append(("tier", threshold.tier))
    branches = alert.branches(threshold, expressions.environment)
    return AlertingRule(
        alert,
        threshold,
        tuple(expressions.conjuncts(branch) for branch in branches),
        tuple(labels),
        _annotations(alert, threshold, branches, area, expressions),
    )


def _annotations(
    alert: Alert, threshold: Threshold, branches: tuple[Branch, ...], area: Area, expressions: Expressions
) -> tuple[tuple[str, str], ...]:
    catalog, carried = expressions.catalog, expressions.labels(alert.watches)
    organisation = catalog.organisation
    unit = alert.watches.unit
    templates = {label: f"{{{{ $labels.{label} }}}}" for label in carried}
    reasons = dict.fromkeys(branch.because for branch in branches)
    return (
        ("summary", alert.summary.format(threshold=spoken_value(threshold.value, unit))),
        ("description", alert.description.format(value=value_template(unit), **templates)),
        ("because", "; ".join(reasons)),
        ("response", _response(threshold, organisation)),
        ("runbook_url", f"{organisation.runbook_page(area.name)}#{runbook_anchor(alert)}"),
        ("dashboard_url", organisation.dashboard_url + panel_link(catalog, alert, expressions.environment)),
    )


def _response(threshold: Threshold, organisation: Organisation) -> str:
    if threshold.priority is Priority.NONE:
        return "none"
    policy = organisation.policy(threshold.priority)
    within = threshold.respond_within or policy.respond_within
    return f"{threshold.priority.value}, within {spoken_duration(within)}"


def rules_document(groups: Iterable[RuleGroup]) -> dict[str, object]:
    """The groups as Prometheus reads them, of the subset that 2.42 to 3.x agree on."""
    return {
        "groups": [
            {
                "name": group.name,
                "interval": prometheus_duration(group.interval),
                "rules": [_as_data(rule) for rule in group.rules],
            }
            for group in groups
        ]
    }


def rule_file(group: RuleGroup) -> str:
    """The text of one rule file."""
    return generated_header(group.area.module.replace(".", "/") + ".py") + as_yaml(rules_document((group,)))


def _as_data(rule: RecordingRule | AlertingRule) -> dict[str, object]:
    if isinstance(rule, RecordingRule):
        return {"record": rule.signal.name, "expr": rule.expr, "labels": dict(rule.labels)}
    data: dict[str, object] = {"alert": rule.alert.name, "expr": rule.expr}
    if rule.threshold.lasting:
        data["for"] = prometheus_duration(rule.threshold.lasting)
    if rule.threshold.keep_firing:
        data["keep_firing_for"] = prometheus_duration(rule.threshold.keep_firing)
    return data | {"labels": dict(rule.labels), "annotations": dict(rule.annotations)}
