"""Which recording and alerting rules does Prometheus evaluate in an environment?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from textwrap import indent

from generators.panel_links import panel_link
from generators.text import as_yaml, file_of, generated_header
from generators.wording import spoken_value, value_template
from rules.composition import in_environment
from rules.index import index_of
from rules.promql import expanded, with_either, with_matchers
from rules.vocabulary import (
    STALE_AFTER_INTERVALS,
    Alert,
    Area,
    Branch,
    Catalog,
    Comparison,
    Environment,
    Guard,
    Organisation,
    Priority,
    Signal,
    Source,
    Threshold,
    matchers,
    plain,
    prometheus_duration,
    spoken_duration,
)

__all__ = [
    "RECORDED_BY",
    "AlertingRule",
    "Conjunct",
    "Expressions",
    "RecordingRule",
    "RuleGroup",
    "expressions_of",
    "groups_text",
    "rule_file",
    "rule_groups",
    "runbook_anchor",
]

RECORDED_BY = (("instance", "rules"), ("job", "paymon"))
"""What stands for the target of a series that rules record: dashboards select by both labels, as their linter asks."""

_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A signal as Prometheus records it."""

    signal: Signal
    expr: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One comparison of an alert's expression: of the watched signal, a guard, a source's age, or another alert."""

    signal: Signal | None
    """None where it asks whether an alert fires."""
    where: tuple[tuple[str, str], ...]
    """The labels that pick some of its series."""
    comparison: Comparison
    value: Decimal
    selector: str
    """The PromQL selector of the series that it looks at."""
    on: tuple[str, ...] = ()
    """The labels in which it agrees with the watched signal."""
    watched: bool = False
    """True for the watched signal's own, with which an expression begins."""
    forbids: bool = False
    """True where the alert stays quiet while it holds."""
    guard: Guard | None = None
    """The guard that it stems from; None for the watched signal, for a source's age, and for another alert."""
    within: timedelta = timedelta(0)
    """The time before the evaluation in which a value that passes is enough."""

    def __str__(self) -> str:
        join = "" if self.watched else f"{'unless' if self.forbids else 'and'} on ({', '.join(self.on)}) "
        selected = (
            f"max_over_time({self.selector}[{prometheus_duration(self.within)}])" if self.within else self.selector
        )
        return f"{join}{selected} {self.condition}"

    @property
    def condition(self) -> str:
        """What the series are compared with."""
        return f"{self.comparison.value} {plain(self.value)}"


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """One threshold of an alert as Prometheus evaluates it."""

    alert: Alert
    threshold: Threshold
    branches: tuple[tuple[Conjunct, ...], ...]
    """Every way for it to be true; where the alert has a `stays_while`, the last one holds only while it fires."""
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]

    @property
    def expr(self) -> str:
        """The PromQL text, in which what all ways to begin ask for stands once."""
        rows = [tuple(map(str, conjuncts)) for conjuncts in self.branches]
        stays = rows[-1:] if self.alert.stays_while else []
        begins = rows[: len(rows) - len(stays)]
        shared = [one for one in begins[0][1:] if all(one in row for row in begins)] if len(begins) > 1 else []
        ways = [_all_of(one for one in row if one not in shared) for row in begins]
        if shared:
            ways = [_all_of((f"(\n{indent(_either(ways), '  ')}\n)", *shared))]
        return _either([*ways, *map(_all_of, stays)])


def _all_of(comparisons: Iterable[str]) -> str:
    return "\n".join(comparisons)


def _either(ways: Sequence[str]) -> str:
    return ways[0] if len(ways) == 1 else "\nor\n".join(f"(\n{indent(way, '  ')}\n)" for way in ways)


@dataclass(frozen=True, slots=True, eq=False)
class RuleGroup:
    """The rules of one area, evaluated together and in order; equal to itself alone, so that its text can be kept."""

    area: Area
    name: str
    interval: timedelta
    rules: tuple[RecordingRule | AlertingRule, ...]


_REPLICAS, _OVER_JOBS = "without (instance, pod", "without (instance, job, pod"


