"""What does Prometheus say of payments at one moment?"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from generators.rules import Expressions
from paymon.backtest.as_data import as_data
from paymon.backtest.ruleset import AlertRule, Ruleset
from paymon.live.prometheus import Prometheus
from paymon.now.key_metrics import KeyMetric, Reading, key_metrics
from rules.payments import account, database, declines, latency, monitoring, outcomes, rollout
from rules.vocabulary import STALE_AFTER_INTERVALS, Catalog, Environment, Metric, matchers, prometheus_duration
from rules.vocabulary import Source as Exporting

__all__ = ["Alarm", "Change", "Check", "KeyReading", "Mark", "Part", "Source", "Status", "look_around", "look_closely"]


class Mark(Enum):
    """How a key metric stands."""

    FINE = "ok"
    BREACH = "BREACH"
    ALONE = "past it"
    """Past its bound, yet a guard says that this proves nothing."""
    NOTHING = "no events"
    UNKNOWN = "UNKNOWN"
    """Not measured, or its source is too old."""


@dataclass(frozen=True, slots=True)
class KeyReading:
    """A key metric with how it stands and, where that is unknown, why."""

    reading: Reading
    mark: Mark
    why: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A share of attempts: by what, how many, and of how many."""

    name: str
    count: float
    of: float

    @property
    def share(self) -> float:
        return self.count / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True)
class Source:
    """A source of samples and the age of its data in its own intervals; None where it is missing."""

    name: str
    age: float | None

    @property
    def fresh(self) -> bool:
        return self.age is not None and self.age < STALE_AFTER_INTERVALS


