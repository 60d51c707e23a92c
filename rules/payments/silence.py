"""Silence: does nobody come to pay, at a time at which somebody always does?"""

from datetime import timedelta

from rules.payments import monitoring, outcomes, rollout
from rules.payments.outcomes import total
from rules.payments.runbook.procedures import HEALTH, RECENT_CHANGES, ROLL_BACK, TELL_PEOPLE
from rules.vocabulary import (
    Alert,
    Example,
    Priority,
    Runbook,
    Severity,
    Signal,
    Step,
    Unit,
    at_most,
    hours,
    minutes,
    only_if,
    or_when,
    seconds,
    unless,
)

_CARD_SUCCESS = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
_LINK_SUCCESS = outcomes.attempts.where(result="success", payment_method="link", initiator="api")
_NOBODYS_SUCCESS = outcomes.attempts.where(result="success", payment_method="link", initiator=outcomes.UNKNOWN)
_RENEWALS = outcomes.attempts.where(result="success", payment_method="card", initiator=outcomes.BY_STRIPE)

attempts_5m = Signal(
    "payments:customer_attempts:increase5m",
    "Attempts that customers ended in 5 minutes, renewals by Stripe left aside",
    Unit.COUNT,
    total(outcomes.BY_CUSTOMERS, "5m"),
    Example.over(minutes(5), outcomes.AND_RENEWALS, (("", "50"),)),
)

attempts_10m = Signal(
    "payments:customer_attempts:increase10m",
    "Attempts that customers ended in 10 minutes, renewals by Stripe left aside",
    Unit.COUNT,
    total(outcomes.BY_CUSTOMERS, "10m"),
    Example.over(minutes(10), outcomes.AND_RENEWALS, (("", "50"),)),
)

attempts_20m = Signal(
    "payments:customer_attempts:increase20m",
    "Attempts that customers ended in 20 minutes, renewals by Stripe left aside",
    Unit.COUNT,
    total(outcomes.BY_CUSTOMERS, "20m"),
    Example.over(minutes(20), outcomes.AND_RENEWALS, (("", "50"),)),
)

HALF_AN_HOUR_AGO = (
    (_CARD_SUCCESS, "0+4x5 0+4x5"),
    (_LINK_SUCCESS, "0+5x2 10+1x2 13+9x5"),
    (_NOBODYS_SUCCESS, "0+1x2 20+3x5 50+1x5"),
    (_RENEWALS, "0+7x10"),
)
"""A value every six minutes: of the half-hour that ended 10 minutes ago, at minute 55, 5 minutes hold 7.5 on average."""

expected_recently = Signal(
    "payments:attempts_expected:from_past_half_hour",
    "Attempts by customers that 5 minutes would hold at the pace of the half-hour that ended 10 minutes ago",
    Unit.COUNT,
    f"{outcomes.of_half_an_hour(outcomes.BY_CUSTOMERS, minutes(10))} / 6",
    Example(
        series=HALF_AN_HOUR_AGO,
        every=minutes(6),
        at=minutes(55),
        gives=(("", "7.5"),),
    ),
    also=(
        # One exporter until minute 38, another one from minute 26 on: 30 in five minutes, and in the last five 15.
        Example(
            series=(
                (outcomes.having(_CARD_SUCCESS, instance="a", pod="a"), "0+8x19 stale"),
                (outcomes.having(_NOBODYS_SUCCESS, instance="a", pod="a"), "0+4x19 stale"),
                (outcomes.having(_CARD_SUCCESS, instance="a", pod="b"), "_x13 40+4x14"),
                (outcomes.having(_NOBODYS_SUCCESS, instance="a", pod="b"), "_x13 20+2x14"),
                (f'{monitoring.state_epoch}{{instance="a",pod="a"}}', "0x19 stale"),
                (f'{monitoring.state_epoch}{{instance="a",pod="b"}}', "_x13 0x14"),
                (_RENEWALS, "0+7x27"),
            ),
            every=minutes(2),
            at=minutes(55),
            gives=(("", "27"),),
        ),
    ),
    steady=True,
)

