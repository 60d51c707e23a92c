"""Is it told that fewer customers come than were to be expected, and only then?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from paymon.promtool import Promtool
from rules.payments import cards, latency, monitoring, outcomes, rollout, scraping, traffic, webhooks
from rules.vocabulary import Alert, hours, matchers, minutes
from simulator.arithmetic import TRAFFIC, Evaluation, Mix, week_shape, weeks_of_traffic
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

NEVER = ()


EVERY = minutes(4)
WEEK = 7 * 24 * 60
NOON = WEEK + 12 * 60
"""On the eighth day, in minutes: half of the night's and all of the morning's traffic lie behind it."""
DAY = 86400


def course(*stretches: tuple[int, float]) -> str:
    """A counter that grows by so many a minute until the minute that is named beside."""
    written, value, since = ["0"], 0.0, 0
    for until, a_minute in stretches:
        grows = 4 * a_minute
        written.append(f"{value + grows:g}+{grows:g}x{(until - since) // 4 - 1}")
        value += grows * ((until - since) // 4)
        since = until
    return " ".join(written)


def customers(**labels: str) -> str:
    return outcomes.attempts.where(**{"result": "success", "payment_method": "card", "initiator": "api"} | labels)


@pytest.mark.slow
def test_half_of_the_customers_missing_is_a_ticket_and_nearly_all_of_them_a_page(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Half are missing from noon on, and from two o'clock on 19 of 20: then the page ends the ticket."""
    until = minutes(NOON + 180)
    expected = {
        traffic.fallen: ((minutes(NOON + 44), minutes(NOON + 140)),),
        traffic.collapsed: ((minutes(NOON + 136), until),),
    }
    fed = {customers(): course((NOON, 20), (NOON + 120, 10), (NOON + 180, 1))}

    play(promtool, tmp_path, fed, expected, until=until, every=EVERY)


@pytest.mark.slow
def test_customers_of_one_country_who_no_longer_come_are_missed(promtool: Promtool, tmp_path: Path) -> None:
    """All others come as ever, and a batch of renewals by Stripe ends at the same time: nothing is said of them."""
    of_country = cards.attempts_by_country.where
    fed = {
        customers(): course((NOON + 120, 20)),
        customers(initiator="automatic"): course((NOON, 200), (NOON + 120, 0)),
        of_country(result="success", country="de"): course((NOON, 8), (NOON + 120, 0.4)),
        of_country(result="success", country="us"): course((NOON + 120, 12)),
    }
    told = ((minutes(NOON + 36), minutes(NOON + 92)),)
    expected = {traffic.country_missing: told, traffic.fallen: NEVER}

    play(promtool, tmp_path, fed, expected, until=minutes(NOON + 92), every=EVERY)


def opens_at_nine(second: int) -> float:
    """At eight in the evening it closes."""
    return 2.2 * week_shape(second) if 9 * 3600 <= second % DAY < 20 * 3600 else 0


