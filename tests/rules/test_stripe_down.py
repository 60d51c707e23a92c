"""Where Stripe answers nobody, is that told as the complete failure that it is; and what only looks like it, not?"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from paymon.promtool import Promtool
from rules.payments import blindness, completion, health, outcomes, rollout, silence
from rules.vocabulary import Alert, Source, minutes, seconds
from tests.rules.playing import play

pytestmark = pytest.mark.by_turns

NEVER = ()
HOUR = minutes(60)
END = HOUR + minutes(80)
STRIPE, FLAG = Source.STRIPE_EVENTS, Source.FLAG

SUCCESS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
COMPLETED = silence.last_completed.name
REACHED = health.check_ok.where(check="stripe_api")

NONE_COMPLETED, UNREACHABLE, UNSEEN = completion.none_completed, health.stripe_unreachable, blindness.events_stale


def shop(per_half_minute: int, reached: int = 0, completed_until: int = 120, until: int = 300) -> dict[str, str]:
    """An hour in which all is well; then Stripe's events are as they were. A value every half a minute."""
    last = 120 * per_half_minute
    return {
        SUCCESS: f"0+{per_half_minute}x120 {last}x{until - 121}",
        COMPLETED: f"0+30x{completed_until} {30 * completed_until}x{until - completed_until - 1}",
        REACHED: f"1x120 {reached}x{until - 121}",
        health.up.name: f"1x120 {reached}x{until - 121}",
        rollout.killed.name: f"0x{until}",
        rollout.rollout.name: f"1x{until}",
    }


def told(
    promtool: Promtool,
    folder: Path,
    series: Mapping[str, str],
    expected: Mapping[Alert, tuple[tuple[timedelta, timedelta], ...]],
    without: tuple[Source, ...] = (),
    until: timedelta = END,
    old: tuple[Source, ...] = (STRIPE,),
) -> None:
    play(promtool, folder, series, expected, until=until, last_read=dict.fromkeys(old, HOUR), without=without)


@pytest.mark.parametrize(("per_half_minute", "after"), [(62, seconds(150)), (5, seconds(150)), (2, minutes(5))])
def test_no_payment_completed_and_no_word_from_stripe_is_a_complete_failure_for_as_long_as_it_lasts(
    per_half_minute: int, after: timedelta, promtool: Promtool, tmp_path: Path
) -> None:
    """At 124, 10 and 4 a minute; for longer than the past is known from which payments were to be expected."""
    quiet = (
        completion.processing_lag_high,
        UNSEEN,
        UNREACHABLE,
        *((health.health_down,) if after < minutes(5) else ()),
    )

    told(
        promtool,
        tmp_path,
        shop(per_half_minute),
        {NONE_COMPLETED: ((HOUR + after + seconds(30), END),), **dict.fromkeys(quiet, NEVER)},
    )


@pytest.mark.parametrize("without", [(Source.POSTGRES,), ()], ids=["no database", "one that answers other questions"])
def test_where_no_database_says_when_the_latest_payment_was_completed_the_health_endpoint_decides(
    without: tuple[Source, ...], promtool: Promtool, tmp_path: Path
) -> None:
    """A question that fails, for a missing right or a timeout, is told nowhere in the age of its source."""
    series = shop(62)
    if without:
        del series[COMPLETED]
    else:
        series[COMPLETED] = "0+30x60 stale"

    told(
        promtool,
        tmp_path,
        series,
        {UNREACHABLE: ((HOUR + minutes(4), END),), NONE_COMPLETED: NEVER, UNSEEN: NEVER},
        without=without,
    )


def test_a_database_that_is_lost_with_stripe_leaves_it_to_the_health_endpoint(
    promtool: Promtool, tmp_path: Path
) -> None:
    """Its last answer is served for two minutes more."""
    series = shop(62) | {COMPLETED: "0+30x123 stale"}

    told(
        promtool,
        tmp_path,
        series,
        {UNREACHABLE: ((HOUR + minutes(5), END),), NONE_COMPLETED: NEVER, UNSEEN: NEVER},
        old=(STRIPE, Source.POSTGRES),
    )


