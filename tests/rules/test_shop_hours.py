"""Does a shop that closes, changes its clocks or rolls back page nobody, and does a stop page whenever it is?"""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from benchmarks.shop_hours import DAY, HOUR, always_open, attempts, pages, shop_hours, stop_detected, tapering
from paymon.promtool import Promtool
from rules.payments import silence
from simulator.arithmetic import Clock, Evaluation
from tests.rules.schedules import ask_promtool

STOPPED = silence.traffic_stopped


@pytest.mark.slow
@pytest.mark.parametrize("shape", [shop_hours, tapering], ids=["at once quiet", "quieter towards closing"])
@pytest.mark.parametrize("per_minute", [1.25, 10.0, 100.0])
def test_a_shop_that_closes_every_evening_pages_once_a_day_in_its_first_week_and_then_never(
    shape: Callable[[int], float], per_minute: float
) -> None:
    found = pages(attempts(Random(1), per_minute, shape, 16), shape)

    assert found.near_an_edge == found.otherwise == 0
    assert found.most_a_day <= 1


@pytest.mark.slow
@pytest.mark.parametrize("change", ["forward", "back"])
def test_the_week_after_clocks_were_changed_pages_nobody(change: str) -> None:
    """Sixteen days of one open day after another; after ten of them, on a Sunday, all hours move by one."""
    moved = HOUR if change == "forward" else -HOUR

    def shape(second: int) -> float:
        at = second + moved * (second >= 10 * DAY + HOUR)
        return float(9 * HOUR <= at % DAY < 22 * HOUR)

    found = pages(attempts(Random(2), 20, shape, 20), shape)

    assert found.near_an_edge == found.otherwise == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hour", "within"), [(9.25, 600), (9.5, 600), (10.5, 300), (14, 300), (20.5, 300), (21, 600), (21.75, 600)]
)
def test_a_stop_while_the_shop_is_open_pages_within_300_seconds_near_opening_and_closing_within_600(
    hour: float, within: int
) -> None:
    begins = int(15 * DAY + hour * HOUR)
    after = stop_detected(attempts(Random(3), 20, shop_hours, 16), begins, begins + HOUR)

    assert after is not None
    assert 0 < after <= within


@pytest.mark.slow
def test_at_little_traffic_a_stop_pages_when_twenty_customers_are_missed() -> None:
    begins = 15 * DAY + 14 * HOUR

    assert stop_detected(attempts(Random(4), 1.25, always_open, 16), begins, begins + HOUR) == 1200


@pytest.mark.slow
def test_a_shop_that_does_not_open_pages_unless_the_day_is_declared_closed() -> None:
    """From the night on nobody can pay, on a working day; on a holiday of the same weekday nobody would."""
    night = 15 * DAY

    after = stop_detected(attempts(Random(5), 20, shop_hours, 16), night, night + 12 * HOUR)

    assert after is not None
    assert 9 * HOUR < after <= 9 * HOUR + 30 * 60


@pytest.mark.parametrize("steps", [(0.5, 0.1, 0.01), (0.01,)], ids=["step by step", "at once"])
def test_a_roll_back_by_plan_pages_nobody(steps: tuple[float, ...]) -> None:
    begins = 9 * DAY
    plan = ((0, 1.0), *((begins + 1800 * number, share) for number, share in enumerate(steps)))

    history = attempts(Random(6), 125, lambda _: 1.0, 10, rollout=plan)

    assert Evaluation(history).firings(STOPPED) == ()


@pytest.mark.slow
def test_promtool_pages_at_the_very_evaluations_for_sixteen_days_of_a_shop_with_a_holiday_and_a_roll_back(
    tmp_path: Path,
) -> None:
    """Every two and a half minutes; the shop's doors stay shut on the last day, and nobody declared that.

    In 2.42 a subquery also counts the point on its left edge, and one evaluation in nine hours differs.
    """
    clock = Clock(scrape=150, evaluation=150, phase=50)
    history = attempts(
        Random(8),
        40,
        lambda second: shop_hours(second + DAY) * (second < 15 * DAY),
        16,
        rollout=((0, 1.0), (12 * DAY + 15 * HOUR, 0.1), (13 * DAY, 1.0)),
        clock=clock,
    )
    assert [firing.begins // DAY for firing in Evaluation(history).firings(STOPPED)][-1] == 15

    result = ask_promtool(Promtool.find(version_prefix="3.5"), history, (STOPPED,), tmp_path)

    assert result.passed, "\n".join(failure.raw for failure in result.failures[:5])
