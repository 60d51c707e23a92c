"""Are customers missed as long as they are missing, and are those missed who were never to be expected?"""

from itertools import accumulate
from pathlib import Path
from random import Random

import pytest

from benchmarks.shop_hours import DAY, HOUR, attempts, shop_hours
from paymon.promtool import Promtool
from rules.payments import completion, outcomes, rollout, silence
from rules.vocabulary import minutes
from simulator.arithmetic import Evaluation, History
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

STOPPED, LAG = silence.traffic_stopped, completion.processing_lag_high
SUCCESS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
DECLINED = outcomes.attempts.where(result="issuer_declined", payment_method="card", initiator="api")
NEVER = ()


def test_a_stop_on_the_first_day_is_one_page_until_somebody_pays(promtool: Promtool, tmp_path: Path) -> None:
    """125 a minute for five hours, none for four, and then as before."""
    fed = {SUCCESS: "0+125x300 37500x239 37625+125x30", rollout.killed.name: "0x570", rollout.rollout.name: "1x570"}
    told = ((minutes(306), minutes(550)),)

    play(promtool, tmp_path, fed, {STOPPED: told}, until=minutes(570), every=minutes(1))


@pytest.mark.parametrize(
    "declared",
    [rollout.killed.name, rollout.closed.name, rollout.maintenance.name],
    ids=["the switch is pulled", "the day is declared closed", "maintenance is declared"],
)
def test_a_stop_is_over_once_nobody_is_to_pay(declared: str, promtool: Promtool, tmp_path: Path) -> None:
    """Declared an hour and a half after the stop, at minute 210."""
    fed = {
        SUCCESS: "0+125x120 15000x180",
        rollout.killed.name: "0x300",
        rollout.rollout.name: "1x300",
        declared: "0x209 1x90",
    }
    told = ((minutes(126), minutes(219)),)

    play(promtool, tmp_path, fed, {STOPPED: told}, until=minutes(300), every=minutes(1))


@pytest.mark.slow
def test_a_shop_that_closes_is_not_paged_till_morning_in_its_first_week() -> None:
    """For two hours and a half at most, or, on a Saturday, from six until the hour at which it closed on Friday.

    Day 0 is a Thursday on which it is closed, as it is on Sundays.
    """
    history = attempts(Random(7), 20, shop_hours, 7)

    firings = Evaluation(history).firings(STOPPED)

    assert [one.begins // DAY for one in firings] == [1, 2, 4, 5, 6]
    assert [one.ends - one.begins <= (4.5 if one.begins // DAY == 2 else 2.5) * HOUR for one in firings] == [True] * 5


def test_a_card_tester_who_leaves_is_not_missed(promtool: Promtool, tmp_path: Path) -> None:
    """A payment each other minute; 40 declines a minute for an hour. Ten minutes after that, nobody pays for eight."""
    paid = "0+1x{} {}x7 {}+1x60"
    fed = {
        SUCCESS: paid.format(95, 95, 96),
        DECLINED: "0x60 80+80x29 2400x120",
        silence.last_completed.name: "0+120x95 11400x3 11880+120x60",
        rollout.killed.name: "0x200",
        rollout.rollout.name: "1x200",
    }
    play(promtool, tmp_path, fed, {STOPPED: NEVER, LAG: NEVER}, until=minutes(300), every=minutes(2))


def with_more(history: History, result: str, more: float, since: int, lasts: int) -> History:
    """The history with so many more of that result at each scrape of a stretch of time, in seconds."""
    begins, ends = since // history.clock.scrape, (since + lasts) // history.clock.scrape
    added = list(accumulate(more if begins <= scrape < ends else 0 for scrape in range(history.scrapes)))
    before = history.counts.get(result, [0] * history.scrapes)
    both = {result: [one + int(other) for one, other in zip(before, added, strict=True)]}
    return History({**history.counts, **both}, clock=history.clock)


@pytest.mark.parametrize("seed", [12, 41, 44, 55])
def test_a_sale_that_is_over_is_not_missed(seed: int) -> None:
    """Half a payment a minute for eight days, and 30 more from midnight to half past."""
    history = with_more(attempts(Random(seed), 0.5, lambda _: 1, 9), "success", 7.5, 8 * DAY, 1800)

    assert Evaluation(history).firings(STOPPED) == NEVER


@pytest.mark.parametrize("seed", range(4))
def test_last_weeks_card_tester_is_not_missed_today(seed: int) -> None:
    """One payment each five minutes, at random; a week ago, for four hours, 40 declines a minute."""
    history = with_more(attempts(Random(seed), 0.2, lambda _: 1, 9), "issuer_declined", 10, 1 * DAY, 4 * HOUR)

    assert Evaluation(history).firings(STOPPED) == NEVER


@pytest.mark.slow
@pytest.mark.parametrize("grew", [False, True], ids=["a hundredfold by a campaign", "by its rollout"])
def test_a_stop_of_far_more_customers_than_last_week_is_told(grew: bool) -> None:
    """1.25 a minute at 1 % last week, or as few customers, and 125 a minute since; then none."""
    stops = 9 * DAY
    plan = ((0, 0.01), (8 * DAY, 1.0)) if grew else ((0, 1.0),)
    history = attempts(
        Random(9),
        125,
        lambda second: 0 if second >= stops else 0.01 if second < 8 * DAY and not grew else 1,
        10,
        rollout=plan,
    )

    first, *_ = Evaluation(history).firings(STOPPED)

    assert stops < first.begins <= stops + (330 if grew else 1230)


END = minutes(90)
RENEWED = outcomes.attempts.where(result="success", payment_method="card", initiator="automatic")


def test_a_stop_that_only_stripes_late_list_tells_of_is_none(promtool: Promtool, tmp_path: Path) -> None:
    """20 payments a minute, each recorded; from minute 60 to 74 Stripe's list of events shows none of them."""
    fed = {
        SUCCESS: "0+20x60 1200x13 1220+20x16",
        silence.last_completed.name: "0+60x90",
        rollout.killed.name: "0x90",
        rollout.rollout.name: "1x90",
    }

    play(promtool, tmp_path, fed, {STOPPED: NEVER}, until=END, every=minutes(1))


def test_a_stop_while_renewals_go_on_is_told(promtool: Promtool, tmp_path: Path) -> None:
    """The database records a renewal each minute, of which Stripe tells: they explain what it records."""
    fed = {
        SUCCESS: "0+20x60 1200x30",
        RENEWED: "0+1x90",
        silence.last_completed.name: "0+60x90",
        rollout.killed.name: "0x90",
        rollout.rollout.name: "1x90",
    }

    play(promtool, tmp_path, fed, {STOPPED: ((minutes(66), END),)}, until=END, every=minutes(1))