expected_after_rollback = Signal(
    "payments:attempts_expected:after_rollback",
    "Attempts by customers that 5 minutes would hold at that pace, of the share of customers that a roll-back left",
    Unit.COUNT,
    f"{expected_recently} * on () {rollout.kept('40m')}",
    Example(
        series=(
            *HALF_AN_HOUR_AGO,
            (f'{rollout.rollout}{{pod="a"}}', "1x2 0.8 0.6x4 0.4x2"),
            (f'{rollout.rollout}{{pod="b"}}', "0.1x11"),
        ),
        every=minutes(6),
        at=minutes(55),
        gives=(("", "3.75"),),
    ),
    also=(
        Example(
            series=(*HALF_AN_HOUR_AGO, (rollout.rollout.name, "0.5x10")),
            every=minutes(6),
            at=minutes(55),
            gives=(("", "7.5"),),
        ),
    ),
    steady=True,
)

expected_lately = Signal(
    "payments:attempts_expected:from_past_hours",
    "Attempts by customers that 20 minutes would hold at the pace of the two hours that ended 20 minutes ago",
    Unit.COUNT,
    f"{total(outcomes.BY_CUSTOMERS, '2h', offset='20m')} / 6",
    Example(
        series=(
            (_CARD_SUCCESS, "1+4x5 22+1x5"),
            (_LINK_SUCCESS, "5x5 5+2x5"),
            (_NOBODYS_SUCCESS, "1+1x5 20+3x5"),
            (_RENEWALS, "0+7x10"),
        ),
        every=minutes(24),
        at=hours(3) + minutes(50),
        gives=(("", "6.666666666666667"),),
    ),
    steady=True,
)


def _after_two_hours(card: str, gives: str = "") -> Example:
    """Successes every five minutes, of which 120 in the two hours up to minute 152 are just enough, and renewals."""
    return Example(
        series=((_CARD_SUCCESS, card), (_RENEWALS, "0+7x34")),
        every=minutes(5),
        at=minutes(172),
        gives=(("", gives),) if gives else (),
    )


silent_lately = Signal(
    "payments:customer_attempts:where_expected",
    "Attempts that customers ended in 10 minutes, where the two hours before would have 20 of them expected in 20",
    Unit.COUNT,
    f"{attempts_10m}\nand on () ({expected_lately} >= 20)",
    _after_two_hours("5+5x30 155 156 157 159", "4"),
    also=(_after_two_hours("5+5x29 154.9 155 156 157 159"),),
    steady=True,
)

expected_lately_after_rollback = Signal(
    "payments:attempts_expected:from_past_hours_after_rollback",
    "Attempts by customers that 20 minutes would hold at that pace, of the share of customers that a roll-back left",
    Unit.COUNT,
    f"{expected_lately} * on () {rollout.kept('140m')}",
    Example(
        series=(
            (_CARD_SUCCESS, "1+4x5 22+1x5"),
            (_LINK_SUCCESS, "5x5 5+2x5"),
            (_NOBODYS_SUCCESS, "1+1x5 20+3x5"),
            (f'{rollout.rollout}{{pod="a"}}', "1x2 0.8 0.4x5"),
            (f'{rollout.rollout}{{pod="b"}}', "0.1x8"),
        ),
        every=minutes(24),
        at=hours(3) + minutes(15),
        gives=(("", "3.229166666666667"),),
    ),
    also=(
        Example(
            series=((_CARD_SUCCESS, "1+5x8"), (rollout.rollout.name, "0.5x8")),
            every=minutes(24),
            at=hours(3) + minutes(15),
            gives=(("", "4.166666666666667"),),
        ),
    ),
    steady=True,
)

expected_weekly = Signal(
    "payments:attempts_expected:from_past_week",
    "Attempts by customers that 5 minutes would hold at the pace of the same hour a week ago",
    Unit.COUNT,
    f"{total(outcomes.BY_CUSTOMERS, '1h', offset='7d')} / 12",
    Example(
        series=(
            (_CARD_SUCCESS, "0+4x5 30+1x5"),
            (_LINK_SUCCESS, "5x5 5+2x5"),
            (_NOBODYS_SUCCESS, "0+1x5 20+3x5"),
            (_RENEWALS, "0+7x10"),
        ),
        every=minutes(12),
        at=hours(170) + minutes(6),
        gives=(("", "2.5"),),
    ),
    steady=True,
)

