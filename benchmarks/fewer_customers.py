"""How often is it told for nothing that fewer customers come, and how soon when it is true?

    python -m benchmarks.fewer_customers [DAYS]

Arithmetic on simulated counts, as in benchmarks/false_pages.py, in shops of many kinds. The first nine days of every
world are left out: without last week nothing is to be expected.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random

from rules.vocabulary import Alert
from simulator.arithmetic import TRAFFIC, Evaluation, History, Mix, week_shape, weeks_of_traffic

SEED = 1
MONTH = 30
_HOUR, _DAY, _WEEK = 3600, 86400, 7 * 86400
_KNOWN = 9 * _DAY
Shape = Callable[[int], float]


def _sale(second: int, days: tuple[int, ...], lasts: float) -> bool:
    return second // _DAY in days and 12 * _HOUR <= second % _DAY < (12 + lasts) * _HOUR


def _open(second: int, until: float = 20) -> float:
    """A shop that opens at nine, at once, and closes at eight."""
    return 2.2 * week_shape(second) if 9 * _HOUR <= second % _DAY < until * _HOUR else 0


def _from_day(day: int, shifted: int) -> Shape:
    """A shop whose opening hours move by that many seconds on that day, as when clocks change."""
    return lambda second: _open(second - shifted if second >= day * _DAY else second)


def _quiet(second: int, days: tuple[int, ...]) -> float:
    """A holiday: fewer and fewer customers come until eight in the morning, and 40 % of the usual from then on."""
    return 1 - 0.6 * min(1, second % _DAY / (8 * _HOUR)) if second // _DAY in days else 1


SHOPS: tuple[tuple[str, Shape], ...] = (
    ("a day like a wave", week_shape),
    ("opening hours, closed at night", _open),
    ("closed on Sundays", lambda second: 0 if second // _DAY % 7 == 6 else _open(second)),
    ("clocks go forward", _from_day(16, -_HOUR)),
    ("clocks go back", _from_day(16, _HOUR)),
    (
        "a sale each Wednesday at noon, fivefold for an hour",
        lambda s: week_shape(s) * (5 if _sale(s, (2, 9, 16, 23, 30, 37), 1) else 1),
    ),
    ("one sale, fivefold for two hours", lambda s: week_shape(s) * (5 if _sale(s, (16,), 2) else 1)),
    ("one sale, tenfold for half an hour", lambda s: week_shape(s) * (10 if _sale(s, (16, 25), 0.5) else 1)),
    ("two holidays with 40 % of the customers", lambda s: week_shape(s) * _quiet(s, (15, 24))),
    ("two holidays in a shop with opening hours", lambda s: _open(s) * _quiet(s, (15, 24))),
    ("closed all day on two holidays", lambda s: 0 if s // _DAY in (15, 24) else _open(s)),
    ("closed from 14:00 on one day", lambda s: _open(s, 14) if s // _DAY == 17 else _open(s)),
    ("summer: 3 % fewer each day", lambda s: week_shape(s) * 0.97 ** (s // _DAY)),
)
ROLLBACK = ((8, 0.5), (11, 0.1), (14, 0.01), (17, 0.1), (40, 1.0))
PACES = (10.0, 100.0)
_MIX = Mix(declined=0.08, technical=0.001)


def told(history: History) -> dict[Alert, int]:
    """How often each alert fires after the first nine days."""
    evaluation = Evaluation(history)
    return {alert: sum(one.begins >= _KNOWN for one in evaluation.firings(alert)) for alert in TRAFFIC}


def false_alarms(shape: Shape, per_minute: float, days: int, seed: int = SEED) -> dict[Alert, float]:
    """Firings in 30 days, in as many worlds of 39 days as make up `days`."""
    months = max(1, days // MONTH)
    found = dict.fromkeys(TRAFFIC, 0)
    for month in range(months):
        world = weeks_of_traffic(Random(f"{seed} {month}"), per_minute, _MIX, MONTH + 9, shape=shape)
        for alert, times in told(world).items():
            found[alert] += times
    return {alert: times / months for alert, times in found.items()}


def rollback(stages: tuple[tuple[int, float], ...], per_minute: float) -> History:
    """A rollout by plan: from which hour of the sixteenth day on, which share of the customers."""

    def share(second: int) -> float:
        return [1.0, *(part for hour, part in stages if second >= 16 * _DAY + hour * _HOUR)][-1]

    history = weeks_of_traffic(Random(SEED), per_minute, _MIX, 26, shape=lambda s: week_shape(s) * share(s))
    return replace(history, rollout=[share(scrape * history.clock.scrape) for scrape in range(history.scrapes)])


def detected(left: float, per_minute: float, hour: int = 12) -> dict[Alert, int | None]:
    """Seconds from the moment at which only that share of the customers is left to each alert, on a Thursday."""
    begins = 10 * _DAY + hour * _HOUR
    world = weeks_of_traffic(
        Random(SEED), per_minute, _MIX, 11, shape=lambda s: week_shape(s) * (left if s >= begins else 1)
    )
    evaluation = Evaluation(world)
    return {
        alert: min((one.begins - begins for one in evaluation.firings(alert) if one.begins >= begins), default=None)
        for alert in TRAFFIC
    }


def false_alarm_table(days: int) -> Iterator[str]:
    """Markdown: firings in 30 days by kind of shop and pace, P2 / P3."""
    yield _row("shop", *(f"{pace:g} a minute" for pace in PACES))
    yield "|" + "---|" * (len(PACES) + 1)
    for name, shape in SHOPS:
        yield _row(name, *(_cell(false_alarms(shape, pace, days)) for pace in PACES))
    yield _row("a rollback by plan to 50, 10 and 1 %", *(_cell(told(rollback(ROLLBACK, pace))) for pace in PACES))


def detection_table() -> Iterator[str]:
    """Markdown: seconds from the fall to each alert, customers coming at random, at noon."""
    yield _row("a minute", "left", *(f"{alert} ({alert.thresholds[0].priority.value})" for alert in TRAFFIC))
    yield "|" + "---|" * (len(TRAFFIC) + 2)
    for pace in PACES:
        for left in (0.5, 0.05):
            found = detected(left, pace)
            yield _row(
                f"{pace:g}", f"{left:.0%}", *("-" if found[alert] is None else str(found[alert]) for alert in TRAFFIC)
            )


def _cell(found: Mapping[Alert, float]) -> str:
    return " / ".join(f"{found[alert]:.2f}".rstrip("0").rstrip(".") for alert in TRAFFIC)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    days = int(sys.argv[1]) if len(sys.argv) > 1 else MONTH
    for line in (*detection_table(), "", *false_alarm_table(days)):
        print(line)


if __name__ == "__main__":
    main()
