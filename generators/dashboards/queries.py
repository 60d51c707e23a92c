"""What does each panel ask Prometheus?"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from generators.dashboards.looks import NOT_JUDGED, PENDING, firing, judges, urgencies, without_alert
from generators.wording import spoken_value
from rules.index import index_of
from rules.promql import labels_carried, selectors, with_either, with_matchers
from rules.vocabulary import (
    STALE_AFTER_INTERVALS,
    Alert,
    Catalog,
    Comparison,
    Curve,
    Dashboard,
    Narrowing,
    Panel,
    Priority,
    Severity,
    Signal,
    Source,
    Unit,
    matchers,
    plain,
)

__all__ = ["BOUND_LABEL", "TARGET_MATCHERS", "WORD_LABEL", "Bound", "Queries", "without_variables"]

TARGET_MATCHERS = 'job=~"$job",instance=~"$instance"'
"""What dashboard-linter demands of every selector: rules target-job-rule and target-instance-rule, to the letter."""

WORD_LABEL = "state"
"""The label in which a stat's query says the word for its number."""

BOUND_LABEL = "bound"
"""The label in which a threshold line says where it lies."""

_OF_PROMETHEUS = ("ALERTS", "ALERTS_FOR_STATE")
"""Series that Prometheus itself records of the alerts."""

_LABELS = re.compile(r"\{\{(\w+)\}\}")
_SEVEREST_FIRST = (Severity.CRITICAL, Severity.WARNING, Severity.INFO, Severity.NONE)


@dataclass(frozen=True, slots=True)
class Bound:
    """One line of a panel: where one or more alerts' signals stop being fine."""

    expr: str
    legend: str
    severity: Severity
    comparison: Comparison
    values: tuple[Decimal, ...]
    """Where it lies in each environment."""

    @property
    def value(self) -> Decimal | None:
        """Where it lies, the same in every environment; None where they differ, so that it has to be asked for."""
        return self.values[0] if len(set(self.values)) == 1 else None


def without_variables(expr: str) -> str:
    """The expression with a value for each of Grafana's variables outside of quotes, so that it can be parsed."""
    return expr.replace("$__rate_interval", "5m").replace("$__range", "1h")


