"""May the rollout go on from this stage?

Everything is asked of Prometheus for one moment, and nothing is remembered from one run to the next: the stage's path
is replayed from its beginning, so that whoever asks later, or asks every minute, gets the same answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import fmean

from generators.rules import AlertingRule, Expressions, rule_groups
from paymon.gate.counting import counted, counted_by_each
from paymon.gate.sequential import Crossing, Ratio, first_crossing
from paymon.live.prometheus import Course, Prometheus
from paymon.live.times import clock, shown
from rules.promql import selectors
from rules.vocabulary import (
    STALE_AFTER_INTERVALS,
    Alert,
    Catalog,
    Environment,
    Limit,
    Priority,
    Rollout,
    SequentialTest,
    Stage,
    matchers,
)

__all__ = [
    "STEP",
    "Decision",
    "Finding",
    "Judgement",
    "LimitSeen",
    "TestSeen",
    "Weight",
    "at_most",
    "decision_of",
    "highest",
    "judge",
    "reached",
]

STEP = 60
"""Seconds from one look at the path to the next."""

_FLAG_TOLERANCE = 0.2
_SCRAPED = 0.95
_SIGMAS = 3.0
_RECENT = 3600
_FLAG_LATE = 300


class Decision(Enum):
    """What a gate says, and the exit status that says it."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    CANNOT_JUDGE = "CANNOT JUDGE"

    @property
    def exit_status(self) -> int:
        return list(Decision).index(self)


class Weight(Enum):
    """What a finding does to the decision; the first kind that occurs decides."""

    STOP = "stop"
    """Harm: the rollout fails."""
    FOREIGN = "foreign"
    """What was counted is not what the stage did, or not at this moment."""
    FAILED = "failed"
    """A test failed on what the stage did."""
    BLIND = "blind"
    """Something that must be seen is not seen."""
    WAIT = "wait"
    """Not yet, or not while this lasts."""
    FINE = "fine"


