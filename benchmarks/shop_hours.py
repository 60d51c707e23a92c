"""Does a shop that closes, changes its clocks and rolls back by plan page for that, and does a real stop page in time?

    python -m benchmarks.shop_hours [DAYS]

Arithmetic on simulated counts, a year unless told. Day 0 is a Thursday.
"""

import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random

from rules.payments import silence
from simulator.arithmetic import Clock, Evaluation, History, poisson, week_shape

YEAR = 364
DAY = 86400
HOUR = 3600
QUARTER = 900
SPRING, AUTUMN = 87, 297
"""Sundays on which clocks go forward, and back."""
HOLIDAYS = (0, 120, 121, 358, 359)
"""Days on which nobody comes, of which each is declared."""
WARM_UP = 8
"""Days that are not yet compared with a week ago."""
EDGE = 75 * 60
PACES = (1.25, 10.0, 100.0, 1000.0)


def local(second: int) -> int:
    """The shop's own second of that second of UTC: an hour more in summer."""
    summer = SPRING * DAY + HOUR <= second < AUTUMN * DAY + HOUR
    return second + HOUR * summer


def shop_hours(second: int) -> float:
    """Open from 9 to 22, on Saturdays to 18, never on Sundays and on holidays; at once busy, at once quiet."""
    second = local(second)
    day, weekday = second // DAY, (second // DAY + 4) % 7
    closes = {0: 0, 6: 18}.get(weekday, 22)
    return float(day not in HOLIDAYS and 9 * HOUR <= second % DAY < closes * HOUR)


def tapering(second: int) -> float:
    """The same, with customers who come ever fewer in the last hour."""
    left = sum(shop_hours(second + ahead) for ahead in range(0, HOUR, QUARTER)) / 4
    return shop_hours(second) * max(left, 0.05)


def always_open(second: int) -> float:
    """Day and night, weekends with three quarters of a working day's, and clocks that change."""
    return week_shape(local(second) + 3 * DAY)


SHAPES: dict[str, Callable[[int], float]] = {
    "opens at 9, closes at 22": shop_hours,
    "the same, quieter towards closing": tapering,
    "day and night": always_open,
}


def attempts(
    random: Random,
    per_minute: float,
    shape: Callable[[int], float],
    days: int,
    rollout: Sequence[tuple[int, float]] = ((0, 1.0),),
    clock: Clock | None = None,
) -> History:
    """Attempts at a mean pace while open, and of them the rollout's share, a row of seconds and shares."""
    clock = clock or Clock()
    moments = [moment for moment, _ in rollout]
    drawn, shares = [0], []
    for second in range(0, days * DAY, QUARTER):
        share = rollout[bisect_right(moments, second) - 1][1]
        mean, scrapes = per_minute / 60 * clock.scrape * shape(second) * share, QUARTER // clock.scrape
        drawn += poisson(random, mean, scrapes) if mean else [0] * scrapes
        shares += [share] * scrapes
    closed = [int(local(at * clock.scrape) // DAY in HOLIDAYS) for at in range(len(drawn) - 1)]
    return History(
        {"success": list(accumulate(drawn[:-1]))},
        rollout=shares,
        closed=closed,
        clock=clock,
    )


@dataclass(frozen=True, slots=True)
class Pages:
    """How often it paged although nothing was wrong."""

    first_week: int
    near_an_edge: int
    otherwise: int
    most_a_day: int


def pages(history: History, shape: Callable[[int], float]) -> Pages:
    """Count what fires, by when."""
    firings = [one.begins for one in Evaluation(history).firings(silence.traffic_stopped)]
    first = [at for at in firings if at < WARM_UP * DAY]
    later = [at for at in firings if at >= WARM_UP * DAY]
    near = [at for at in later if any(bool(shape(at + by)) != bool(shape(at)) for by in range(-EDGE, EDGE + 1, 60))]
    by_day = [sum(at // DAY == day for at in firings) for day in {at // DAY for at in firings}]
    return Pages(len(first), len(near), len(later) - len(near), max(by_day, default=0))


def stop_detected(history: History, begins: int, ends: int) -> int | None:
    """Seconds from a stop to its page, if any."""
    scrape = history.clock.scrape
    cut = {
        result: [*values[: begins // scrape + 1], *[values[begins // scrape]] * ((ends - begins) // scrape)]
        for result, values in history.counts.items()
    }
    length = len(cut["success"])
    shorter = replace(history, counts=cut, rollout=history.rollout[:length], closed=history.closed[:length])
    found = [one.begins for one in Evaluation(shorter).firings(silence.traffic_stopped) if one.begins >= begins]
    return min(found) - begins if found else None


def table(days: int) -> list[str]:
    """Markdown: pages for nothing in so many days, by shop and pace."""
    lines = [
        "| shop | a minute | first eight days | within 75 minutes of opening or closing | otherwise | most a day |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, shape in SHAPES.items():
        for per_minute in PACES:
            found = pages(attempts(Random(f"{name} {per_minute}"), per_minute, shape, days), shape)
            lines.append(
                f"| {name} | {per_minute:g} | {found.first_week} | {found.near_an_edge} | {found.otherwise} "
                f"| {found.most_a_day} |"
            )
    return lines


def main() -> None:
    """Print the table."""
    print("\n".join(table(int(sys.argv[1]) if len(sys.argv) > 1 else YEAR)))


if __name__ == "__main__":
    main()
