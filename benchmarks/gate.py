"""How often does the gate stop a healthy rollout, and how often does it let a bad one go on, in 20,000 runs a stage?"""

import random
import sys
from collections.abc import Callable

from paymon.gate.sequential import Crossing, Ratio
from rules.catalog import catalog
from rules.vocabulary import SequentialTest, Stage
from simulator.arithmetic.traffic import poisson, week_shape

__all__ = ["decided", "main"]

RUNS = 20_000
_NIGHT, _DAY = 4, 16
_TUESDAY = 86_400


def decided(draws: random.Random, stage: Stage, hour: int, *, bad: bool) -> Crossing:
    """How all tests of the stage end together that begins at that hour of a Tuesday, looked at every minute.

    With `bad`, payments fail at the share that the stage calls unacceptable; of the API's requests, two for each
    payment, the healthy share fails in any case.
    """
    mean = 125 * stage.percent / 100
    outcome = []
    for index, test in enumerate(stage.tests):
        share = float(test.unacceptable if bad and index == 0 else test.healthy)
        outcome.append(_ends(draws, test, share, mean * (1 if index == 0 else 2), hour, stage))
    if Crossing.FAIL in outcome:
        return Crossing.FAIL
    return Crossing.PASS if all(one is Crossing.PASS for one in outcome) else Crossing.UNDECIDED


def _ends(
    draws: random.Random, test: SequentialTest, share: float, per_minute: float, hour: int, stage: Stage
) -> Crossing:
    ratio, events, failures = Ratio.of(test), 0, 0
    for minute in range(int(stage.at_most.total_seconds()) // 60):
        pace = round(per_minute * week_shape(_TUESDAY + hour * 3600 + minute // 15 * 900), 3)
        (happened,) = poisson(draws, pace, 1)
        failed = sum(draws.random() < share for _ in range(happened))
        events, failures = events + happened, failures + failed
        crossing = ratio.crossing(events, failures)
        if crossing is not Crossing.UNDECIDED:
            return crossing
    return Crossing.UNDECIDED


def main(say: Callable[[str], object] = print) -> None:
    """Prints, for each stage, by night and by day, both shares of wrong decisions."""
    rollout = catalog().rollout
    assert rollout is not None
    say(f"{'stage':>6} {'begins':>7} {'healthy: FAIL':>14} {'at p1: PASS':>12}")
    for stage in rollout.stages:
        for hour in (_NIGHT, _DAY):
            draws = random.Random(stage.percent * 100 + hour)
            stopped = sum(decided(draws, stage, hour, bad=False) is Crossing.FAIL for _ in range(RUNS))
            passed = sum(decided(draws, stage, hour, bad=True) is Crossing.PASS for _ in range(RUNS))
            say(f"{stage.percent:>4} % {hour:>5} h {stopped / RUNS:>13.2%} {passed / RUNS:>12.2%}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
