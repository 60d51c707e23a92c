"""Does input that is not as it should be page for nothing, and is a real outage told in spite of it?"""

from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import account, blindness, budget, monitoring, outcomes, silence
from rules.promtool.series import Series
from rules.vocabulary import Alert, Source, minutes, seconds
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

P1 = outcomes.complete_failure
PAGES = (
    P1,
    outcomes.degraded,
    outcomes.success_rate_low,
    budget.failures_per_hour,
    budget.burn_fast,
    silence.traffic_stopped,
    blindness.events_stale,
    blindness.metrics_absent,
)
"""What wakes somebody by the counters of payments alone, or because they are not there."""
QUARTER = seconds(15)


def attempts(result: str, **target: str) -> str:
    """The counter of customers' attempts with that result, as that target exports it."""
    counter = outcomes.attempts.where(result=result, payment_method="card", initiator="api")
    return str(Series.parse(counter).having(**target))


def payments(result: str, **target: str) -> str:
    """The same, each payment once."""
    return str(Series.parse(outcomes.distinct_attempts.where(result=result, initiator="api")).having(**target))


Spans = tuple[tuple[timedelta, timedelta], ...]


NEVER: Spans = ()


def none_of(*alerts: Alert) -> dict[Alert, Spans]:
    """That they do not fire."""
    return dict.fromkeys(alerts, NEVER)


def test_of_two_replicas_the_one_that_stands_still_neither_stops_nor_hides_anything(
    promtool: Promtool, tmp_path: Path
) -> None:
    """120 attempts a minute; after 90 minutes one replica learns nothing more, and after 150 all fail."""
    fed = {
        attempts("success", instance="a"): "0+60x300 18000x80",
        attempts("technical_failure", instance="a"): "0x300 60+60x79",
        attempts("success", instance="b"): "0+60x180 10800x200",
        attempts("technical_failure", instance="b"): "0x380",
    }
    until = minutes(190)
    quiet = none_of(silence.traffic_stopped, blindness.events_stale, blindness.metrics_absent)

    play(promtool, tmp_path, fed, {P1: ((minutes(152), until),)} | quiet, until=until)


@pytest.mark.parametrize(
    ("keeps_its_name", "after"),
    [
        pytest.param(True, minutes(2), id="the same pod"),
        pytest.param(False, minutes(4), id="a new pod each time, of which the best one of four minutes counts"),
    ],
)
def test_an_exporter_that_restarts_each_minute_pages_nobody_and_tells_of_an_outage(
    promtool: Promtool, tmp_path: Path, keeps_its_name: bool, after: timedelta
) -> None:
    """40 attempts a minute, counted from 0 at each start; after 40 minutes all fail."""
    fine, broken = 40, 12
    counted, nothing = "0 10 20 30", "0 0 0 0"
    fed: dict[str, str] = {}
    for counter in (attempts, payments):
        if keeps_its_name:
            fed[counter("success")] = " ".join([counted] * fine + [nothing] * broken)
            fed[counter("technical_failure")] = " ".join([nothing] * fine + [counted] * broken)
            continue
        for minute in range(fine + broken):
            lives, pod = f"{f'_x{4 * minute} ' if minute else ''}{{}} stale", f"exporter-{minute}"
            well = minute < fine
            fed[counter("success", pod=pod)] = lives.format(counted if well else nothing)
            fed[counter("technical_failure", pod=pod)] = lives.format(nothing if well else counted)
    until = minutes(fine + broken - 1)
    told = {P1: ((minutes(fine) + after, until),)}
    quiet = none_of(silence.traffic_stopped, blindness.events_stale, blindness.metrics_absent)

    play(promtool, tmp_path, fed, told | quiet, until=until, every=QUARTER)


def test_counters_that_begin_at_a_thousand_tell_of_nothing(promtool: Promtool, tmp_path: Path) -> None:
    """An exporter that has counted for a month is scraped for the first time after an hour."""
    fed = {
        attempts("success"): "_x120 50000+20x200",
        attempts("technical_failure"): "_x120 1000x200",
        attempts("issuer_declined"): "_x120 1000+2x200",
        account.payouts.where(result="failed"): "_x120 1000x200",
    }
    absent = ((minutes(6), minutes(64) + seconds(30)),)
    quiet = none_of(*(alert for alert in PAGES if alert is not blindness.metrics_absent), account.payout_failed)

    play(promtool, tmp_path, fed, quiet | {blindness.metrics_absent: absent}, until=minutes(150))


def watermark(values: str) -> dict[str, str]:
    """When Stripe's events were last read, by the clock of the exporter, which reads them every 30 seconds."""
    source = f'{{source="{Source.STRIPE_EVENTS.value}"}}'
    return {f"{monitoring.watermark}{source}": values, f"{monitoring.interval}{source}": "30x1000"}


@pytest.mark.parametrize(
    ("ahead", "stops", "told"),
    [
        pytest.param(-120, None, minutes(6), id="two minutes behind: at once, as too old to be judged by"),
        pytest.param(-45, None, None, id="45 seconds behind: within what is allowed"),
        pytest.param(600, None, None, id="ten minutes ahead: fresh"),
        pytest.param(
            600,
            90,
            minutes(107) + seconds(30),
            id="ten minutes ahead, and no longer read: ten minutes later than it should be",
        ),
    ],
)
def test_a_clock_that_is_off_makes_data_old_or_their_age_late_and_never_a_complete_failure(
    ahead: int, stops: int | None, told: timedelta | None, promtool: Promtool, tmp_path: Path
) -> None:
    """40 payments a minute succeed, all the while."""
    until, steps = minutes(150), 300
    read = steps if stops is None else 2 * stops
    fed = {attempts("success"): "0+20x300", attempts("technical_failure"): "0x300"}
    fed |= watermark(f"{ahead}+30x{read} {ahead + 30 * read}x{steps - read}")
    stale: Spans = NEVER if told is None else ((told, until),)

    play(
        promtool,
        tmp_path,
        fed,
        none_of(P1, silence.traffic_stopped) | {blindness.events_stale: stale},
        until=until,
        without=(Source.STRIPE_EVENTS,),
    )


def test_a_source_that_comes_and_goes_pages_nobody_and_tells_of_an_outage(promtool: Promtool, tmp_path: Path) -> None:
    """Stripe's events are read for four minutes, and for four they are not; after 96 minutes all payments fail."""
    steps, fails = 300, 192
    there = [step // 8 % 2 == 0 for step in range(steps)]

    def seen(values: list[int]) -> str:
        return " ".join(str(value) if known else "_" for value, known in zip(values, there, strict=True))

    read = [max(earlier for earlier in range(step + 1) if there[earlier]) * 30 for step in range(steps)]
    fed = {
        attempts("success"): seen([20 * min(step, fails) for step in range(steps)]),
        attempts("technical_failure"): seen([20 * max(step - fails, 0) for step in range(steps)]),
    } | watermark(" ".join(map(str, read)))
    until = minutes(149)
    expected = none_of(silence.traffic_stopped, blindness.events_stale, blindness.metrics_absent)

    play(
        promtool,
        tmp_path,
        fed,
        expected | {P1: ((minutes(97) + seconds(30), until),)},
        until=until,
        without=(Source.STRIPE_EVENTS,),
    )