weekly_after_rollback = Signal(
    "payments:attempts_expected:from_past_week_after_rollback",
    "Attempts by customers that 5 minutes would hold at the pace of a week ago, of the share of customers that is left",
    Unit.COUNT,
    f"{expected_weekly} * on () clamp_max(max({rollout.rollout}) / on () "
    f"(max(max_over_time({rollout.rollout}[1h] offset 7d)) > 0), 1)",
    Example(
        series=(
            (_CARD_SUCCESS, "0+4x5 30+1x5"),
            (_LINK_SUCCESS, "5x5 5+2x5"),
            (_NOBODYS_SUCCESS, "0+1x5 20+3x5"),
            (f'{rollout.rollout}{{pod="a"}}', "0.9x5 0.8 0.6x2 0.7 0.95x834 0.2x5"),
            (f'{rollout.rollout}{{pod="b"}}', "0.1x851"),
        ),
        every=minutes(12),
        at=hours(170) + minutes(4),
        gives=(("", "0.625"),),
    ),
    also=(
        Example(
            series=((_CARD_SUCCESS, "0+6x10"), (rollout.rollout.name, "0.5x840 1x10")),
            every=minutes(12),
            at=hours(170) + minutes(4),
            gives=(("", "2.5"),),
        ),
    ),
    steady=True,
)


def _days_after(gives: str, card: str, nobodys: str = "0+1x2032") -> Example:
    """Attempts every five minutes for a week and an hour, and renewals."""
    return Example(
        series=((_CARD_SUCCESS, card), (_NOBODYS_SUCCESS, nobodys), (_RENEWALS, "0+7x2032")),
        every=minutes(5),
        at=minutes(10142) + seconds(30),
        gives=(("", gives),),
    )


expected_of_days_before = Signal(
    "payments:attempts_expected:of_days_before",
    "Attempts by customers that 5 minutes would hold at the pace of yesterday's or of last week's half-hour around this time, "
    "whichever had fewer",
    Unit.COUNT,
    "min (\n"
    f'  label_replace({total(outcomes.BY_CUSTOMERS, "30m", offset="23h45m")}, "of", "yesterday", "", "")\n'
    f'  or label_replace({total(outcomes.BY_CUSTOMERS, "30m", offset="6d23h45m")}, "of", "a week ago", "", "")\n) / 6',
    # 3 and 1 every five minutes, in the half-hour that had fewer; just outside both half-hours, far more.
    _days_after("4", "0+18x10 183+3x4 213+18x1722 31218+9x4 31272+18x288"),
    also=(
        _days_after("4", "0+18x10 189+9x4 243+18x1722 31242+3x4 31272+18x288"),
        _days_after("10", "_x1000 0+9x1032", "_x1000 0+1x1032"),
    ),
    steady=True,
)


def fewest(around: str, until: str) -> str:
    """PromQL for the fewest attempts that ten minutes held within a stretch of the past that ended `until` ago.

    Computed from the counters, and not from what was recorded of them: rules that are new have recorded nothing yet.
    """
    return f"min_over_time(({total(outcomes.BY_CUSTOMERS, '10m')})[{around}:5m] offset {until})"


def _around(at: timedelta, gives: str, card: str, nobodys: str) -> Example:
    """Attempts every five minutes, and renewals."""
    return Example(
        series=((_CARD_SUCCESS, card), (_NOBODYS_SUCCESS, nobodys), (_RENEWALS, f"0+7x{at // minutes(5)}")),
        every=minutes(5),
        at=at,
        gives=(("", gives),),
    )


quietest_weekly = Signal(
    "payments:customer_attempts:fewest_weekly",
    "Fewest attempts that ten minutes held, from 75 minutes before this time a week ago to 75 minutes after "
    "it; or two weeks ago, where that is more",
    Unit.COUNT,
    "max (\n"
    f'  label_replace({fewest("150m", "13d22h45m")}, "of", "two weeks ago", "", "")\n'
    f'  or label_replace({fewest("150m", "6d22h45m")}, "of", "a week ago", "", "")\n)',
    _around(hours(336) + minutes(92), "8", "0+6x5 36+3x30 130+2x4000", "0+1x4050"),
    also=(_around(hours(336) + minutes(92), "14", "0+6x5 36+3x30 130+9x1993 18073+6x5 18112+9x2014", "0+1x4050"),),
    steady=True,
)

fewest_at_this_time = Signal(
    "payments:customer_attempts:fewest_daily",
    "Fewest attempts that ten minutes held around this time yesterday or a week ago, whichever is less; 0 on Sundays, "
    "when clocks are changed",
    Unit.COUNT,
    f"(\n  {fewest('10m', '23h55m')}\n  < on ()\n  {fewest('10m', '6d23h55m')}\n"
    f"  or on ()\n  {fewest('10m', '6d23h55m')}\n)\n* on () (day_of_week(vector(time() - 21600)) > bool 0)",
    _around(hours(168) + minutes(92), "8", "0+6x5 36+3x30", "0+1x37"),
    also=(
        _around(hours(168) + minutes(92), "4", "0+6x5 36+3x30 130+9x1700 15431+1x10 15450+9x280", "0+1x2050"),
        _around(hours(168) + minutes(92), "8", "0+6x5 36+3x30 130+4x2000", "0+1x2050"),
    ),
    steady=True,
)

