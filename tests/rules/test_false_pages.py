"""Does nobody wake up for nothing, does everybody wake up for something, and is arithmetic right about both?"""

from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paymon.promtool import Promtool
from rules.payments import budget, outcomes, silence
from rules.vocabulary import Alert, minutes
from simulator.arithmetic import CORE, Clock, Evaluation, History, Mix, evenly_spaced, poisson, weeks_of_traffic
from tests.rules.schedules import ask_promtool, telling_history

PAGES = tuple(alert for alert in CORE if alert.thresholds[0].priority.pages)
ELSEWISE = (silence.traffic_stopped, outcomes.kill_switch_ineffective, budget.failures_per_hour)
"""They count no failures, or leave the gravest to the P1 that is on its way."""
COUNT_FAILURES = tuple(alert for alert in CORE if alert not in ELSEWISE)

IN_REAL_TIME = Clock()
IN_STEPS_OF_MINUTES = Clock(scrape=150, evaluation=150, phase=50)
IN_STEPS_OF_HALF_HOURS = Clock(scrape=300, evaluation=1800, phase=100)

SCHEDULES = (  # seeds with which most windows, were they twice as long, would be noticed
    pytest.param(30, 3, IN_REAL_TIME, PAGES, id="three hours, scrape by scrape"),
    pytest.param(
        5, 7 * 24 + 8, IN_STEPS_OF_MINUTES, (silence.traffic_stopped,), id="eight days, with last week's traffic"
    ),
    pytest.param(
        10, 8 * 24, IN_STEPS_OF_HALF_HOURS, (budget.burn_fast, budget.burn_slow), id="eight days, longest windows"
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "hours", "clock", "alerts"), SCHEDULES)
def test_promtool_fires_at_the_very_evaluations_that_arithmetic_foretells(
    seed: int, hours: int, clock: Clock, alerts: tuple[Alert, ...], promtool: Promtool, tmp_path: Path
) -> None:
    history = telling_history(Random(seed), hours, clock, alerts)

    result = ask_promtool(promtool, history, alerts, tmp_path)

    assert result.passed, "\n".join(failure.raw for failure in result.failures)


up_to_a_thousand = st.floats(-1.5, 3).map(lambda exponent: 10**exponent)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=8)
@example(per_minute=0, declined=0.2, technical=0.002, seed=1)
@example(per_minute=0.8, declined=0.2, technical=0.002, seed=1)
@example(per_minute=2.5, declined=0.2, technical=0.002, seed=1)
@example(per_minute=200, declined=0.2, technical=0.002, seed=1)
@example(per_minute=1000, declined=0.2, technical=0.002, seed=1)
@given(
    per_minute=up_to_a_thousand,
    declined=st.floats(0, 0.2),
    technical=st.floats(0, 0.002),
    seed=st.integers(0, 1000),
)
def test_two_healthy_weeks_page_nobody_at_any_traffic(
    per_minute: float, declined: float, technical: float, seed: int
) -> None:
    evaluation = Evaluation(weeks_of_traffic(Random(seed), per_minute, Mix(declined, technical), days=14))

    assert {alert.name: evaluation.firings(alert) for alert in PAGES} == {alert.name: () for alert in PAGES}


HEALTHY = 65 * 60
"""Seconds before the failures: a little more than the hour of history that the burn rate asks for."""


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=60)
@example(per_minute=1.25, share=0.5, before=4, later=0)
@example(per_minute=1.25, share=1, before=0.25, later=0)
@given(
    per_minute=st.floats(1.25, 1000),
    share=st.floats(0.5, 1),
    before=st.floats(0.25, 4),
    later=st.integers(0, 120),
)
def test_half_of_the_attempts_failing_pages_within_15_minutes(
    per_minute: float, share: float, before: float, later: int
) -> None:
    begins = HEALTHY + later
    history = evenly_spaced(
        lambda second: per_minute * (before if second < begins else 1),
        lambda second: 0.0 if second < begins else share,
        seconds=begins + 16 * 60,
    )
    evaluation = Evaluation(history)

    paged = min((firing.begins for alert in PAGES for firing in evaluation.firings(alert)), default=None)

    assert paged is not None
    assert begins <= paged <= begins + minutes(15).total_seconds()


stretch = st.tuples(
    st.sampled_from((0, 0.1, 1, 5, 50, 250)),  # attempts from one scrape to the next
    st.floats(0, 1).map(lambda share: share**3),
    st.floats(0, 1).map(lambda share: share**3),
)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=60)
@given(stretches=st.lists(stretch, min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_more_failures_are_never_told_later(stretches: list[tuple[float, float, float]], seed: int) -> None:
    """By whichever alert: a louder one takes the place of a quieter one."""
    mild, grave = _two_histories(stretches, Random(seed))
    milder, graver = (
        min((firing.begins for alert in COUNT_FAILURES for firing in Evaluation(one).firings(alert)), default=None)
        for one in (mild, grave)
    )

    if milder is not None:
        assert graver is not None
        assert graver <= milder


def _two_histories(stretches: list[tuple[float, float, float]], random: Random) -> tuple[History, History]:
    """The same attempts twice after a healthy hour, the second time with some of the successes failing as well."""
    mild: dict[str, list[int]] = {"success": [0], "technical_failure": [0]}
    grave: dict[str, list[int]] = {"success": [0], "technical_failure": [0]}
    for attempts, failing, more in [(5.0, 0.0, 0.0)] * 5 + stretches:
        numbers = zip(*(poisson(random, attempts * share, 48) for share in (1.0, failing, more)), strict=True)
        for whole, failed, added in numbers:
            for counts, failures in ((mild, min(whole, failed)), (grave, min(whole, failed + added))):
                counts["success"].append(counts["success"][-1] + whole - failures)
                counts["technical_failure"].append(counts["technical_failure"][-1] + failures)
    return History(mild), History(grave)