def test_a_revoked_key_is_no_complete_failure_while_payments_are_completed(promtool: Promtool, tmp_path: Path) -> None:
    """The exporter alone is locked out; after five minutes that is told, and pages once."""

    told(
        promtool,
        tmp_path,
        shop(62, reached=1, completed_until=299),
        {
            UNSEEN: ((HOUR + seconds(450), END),),
            NONE_COMPLETED: NEVER,
            UNREACHABLE: NEVER,
            blindness.exporter_stale: NEVER,
            completion.processing_lag_high: NEVER,
        },
    )


@pytest.mark.parametrize("without", [(), (Source.POSTGRES,)], ids=["with a database", "without one"])
def test_blocked_egress_at_night_wakes_nobody_for_a_complete_failure(
    without: tuple[Source, ...], promtool: Promtool, tmp_path: Path
) -> None:
    """One payment in ten minutes, and neither the service nor the exporter gets out: nobody was kept from paying."""
    series = shop(0) | {SUCCESS: "0x19 1x20 2x20 3x20 4x20 5x20 6x180"}

    told(promtool, tmp_path, series, {NONE_COMPLETED: NEVER, UNREACHABLE: NEVER}, without=without)


def test_switched_off_meanwhile_no_payment_is_expected(promtool: Promtool, tmp_path: Path) -> None:
    """The kill switch is pulled a minute after Stripe went down."""
    series = shop(62) | {rollout.killed.name: "0x121 1x180"}

    told(promtool, tmp_path, series, {NONE_COMPLETED: NEVER, UNREACHABLE: NEVER})


KEPT_OUT = {
    "the day is declared closed": {rollout.closed.name: "0x100 1x199"},
    "maintenance is declared": {rollout.maintenance.name: "0x115 1x184"},
    "rolled back by plan to a few customers": {rollout.rollout.name: "1x121 0.01x178"},
}


@pytest.mark.parametrize("without", [(), (Source.POSTGRES,)], ids=["with a database", "without one"])
@pytest.mark.parametrize("declared", KEPT_OUT.values(), ids=KEPT_OUT)
def test_while_customers_are_kept_out_on_purpose_no_payment_is_expected(
    declared: Mapping[str, str], without: tuple[Source, ...], promtool: Promtool, tmp_path: Path
) -> None:
    """Ten a minute before: of a hundredth of them, one comes in ten minutes."""
    series = shop(5) | dict(declared)
    if without:
        del series[COMPLETED]

    told(promtool, tmp_path, series, {NONE_COMPLETED: NEVER, UNREACHABLE: NEVER}, without=without)


@pytest.mark.parametrize(
    ("without", "told_of", "after"),
    [((), NONE_COMPLETED, 0), ((Source.POSTGRES,), UNREACHABLE, 2)],
    ids=["with a database", "without one"],
)
def test_what_goes_on_after_maintenance_is_told_ten_minutes_after_it(
    without: tuple[Source, ...], told_of: Alert, after: int, promtool: Promtool, tmp_path: Path
) -> None:
    """124 a minute before; maintenance ends at minute 70."""
    series = shop(62) | {rollout.maintenance.name: "0x115 1x24 0x160"}
    if without:
        del series[COMPLETED]

    told(promtool, tmp_path, series, {told_of: ((minutes(81 + after), END),)}, without=without)


@pytest.mark.parametrize(
    ("without", "told_of", "after"),
    [((), NONE_COMPLETED, minutes(3)), ((Source.POSTGRES,), UNREACHABLE, minutes(4))],
    ids=["with a database", "without one"],
)
def test_maintenance_that_is_declared_because_of_it_ends_the_page(
    without: tuple[Source, ...], told_of: Alert, after: timedelta, promtool: Promtool, tmp_path: Path
) -> None:
    """Declared twenty minutes after Stripe went down; what was told is told for ten minutes more."""
    series = shop(62) | {rollout.maintenance.name: "0x159 1x140"}
    if without:
        del series[COMPLETED]

    told(promtool, tmp_path, series, {told_of: ((HOUR + after, HOUR + seconds(1770)),)}, without=without)