@dataclass(frozen=True, slots=True)
class Check:
    """The key metrics, and what the attempts of a window came to."""

    environment: str
    at: float
    window: timedelta
    metrics: tuple[KeyReading, ...]
    attempts: float | None
    """How many there were in the window; None where nobody counts them."""
    why: str
    """Why that number is unknown, or too low."""
    results: tuple[Part, ...]
    classes: tuple[Part, ...]
    methods: tuple[Part, ...]
    """Technical failures among the attempts of each payment method."""
    affected_users: float | None
    stale: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def breached(self) -> bool:
        return any(one.mark is Mark.BREACH for one in self.metrics)

    @property
    def unknown(self) -> bool:
        return bool(self.doubts or self.why or not self.metrics) or any(
            one.mark is Mark.UNKNOWN for one in self.metrics
        )


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert that is pending or fires."""

    name: str
    priority: str
    fires: bool
    since: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not as it was an hour ago."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Status:
    """All that somebody wants to see on one screen."""

    environment: str
    at: float
    metrics: tuple[KeyReading, ...]
    alarms: tuple[Alarm, ...]
    heartbeat: bool
    sources: tuple[Source, ...]
    read_budget: float | None
    has_flag: bool
    """Whether there is a flag to look at, which the team has not left out."""
    rollout: float | None
    planned: float | None
    killed: bool | None
    changes: tuple[Change, ...]
    unseen: tuple[str, ...]
    """Of what changes are looked for, what nobody has measured in that hour."""
    doubts: tuple[str, ...]


def look_closely(
    prometheus: Prometheus, catalog: Catalog, environment: Environment, window: timedelta, at: float
) -> Check:
    """The key metrics and what lies behind them, all for the moment `at`. Raises PrometheusError."""
    return _Look(prometheus, catalog, environment, at).closely(window)


def look_around(prometheus: Prometheus, catalog: Catalog, environment: Environment, at: float) -> Status:
    """The whole screen, all for the moment `at`. Raises PrometheusError."""
    return _Look(prometheus, catalog, environment, at).around()


class _Look:
    """One look in the making."""

    def __init__(self, prometheus: Prometheus, catalog: Catalog, environment: Environment, at: float) -> None:
        self.prometheus, self.catalog, self.environment, self.at = prometheus, catalog, environment, at
        self.expressions = Expressions(catalog, environment)
        self.rules = Ruleset.from_data(as_data(catalog, environment))
        self._recorded = frozenset(self._present(self.rules.records))

    def closely(self, window: timedelta) -> Check:
        sources = self._sources()
        span = prometheus_duration(window)
        attempts = self._grown(outcomes.attempts, span, "result")
        total = sum(attempts.values())
        why = self._old(self.expressions.index.sources(outcomes.attempts.name), sources)
        if not attempts and not why and not self._is_left_out(outcomes.attempts):
            why = f"{outcomes.attempts} is not there"
        classes = self._grown(declines.failures, span, "class")
        failed = self._grown(outcomes.attempts, span, "payment_method", result="technical_failure")
        of = self._grown(outcomes.attempts, span, "payment_method")
        return Check(
            self.environment.name,
            self.at,
            window,
            tuple(self._metrics(sources)),
            total if attempts else None,
            why,
            _parts(attempts, total),
            _parts(classes, total),
            tuple(Part(name, failed.get(name, 0.0), count) for name, count in sorted(of.items()) if count >= 0.5),
            self._highest(database.affected_users),
            tuple(one.name for one in sources if not one.fresh),
            (*self.prometheus.doubts, *self.prometheus.clock_doubts),
        )

    def around(self) -> Status:
        sources = self._sources()
        budget = self._value(self.rules.alerts, account.read_budget.name)
        killed = self._highest(rollout.killed)
        changes, unseen = self._changes()
        return Status(
            self.environment.name,
            self.at,
            tuple(self._metrics(sources)),
            self._alarms(),
            self._beats(),
            sources,
            budget,
            not self._is_left_out(rollout.rollout),
            self._highest(rollout.rollout),
            self._highest(rollout.expected),
            None if killed is None else killed == 1,
            changes,
            unseen,
            (*self.prometheus.doubts, *self.prometheus.clock_doubts),
        )

    # Key metrics

    def _metrics(self, sources: Sequence[Source]) -> Iterator[KeyReading]:
        for metric in key_metrics(self.catalog):
            if self._elsewhere(metric):
                continue
            comparison, bound = metric.bound(self.environment)
            rule = next(one for one in self.rules.alerts if one.name == metric.alert.name)
            watched = next(one for one in rule.branches[0] if one.watched)
            text = self.rules.series_text(watched, self._recorded)
            found = [one.value for one in self.prometheus.query(text, self.at) if not math.isnan(one.value)]
            worst = (max if comparison.upward else min)(found, default=None)
            reading = Reading(metric, comparison, bound, worst)
            yield self._judged(metric, rule, reading, sources)

    def _elsewhere(self, metric: KeyMetric) -> bool:
        """Whether it comes from what nobody samples in this environment."""
        return not self.expressions.sources(metric.alert.watches).isdisjoint(self.environment.without_sources)

    def _judged(self, metric: KeyMetric, rule: AlertRule, reading: Reading, sources: Sequence[Source]) -> KeyReading:
        signal = metric.alert.watches
        if old := self._old(self.expressions.sources(signal), sources):
            return KeyReading(reading, Mark.UNKNOWN, old)
        if reading.value is None:
            needs = self.expressions.index.series_needed(signal)
            missing = sorted(needs - set(self._present(needs)))
            if missing:
                return KeyReading(reading, Mark.UNKNOWN, f"{missing[0]} is not there")
            return KeyReading(reading, Mark.NOTHING)
        if any(self.prometheus.query(self.rules.branch_text(one, self._recorded), self.at) for one in rule.branches):
            return KeyReading(reading, Mark.BREACH)
        return KeyReading(reading, Mark.ALONE if reading.breached else Mark.FINE)

    @staticmethod
    def _old(read: Iterable[Exporting], sources: Sequence[Source]) -> str:
        """Which of those that are read are old or missing, in words; nothing where none is."""
        fresh = {one.name for one in sources if one.fresh}
        old = sorted(one.value for one in read if one.sampled and one.value not in fresh)
        return f"{' and '.join(old)} {'is' if len(old) == 1 else 'are'} old or missing" if old else ""

    def _present(self, names: Iterable[str]) -> list[str]:
        """Those of the names of which there is a series that the rules read: of this service, by its jobs."""
        return [
            one.labels.get("__name__", "")
            for selector in self.rules.there(names)
            for one in self.prometheus.query(f"count by (__name__) ({selector})", self.at)
        ]

    def _grown(self, metric: Metric, span: str, by: str, **where: str) -> dict[str, float]:
        if self._is_left_out(metric):
            return {}
        selector = self.expressions.scoped(f"{metric}{matchers(**where)}")
        expr = f"sum by ({by}) (max without (instance, pod) (increase({selector}[{span}])))"
        return {one.labels.get(by, ""): one.value for one in self.prometheus.query(expr, self.at)}

    # The rest of the screen

    def _sources(self) -> tuple[Source, ...]:
        age = self.expressions.index.source_age
        sampled = sorted(source.value for source in self.catalog.sampled_in(self.environment))
        if age is None:
            return ()
        name = age.name
        text = self.expressions.scoped(name if name in self._recorded else self.expressions.expanded(age.expr))
        found = {one.labels.get("source", ""): one.value for one in self.prometheus.query(text, self.at)}
        return tuple(Source(one, found.get(one)) for one in sampled)

    def _value(self, rules: Sequence[AlertRule], signal: str) -> float | None:
        watched = next((one for rule in rules for one in rule.branches[0] if one.series == signal), None)
        if watched is None:
            return None
        found = self.prometheus.query(self.rules.series_text(watched, self._recorded), self.at)
        return max((one.value for one in found), default=None)

    def _highest(self, metric: Metric) -> float | None:
        if self._is_left_out(metric):
            return None
        found = self.prometheus.query(f"max({self.expressions.scoped(str(metric))})", self.at)
        return found[0].value if found else None

    def _is_left_out(self, metric: Metric) -> bool:
        """Whether the team has left it out: what there is of that name is another service's."""
        return self.expressions.index.is_unknown(metric.series_names[0])

    @property
    def _ours(self) -> str:
        return f'environment="{self.environment.name}",service="{self.catalog.organisation.service}"'

    def _beats(self) -> bool:
        names = "|".join(alert.name for alert in self.catalog.alerts if alert.always)
        expr = f'ALERTS{{alertname=~"{names}",alertstate="firing",{self._ours}}}'
        return bool(self.prometheus.query(expr, self.at))

    def _alarms(self) -> tuple[Alarm, ...]:
        always = {alert.name for alert in self.catalog.alerts if alert.always}
        grouped = "max by (alertname, priority, alertstate)"
        since = {
            one.labels["alertname"]: one.value
            for one in self.prometheus.query(f"min by (alertname) (ALERTS_FOR_STATE{{{self._ours}}})", self.at)
        }
        found: dict[str, Alarm] = {}
        for one in self.prometheus.query(f"{grouped} (ALERTS{{{self._ours}}})", self.at):
            name, fires = one.labels["alertname"], one.labels["alertstate"] == "firing"
            if name in always or (name in found and found[name].fires):
                continue
            found[name] = Alarm(name, one.labels.get("priority", ""), fires, since.get(name))
        return tuple(sorted(found.values(), key=lambda one: (one.priority, not one.fires, one.name)))

    def _changes(self) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        """What changed in the past hour, the latest first; and what of it nobody has measured."""
        start = self.at - 3600
        found, unseen = [], []
        for metric, what, words in (
            (rollout.rollout, "rollout", "rollout {0:.0%} -> {1:.0%}"),
            (rollout.expected, "plan", "plan {0:.0%} -> {1:.0%}"),
            (rollout.killed, "kill switch", "kill switch {0:.0f} -> {1:.0f}"),
        ):
            if self._is_left_out(metric):
                continue
            courses = self.prometheus.range(f"max({self.expressions.scoped(str(metric))})", start, self.at, 60)
            unseen += [] if courses else [what]
            for course in courses:
                pairs = zip(course.moments[1:], course.values, course.values[1:], strict=False)
                found += [Change(at, words.format(old, new)) for at, old, new in pairs if old != new]
        for metric, what in ((latency.application_build, "payments service"), (monitoring.build, "exporter")):
            if self._is_left_out(metric):
                continue
            expr = f"max by (version) ({self.expressions.scoped(str(metric))})"
            courses = self.prometheus.range(expr, start, self.at, 60)
            unseen += [] if courses else [f"version of the {what}"]
            for course in courses:
                if course.moments[0] > start + 300:
                    version = course.labels.get("version", "")
                    found.append(Change(course.moments[0], f"{what} {version} appeared"))
        return tuple(sorted(found, key=lambda one: -one.at)), tuple(unseen)


def _parts(counts: dict[str, float], of: float) -> tuple[Part, ...]:
    kept = sorted(counts.items(), key=lambda pair: -pair[1])
    return tuple(Part(name, count, of) for name, count in kept if count >= 0.5)