class Queries:
    """The PromQL of panels: what the definitions say, with the dashboard's variables added to every selector."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._index = index_of(catalog)

    @cached_property
    def _always(self) -> str:
        """The name of a signal that is always there, in every environment."""
        return next(alert.watches.name for alert in self._catalog.alerts if alert.always)

    def scoped(self, expr: str) -> str:
        """The expression with matchers for the dashboard's variables on every selector."""
        return with_either(with_matchers(expr, self._matchers), self._index.other_names.get)

    def _matchers(self, name: str) -> str:
        recorded_by_prometheus = name in _OF_PROMETHEUS
        if self._index.is_unknown(name) and not recorded_by_prometheus:
            return ""
        parts = []
        if recorded_by_prometheus or self._index.of_environment(name):
            organisation = self._catalog.organisation
            parts += ['environment="$environment"', f'service="{organisation.service}"']
            in_all = (self._index.jobs(name, environment) for environment in organisation.environments)
            jobs = tuple(dict.fromkeys(job for jobs in in_all for job in jobs))
            parts += [matchers(job=jobs)[1:-1]] if jobs else []
        parts.append(TARGET_MATCHERS)
        carried = self._index.declared(name)
        parts += [f'{one.label}=~"${one.label}"' for one in self._catalog.narrowings if one.label in carried]
        return ",".join(parts)

    def narrowings(self, dashboard: Dashboard) -> tuple[Narrowing, ...]:
        """By what one can narrow it: the labels that one of its panels' series carry."""
        asked = self.scoped("\n".join(curve.expr for panel in dashboard.panels for curve in panel.curves))
        return tuple(one for one in self._catalog.narrowings if f'"${one.label}"' in asked)

    def reads_known(self, expr: str) -> bool:
        """Whether somebody exports or records every series that it reads."""
        return not any(self._index.is_unknown(one.name) for one in selectors(without_variables(expr)))

    @property
    def first_words(self) -> tuple[str, ...]:
        """With what the names begin that the exporter and the application export, and that the rules record."""
        names = {read.signal.name for read in self._index.signals}
        for name, metric in self._index.by_series.items():
            if metric.source.exported or metric.source is Source.APPLICATION:
                names.add(name)
        return tuple(sorted({re.split("[_:]", name)[0] for name in names}))

    def curve(self, curve: Curve, unit: Unit) -> str:
        """What a curve asks; moments in milliseconds, as Grafana shows them."""
        scoped = self.scoped(curve.expr)
        return f"1000 * {scoped}" if unit is Unit.TIMESTAMP else scoped

    def labels(self, curve: Curve) -> frozenset[str]:
        """The declared labels that its series carry. Raises PromqlError where it cannot be read."""
        return labels_carried(without_variables(curve.expr), self._index.declared)

    def worded(self, panel: Panel) -> str:
        """A stat's number, with the word for it in the label WORD_LABEL.

        The word is the state of the most urgent of the panel's judges, with their guards and their environment's
        bounds: panel and page agree. An alert that fires is told even where there is no number, as NaN. Where none has
        anything to say, the word is that of the number's level, or says that all is well: either only while this
        environment's rules are evaluated at all, and what the number comes from is sampled, as alerts demand it.
        """
        value = self.curve(panel.curves[0], panel.unit)
        cases = []
        for priority in urgencies(panel):
            fires = self._firing(panel, priority)
            cases.append((f"(({value}) or on () NaN * max({fires})) and on () {fires}", firing(priority)))
        if panel.alerts:
            cases.append((f"({value}) and on () {self._alerts(panel.alerts, 'pending')}", PENDING))
        judged = " ".join(f"and on () {one}" for one in (self.scoped(self._always), *self._fresh(panel.curves[0])))
        for level in panel.levels:
            reached = f"({value})" if level.above is None else f"(({value}) > {plain(level.above)})"
            cases.append((f"{reached} {judged}", level.word))
        if not panel.levels:
            cases.append((f"({value}) {judged}", without_alert(panel)))
        cases.append((value, NOT_JUDGED))
        return "\nor on ()\n".join(_labelled(expr, WORD_LABEL, word) for expr, word in cases)

    def _fresh(self, curve: Curve) -> Iterator[str]:
        """That each source behind the curve was sampled lately: without it its alerts are quiet, which says nothing."""
        age = self._index.source_age
        read = (one.name for one in selectors(without_variables(curve.expr)))
        sources = {source for name in read for source in self._index.sources(name)}
        for source in sorted(sources, key=lambda one: one.value):
            if source.sampled and age is not None:
                yield f"({self.scoped(age.where(source=source.value))} < {STALE_AFTER_INTERVALS})"

    def _firing(self, panel: Panel, priority: Priority) -> str:
        of_it = [one for one in judges(panel) if any(each.priority is priority for each in one.thresholds)]
        return self._alerts(of_it, "firing", priority=priority.value)

    def _alerts(self, alerts: Iterable[Alert], state: str, **more: str) -> str:
        names = tuple(alert.name for alert in alerts)
        one_or_all = names[0] if len(names) == 1 else names
        return self.scoped("ALERTS" + matchers(alertname=one_or_all, alertstate=state, **more))

    def bounds(self, panel: Panel) -> tuple[Bound, ...]:
        """A line for each bound of an alert whose watched signal the panel shows, alike ones as one, severest first."""
        found: dict[tuple[Comparison, tuple[Decimal, ...]], list[tuple[str, Severity]]] = {}
        for alert, comparison, values, severity, name in self._watched(panel):
            if not alert.always:
                found.setdefault((comparison, values), []).append((name, severity))
        lines = []
        for (comparison, values), alerts in found.items():
            names = ", ".join(dict.fromkeys(name for name, _ in alerts))
            severity = min((severity for _, severity in alerts), key=_SEVEREST_FIRST.index)
            expr, spoken = self._line(values, panel.unit)
            lines.append(Bound(expr, f"{names}: {comparison.words} {spoken}", severity, comparison, values))
        return tuple(sorted(lines, key=lambda line: _SEVEREST_FIRST.index(line.severity)))

    def _watched(self, panel: Panel) -> Iterator[tuple[Alert, Comparison, tuple[Decimal, ...], Severity, str]]:
        """Each bound that the panel can show: alert, comparison, value in every environment, severity, name."""
        shown = {curve.shows.name for curve in panel.curves if isinstance(curve.shows, Signal)}
        environments = self._catalog.organisation.environments
        for alert in panel.alerts:
            in_all = zip(*(alert.thresholds_in(environment) for environment in environments), strict=True)
            for first, thresholds in zip(alert.thresholds, in_all, strict=True):
                if alert.watches.name in shown:
                    name = f"{alert.name} ({first.tier})" if first.tier else alert.name
                    yield alert, first.comparison, tuple(one.value for one in thresholds), first.severity, name
                for index, branch in enumerate(alert.or_else, start=1):
                    if branch.watches.name in shown:
                        values = tuple(alert.branches(first, one)[index].value for one in environments)
                        yield alert, branch.comparison, values, first.severity, alert.name

    def _line(self, values: tuple[Decimal, ...], unit: Unit) -> tuple[str, str]:
        """A constant, and how it reads in a legend; where environments differ, both follow the one that is chosen."""
        if len(set(values)) == 1:
            return f"vector({plain(values[0])})", spoken_value(values[0], unit)
        lines = []
        for environment, value in zip(self._catalog.organisation.environments, values, strict=True):
            chosen = self.scoped(self._always + matchers(environment=environment.name))
            expr = f"vector({plain(value)}) and on () {chosen}"
            lines.append(_labelled(expr, BOUND_LABEL, spoken_value(value, unit)))
        return "\nor\n".join(lines), f"{{{{{BOUND_LABEL}}}}}"

    def series_names(self, curve: Curve) -> tuple[str, ...]:
        """The legends of all its series; none where they depend on several labels, or on values that nobody lists."""
        match _LABELS.findall(curve.legend):
            case []:
                return (curve.legend,)
            case [label]:
                values = self._values(label, curve.expr)
                return tuple(curve.legend.replace(f"{{{{{label}}}}}", value) for value in values)
            case _:
                return ()

    def _values(self, name: str, expr: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._written(name, expr), *self._declared_values(name, expr))))

    def _written(self, name: str, expr: str) -> Iterator[str]:
        """The values that label_replace() gives a label, in the expression and in the signals that it reads."""
        yield from re.findall(rf'"{name}", "([^"$]+)", "", ""\)', expr)
        for one in selectors(without_variables(expr)):
            if one.name in self._index.by_name:
                yield from self._written(name, self._index.by_name[one.name].signal.expr)

    def _declared_values(self, name: str, expr: str) -> Iterator[str]:
        read = (one.name for selector in selectors(without_variables(expr)) for one in self._index.raw(selector))
        labels = [
            label
            for series in read
            if series in self._index.by_series
            for label in self._index.by_series[series].labels
        ]
        yield from (value for label in labels if label.name == name for value in label.values)


def _labelled(expr: str, label: str, value: str) -> str:
    return f'label_replace({expr}, "{label}", "{value}", "", "")'