_COMING_BACK = "switched off, no traffic is what we want; after a release customers need some minutes to come back"
_ON = unless(rollout.switched_off_in_10m, ">=", 1, _COMING_BACK)
OPEN = unless(rollout.closed_today, ">=", 1, "on a day that was declared closed nobody is missed")
IN_SERVICE = unless(
    rollout.maintained_in_10m,
    ">=",
    1,
    "maintenance that was declared keeps customers out; after it they need some minutes",
)
_AS_EVER = (_ON, OPEN, IN_SERVICE)
STILL_ON = unless(expected_after_rollback, "<", 20, "a planned roll-back leaves so few customers, that none may come")
_STILL_ON_LATELY = unless(expected_lately_after_rollback, "<", 20, "a planned roll-back leaves so few customers")
_STILL_ON_WEEKLY = unless(weekly_after_rollback, "<", 5, "a planned roll-back leaves so few customers")
_BUSY = only_if(expected_recently, ">=", 20, "quiet hours have gaps of their own")
_BUSY_LATELY = only_if(expected_lately, ">=", 20, "quiet hours have gaps of their own")
CLOSING = unless(
    quietest_weekly,
    "<",
    1,
    "there was a time a week ago, up to an hour earlier or later in case clocks were changed since, when nobody paid for "
    "ten minutes: this may be closing time",
)
OPEN_ON_OTHER_DAYS = unless(
    fewest_at_this_time, "<", 10, "yesterday or a week ago the shop was closed at this time, or closing"
)
AS_ON_OTHER_DAYS = (CLOSING, _STILL_ON_WEEKLY)
"""Guards without which other days do not tell how many customers are to be expected today."""


traffic_stopped = Alert(
    "PaymentsTrafficStopped",
    watches=attempts_5m,
    thresholds=(
        at_most(
            0,
            Severity.CRITICAL,
            Priority.P1,
            keep_firing=minutes(10),
            because="where 20 attempts are usual in 5 minutes, none at all is chance once in 500 million times",
        ),
    ),
    guards=(_BUSY, CLOSING, STILL_ON, *_AS_EVER),
    or_else=(
        or_when(
            attempts_10m,
            "<=",
            0,
            "near opening and closing, twice as long without a customer is told where the shop was open at this time",
            _BUSY,
            OPEN_ON_OTHER_DAYS,
            STILL_ON,
            *_AS_EVER,
        ),
        or_when(
            attempts_20m,
            "<=",
            0,
            "below 4 a minute, 20 are usual in 20 minutes",
            _BUSY_LATELY,
            CLOSING,
            _STILL_ON_LATELY,
            *_AS_EVER,
        ),
        or_when(
            attempts_20m,
            "<=",
            0,
            "an outage that outlasts the hours before it is still one",
            only_if(expected_weekly, ">=", 5, "a week ago this hour was busy, so it should be now"),
            CLOSING,
            _STILL_ON_WEEKLY,
            *_AS_EVER,
        ),
        or_when(
            attempts_20m,
            "<=",
            0,
            "a shop whose doors do not open in the morning has no hours before",
            only_if(fewest_at_this_time, ">=", 10, "yesterday and a week ago the shop was open at this time"),
            _STILL_ON_WEEKLY,
            *_AS_EVER,
        ),
    ),
    stays_while=only_if(
        silent_lately,
        "<=",
        0,
        "while nobody comes it is one outage, though the pace of before is no longer known so well",
    ),
    summary="No payment has been attempted for 5 minutes.",
    description="{value} payment attempts in 5 minutes, where at least 20 were to be expected.",
    runbook=Runbook(
        meaning="Customers no longer reach the point where they pay. Nothing fails, because nothing is tried.",
        impact="No revenue; and the success rate shows nothing, since there is nothing to divide.",
        diagnosis=(
            Step("Open the shop and try to pay: does the checkout load, and does its request reach us?"),
            HEALTH,
            RECENT_CHANGES,
            Step("Check DNS, the load balancer and the front end's own monitoring."),
        ),
        mitigation=(ROLL_BACK, Step("If the front end is at fault, call its on-call engineer."), TELL_PEOPLE),
    ),
    serves=("SEV-P1",),
)
