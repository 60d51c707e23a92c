"""What has Prometheus scraped of the payments, and how much did it grow within a window?"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import sub

from rules.payments.organisation import ORGANISATION

__all__ = ["NO_RESULT", "Clock", "Column", "History", "delayed"]

NO_RESULT = math.nan
"""Where Prometheus gives no result: every comparison with it is false, as every comparison there is."""

Column = list[float]
"""A signal's value at each evaluation."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When samples are scraped and rules evaluated, in seconds.

    Evaluation `n` takes place at `n * evaluation`, scrape `n` at `phase + n * scrape`. The phase lies between two
    scrapes, so that no sample falls on the edge of a window, where Prometheus 2 and 3 differ.
    """

    scrape: int = int(ORGANISATION.scrape_interval.total_seconds())
    evaluation: int = int(ORGANISATION.evaluation_interval.total_seconds())
    phase: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.phase < self.scrape:
            raise ValueError(f"phase {self.phase} is not between two scrapes; choose one below {self.scrape}")
        if self.evaluation % self.scrape:
            raise ValueError(f"{self.evaluation} s are no whole number of scrapes; choose a multiple of {self.scrape}")

    @property
    def scrapes_each(self) -> int:
        """The scrapes from one evaluation to the next."""
        return self.evaluation // self.scrape


@dataclass(frozen=True, slots=True)
class History:
    """Counters of attempts, by result: the value at each scrape, beginning with 0; and whether payments were killed."""

    counts: Mapping[str, Sequence[int]]
    killed: Sequence[int] = ()
    """The kill switch at each scrape; empty where nobody ever pulled it."""
    clock: Clock = field(default_factory=Clock)
    rollout: Sequence[float] = ()
    """The share of customers let through at each scrape; empty where it is all of them."""
    closed: Sequence[int] = ()
    """Whether the day is declared closed, at each scrape; empty where nobody declared anything."""

    def __post_init__(self) -> None:
        lengths = {len(values) for values in self.counts.values()}
        if len(lengths) != 1:
            raise ValueError("counters of different length are no history; give each one value for every scrape")
        if any(values[0] for values in self.counts.values() if values):
            raise ValueError("a counter that does not begin with 0 has an unknown past; begin with 0")

    @property
    def scrapes(self) -> int:
        """How many scrapes there were."""
        return len(next(iter(self.counts.values())))

    @property
    def evaluations(self) -> int:
        """How many evaluations saw all the scrapes before them; the first saw none."""
        return self.scrapes // self.clock.scrapes_each + 1

    def increase(self, result: str, window: int, offset: int = 0) -> Column:
        """Growth of one counter in the `window` seconds before each evaluation, extrapolated as Prometheus does.

        The window ends `offset` seconds before, which may lie between two evaluations. The samples stand for the whole
        window, except that a counter is never extrapolated to before it was 0 (extrapolatedRate in Prometheus'
        promql/functions.go). Of fewer than two samples it makes nothing. Raises ValueError for a longer window that is
        no whole number of scrapes.
        """
        if offset:
            between = math.gcd(offset, self.clock.evaluation)
            grown = replace(self, clock=replace(self.clock, evaluation=between)).increase(result, window)
            return delayed(grown, offset // between)[:: self.clock.evaluation // between][: self.evaluations]
        clock, values = self.clock, self.counts[result]
        step, samples = clock.scrapes_each, window // clock.scrape
        if samples < 2:
            return [NO_RESULT] * self.evaluations
        if window % clock.scrape:
            raise ValueError(f"{window} s are no whole number of scrapes of {clock.scrape} s")
        to_end = clock.scrape - clock.phase
        column: Column = []
        first_full = -(-samples // step)
        for evaluation in range(min(first_full, self.evaluations)):
            span = (evaluation * step - 1) * clock.scrape
            column.append(values[evaluation * step - 1] * (span + to_end) / span if span > 0 else NO_RESULT)
        if first_full >= self.evaluations:
            return column
        span = (samples - 1) * clock.scrape
        whole, to_zero = window / span, (span + to_end) / span
        nearly_zero = clock.phase / span
        firsts, lasts = values[first_full * step - samples :: step], values[first_full * step - 1 :: step]
        column += [
            grown * whole if first >= grown * nearly_zero else grown * to_zero + first
            for first, grown in zip(firsts, map(sub, lasts, firsts), strict=False)
        ]
        return column

    def total_before(self, offset: int) -> Column:
        """All that had been counted `offset` seconds before each evaluation; no result where nothing was scraped."""
        step, lag = self.clock.scrapes_each, offset // self.clock.evaluation
        counters = (counter[step - 1 :: step] for counter in self.counts.values())
        return delayed([NO_RESULT, *map(float, map(sum, zip(*counters, strict=True)))], lag)

    def rolled_out(self, window: int, choose: Callable[[Sequence[float]], float]) -> Column:
        """The least or the most rollout in the `window` seconds before each evaluation, where one is told."""
        step, samples = self.clock.scrapes_each, window // self.clock.scrape
        if not self.rollout:
            return [NO_RESULT] * self.evaluations
        ends = range(step, self.scrapes + 1, step)
        return [NO_RESULT, *(choose(self.rollout[max(0, end - samples) : end]) for end in ends)]

    def was_killed(self, window: int = 0) -> Column:
        """The kill switch at each evaluation, or its highest value in the `window` seconds before; 0 where none is."""
        return self.highest(self.killed or [0] * self.scrapes, window)

    def highest(self, values: Sequence[float], window: int = 0) -> Column:
        """A gauge's scrapes at each evaluation, or their highest in the `window` seconds before."""
        step, samples = self.clock.scrapes_each, max(1, window // self.clock.scrape)
        if not values:
            return [NO_RESULT] * self.evaluations
        ends = range(step, self.scrapes + 1, step)
        if samples == 1:
            return [NO_RESULT, *map(float, values[step - 1 :: step])]
        return [NO_RESULT, *(float(max(values[max(0, end - samples) : end])) for end in ends)]

    def fewest(self, window: int, around: int, until: int, every: int = 300) -> Column:
        """The least growth of all counters together in `window` seconds, over a stretch of the past.

        The stretch of `around` seconds ended `until` before each evaluation; windows end every `every` seconds since
        the beginning, as a subquery's do. All of these are whole multiples of `every`.
        """
        grid = replace(self, clock=replace(self.clock, evaluation=every))
        grown = list(map(sum, zip(*(grid.increase(result, window) for result in self.counts), strict=True)))
        points = around // every
        least: Column = []
        for end in range(len(grown)):
            known = [value for value in grown[max(0, end - points + 1) : end + 1] if value == value]
            least.append(min(known, default=NO_RESULT))
        moments = range(0, self.evaluations * self.clock.evaluation, self.clock.evaluation)
        return [least[(now - until) // every] if now >= until else NO_RESULT for now in moments]


def delayed(column: Column, evaluations: int) -> Column:
    """The column as it was that many evaluations ago."""
    return ([NO_RESULT] * evaluations + column)[: len(column)]
