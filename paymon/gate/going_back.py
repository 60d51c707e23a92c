"""Did a step of a rollback take effect?

Bad figures never hold it back: only the flag and the number of attempts are looked at.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generators.rules import Expressions
from paymon.gate.counting import counted, counted_by_each
from paymon.gate.judging import STEP, Decision, Finding, Weight, at_most, decision_of, highest, reached
from paymon.live.prometheus import Course, Prometheus
from paymon.live.times import clock, shown
from rules.vocabulary import Catalog, Environment, Rollout

__all__ = ["WAITS", "StepBack", "step_back"]

WAITS = 1800
"""Seconds after which a person is asked, if the figures have not told."""

_RECENT = 3600
_BY_CHANCE = 1.3
"""Traffic may be so much higher than an hour ago without anything being wrong."""


@dataclass(frozen=True, slots=True)
class StepBack:
    """What was seen of a step of the rollback."""

    percent: int
    environment: str
    since: float | None
    until: float | None
    now: float
    before_per_minute: float | None
    after_per_minute: float | None
    findings: tuple[Finding, ...]

    @property
    def decision(self) -> Decision:
        return decision_of(self.findings)


def step_back(
    prometheus: Prometheus,
    catalog: Catalog,
    environment: Environment,
    percent: int,
    now: float,
    since: float | None = None,
) -> StepBack:
    """What Prometheus says at the moment `now`. Raises PrometheusError where it says nothing."""
    return _Back(prometheus, catalog, environment, percent, now, since).seen()


class _Back:
    """One look in the making."""

    def __init__(
        self,
        prometheus: Prometheus,
        catalog: Catalog,
        environment: Environment,
        percent: int,
        now: float,
        since: float | None,
    ) -> None:
        assert catalog.rollout is not None
        # Whole seconds, as the step may begin now: servers answer for milliseconds, and a finer one does not come back.
        now = float(math.floor(now))
        self.prometheus, self.environment, self.percent, self.now = prometheus, environment, percent, now
        self.rollout: Rollout = catalog.rollout
        self.expressions = Expressions(catalog, environment)
        self.since = since
        self.findings: list[Finding] = []
        self.until: float | None = None
        self.rates: tuple[float | None, float | None] = (None, None)

    def seen(self) -> StepBack:
        before = self._flag_before()
        if before is not None and self.since is not None:
            self._look_at_attempts(before, self.since)
        for doubt in self.prometheus.doubts:
            self._say(Weight.BLIND, f"Prometheus warns: {doubt}")
        for doubt in self.prometheus.clock_doubts:
            self._say(Weight.FOREIGN, doubt)
        return StepBack(
            self.percent, self.environment.name, self.since, self.until, self.now, *self.rates, tuple(self.findings)
        )

    def _say(self, weight: Weight, text: str) -> None:
        self.findings.append(Finding(weight, text))

    def _flag_before(self) -> float | None:
        """The share before the step, where the flag now stands at the wanted one; sets when it began."""
        back = _RECENT * 24 if self.since is None else self.now - self.since + _RECENT
        start = math.floor((self.now - back) / STEP) * STEP
        flag = list(highest(self.prometheus.range(reached(self.rollout, self.expressions), start, self.now, STEP)))
        present = self.prometheus.query(reached(self.rollout, self.expressions), self.now)
        if not present:
            self._say(
                Weight.BLIND, f"{self.rollout.flag} is not there: nobody samples the flag, or in another environment"
            )
            return None
        wanted, value = self.percent / 100, present[0].value
        if abs(value - wanted) > 0.2 * wanted:
            self._say(Weight.FAILED, f"the flag stands at {value:.1%}, not at {self.percent} %")
            return None
        flag.append((self.now, value))
        changed = next((index for index in range(len(flag) - 1, 0, -1) if flag[index - 1][1] != value), None)
        if self.since is None:
            if changed is None:
                self._say(
                    Weight.BLIND,
                    f"the flag stands at {value:.1%} since before {clock(flag[0][0])}, so it is unknown what it was "
                    "before; say since when with --since",
                )
                return None
            self.since = flag[changed][0]
        earlier = [share for moment, share in flag if moment < self.since]
        if not earlier:
            self._say(Weight.BLIND, "it is unknown what the flag was before; nobody sampled it then")
            return None
        self._say(
            Weight.FINE, f"the flag stands at {self.percent} % since {clock(self.since)}, before at {earlier[-1]:.1%}"
        )
        return earlier[-1]

    def _look_at_attempts(self, share_before: float, since: float) -> None:
        grace = self.rollout.gone_within.total_seconds()
        start = since - _RECENT
        steps = int((self.now - start) // STEP)
        grid = tuple(start + STEP * index for index in range(steps + 1))
        attempts = [course for one in self.rollout.attempts for course in self._courses(one, grid)]
        path = counted(attempts, grid, counted_by_each(self.expressions))
        watermark = dict(highest(self._courses(self.rollout.watermark, grid)))
        if path is None or not watermark:
            missing = self.rollout.watermark if path else self.rollout.attempts[0]
            self._say(Weight.BLIND, f"{missing} is not there: nobody counts payments, or in another environment")
            return
        self.until = min(max(watermark.values()), self.now)
        # Of what was counted up to a moment, everything had happened by the watermark of that moment.
        first = next((i for i, moment in enumerate(grid) if watermark.get(moment, 0) >= since + grace), None)
        last = max(i for i, moment in enumerate(grid) if moment in watermark)
        turn = max(i for i, moment in enumerate(grid) if moment <= since)
        # Not by the clock: while nothing is counted, no minute passes in which nobody paid.
        minutes = 0.0 if first is None else (watermark[grid[last]] - watermark[grid[first]]) / 60
        if first is None or minutes * 60 < STEP:
            self._say(
                Weight.WAIT,
                f"payments are counted up to {clock(self.until)}, and have yet to be from {clock(since + grace)} on",
            )
            return
        after = path[last] - path[first]
        counted_before, full_minutes = self._before(grid[: turn + 1], path, watermark)
        before_per_minute = share_before * counted_before / full_minutes if full_minutes else None
        self.rates = (before_per_minute, after / minutes)
        if self.percent == 0:
            self._at_nothing(after, minutes, grace)
        else:
            self._in_proportion(after, minutes, before_per_minute, counted_before, share_before)

    def _before(
        self, grid: Sequence[float], path: Sequence[int], watermark: Mapping[float, float]
    ) -> tuple[int, float]:
        """The attempts while the flag stood still before the step, and in how many minutes at 100 % as many come.

        A step before this one changes what comes; so does this one a little before the first sample that shows it.
        """
        flag = dict(highest(self.prometheus.range(reached(self.rollout, self.expressions), grid[0], grid[-1], STEP)))
        late = math.ceil(self.rollout.gone_within.total_seconds() / STEP)
        attempts, full_minutes = 0, 0.0
        for index in range(late + 1, len(grid) - 1):
            around = [flag.get(moment) for moment in grid[index - 1 - late : index + 2]]
            share = around[0]
            if share is not None and around.count(share) == len(around) and grid[index] in watermark:
                attempts += path[index] - path[index - 1]
                full_minutes += share * STEP / 60
        return attempts, full_minutes

    def _at_nothing(self, after: int, minutes: float, grace: float) -> None:
        if after:
            self._say(
                Weight.FAILED,
                f"{after} attempts since {shown(grace)} after the flag went to 0 %: payments go on. "
                "Pull the kill switch, and see who pays past the flag",
            )
        elif minutes < self.rollout.gone_within.total_seconds() / 60:
            self._say(Weight.WAIT, f"no attempt in {minutes:.0f} min; a little longer to be sure")
        else:
            self._say(Weight.FINE, f"no attempt in {minutes:.0f} min")

    def _in_proportion(
        self, after: int, minutes: float, before_per_minute: float | None, counted_before: int, share_before: float
    ) -> None:
        wanted = self.percent / 100
        if not share_before > wanted:
            self._say(Weight.FOREIGN, f"the flag stood at {share_before:.1%} before, so this was no step back")
            return
        if before_per_minute is None:
            self._say(
                Weight.WAIT,
                f"{after} attempts in {minutes:.0f} min; the flag never stood still in the hour before, so nobody can "
                "tell how many there would be without the step, and a person decides",
            )
            return
        unchanged = before_per_minute * minutes
        fallen = unchanged * wanted / share_before * _BY_CHANCE
        # By chance more or fewer may come, and may have come before.
        spread = math.sqrt(unchanged + unchanged**2 / max(counted_before, 1))
        enough = 1 - wanted / share_before * _BY_CHANCE > 3 / math.sqrt(max(counted_before, 1))
        if not enough:
            self._say(
                Weight.WAIT,
                f"{after} attempts in {minutes:.0f} min, {unchanged:.0f} without the step; only {counted_before} in "
                "the hour before are too few to ever tell, and a person decides",
            )
        elif at_most(fallen) >= unchanged - 3 * spread:
            self._say(
                Weight.WAIT,
                f"{after} attempts in {minutes:.0f} min, {unchanged:.0f} without the step: too few to tell yet",
            )
        elif after > at_most(fallen):
            self._say(
                Weight.FAILED,
                f"{after} attempts in {minutes:.0f} min, where {self.percent} % lets expect about "
                f"{unchanged * wanted / share_before:.0f}: the step has not reached the customers",
            )
        else:
            self._say(Weight.FINE, f"{after} attempts in {minutes:.0f} min, {unchanged:.0f} without the step")

    def _courses(self, selector: str, grid: Sequence[float]) -> tuple[Course, ...]:
        return self.prometheus.range(self._scoped(selector), grid[0], grid[-1], STEP)

    def _scoped(self, selector: str) -> str:
        return self.expressions.scoped(selector)
