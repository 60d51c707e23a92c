"""How many payments are attempted at a shop, and what becomes of them?"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from random import Random

from simulator.arithmetic.history import Clock, History

__all__ = ["Mix", "evenly_spaced", "poisson", "week_shape", "weeks_of_traffic"]

_QUARTER = 900
_LARGEST_TABLE = 600
"""Mean up to which exp(-mean) is far from the smallest number that a float holds."""
_WEEK = 7 * 86400


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of attempts that issuers decline and that fail for technical reasons; the rest succeeds."""

    declined: float
    technical: float

    def shares(self) -> dict[str, float]:
        """The share of each result."""
        return {
            "success": 1 - self.declined - self.technical,
            "issuer_declined": self.declined,
            "technical_failure": self.technical,
        }


def week_shape(second: int) -> float:
    """Traffic at that second of a week that begins on Monday, relative to the week's mean.

    Nights have a ninth of the traffic of days, the weekend three quarters of a working day's.
    """
    day = 1 - 0.8 * math.cos(2 * math.pi * (second % 86400 - 4 * 3600) / 86400)
    weekend = second % _WEEK >= 5 * 86400
    return day * (0.75 if weekend else 1) * 7 / 6.5


def weeks_of_traffic(
    random: Random,
    per_minute: float,
    mix: Mix,
    days: int,
    *,
    shape: Callable[[int], float] = week_shape,
    clock: Clock | None = None,
) -> History:
    """Independent customers for `days` days: Poisson counts around a mean of `per_minute` attempts that has a shape.

    `shape` is asked every quarter of an hour, with the seconds since the first Monday.
    """
    clock = clock or Clock()
    each = _QUARTER // clock.scrape
    paces = [per_minute / 60 * clock.scrape * shape(second) for second in range(0, days * 86400, _QUARTER)]
    counts = {}
    for result, share in mix.shares().items():
        drawn = [0]
        for pace in paces:
            drawn += poisson(random, pace * share, each)
        counts[result] = list(accumulate(drawn[:-1]))
    return History(counts, clock=clock)


def poisson(random: Random, mean: float, times: int) -> list[int]:
    """So many draws of a number of independent events, exact for any mean."""
    parts = int(mean / _LARGEST_TABLE) + 1
    table = _cumulative(round(mean / parts, 9))
    drawn = [random.choices(range(len(table)), cum_weights=table, k=times) for _ in range(parts)]
    return drawn[0] if parts == 1 else list(map(sum, zip(*drawn, strict=True)))


@lru_cache(maxsize=4096)
def _cumulative(mean: float) -> tuple[float, ...]:
    """Probabilities of at most 0, 1, 2 ... events of a Poisson distribution, up to where no more is to be expected."""
    chance = total = math.exp(-mean)
    table = [total]
    while len(table) <= mean or chance > 1e-18:
        chance *= mean / len(table)
        total += chance
        table.append(total)
    return tuple(table)


def evenly_spaced(
    per_minute: Callable[[int], float], failing: Callable[[int], float], seconds: int, clock: Clock | None = None
) -> History:
    """Attempts and failures as even as a clock: the pace and the share that fails as functions of the second."""
    clock = clock or Clock()
    counts: dict[str, list[int]] = {"success": [], "technical_failure": []}
    due, failures_due, succeeded, failed = 0.0, 0.0, 0, 0
    for second in range(0, seconds, clock.scrape):
        counts["success"].append(succeeded)
        counts["technical_failure"].append(failed)
        due += per_minute(second) / 60 * clock.scrape
        while due >= 1:
            due -= 1
            failures_due += failing(second)
            fails = failures_due > 1 - 1e-9
            failures_due -= fails
            failed += fails
            succeeded += not fails
    return History(counts, clock=clock)
