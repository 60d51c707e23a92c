"""What lies behind a name: where is it defined, what does it read, which labels does it carry, and who exports it?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, lru_cache

from rules.promql import (
    Call,
    Expression,
    Operation,
    PromqlError,
    Selector,
    Series,
    Sign,
    labels_carried,
    parse,
    parts,
    selectors,
    sign_of,
    walk,
)
from rules.vocabulary import Alert, Area, Branch, Catalog, Environment, Metric, Signal, Source, Threshold, Unit, minutes

__all__ = ["LONGEST_INTERVAL", "TARGET_LABELS", "Index", "ReadSignal", "Watch", "index_of"]

TARGET_LABELS = frozenset({"job", "instance", "environment", "service"})
"""The labels that a scrape adds to every series, and that no metric declares."""

LONGEST_INTERVAL = minutes(5)
"""Prometheus forgets a series that has been silent for longer."""


@dataclass(frozen=True, slots=True)
class ReadSignal:
    """A signal with its expression taken apart; `tree` is None where it cannot be read."""

    signal: Signal
    area: Area
    where: str
    tree: Expression | None
    nodes: tuple[Expression, ...]
    """The tree and everything in it."""
    selectors: tuple[Selector, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """One place where an alert looks at a signal: what it watches, another branch, or a guard of either."""

    alert: Alert
    area: Area
    where: str
    signal: Signal
    role: str
    """`watches`, `is guarded by` or `is kept firing by`."""


class Index:
    """A catalog, looked up by name; every expression is parsed once. It answers for unsound definitions as well."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.organisation = catalog.organisation
        self.scrape_interval = _bounded(catalog.organisation.scrape_interval)
        self.evaluation_interval = _bounded(catalog.organisation.evaluation_interval)

    @cached_property
    def metrics(self) -> tuple[tuple[Area, Metric, str], ...]:
        """Every metric with its area and place."""
        return tuple(
            (area, it, f"{area.module}: metric {it.name}") for area in self.catalog.areas for it in area.metrics
        )

    @cached_property
    def signals(self) -> tuple[ReadSignal, ...]:
        """Every signal, in the order of the areas' texts."""
        return tuple(_read(signal, area) for area in self.catalog.areas for signal in area.signals)

    @cached_property
    def alerts(self) -> tuple[tuple[Area, Alert, str], ...]:
        """Every alert with its area and place."""
        return tuple((area, it, f"{area.module}: alert {it.name}") for area in self.catalog.areas for it in area.alerts)

    @cached_property
    def thresholds(self) -> tuple[tuple[Alert, Threshold, str], ...]:
        """Every threshold with its alert and place."""
        return tuple(
            (alert, threshold, f"{where}, tier {threshold.tier}" if threshold.tier else where)
            for _, alert, where in self.alerts
            for threshold in alert.thresholds
        )

    @cached_property
    def watches(self) -> tuple[Watch, ...]:
        """Every place where an alert looks at a signal."""
        return tuple(watch for area, alert, where in self.alerts for watch in _watches(area, alert, where))

    @cached_property
    def by_series(self) -> dict[str, Metric]:
        """The metric of every series name, former ones included."""
        known = {name: metric for _, metric, _ in self.metrics for name in metric.series_names}
        return {name: metric for _, metric, _ in self.metrics for name in metric.former_series_names} | known

    @cached_property
    def former_signals(self) -> frozenset[str]:
        """The names that signals had before, under which they are recorded for a while."""
        return frozenset(read.signal.formerly.name for read in self.signals if read.signal.formerly)

    @cached_property
    def other_names(self) -> dict[str, str]:
        """For each series name that has another one for a while, that other one."""
        former = {old: new for _, metric, _ in self.metrics for old, new in metric.former_series_names.items()}
        return former | {new: old for old, new in former.items()}

    @cached_property
    def by_name(self) -> dict[str, ReadSignal]:
        """The signal of every name."""
        return {read.signal.name: read for read in self.signals}

    @cached_property
    def _order(self) -> tuple[tuple[ReadSignal, ...], tuple[tuple[str, ...], ...]]:
        """The signals, each after those that it reads; and every circle of signals that read each other."""
        done: dict[str, ReadSignal] = {}
        circles = []
        for first in self.by_name:
            path: dict[str, Iterator[str]] = {}
            entering: str | None = first
            while entering is not None or path:
                if entering is not None:
                    path[entering] = iter([one.name for one in self.by_name[entering].selectors])
                last = next(reversed(path))
                entering = None
                for name in path[last]:
                    if name in path:
                        names = list(path)
                        circles.append(tuple(names[names.index(name) :]))
                    elif name in self.by_name and name not in done:
                        entering = name
                        break
                else:
                    del path[last]
                    done[last] = self.by_name[last]
        return tuple(done.values()), tuple(circles)

    @property
    def circles(self) -> tuple[tuple[str, ...], ...]:
        """Every circle of signals that read each other."""
        return self._order[1]

    @cached_property
    def _carried(self) -> dict[str, frozenset[str]]:
        known = {name: _labels_of(metric, name) for name, metric in self.by_series.items()}
        for read in self._order[0]:
            inner = labels_carried(read.tree, lambda name: known.get(name, frozenset())) if read.tree else frozenset()
            known[read.signal.name] = inner | {"environment", "service"}
        return known

    def memory(self, branch: Branch) -> timedelta:
        """How long after a fault's end the branch can still be true of it: its window, the shortest of several.

        What is counted before the window (`offset`) is what is compared with, and no part of it.
        """
        guards = [guard.signal for guard in branch.guards if not guard.forbids]
        same = [signal for signal in guards if signal.unit is branch.watches.unit]
        return min(self._window(signal.name) for signal in (branch.watches, *same))

    def _window(self, name: str) -> timedelta:
        read = self.by_name.get(name)
        if read is None:
            return timedelta(0)
        found = [one for one in read.selectors if not one.offset]
        return max((one.reach + self._window(one.name) for one in found), default=timedelta(0))

    def labels(self, expression: Expression) -> frozenset[str]:
        """The labels that a part of a signal's expression gives, as `carried` has them."""
        return labels_carried(expression, self.carried)

    def is_unknown(self, name: str) -> bool:
        """Whether no series of that name is exported or recorded."""
        return name not in self.by_series and name not in self.by_name

    def carried(self, name: str) -> frozenset[str]:
        """The labels that series of that name can carry, those of scrapes and of records too; none for a stranger."""
        return self._carried.get(name, frozenset())

    def declared(self, name: str) -> frozenset[str]:
        """The labels of `carried` that a metric declares or an expression makes."""
        return self.carried(name) - TARGET_LABELS

    @cached_property
    def _sources(self) -> dict[str, frozenset[Source]]:
        known = {name: frozenset({metric.source}) for name, metric in self.by_series.items()}
        for read in self._order[0]:
            values = (one for one in read.selectors if not (one.of_absence or one.forbids or one.offset))
            names = [one.name for one in values]
            known[read.signal.name] = frozenset().union(*(known.get(name, frozenset()) for name in names))
        return known

    def sources(self, name: str) -> frozenset[Source]:
        """Who exports what is read of now under that name, through other signals too; absence is no value.

        Nor is what an `unless` takes away: where nobody knows it, nothing is taken. And what is read of the past
        (`offset`) only is as it was, however old the source's data have grown since.
        """
        return self._sources.get(name, frozenset())

    @cached_property
    def _reads(self) -> dict[str, tuple[Selector, ...]]:
        known: dict[str, tuple[Selector, ...]] = {}
        for read in self._order[0]:
            known[read.signal.name] = tuple(one for outer in read.selectors for one in _raw(outer, known))
        return known

    def raw(self, selector: Selector) -> tuple[Selector, ...]:
        """The places where raw series are read for one selector: the signal's that it reads, or itself."""
        return _raw(selector, self._reads)

    def reads(self, signal: Signal) -> tuple[Selector, ...]:
        """Every place where raw series are read, by the signal or by signals that it reads, with all that is done there."""
        return self._reads.get(signal.name, ())

    @cached_property
    def _signals_read(self) -> dict[str, tuple[Signal, ...]]:
        known: dict[str, tuple[Signal, ...]] = {}
        for read in self._order[0]:
            inner = (one for selector in read.selectors for one in known.get(selector.name, ()))
            known[read.signal.name] = (*{one.name: one for one in inner}.values(), read.signal)
        return known

    def signals_read(self, signal: Signal) -> tuple[Signal, ...]:
        """The signals that it reads, directly or not, each after those that it reads; itself last."""
        return self._signals_read.get(signal.name, (signal,))

    def names_read(self, signal: Signal) -> frozenset[str]:
        """The names of every series that it reads, directly or through other signals."""
        read = (self.by_name[one.name] for one in self.signals_read(signal) if one.name in self.by_name)
        return frozenset(selector.name for one in read for selector in one.selectors)

    def series_needed(self, signal: Signal) -> frozenset[str]:
        """The names of the raw series without which it cannot tell.

        Those in whose place `vector()` stands are none of them, unless it reads no others: its 0 would say nothing then.
        """
        read = (self.by_name[one.name].tree for one in self.signals_read(signal) if one.name in self.by_name)
        trees = [tree for tree in read if tree]
        for spared in (True, False):
            names = {name for tree in trees for name in _needed(tree, spared)}
            if found := frozenset(name for name in names if name in self.by_series):
                return found
        return frozenset()

    def metrics_read(self, signal: Signal) -> tuple[Metric, ...]:
        """The metrics whose values, not whose absence, the signal shows."""
        names = (one.name for one in self.reads(signal) if not one.of_absence and one.name in self.by_series)
        return tuple({self.by_series[name].name: self.by_series[name] for name in names}.values())

    def jobs(self, name: str, environment: Environment) -> tuple[str, ...]:
        """The scrape jobs that serve the series of that name there; none for a signal, and where any job may."""
        metric = self.by_series.get(name)
        return self.catalog.organisation.jobs_in(environment).of(metric.source) if metric else ()

    def of_environment(self, name: str) -> bool:
        """Whether series of that name carry the label `environment`; not where nobody exports or records them."""
        metric = self.by_series.get(name)
        return metric.source.of_environment if metric else name in self.by_name

    @cached_property
    def source_age(self) -> Signal | None:
        """The signal that tells how old each source's data are: the one of unit intervals, by source."""
        of_intervals = (read.signal for read in self.signals if read.signal.unit is Unit.INTERVALS)
        return next((one for one in of_intervals if "source" in self.carried(one.name)), None)

    @cached_property
    def _signs(self) -> dict[str, Sign]:
        known: dict[str, Sign] = {}
        for read in self._order[0]:
            if read.tree is not None:
                known[read.signal.name] = sign_of(read.tree, lambda name: known.get(name, Sign.ANY))
        return known

    def can_be_zero(self, expression: Expression) -> bool:
        """Whether a part of a signal's expression can give 0."""
        return sign_of(expression, lambda name: self._signs.get(name, Sign.ANY)) is Sign.ANY

    @cached_property
    def _values(self) -> dict[tuple[str, str], frozenset[str]]:
        return {
            (series, label.name): frozenset(label.values)
            for series, metric in self.by_series.items()
            for label in metric.labels
            if label.values
        }

    def values(self, name: str, label: str) -> frozenset[str] | None:
        """Every value that the label can have there; None where a setting or an expression decides."""
        return self._values.get((name, label))

    def unit(self, name: str) -> Unit | None:
        """The unit of the recorded signal of that name."""
        read = self.by_name.get(name)
        return read.signal.unit if read else None


