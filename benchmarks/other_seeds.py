"""Do healthy weeks page as seldom where chance falls otherwise?

    python -m benchmarks.other_seeds [SEED ...]

The worlds are those of benchmarks/false_pages.py, fewer_customers.py (10 a minute) and shop_hours.py, a month of each.
"""

import sys
from collections.abc import Iterable, Iterator
from random import Random

from benchmarks import false_pages, fewer_customers, shop_hours
from rules.vocabulary import Priority
from simulator.arithmetic import CORE, TRAFFIC

SEEDS = (2, 3)
_MONTH = false_pages.MONTH


def table(seeds: Iterable[int] = SEEDS) -> Iterator[str]:
    """Markdown: a line for each seed."""
    yield "| seed | healthy days | P1 | P1 in the first eight days of a shop | P2 | P3 | P3 at the objective's edge |"
    yield "|---|---|---|---|---|---|---|"
    yield from map(_line, seeds)


def _line(seed: int) -> str:
    counted = list(false_pages.tallies(_MONTH, seed))
    at_the_edge = max(false_pages.TECHNICAL)

    def fired(priority: Priority, edge: bool) -> int:
        names = [alert.name for alert in CORE if alert.thresholds[0].priority is priority]
        return sum(one.firings[name] for one in counted for name in names if (one.mix.technical == at_the_edge) is edge)

    fewer = dict.fromkeys(TRAFFIC, 0.0)
    for _, shape in fewer_customers.SHOPS:
        for alert, times in fewer_customers.false_alarms(shape, min(fewer_customers.PACES), _MONTH, seed).items():
            fewer[alert] += times
    hours = [
        shop_hours.pages(shop_hours.attempts(Random(f"{seed} {name} {pace}"), pace, shape, _MONTH), shape)
        for name, shape in shop_hours.SHAPES.items()
        for pace in shop_hours.PACES
    ]
    days = _MONTH * (len(counted) + len(fewer_customers.SHOPS) + len(hours))
    of_traffic = {alert.thresholds[0].priority: round(times) for alert, times in fewer.items()}
    cells = (
        seed,
        days,
        fired(Priority.P1, False) + fired(Priority.P1, True) + sum(one.near_an_edge + one.otherwise for one in hours),
        sum(one.first_week for one in hours),
        fired(Priority.P2, False) + fired(Priority.P2, True) + of_traffic[Priority.P2],
        fired(Priority.P3, False) + of_traffic[Priority.P3],
        fired(Priority.P3, True),
    )
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print the table."""
    for line in table([int(one) for one in sys.argv[1:]] or SEEDS):
        print(line, flush=True)


if __name__ == "__main__":
    main()