class Expressions:
    """The catalog's PromQL as one environment evaluates it."""

    def __init__(self, catalog: Catalog, environment: Environment) -> None:
        self.catalog = in_environment(catalog, environment)
        self.environment = environment
        self.index = index_of(self.catalog)
        self._labels_of: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {}
        self._scraped: dict[str, tuple[tuple[str, str], ...]] = {}

    @property
    def recorded_labels(self) -> tuple[tuple[str, str], ...]:
        """The labels that every recorded series gets, in the order of their names."""
        return (("environment", self.environment.name), *RECORDED_BY, ("service", self.catalog.organisation.service))

    def scraped_labels(self, name: str) -> tuple[tuple[str, str], ...]:
        """The labels that a scrape puts on the series of that name; none on those of Prometheus and Alertmanager."""
        if name not in self._scraped:
            self._scraped[name] = tuple((label, values[0]) for label, values in self._wanted(name))
        return self._scraped[name]

    def _wanted(self, name: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The labels by which this service's series of that name are told from others', each with its values."""
        if name not in self._labels_of:
            self._labels_of[name] = self._looked_up(name)
        return self._labels_of[name]

    def _looked_up(self, name: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        if not self.index.of_environment(name):
            return ()
        jobs = self.index.jobs(name, self.environment)
        ours = (("environment", (self.environment.name,)), ("service", (self.catalog.organisation.service,)))
        return (*ours, ("job", jobs)) if jobs else ours

    def scoped(self, expr: str) -> str:
        """The expression with matchers for environment, service and jobs on every selector of this service's series."""
        return with_matchers(expr, lambda name: matchers(**dict(self._wanted(name)))[1:-1])

    def recorded(self, signal: Signal) -> str:
        """The expression that is recorded under the signal's name.

        Replicas of the exporter all say the same and count once. Where several jobs reach them, that holds across jobs.
        """
        expr = with_either(signal.expr if signal.of_everyone else self.scoped(signal.expr), self.index.other_names.get)
        if signal.of_everyone:
            return expr
        jobs = self.catalog.organisation.jobs_in(self.environment).exporter
        return expr.replace(_REPLICAS, _OVER_JOBS) if len(jobs) > 1 and "by (job)" not in expr else expr

    def expanded(self, expr: str) -> str:
        """The expression over raw metrics alone: every signal that it reads is replaced by its own expression."""

        def inner(name: str) -> str | None:
            read = self.index.by_name.get(name)
            return self.expanded(read.signal.expr) if read else None

        return expanded(expr, inner)

    def labels(self, signal: Signal) -> frozenset[str]:
        """The declared labels that the recorded signal carries."""
        return self.index.declared(signal.name)

    def sources(self, signal: Signal) -> frozenset[Source]:
        """Who exports the values that the signal reads, directly or through other signals; absence is no value."""
        return self.index.sources(signal.name)

    def branches(self, alert: Alert, threshold: Threshold) -> tuple[tuple[Conjunct, ...], ...]:
        """Every way for that threshold's rule to be true, as rows of comparisons."""
        rows = [
            (*self.conjuncts(branch), *self._superseded(alert, threshold, branch.watches, self.index.memory(branch)))
            for branch in alert.branches(threshold, self.environment)
        ]
        if alert.stays_while:
            watched, guard = alert.watches, alert.stays_while.at(self.environment)
            staying = Branch(
                watches=watched,
                comparison=Comparison.AT_LEAST,
                value=watched.unit.lowest or Decimal(0),
                guards=(guard,),
                because=guard.because,
            )
            itself = self._told(alert, threshold.tier, self.labels(watched))
            rows.append((*self.conjuncts(staying), itself, *self._superseded(alert, threshold, watched, _NO_TIME)))
        return tuple(rows)

    def _superseded(self, alert: Alert, threshold: Threshold, watched: Signal, memory: timedelta) -> Iterator[Conjunct]:
        """What keeps it quiet: a louder alert, or a stricter tier, that tells of the same thing or lately told of it.

        A louder alert is itself kept firing for some time past the fault's end: only what the window reaches farther
        back is asked for.
        """
        labels = self.labels(watched)
        for louder in alert.louder:
            kept = min(one.keep_firing for one in louder.thresholds)
            told = self._told(louder, "", labels & self.labels(louder.watches))
            # Half an evaluation more: Prometheus 2 and 3 differ on a sample at the very edge of a window.
            edge = self.catalog.organisation.evaluation_interval / 2
            yield replace(told, forbids=True, within=memory - kept + edge if memory > kept else _NO_TIME)
        for stricter in alert.stricter(threshold):
            yield replace(self._told(alert, stricter.tier, labels), forbids=True)

    def _told(self, alert: Alert, tier: str, on: frozenset[str]) -> Conjunct:
        """That the alert fires, as Prometheus records it."""
        where = {
            "alertname": alert.name,
            "alertstate": "firing",
            "environment": self.environment.name,
            "service": self.catalog.organisation.service,
        }
        if tier:
            where["tier"] = tier
        selector = f"ALERTS{matchers(**where)}"
        return Conjunct(None, tuple(where.items()), Comparison.AT_LEAST, Decimal(1), selector, on=tuple(sorted(on)))

    def conjuncts(self, branch: Branch) -> tuple[Conjunct, ...]:
        """The branch's comparisons: the watched signal, its guards, and the freshness of what is sampled."""
        watched = branch.watches
        selector = self.scoped(watched.name)
        parts = [Conjunct(watched, (), branch.comparison, branch.value, selector, watched=True)]
        sources = set(self.sources(watched))
        for guard in branch.guards:
            shared = self.labels(watched) & (self.labels(guard.signal) - {name for name, _ in guard.where})
            parts.append(
                Conjunct(
                    guard.signal,
                    guard.where,
                    guard.comparison,
                    guard.value,
                    self.scoped(guard.selector),
                    on=tuple(sorted(shared)),
                    forbids=guard.forbids,
                    guard=guard,
                )
            )
            if not guard.forbids:
                sources |= self.sources(guard.signal)
        age = self.index.source_age
        for source in sorted(sources, key=lambda source: source.value):
            if source.sampled and age is not None:
                selector = self.scoped(age.where(source=source.value))
                stale = Decimal(STALE_AFTER_INTERVALS)
                parts.append(Conjunct(age, (("source", source.value),), Comparison.BELOW, stale, selector))
        return tuple(parts)


@lru_cache(maxsize=64)
def expressions_of(catalog: Catalog, environment: Environment) -> Expressions:
    """The environment's expressions, made once: whoever writes files of one catalog shares them."""
    return Expressions(catalog, environment)


def runbook_anchor(alert: Alert) -> str:
    """The anchor of the alert's heading on its runbook page."""
    return alert.name.lower()


@lru_cache(maxsize=64)
def rule_groups(catalog: Catalog, environment: Environment) -> tuple[RuleGroup, ...]:
    """The environment's groups, one per area: the signals in the order of their text, then the alerts."""
    expressions = expressions_of(catalog, environment)
    catalog = expressions.catalog
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
                    for threshold in sorted(alert.thresholds_in(environment), key=lambda one: len(alert.stricter(one)))
                ),
            ),
        )
        for area in catalog.areas
        if area.signals or area.alerts
    )