def _raw(outer: Selector, known: Mapping[str, tuple[Selector, ...]]) -> tuple[Selector, ...]:
    inner = known.get(outer.name)
    return (outer,) if inner is None else tuple(replace(one, calls=one.calls + outer.calls) for one in inner)


@lru_cache(maxsize=64)
def index_of(catalog: Catalog) -> Index:
    """The catalog's index, made once: whoever looks at one catalog shares it."""
    return Index(catalog)


def _bounded(interval: timedelta) -> timedelta:
    return min(max(interval, timedelta(0)), LONGEST_INTERVAL)


def _read(signal: Signal, area: Area) -> ReadSignal:
    where = f"{area.module}: signal {signal.name}"
    try:
        return ReadSignal(signal, area, where, parse(signal.expr), _nodes(signal.expr), selectors(signal.expr))
    except PromqlError as error:
        return ReadSignal(signal, area, where, None, (), (), error.message)


@lru_cache(maxsize=20_000)
def _nodes(expr: str) -> tuple[Expression, ...]:
    """The expression's tree and everything in it; the same for every environment."""
    return tuple(walk(parse(expr)))


def _needed(expression: Expression, spared: bool) -> Iterator[str]:
    """The names whose values it reads, where `spared` without those in whose place `vector()` stands."""
    match expression:
        case Series(name=name):
            yield name
        case Call(function="absent" | "absent_over_time"):
            pass
        case Operation(operator="or", right=Call(function="vector")) if spared:
            pass
        case _:
            for part in parts(expression):
                yield from _needed(part, spared)


def _watches(area: Area, alert: Alert, where: str) -> Iterator[Watch]:
    for branch in alert.branches(alert.thresholds[0]):
        yield Watch(alert, area, where, branch.watches, "watches")
        for guard in branch.guards:
            yield Watch(alert, area, where, guard.signal, "is guarded by")
    if alert.stays_while:
        yield Watch(alert, area, where, alert.stays_while.signal, "is kept firing by")


def _labels_of(metric: Metric, series: str) -> frozenset[str]:
    labels = frozenset(label.name for label in metric.labels) | TARGET_LABELS
    if not metric.source.of_environment:
        labels -= {"environment", "service"}
    return labels | {"le"} if metric.kind == "histogram" and series.endswith("_bucket") else labels
