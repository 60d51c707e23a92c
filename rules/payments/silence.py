"""Silence: does nobody come to pay, at a time at which somebody always does?"""

from datetime import timedelta

from rules.payments import monitoring, outcomes, rollout
from rules.payments.outcomes import total
from rules.payments.runbook.procedures import HEALTH, RECENT_CHANGES, ROLL_BACK, TELL_PEOPLE
from rules.vocabulary import (
    Alert,
    Example,
    Gauge,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Unit,
    at_most,
    days,
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
_NOBODYS_SUCCESSES = outcomes.attempts.where(result="success", initiator=outcomes.UNKNOWN)
_RENEWALS = outcomes.attempts.where(result="success", payment_method="card", initiator=outcomes.BY_STRIPE)
_CARD_FAILURE = outcomes.attempts.where(result="technical_failure", payment_method="card", initiator="api")
_CARD_DECLINES = outcomes.attempts.where(result="issuer_declined", payment_method="card", initiator="api")

WOULD_PAY: tuple[str, ...] = (
    outcomes.attempts.where(initiator=outcomes.BY_CUSTOMER, result=("success", "technical_failure")),
    _NOBODYS_SUCCESSES,
)
"""Of whom more are to be expected: those who paid, or would have if nothing of ours or Stripe's had failed.

A card tester's cards are declined or blocked, and nobody misses him once he is gone.
"""

last_completed = Gauge(
    "payments_db_last_completed_timestamp_seconds",
    "When the latest payment was completed, whatever became of it since; absent where there is none",
    Unit.TIMESTAMP,
    Source.POSTGRES,
    serves=("HLT-13",),
)

_ANY_SUCCESS = outcomes.attempts.where(result="success")

recorded_untold = Signal(
    "payments_db:since_completed_untold:seconds",
    "Time since the latest completed payment, where Stripe has told of no success in 5 minutes, not even of a renewal",
    Unit.SECONDS,
    f"min without (instance, pod) (time() - {last_completed})\nunless on () ({total(_ANY_SUCCESS, '5m')} > 0)",
    Example(
        series=((last_completed.name, "60x10"), (_RENEWALS, "0+1x5 5x5")),
        at=minutes(10) + seconds(30),
        gives=(("", "570"),),
    ),
    also=(
        Example(series=((last_completed.name, "60x10"), (_RENEWALS, "0x9 1")), at=minutes(10) + seconds(30), gives=()),
    ),
    serves=("HLT-13",),
    steady=True,
)


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


def _weeks_of(weeks: int, gives: str, card: str, *more: tuple[str, str]) -> Example:
    """Successes every five minutes for weeks and two hours."""
    return Example(
        series=((_CARD_SUCCESS, card), *more),
        every=minutes(5),
        at=days(7 * weeks) + minutes(122) + seconds(30),
        gives=(("", gives),),
    )


def _and_others(weeks: int) -> tuple[tuple[str, str], ...]:
    """One every five minutes that failed for a technical reason, one success that nobody began; and who does not count."""
    steady = f"0+1x{2016 * weeks + 24}"
    return tuple((name, steady) for name in (_CARD_FAILURE, _NOBODYS_SUCCESS, _CARD_DECLINES, _RENEWALS))


def _growing(*stretches: tuple[int, int]) -> str:
    """So many values that grow by so much each, one stretch after the other, and by 20 from one to the next."""
    written, value = [], 0
    for values, grows in stretches:
        written.append(f"{value}+{grows}x{values - 1}")
        value += grows * (values - 1) + 20
    return " ".join(written)


_FEWER_THEN = _growing((13, 20), (24, 4), (2004, 20))
"""4 every five minutes in the two hours around this time a week ago; at all other times 20."""

_FEWER_A_WEEK_AGO = _growing((13, 20), (24, 4), (1992, 20), (24, 3), (2004, 20))
"""The same two weeks ago; and a week ago 3."""

most_weekly = Signal(
    "payments:attempts_expected:most_weekly",
    "Attempts by customers that 5 minutes would hold at one and a half times the pace of the two hours around this time a "
    "week ago or two, whichever had more; more, where the rollout grew",
    Unit.COUNT,
    "max (\n"
    f'  label_replace({total(WOULD_PAY, "2h", offset="13d23h")}, "of", "two weeks ago", "", "")\n'
    f'  or label_replace({total(WOULD_PAY, "2h", offset="6d23h")}, "of", "a week ago", "", "")\n) / 16\n'
    f"* on () (\n  clamp_min(max(max_over_time({rollout.rollout}[30m] offset 10m)) / on () "
    f"(max(max_over_time({rollout.rollout}[2h] offset 6d23h)) > 0), 1)\n  or on () vector(1)\n)",
    _weeks_of(2, "9", _FEWER_A_WEEK_AGO, *_and_others(2)),
    also=(
        _weeks_of(2, "6", f"_x2016 {_FEWER_THEN}"),
        _weeks_of(
            2,
            "12",
            _FEWER_A_WEEK_AGO,
            (f'{rollout.rollout}{{pod="a"}}', "1x2028 0.2x11 0.25x11 1x1995 0.4x4 0.5 1x1"),
            (f'{rollout.rollout}{{pod="b"}}', "0.1x4056"),
        ),
        _weeks_of(2, "6", _FEWER_A_WEEK_AGO, (rollout.rollout.name, "1x4040 0.5x15")),
    ),
    steady=True,
)


def _no_more_than_in_past_weeks(pace: str, usual: str) -> str:
    """PromQL for what came lately, or what past weeks had at most, where that is known and less.

    After a sale, the half-hour before promises customers whom no outage keeps away.
    """
    return (
        f'min (\n  label_replace({pace}, "of", "lately", "", "")\n'
        f'  or label_replace(max({usual}), "of", "in past weeks", "", "")\n)\n+ on () 0 * {pace}'
    )


recently = Signal(
    "payments:customers_lately:per_5m",
    "Attempts by customers that 5 minutes held on average in the half-hour that ended 10 minutes ago",
    Unit.COUNT,
    f"{outcomes.of_half_an_hour(WOULD_PAY, minutes(10))} / 6",
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

expected_recently = Signal(
    "payments:attempts_expected:from_past_half_hour",
    "Attempts by customers that 5 minutes would hold at the pace of the half-hour that ended 10 minutes ago; no more than "
    "past weeks had at most",
    Unit.COUNT,
    _no_more_than_in_past_weeks(f"max({recently})", str(most_weekly)),
    _weeks_of(1, "6", _FEWER_THEN),
    also=(
        _weeks_of(1, "8", "0+20x2032 40660+8x5 40720+20x1"),
        _weeks_of(1, "7", "_x2020 0+7x20"),
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
    "Attempts by customers that 20 minutes would hold at the pace of the two hours that ended 20 minutes ago; no more than "
    "past weeks had at most",
    Unit.COUNT,
    _no_more_than_in_past_weeks(f"{total(WOULD_PAY, '2h', offset='20m')} / 6", f"4 * {most_weekly}"),
    _weeks_of(1, "36", _FEWER_THEN, *_and_others(1)),
    also=(
        _weeks_of(1, "20", "0+20x2012 40260+5x23 40395+20x3"),
        _weeks_of(1, "28", "_x2005 0+7x35"),
    ),
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
    f"{total(WOULD_PAY, '1h', offset='7d')} / 12",
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


def _after_a_week(gives: str, card: str, *more: tuple[str, str]) -> Example:
    """Attempts every five minutes for a week and an hour."""
    return Example(
        series=((_CARD_SUCCESS, card), *more),
        every=minutes(5),
        at=minutes(10142) + seconds(30),
        gives=(("", gives),) if gives else (),
    )


def _days_after(gives: str, card: str, nobodys: str = "0+1x2032") -> Example:
    """The same with others of which nobody knows who began them, and renewals."""
    return _after_a_week(gives, card, (_NOBODYS_SUCCESS, nobodys), (_RENEWALS, "0+7x2032"))


expected_of_days_before = Signal(
    "payments:attempts_expected:of_days_before",
    "Attempts by customers that 5 minutes would hold at the pace of yesterday's or of last week's half-hour around this time, "
    "whichever had fewer",
    Unit.COUNT,
    "min (\n"
    f'  label_replace({total(WOULD_PAY, "30m", offset="23h45m")}, "of", "yesterday", "", "")\n'
    f'  or label_replace({total(WOULD_PAY, "30m", offset="6d23h45m")}, "of", "a week ago", "", "")\n) / 6',
    # 3 and 1 every five minutes, in the half-hour that had fewer; just outside both half-hours, far more.
    _days_after("4", "0+18x10 183+3x4 213+18x1722 31218+9x4 31272+18x288"),
    also=(
        _days_after("4", "0+18x10 189+9x4 243+18x1722 31242+3x4 31272+18x288"),
        _days_after("10", "_x1000 0+9x1032", "_x1000 0+1x1032"),
    ),
    steady=True,
)


_ALWAYS_OPEN = "0+5x2027 10137"

silent_lately = Signal(
    "payments:customer_attempts:where_expected",
    "Attempts that customers ended in 10 minutes, unless payments are off, or nobody pays at this time of any day that is "
    "known; where nobody has for a day, yesterday tells nothing, nor where the hours before promise 20 in 20 minutes",
    Unit.COUNT,
    f"{attempts_10m}\nunless on () ({rollout.switched_off_in_10m} >= 1)\nunless on () ({rollout.closed_today} >= 1)\n"
    f"unless on () ({rollout.maintained_in_10m} >= 1)\nunless on () (\n  max (\n"
    f'    label_replace({total(WOULD_PAY, "30m", offset="23h45m")}, "of", "yesterday", "", "")\n'
    f'    or label_replace({total(WOULD_PAY, "30m", offset="6d23h45m")}, "of", "a week ago", "", "")\n  ) <= 0\n'
    f"  and on () ({total(WOULD_PAY, '1d')} > 0)\n  unless on () ({expected_lately} >= 20)\n)",
    _after_a_week("4", _ALWAYS_OPEN, (_RENEWALS, "0+7x2028")),
    also=(
        # Nobody paid at this time of both days; of the only one that is known; of one of them, and of the other one.
        _after_a_week("", "0+4x10 40x4 44+4x1722 6932x4 6936+4x283 8070"),
        _after_a_week("", "_x1700 0+4x38 152x4 156+4x283 1290"),
        _after_a_week("4", "0+5x10 50x4 55+5x2011 10112"),
        _after_a_week("4", "0+5x1738 8690x4 8695+5x283 10112"),
        # Nobody at this time of both, but the hours before promise some.
        _after_a_week("4", "0+6x10 60x4 66+6x1722 10398x4 10404+6x283 12104"),
        # Nobody has for a day, and for all of it but its first hour.
        _after_a_week("0", "0+5x10 50x4 55+5x1722 8665x289"),
        _after_a_week("", "0+5x10 50x4 55+5x1722 8665x4 8670+5x10 8720x273"),
        _after_a_week("", _ALWAYS_OPEN, (rollout.killed.name, "0x2020 1x7"), (rollout.rollout.name, "1x2028")),
        _after_a_week("", _ALWAYS_OPEN, (rollout.closed.name, "1x2028")),
        _after_a_week("", _ALWAYS_OPEN, (rollout.maintenance.name, "1x2028")),
    ),
    steady=True,
)


def fewest(around: str, until: str) -> str:
    """PromQL for the fewest attempts that ten minutes held within a stretch of the past that ended `until` ago.

    Computed from the counters, and not from what was recorded of them: rules that are new have recorded nothing yet.
    """
    return f"min_over_time(({total(WOULD_PAY, '10m')})[{around}:5m] offset {until})"


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
_NOT_RECORDED = unless(
    recorded_untold,
    "<",
    300,
    "the database records payments of which Stripe has not told yet: its list of events is late, and customers come",
)
_AS_EVER = (_ON, OPEN, IN_SERVICE, _NOT_RECORDED)
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
        "while nobody comes it is one outage, though the pace of before is no longer known; it is not where payments are "
        "switched off, the day or a maintenance is declared, or on other days nobody came at this hour",
    ),
    summary="No payment has been attempted for at least 5 minutes.",
    description="{value} payment attempts in 5 minutes, or in 20 where fewer are usual; in that time at least 20 were to be "
    "expected.",
    runbook=Runbook(
        meaning="Customers no longer reach the point where they pay. Nothing fails, because nothing is tried.",
        impact="No revenue; and the success rate shows nothing, since there is nothing to divide.",
        diagnosis=(
            Step("Open the shop and try to pay: does the checkout load, and does its request reach us?"),
            HEALTH,
            Step(
                "Does the database record payments meanwhile? Then customers pay, and Stripe's list of events is late.",
                "SELECT max(completed_at), now() - max(completed_at) FROM payments;",
                "sql",
            ),
            RECENT_CHANGES,
            Step("Check DNS, the load balancer and the front end's own monitoring."),
        ),
        mitigation=(ROLL_BACK, Step("If the front end is at fault, call its on-call engineer."), TELL_PEOPLE),
    ),
    serves=("SEV-P1",),
)