@pytest.mark.parametrize("open_till_late", [False, True], ids=["closing time", "not yet closing time"])
def test_that_nobody_pays_any_more_is_an_outage_where_the_shop_was_open_at_this_time_on_other_days(
    open_till_late: bool, promtool: Promtool, tmp_path: Path
) -> None:
    """20 a minute while the shop is open, from nine o'clock to ten at night.

    On the ninth day nobody pays from ten o'clock on, as usual; or already from 21:28 on. Stripe is unseen from
    twelve minutes before that on.
    """
    opens, closes = 9 * 60, 22 * 60
    begins = 8 * 1440
    last = begins + (21 * 60 + 28 if open_till_late else closes)
    unseen = last - 12
    end = begins + closes + 60
    paid, latest, completed = [0], 0, [0]
    for at in range(4, end + 1, 4):
        pays = opens < at % 1440 <= closes and at <= last
        latest = at * 60 if pays else latest
        paid.append(paid[-1] + 80 * (pays and at <= unseen))
        completed.append(latest)
    series = {
        SUCCESS: " ".join(map(str, paid)),
        COMPLETED: " ".join(map(str, completed)),
        rollout.killed.name: f"0x{end // 4}",
        rollout.rollout.name: f"1x{end // 4}",
    }
    expected = {NONE_COMPLETED: ((minutes(last + 16), minutes(last + 24)),) if open_till_late else NEVER}

    play(
        promtool,
        tmp_path,
        series,
        expected,
        until=minutes(last + 24 if open_till_late else end),
        every=minutes(4),
        last_read={STRIPE: minutes(unseen)},
    )


@pytest.mark.parametrize(
    ("without", "told_of", "after"),
    [((), NONE_COMPLETED, minutes(3)), ((Source.POSTGRES,), UNREACHABLE, minutes(4))],
    ids=["with a database", "without one"],
)
def test_a_flag_that_nobody_can_read_is_no_pulled_switch(
    without: tuple[Source, ...], told_of: Alert, after: timedelta, promtool: Promtool, tmp_path: Path
) -> None:
    """What takes Stripe away may take the flag's service, too: its series are dropped when two minutes old."""
    series = shop(62) | {rollout.killed.name: "0x124 _x175", rollout.rollout.name: "1x124 _x175"}
    if without:
        del series[COMPLETED]

    told(
        promtool,
        tmp_path,
        series,
        {told_of: ((HOUR + after, END),), UNSEEN: NEVER},
        without=without,
        old=(STRIPE, FLAG),
    )


def test_a_lag_of_the_database_is_told_though_stripes_events_are_old(promtool: Promtool, tmp_path: Path) -> None:
    """Its own source is fresh, and what was to be expected is known from before: it needs no P1 to speak for it."""
    series = shop(62, reached=1)
    until = HOUR + minutes(35)

    told(promtool, tmp_path, series, {completion.processing_lag_high: ((HOUR + seconds(420), until),)}, until=until)


@pytest.mark.parametrize("seconds_away", [60, 180, 270], ids=lambda away: f"{away} s")
def test_a_restart_or_a_change_of_leader_pages_nobody(seconds_away: int, promtool: Promtool, tmp_path: Path) -> None:
    """The events are as old as the exporter was away, and then it reads on."""
    away = seconds_away // 30
    events = '{source="stripe_events"}'
    until = HOUR + minutes(30)
    series = shop(62, reached=1, completed_until=299) | {
        f"payments_exporter_watermark_timestamp_seconds{events}": f"0+30x120 3600x{away} {3600 + 30 * away + 30}+30x60",
        f"payments_exporter_interval_seconds{events}": "15x300",
    }

    play(
        promtool,
        tmp_path,
        series,
        {UNSEEN: NEVER, NONE_COMPLETED: NEVER, UNREACHABLE: NEVER},
        until=until,
        without=(STRIPE,),
    )
