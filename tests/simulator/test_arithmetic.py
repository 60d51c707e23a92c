"""How do counters grow, and what traffic do they count?"""

from itertools import accumulate
from random import Random

import pytest

from rules.vocabulary import minutes
from simulator.arithmetic import Clock, Evaluation, History, Mix, poisson, weeks_of_traffic


def test_the_samples_of_a_window_stand_for_all_of_it() -> None:
    history = History({"success": [10 * scrape for scrape in range(16)]})

    assert history.increase("success", 120)[-1] == pytest.approx(80)


def test_a_counter_is_not_extrapolated_to_before_it_was_0() -> None:
    history = History({"success": [0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 14, 21, 28, 35, 42, 49]})

    assert history.increase("success", 120)[-1] == pytest.approx(49 * (105 + 10) / 105)


def test_one_sample_makes_no_growth() -> None:
    history = History({"success": [0, 5, 9]}, clock=Clock(scrape=60, evaluation=60, phase=20))

    assert [value == value for value in history.increase("success", 60)] == [False] * 4
    assert [value == value for value in history.increase("success", 120)] == [False, False, True, True]


def test_without_attempts_there_is_no_share() -> None:
    evaluation = Evaluation(weeks_of_traffic(Random(1), 0, Mix(0.1, 0.001), days=1))

    assert not any(share == share for share in evaluation.share("success", minutes(10)))


def test_a_week_has_the_traffic_it_was_asked_for() -> None:
    counts = weeks_of_traffic(Random(1), 100, Mix(0.2, 0.01), days=7).counts

    attempts = sum(values[-1] for values in counts.values())
    assert attempts == pytest.approx(100 * 7 * 1440, rel=0.01)
    assert counts["issuer_declined"][-1] == pytest.approx(0.2 * attempts, rel=0.02)
    assert counts["technical_failure"][-1] == pytest.approx(0.01 * attempts, rel=0.05)


@pytest.mark.parametrize("mean", [0, 0.01, 3, 400, 5000])
def test_draws_have_the_mean_and_the_variance_of_independent_events(mean: float) -> None:
    drawn = poisson(Random(1), mean, 20_000)

    average = sum(drawn) / len(drawn)
    assert average == pytest.approx(mean, rel=0.1 if mean < 1 else 0.02)
    assert sum((number - average) ** 2 for number in drawn) / len(drawn) == pytest.approx(mean, rel=0.1)


def test_a_counter_with_an_unknown_past_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin with 0"):
        History({"success": list(accumulate([5, 1, 1]))})