_DECIDES = {
    Weight.STOP: Decision.FAIL,
    Weight.FOREIGN: Decision.CANNOT_JUDGE,
    Weight.FAILED: Decision.FAIL,
    Weight.BLIND: Decision.CANNOT_JUDGE,
    Weight.WAIT: Decision.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    weight: Weight
    text: str


@dataclass(frozen=True, slots=True)
class TestSeen:
    """A sequential test with what it was made of: events and failures since the stage began, minute by minute."""

    test: SequentialTest
    grid: tuple[float, ...]
    events: tuple[int, ...]
    failures: tuple[int, ...]
    crossing: Crossing
    crossed: int | None
    """The place on the grid of the first crossing, which decides."""

    @property
    def decided_at(self) -> int:
        """The place on the grid that the numbers are told of: the first crossing, or the last look."""
        return len(self.grid) - 1 if self.crossed is None else self.crossed


@dataclass(frozen=True, slots=True)
class LimitSeen:
    """A limit with what was counted over the stage."""

    limit: Limit
    part: int
    whole: int

    @property
    def exceeded(self) -> bool:
        return self.whole >= self.limit.from_events and self.part > float(self.limit.at_most) * self.whole


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate says of a stage, and everything that it rests on."""

    stage: Stage
    environment: str
    since: float
    until: float
    """The moment up to which everything is counted."""
    now: float
    findings: tuple[Finding, ...]
    tests: tuple[TestSeen, ...]
    limits: tuple[LimitSeen, ...]

    @property
    def decision(self) -> Decision:
        return decision_of(self.findings)


def decision_of(findings: Sequence[Finding]) -> Decision:
    """What the findings amount to."""
    present = {finding.weight for finding in findings}
    return next((decision for weight, decision in _DECIDES.items() if weight in present), Decision.PASS)


def judge(
    prometheus: Prometheus,
    catalog: Catalog,
    environment: Environment,
    stage: Stage,
    now: float,
    since: float | None = None,
    baseline_per_minute: float | None = None,
) -> Judgement:
    """What Prometheus says of the stage at the moment `now`. Raises PrometheusError where it says nothing.

    `since` is when the stage began; without it, when the flag last changed.
    """
    return _Gate(prometheus, catalog, environment, stage, now, since, baseline_per_minute).judgement()


class _Gate:
    """One judgement in the making."""

    def __init__(
        self,
        prometheus: Prometheus,
        catalog: Catalog,
        environment: Environment,
        stage: Stage,
        now: float,
        since: float | None,
        baseline_per_minute: float | None,
    ) -> None:
        assert catalog.rollout is not None
        self.prometheus, self.catalog, self.environment = prometheus, catalog, environment
        self.stage, self.now = stage, now
        self.rollout: Rollout = catalog.rollout
        self.expressions = Expressions(catalog, environment)
        declared = self.rollout.baseline_per_minute
        self.baseline = baseline_per_minute or (float(declared) if declared else None)
        self.given_since = since
        self.findings: list[Finding] = []
        self._by_each = counted_by_each(self.expressions)
        self._asked: dict[tuple[str, float, float], tuple[Course, ...]] = {}

    def judgement(self) -> Judgement:
        flag = self._flag()
        since = self.given_since if self.given_since is not None else self._last_change(flag)
        if since is None or since > self.now - 2 * STEP:
            if since is not None:
                self._say(Weight.WAIT, f"the stage began only {shown(self.now - since)} ago")
            return self._empty(since)
        until = self._watermark(since)
        if until is None:
            return self._empty(since)
        grid = self._grid(since, until)
        self._look_at_flag(flag, grid)
        self._look_at_scrapes(grid)
        self._look_at_alerts(grid)
        tests = tuple(seen for test in self.stage.tests if (seen := self._test(test, grid)))
        limits = tuple(found for limit in self.stage.limits if (found := self._limit(limit, grid)))
        self._look_at_traffic(flag, grid)
        self._look_at_the_clock(since)
        self._say_doubts()
        return Judgement(
            self.stage, self.environment.name, since, grid[-1], self.now, tuple(self.findings), tests, limits
        )

    def _say(self, weight: Weight, text: str) -> None:
        self.findings.append(Finding(weight, text))

    def _say_doubts(self) -> None:
        for doubt in self.prometheus.doubts:
            self._say(Weight.BLIND, f"Prometheus warns: {doubt}")
        for doubt in self.prometheus.clock_doubts:
            self._say(Weight.FOREIGN, doubt)

    def _empty(self, since: float | None) -> Judgement:
        self._say_doubts()
        at = self.now if since is None else since
        return Judgement(self.stage, self.environment.name, at, at, self.now, tuple(self.findings), (), ())

    def _grid(self, since: float, until: float) -> tuple[float, ...]:
        longest = int(self.stage.at_most.total_seconds()) // STEP
        whole = int((until - since) // STEP)
        return tuple(since + STEP * index for index in range(min(whole, longest) + 1))

    def _courses(self, selector: str, grid: Sequence[float]) -> tuple[Course, ...]:
        question = self.expressions.scoped(selector), grid[0], grid[-1]
        if question not in self._asked:
            self._asked[question] = self.prometheus.range(*question, STEP)
        return self._asked[question]

    def _counted(self, selectors: Sequence[str], grid: Sequence[float], beside: Sequence[str] = ()) -> list[int] | None:
        """The events since the grid's beginning; None where nobody counts them.

        The hour before is read, too: an instance that nobody scraped at the beginning brings no past with it.
        """
        earlier = tuple(grid[0] - STEP * index for index in range(_RECENT // STEP, 0, -1))
        whole = (*earlier, *grid)
        seen = [course for one in selectors for course in self._courses(one, whole)]
        others = [course for one in beside for course in self._courses(one, whole)]
        path = counted(seen, whole, self._by_each, others)
        if path is None or not any(course.moments[-1] >= grid[0] for course in seen if course.moments):
            return None
        return [so_far - path[len(earlier)] for so_far in path[len(earlier) :]]

    # The flag

    def _flag(self) -> tuple[tuple[float, float], ...]:
        """The flag's values over the longest time that the stage may last, and an hour before it."""
        back = self.stage.at_most.total_seconds() + _RECENT + _FLAG_LATE + STEP
        if self.given_since is not None:
            back = self.now - self.given_since + _RECENT + _FLAG_LATE + STEP
        start = math.floor((self.now - back) / STEP) * STEP
        return highest(self.prometheus.range(reached(self.rollout, self.expressions), start, self.now, STEP))

    def _last_change(self, flag: Sequence[tuple[float, float]]) -> float | None:
        if not flag:
            self._say(
                Weight.BLIND, f"{self.rollout.flag} is not there: nobody samples the flag, or in another environment"
            )
            return None
        value = flag[-1][1]
        changed = next((index for index in range(len(flag) - 1, 0, -1) if flag[index - 1][1] != value), None)
        if changed is None:
            self._say(
                Weight.BLIND,
                f"the flag stands at {value:.1%} since before {clock(flag[0][0])}, so nobody can tell when the stage "
                "began; say so with --since",
            )
            return None
        return flag[changed][0]

    def _look_at_flag(self, flag: Sequence[tuple[float, float]], grid: Sequence[float]) -> None:
        wanted = self.stage.percent / 100
        during = [(moment, value) for moment, value in flag if moment >= grid[0]]
        if not during or during[-1][0] < self.now - 5 * STEP:
            self._say(Weight.BLIND, f"{self.rollout.flag} is not there at this moment")
            return
        away = next(((m, v) for m, v in during if abs(v - wanted) > _FLAG_TOLERANCE * wanted), None)
        if away:
            self._say(
                Weight.FOREIGN,
                f"the flag stood at {away[1]:.1%} at {clock(away[0])}, not at {self.stage.percent} %; what was counted "
                "since is not this stage's. Set it, or say with --since when the stage began",
            )
        else:
            self._say(Weight.FINE, f"the flag stands at {self.stage.percent} % since {clock(during[0][0])}")
        planned = [one.value for one in self.prometheus.query(self._max(str(self.rollout.planned)), self.now)]
        if not planned:
            self._say(Weight.BLIND, f"{self.rollout.planned} is not there: nobody has declared which stage is planned")
        elif abs(planned[0] - wanted) > _FLAG_TOLERANCE * wanted:
            self._say(
                Weight.BLIND,
                f"the plan says {planned[0]:.1%}, not {self.stage.percent} %; declare the stage in the exporter's "
                "declared file, or judge the one that is planned",
            )

    # What has to be seen

    def _watermark(self, since: float) -> float | None:
        found = [one.value for one in self.prometheus.query(self._max(self.rollout.watermark), self.now)]
        if not found or math.isnan(found[0]):
            self._say(
                Weight.BLIND,
                f"{self.rollout.watermark} is not there: nobody counts payments, or in another environment",
            )
            return None
        if found[0] > self.now + STEP:
            self._say(
                Weight.BLIND,
                f"payments are counted up to {clock(found[0])}, which has yet to come: a clock is wrong, here or there",
            )
            return None
        source = {label: value for label, _, value in selectors(self.rollout.watermark)[0].matchers}
        age = self.expressions.index.source_age
        if age is not None:
            ages = [one.value for one in self.prometheus.query(self.expressions.scoped(age.where(**source)), self.now)]
            if not ages:
                self._say(Weight.BLIND, f"{age} is not recorded here; load the generated rules into this Prometheus")
            elif not max(ages) < STALE_AFTER_INTERVALS:
                self._say(
                    Weight.BLIND, f"payments are counted only up to {clock(found[0])}; the exporter lags or is down"
                )
        if found[0] < since + 2 * STEP:
            self._say(Weight.WAIT, f"payments are counted up to {clock(found[0])}, hardly past the stage's beginning")
            return None
        return min(found[0], self.now)

    def _look_at_scrapes(self, grid: Sequence[float]) -> None:
        jobs = self.catalog.organisation.jobs_in(self.environment)
        # One replica of the exporter tells what all do; an instance of the application only what it did itself.
        for names, of_targets in ((jobs.exporter, max), (jobs.application, fmean)):
            selector = f"{self.rollout.target_up}{matchers(job=names)}"
            job = " or ".join(names)
            up: dict[float, list[float]] = {}
            for course in self._courses(selector, grid):
                for moment, value in zip(course.moments, course.values, strict=True):
                    up.setdefault(moment, []).append(value)
            seen = fmean(of_targets(up[moment]) if moment in up else 0.0 for moment in grid)
            if seen < _SCRAPED:
                self._say(
                    Weight.BLIND,
                    f"{job} was scraped in only {seen:.1%} of the stage, where {_SCRAPED:.0%} are needed; "
                    "what happened meanwhile nobody has seen",
                )

    def _look_at_alerts(self, grid: Sequence[float]) -> None:
        ours = f'environment="{self.environment.name}",service="{self.catalog.organisation.service}"'
        for alert in (one for one in self.catalog.alerts if one.always):
            beats = self.prometheus.query(f'ALERTS{{alertname="{alert}",alertstate="firing",{ours}}}', self.now)
            if not beats:
                self._say(
                    Weight.BLIND,
                    f"{alert} does not fire, and it always does: this Prometheus does not evaluate the rules of "
                    f"{self.environment.name}, or does not keep ALERTS, so that silence says nothing",
                )
        firing = f'max by (alertname, priority) (ALERTS{{alertstate="firing",priority=~"P1|P2",{ours}}})'
        for course in self.prometheus.range(firing, grid[0], self.now, STEP):
            name, priority = course.labels["alertname"], course.labels["priority"]
            if priority == Priority.P1.value:
                self._say(Weight.STOP, f"{name} (P1) fired at {clock(course.moments[0])}")
            elif course.moments[-1] > self.now - 2 * STEP:
                self._say(Weight.WAIT, f"{name} (P2) fires since {clock(_since(course))}")
        rules = {
            rule.alert: rule
            for group in rule_groups(self.catalog, self.environment)
            for rule in group.rules
            if isinstance(rule, AlertingRule)
        }
        for alert in self.stage.stops:
            if self._is_measured(alert):
                met = [c for c in self.prometheus.range(rules[alert].expr, grid[0], self.now, STEP) if c.moments]
                if met:
                    self._say(
                        Weight.STOP, f"{alert}: {alert.watches.title}, at {clock(min(c.moments[0] for c in met))}"
                    )
        for alert in self.stage.holds:
            if self._is_measured(alert) and self.prometheus.query(rules[alert].expr, self.now):
                self._say(Weight.WAIT, f"{alert}: {alert.watches.title}")

    def _is_measured(self, alert: Alert) -> bool:
        """Whether what the alert watches is there and fresh; says so where not, for its silence would be none."""
        for name in sorted(self.expressions.index.series_needed(alert.watches)):
            if not self.prometheus.query(f"count({self.expressions.scoped(name)})", self.now):
                self._say(Weight.BLIND, f"{alert} cannot be judged: {name} is not there")
                return False
        age = self.expressions.index.source_age
        for source in sorted(self.expressions.sources(alert.watches), key=lambda one: one.value):
            if age is None or not source.sampled:
                continue
            ages = self.prometheus.query(self.expressions.scoped(age.where(source=source.value)), self.now)
            if not ages or not max(one.value for one in ages) < STALE_AFTER_INTERVALS:
                self._say(Weight.BLIND, f"{alert} cannot be judged: the data of {source.value} are old or missing")
                return False
        return True

    # What is counted

    def _test(self, test: SequentialTest, grid: Sequence[float]) -> TestSeen | None:
        events = self._counted(test.events, grid)
        if events is None:
            self._say(Weight.BLIND, f"{test.events[0]} is not there, so nobody counts {test.title}")
            return None
        failures = self._counted((test.failures,), grid, test.events) or [0] * len(grid)
        path = [(n, min(k, n)) for n, k in zip(events, failures, strict=True)]
        crossed, crossing = first_crossing(Ratio.of(test), path)
        seen = TestSeen(test, tuple(grid), tuple(n for n, _ in path), tuple(k for _, k in path), crossing, crossed)
        n, k = path[seen.decided_at]
        at = clock(grid[seen.decided_at])
        match crossing:
            case Crossing.FAIL:
                self._say(Weight.FAILED, f"{test.title}: {k} of {n}, decided at {at}")
            case Crossing.PASS:
                self._say(Weight.FINE, f"{test.title}: {k} of {n}, decided at {at}")
            case Crossing.UNDECIDED:
                self._say(Weight.WAIT, f"{test.title}: {k} of {n} are too few to tell")
        return seen

    def _limit(self, limit: Limit, grid: Sequence[float]) -> LimitSeen | None:
        whole = self._counted((limit.whole,), grid)
        part = self._counted((limit.part,), grid, (limit.whole,))
        if whole is None or part is None:
            self._say(
                Weight.BLIND,
                f"{limit.whole if whole is None else limit.part} is not there, so nobody counts {limit.title}",
            )
            return None
        seen = LimitSeen(limit, part[-1], whole[-1])
        if seen.exceeded:
            self._say(
                Weight.WAIT,
                f"{limit.title}: {seen.part} of {seen.whole}, more than {float(limit.at_most):.0%}: {limit.because}",
            )
        return seen

    def _look_at_traffic(self, flag: Sequence[tuple[float, float]], grid: Sequence[float]) -> None:
        if self.baseline is None:
            self._say(
                Weight.FOREIGN,
                "nobody has said how many attempts a minute there are at 100 %, so it is unknown whether these are the "
                "stage's; give --baseline, or attempts_per_minute in the definitions of the service",
            )
            return
        least, most = (float(factor) for factor in self.stage.traffic)
        path = self._counted(self.rollout.attempts, grid)
        if path is None:
            return
        minutes = (grid[-1] - grid[0]) / 60
        mean = self.baseline * self.stage.percent / 100 * minutes
        if path[-1] > at_most(mean * most):
            self._say(
                Weight.FOREIGN,
                f"{path[-1]} attempts in {minutes:.0f} minutes, where {self.stage.percent} % lets expect about "
                f"{mean:.0f}: payments outside the flag run under the same account, or the baseline is wrong "
                "(--baseline)",
            )
        elif path[-1] < mean * least - _SIGMAS * math.sqrt(mean * least):
            self._say(
                Weight.FOREIGN,
                f"only {path[-1]} attempts in {minutes:.0f} minutes, where {self.stage.percent} % lets expect about "
                f"{mean:.0f}: the flag does not reach the customers, or the baseline is wrong (--baseline)",
            )
        # The flag is sampled, and its customers come before the first sample that shows it.
        earlier = tuple(grid[0] - _FLAG_LATE - STEP * index for index in range(_RECENT // STEP, -1, -1))
        shares = [value for moment, value in flag if earlier[0] <= moment <= earlier[-1]]
        before = self._counted(self.rollout.attempts, earlier)
        if before is not None and shares:
            expected = self.baseline * max(shares) * (_RECENT / 60) * most
            if before[-1] > at_most(expected):
                self._say(
                    Weight.FOREIGN,
                    f"{before[-1]} attempts in the hour before the stage, with the flag at {max(shares):.1%}: "
                    "payments outside the flag run under the same account, and nobody can tell them from the stage's",
                )

    def _look_at_the_clock(self, since: float) -> None:
        elapsed = self.now - since
        least, most = self.stage.at_least.total_seconds(), self.stage.at_most.total_seconds()
        if elapsed < least:
            self._say(Weight.WAIT, f"{shown(elapsed)} of at least {shown(least)} have passed")
        elif elapsed > most:
            self._say(
                Weight.FINE, f"the stage has lasted for its {shown(most)}; a person decides if the tests have not"
            )

    def _max(self, selector: str) -> str:
        return f"max({self.expressions.scoped(selector)})"


def reached(rollout: Rollout, expressions: Expressions) -> str:
    """PromQL for the share of customers that the flag lets through: none while the kill switch is pulled."""
    share = f"max({expressions.scoped(str(rollout.flag))})"
    return f"({share} unless (max({expressions.scoped(str(rollout.killed))}) == 1)) or 0 * {share}"


def at_most(expected: float) -> float:
    """More events than that are no accident where so many are expected; a handful always may be."""
    return expected + _SIGMAS * math.sqrt(max(expected, 1.0)) + 2


def _since(course: Course) -> float:
    """When the series that is there at the end began, without a gap."""
    begin = course.moments[-1]
    for moment in reversed(course.moments[:-1]):
        if begin - moment > STEP * 1.5:
            break
        begin = moment
    return begin


def highest(courses: Sequence[Course]) -> tuple[tuple[float, float], ...]:
    """The highest value of all series at each moment, oldest first."""
    found: dict[float, float] = {}
    for course in courses:
        for moment, value in zip(course.moments, course.values, strict=True):
            found[moment] = max(found.get(moment, -math.inf), value)
    return tuple(sorted(found.items()))