def _recording_rule(signal: Signal, expressions: Expressions) -> RecordingRule:
    return RecordingRule(signal, expressions.recorded(signal), expressions.recorded_labels)


def _alerting_rule(alert: Alert, threshold: Threshold, area: Area, expressions: Expressions) -> AlertingRule:
    organisation = expressions.catalog.organisation
    labels = [
        *expressions.recorded_labels,
        ("priority", threshold.priority.value),
        ("severity", threshold.severity.value),
        ("team", organisation.team),
    ]
    if threshold.tier:
        labels.append(("tier", threshold.tier))
    branches = alert.branches(threshold, expressions.environment)
    return AlertingRule(
        alert,
        threshold,
        expressions.branches(alert, threshold),
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
        (
            "runbook_url",
            f"{organisation.runbook_page(area.name, expressions.environment.name)}#{runbook_anchor(alert)}",
        ),
        ("dashboard_url", organisation.dashboard_url + panel_link(catalog, alert, expressions.environment)),
    )


def _response(threshold: Threshold, organisation: Organisation) -> str:
    if threshold.priority is Priority.NONE:
        return "none"
    policy = organisation.policy(threshold.priority)
    within = threshold.respond_within or policy.respond_within
    return f"{threshold.priority.value}, within {spoken_duration(within)}"


def groups_text(groups: Iterable[RuleGroup]) -> str:
    """The groups in YAML as Prometheus reads them, of the subset that 2.42 to 3.x agree on."""
    return "groups:\n" + "".join(map(_group_text, groups))


@lru_cache(maxsize=4096)
def _group_text(group: RuleGroup) -> str:
    """One item of `groups`: its rule file holds it, and so does every file that deploys all groups together."""
    interval = prometheus_duration(group.interval)
    return as_yaml([{"name": group.name, "interval": interval, "rules": [_as_data(rule) for rule in group.rules]}])


def rule_file(group: RuleGroup) -> str:
    """The text of one rule file."""
    return generated_header(file_of(group.area)) + groups_text((group,))


def _as_data(rule: RecordingRule | AlertingRule) -> dict[str, object]:
    if isinstance(rule, RecordingRule):
        return {"record": rule.signal.name, "expr": rule.expr, "labels": dict(rule.labels)}
    data: dict[str, object] = {"alert": rule.alert.name, "expr": rule.expr}
    if rule.threshold.lasting:
        data["for"] = prometheus_duration(rule.threshold.lasting)
    if rule.threshold.keep_firing:
        data["keep_firing_for"] = prometheus_duration(rule.threshold.keep_firing)
    return data | {"labels": dict(rule.labels), "annotations": dict(rule.annotations)}
