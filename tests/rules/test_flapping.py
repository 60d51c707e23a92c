"""At a steady share of failures near its bound, does an alert tell of it once, and not all day by chance?"""

from itertools import accumulate
from random import Random

import pytest

from rules.payments import budget, outcomes
from rules.vocabulary import Alert, minutes
from simulator.arithmetic import Evaluation, History, Mix, poisson, weeks_of_traffic

DAYS = 10
BOUNDS = {
    outcomes.degraded: 0.1,
    outcomes.success_rate_low: 0.05,
    budget.burn_fast: 0.0288,
    budget.failures_per_hour: 0.006,
}
"""The share of failures at which each begins to fire."""
_LEVELS = (0.2, 0.6, 1.0, 1.4, 2.0)


def steady(per_minute: float, share: float) -> History:
    """Customers come as evenly as chance lets them, by day and by night, and that share of them fails."""
    return weeks_of_traffic(Random(f"{per_minute} {share}"), per_minute, Mix(0.08, share), DAYS, shape=lambda _: 1.0)


@pytest.mark.parametrize("alert", BOUNDS, ids=str)
@pytest.mark.parametrize("level", _LEVELS)
def test_at_ten_a_minute_a_steady_share_is_told_at_most_three_times_a_day(alert: Alert, level: float) -> None:
    firings = Evaluation(steady(10.0, BOUNDS[alert] * level)).firings(alert)

    assert len(firings) <= 3 * DAYS


@pytest.mark.parametrize(("alert", "within"), [(outcomes.complete_failure, 15), (outcomes.degraded, 45)], ids=str)
def test_the_end_of_a_real_fault_is_told_in_time(alert: Alert, within: int) -> None:
    """All of ten a minute fail for 20 minutes, or every fourth."""
    share = 1.0 if alert is outcomes.complete_failure else 0.25
    healthy, failing, after = 4 * 120, 4 * 20, 4 * 90
    random, pace = Random(3), 2.5
    drawn = {"success": [0], "technical_failure": [0]}
    for scrapes, part in ((healthy, 0.0), (failing, share), (after, 0.0)):
        for result, mean in (("success", pace * (1 - part)), ("technical_failure", pace * part)):
            drawn[result] += poisson(random, mean, scrapes) if mean else [0] * scrapes
    history = History({result: list(accumulate(numbers)) for result, numbers in drawn.items()})
    over = (healthy + failing) * history.clock.scrape

    (firing,) = Evaluation(history).firings(alert)

    assert firing.ends - over <= minutes(within).total_seconds()