SHOPS = (
    pytest.param(week_shape, id="a day like a wave"),
    pytest.param(lambda s: opens_at_nine(s + (s >= 10 * DAY) * 3600), id="opening hours when clocks go forward"),
    pytest.param(lambda s: opens_at_nine(s - (s >= 10 * DAY) * 3600), id="opening hours when clocks go back"),
    pytest.param(lambda s: week_shape(s) * (5 if 12 <= s / 3600 % 240 < 13 else 1), id="a sale last week, none today"),
    pytest.param(
        lambda s: week_shape(s) * (1 - 0.6 * min(1, s % DAY / 28800) if s // DAY == 11 else 1), id="a holiday"
    ),
)


@pytest.mark.parametrize("shape", SHOPS)
def test_a_usual_fortnight_misses_nobody(shape: Callable[[int], float]) -> None:
    world = weeks_of_traffic(Random(1), 20, Mix(0.08, 0.001), 14, shape=shape)
    evaluation = Evaluation(world)

    assert {alert.name: evaluation.firings(alert) for alert in TRAFFIC} == {alert.name: () for alert in TRAFFIC}


@pytest.mark.slow
@pytest.mark.parametrize(("left", "alert", "within"), [(0.05, traffic.collapsed, 15), (0.5, traffic.fallen, 46)])
def test_at_random_too_a_fall_is_told_in_time(left: float, alert: Alert, within: int) -> None:
    begins = 7 * DAY + 12 * 3600
    shape = _falling_to(left, begins)

    first, *_ = Evaluation(weeks_of_traffic(Random(1), 20, Mix(0, 0), 8, shape=shape)).firings(alert)

    assert begins < first.begins <= begins + within * 60


@pytest.mark.slow
def test_a_rollback_by_plan_is_no_fall() -> None:
    begins = 7 * DAY + 12 * 3600
    shape = _falling_to(0.05, begins)
    world = weeks_of_traffic(Random(1), 20, Mix(0, 0), 8, shape=shape)
    told = [shape(scrape * world.clock.scrape) for scrape in range(world.scrapes)]
    evaluation = Evaluation(replace(world, rollout=told))

    assert {alert.name: evaluation.firings(alert) for alert in TRAFFIC} == {alert.name: () for alert in TRAFFIC}


def _falling_to(left: float, begins: int) -> Callable[[int], float]:
    return lambda second: left if second >= begins else 1


BAD = latency.api_request_duration.counted(status_class="5xx")
GOOD = latency.api_request_duration.counted(status_class="2xx")


def test_an_api_that_answers_500_to_one_request_in_ten_is_a_page(promtool: Promtool, tmp_path: Path) -> None:
    """Payments that were begun go on as ever: what our API fails never becomes an attempt."""
    fed = {
        customers(): "0+10x240",
        GOOD: "0+30x60 1827+27x179",
        BAD: "0x60 3+3x179",
    }
    until = hours(2)

    play(promtool, tmp_path, fed, {latency.api_errors_high: ((minutes(35), until),)}, until=until)


def test_a_handful_of_500s_at_night_is_none(promtool: Promtool, tmp_path: Path) -> None:
    fed = {GOOD: "0+1x240", BAD: "0x60 1x10 2x10 3x10 4x10 5x139"}

    play(promtool, tmp_path, fed, {latency.api_errors_high: NEVER}, until=hours(2))


UP = monitoring.target_up.name + matchers(job="payments", instance="a")
BUCKET = 'payment_api_request_duration_seconds_bucket{status_class="2xx",le="0.5"}'


def test_a_histogram_that_a_release_drops_is_told_after_an_hour(promtool: Promtool, tmp_path: Path) -> None:
    until = hours(3)
    fed = {
        UP: "1x180",
        BUCKET: "0+9x59 stale",
        webhooks.events.where(outcome="processed"): "0+9x180",
        customers(): "0+9x180",
    }
    told = ((minutes(121), until),)

    play(promtool, tmp_path, fed, {scraping.application_metric_gone: told}, until=until, every=minutes(1))


@pytest.mark.parametrize(
    ("up", "paying", "back"),
    [
        pytest.param("1x59 0x120", "0+9x180", "_x120", id="the service is down"),
        pytest.param("1x180", "0+9x59 540x120", "_x120", id="nobody pays after a restart"),
        pytest.param("1x180", "0+9x180", "_x45 0+9x75", id="it comes 45 minutes late"),
    ],
)
def test_a_metric_that_cannot_be_there_is_not_missed(
    up: str, paying: str, back: str, promtool: Promtool, tmp_path: Path
) -> None:
    until = hours(3)
    fed = {UP: up, BUCKET: f"0+9x59 stale {back}", customers(): paying}

    play(promtool, tmp_path, fed, {scraping.application_metric_gone: NEVER}, until=until, every=minutes(1))


def test_a_maintenance_and_a_kill_switch_that_nobody_takes_back_are_told_after_four_hours(
    promtool: Promtool, tmp_path: Path
) -> None:
    """The switch was pulled for three hours before, and released in time."""
    fed = {rollout.maintenance.name: "1x150", rollout.killed.name: "1x45 0x10 1x93", rollout.rollout.name: "1x150"}
    expected = {
        rollout.maintenance_forgotten: ((minutes(248), hours(10)),),
        rollout.kill_switch_forgotten: ((minutes(472), hours(10)),),
    }

    play(promtool, tmp_path, fed, expected, until=hours(10), every=minutes(4))
