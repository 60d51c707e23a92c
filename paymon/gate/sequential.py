"""Of so many events so many failed: is that good enough, too bad, or too little to tell?

Wald's sequential probability ratio test. The ratio of the likelihoods of what was seen, at the unacceptable share of
failures and at the healthy one, is looked at as often as one likes; at 1/alpha it stops, at beta it lets go on. By
Ville's inequality a healthy rollout is stopped with a probability of at most alpha, an unacceptable one let go on with
at most beta, whatever the times of looking. Wald's own bounds are a little wider; these two hold exactly.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from rules.vocabulary import SequentialTest

__all__ = ["Crossing", "Outlook", "Ratio", "exact_interval", "first_crossing"]


class Crossing(Enum):
    """What the ratio says."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Outlook:
    """How far away a decision is."""

    events_if_clean: int
    """Events still needed to pass if none of them fails."""
    failures_to_stop: int
    """Failures more, without another success, that would stop it."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The test as numbers: the logarithm of the ratio is `per_failure` x failures - `per_success` x successes."""

    per_failure: float
    per_success: float
    stops_at: float
    passes_at: float

    @classmethod
    def of(cls, test: SequentialTest) -> "Ratio":
        """The numbers of a test's definition."""
        healthy, unacceptable = float(test.healthy), float(test.unacceptable)
        return cls(
            per_failure=math.log(unacceptable / healthy),
            per_success=math.log((1 - healthy) / (1 - unacceptable)),
            stops_at=-math.log(float(test.wrongly_stopped)),
            passes_at=math.log(float(test.wrongly_passed)),
        )

    def log(self, events: int, failures: int) -> float:
        """The logarithm of the ratio."""
        return failures * self.per_failure - (events - failures) * self.per_success

    def crossing(self, events: int, failures: int) -> Crossing:
        """What the ratio says of so many failures."""
        value = self.log(events, failures)
        if value >= self.stops_at - 1e-9:
            return Crossing.FAIL
        return Crossing.PASS if value <= self.passes_at + 1e-9 else Crossing.UNDECIDED

    def outlook(self, events: int, failures: int) -> Outlook:
        """How far away a decision is."""
        value = self.log(events, failures)
        return Outlook(
            events_if_clean=max(math.ceil((value - self.passes_at) / self.per_success - 1e-9), 0),
            failures_to_stop=max(math.ceil((self.stops_at - value) / self.per_failure - 1e-9), 0),
        )

    def failures_at(self, events: int, bound: float) -> float:
        """The number of failures, a fraction mostly, at which the logarithm of the ratio is `bound`."""
        return (bound + events * self.per_success) / (self.per_failure + self.per_success)


def first_crossing(ratio: Ratio, path: Iterable[tuple[int, int]]) -> tuple[int | None, Crossing]:
    """Where a path of events and failures so far first crosses a bound, as its index, and which; the first decides."""
    for index, (events, failures) in enumerate(path):
        crossing = ratio.crossing(events, failures)
        if crossing is not Crossing.UNDECIDED:
            return index, crossing
    return None, Crossing.UNDECIDED


def exact_interval(events: int, failures: int, confidence: float = 0.95) -> tuple[float, float]:
    """The shares of failures that what was seen does not rule out (Clopper and Pearson); (0, 1) for no events."""
    if events <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if failures == 0 else _beta_quantile(tail, failures, events - failures + 1)
    high = 1.0 if failures >= events else _beta_quantile(1 - tail, failures + 1, events - failures)
    return low, high


def _beta_quantile(probability: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _beta_distribution(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_distribution(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x > (a + 1) / (a + b + 2):
        return 1 - front * _continued_fraction(1 - x, b, a) / b
    return front * _continued_fraction(x, a, b) / a


def _continued_fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + numerator * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + numerator / c
            c = c if abs(c) > tiny else tiny
            result *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return result
