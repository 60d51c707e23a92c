"""Error budget: how fast do we use up what may fail in a month?"""

from decimal import Decimal

from rules.payments import outcomes
from rules.payments.outcomes import ENDED, FIVE_FAILURES_IN_FIFTY, TECHNICAL, share, total
from rules.payments.runbook.procedures import (
    AFFECTED_USERS,
    CALL_STRIPE,
    ERROR_LOGS,
    RECENT_CHANGES,
    ROLL_BACK,
    STRIPE_STATUS,
)
from rules.vocabulary import (
    Alert,
    BurnRate,
    Example,
    Objective,
    Priority,
    Runbook,
    Severity,
    Signal,
    Step,
    Unit,
    above,
    days,
    hours,
    minutes,
    only_if,
    or_when,
    plain,
    seconds,
    unless,
)

success = Objective(
    name="payments-technical-success",
    target=Decimal("0.998"),
    period=days(30),
    burn_rates=(
        BurnRate(long=hours(1), short=minutes(5), factor=Decimal("14.4"), least_failures=5),
        BurnRate(long=hours(6), short=minutes(30), factor=Decimal(6), least_failures=10),
        BurnRate(long=days(1), short=hours(2), factor=Decimal(3), least_failures=5),
        BurnRate(long=days(3), short=hours(6), factor=Decimal(1), least_failures=15),
    ),
    because="the runbook's healthy service succeeds at 99.8 %; its 95 % is a floor, on which no budget can burn",
    serves=("HLT-11", "KM-01"),
)

HOUR, QUARTER_DAY, DAY, THREE_DAYS = success.burn_rates


def _burn(window: str) -> str:
    return f"{share(TECHNICAL, ENDED, window)}\n/ {plain(success.budget)}"


def _failures(window: str) -> str:
    return f"{total(TECHNICAL, window)}\nor 0 * {total(ENDED, window)}"


_BURN_50 = (("", "50"),)
_FIVE = (("", "5"),)

burn_5m = Signal(
    "payments:error_budget_burn:rate5m",
    "Error budgets burnt at the pace of the past 5 minutes",
    Unit.BUDGETS,
    _burn("5m"),
    Example.over(minutes(5), FIVE_FAILURES_IN_FIFTY, _BURN_50),
)

burn_30m = Signal(
    "payments:error_budget_burn:rate30m",
    "Error budgets burnt at the pace of the past 30 minutes",
    Unit.BUDGETS,
    _burn("30m"),
    Example.over(minutes(30), FIVE_FAILURES_IN_FIFTY, _BURN_50),
)

burn_1h = Signal(
    "payments:error_budget_burn:rate1h",
    "Error budgets burnt at the pace of the past hour",
    Unit.BUDGETS,
    _burn("1h"),
    Example.over(hours(1), FIVE_FAILURES_IN_FIFTY, _BURN_50),
)

burn_2h = Signal(
    "payments:error_budget_burn:rate2h",
    "Error budgets burnt at the pace of the past 2 hours",
    Unit.BUDGETS,
    _burn("2h"),
    Example.over(hours(2), FIVE_FAILURES_IN_FIFTY, _BURN_50),
)

burn_6h = Signal(
    "payments:error_budget_burn:rate6h",
    "Error budgets burnt at the pace of the past 6 hours",
    Unit.BUDGETS,
    _burn("6h"),
    Example.over(hours(6), FIVE_FAILURES_IN_FIFTY, _BURN_50),
)

burn_1d = Signal(
    "payments:error_budget_burn:rate1d",
    "Error budgets burnt at the pace of the past day",
    Unit.BUDGETS,
    _burn("1d"),
    Example.over(days(1), FIVE_FAILURES_IN_FIFTY, _BURN_50),
)

burn_3d = Signal(
    "payments:error_budget_burn:rate3d",
    "Error budgets burnt at the pace of the past 3 days",
    Unit.BUDGETS,
    _burn("3d"),
    Example.over(days(3), FIVE_FAILURES_IN_FIFTY, _BURN_50),
)

failures_1h = Signal(
    "payments:technical_failures:increase1h",
    "Technical failures in an hour",
    Unit.COUNT,
    _failures("1h"),
    Example.over(hours(1), FIVE_FAILURES_IN_FIFTY, _FIVE),
    serves=("KM-04",),
)

failures_6h = Signal(
    "payments:technical_failures:increase6h",
    "Technical failures in 6 hours",
    Unit.COUNT,
    _failures("6h"),
    Example.over(hours(6), FIVE_FAILURES_IN_FIFTY, _FIVE),
)

failures_1d = Signal(
    "payments:technical_failures:increase1d",
    "Technical failures in a day",
    Unit.COUNT,
    _failures("1d"),
    Example.over(days(1), FIVE_FAILURES_IN_FIFTY, _FIVE),
)

failures_3d = Signal(
    "payments:technical_failures:increase3d",
    "Technical failures in 3 days",
    Unit.COUNT,
    _failures("3d"),
    Example.over(days(3), FIVE_FAILURES_IN_FIFTY, _FIVE),
)


def _history(window: str, before: str) -> str:
    """PromQL for a count that is there where the counter was, at some time in `window` before the past `before`.

    A window, because an instant is missing for as long as nobody scraped exactly then.
    """
    return f"sum(max without (instance, pod) (count_over_time({outcomes.attempts}[{window}] offset {before})))"


_CARD = outcomes.attempts.where(result="success", payment_method="card", initiator="api")
_LINK = outcomes.attempts.where(result="success", payment_method="link", initiator="api")


def _two_series(samples: int, at: int, gives: str) -> Example:
    """Two counters, scraped every 4 minutes: one of which just the window has samples, and one that two replicas count."""
    series = (
        (_CARD, f"_x3 0+2x{int(gives) // 2 - 1}"),
        (f'{_LINK[:-1]},pod="a"}}', f"0+1x{samples}"),
        (f'{_LINK[:-1]},pod="b"}}', f"_x5 0+1x{samples - 5}"),
    )
    return Example(series=series, every=minutes(4), at=minutes(at), gives=(("", gives),))


history_1h = Signal(
    "payments:attempts_known:an_hour_ago",
    "Samples of the counter of attempts from the hour before the past hour; missing where the counter is younger",
    Unit.COUNT,
    _history("1h", "1h"),
    _two_series(40, 130, "30"),
)

history_6h = Signal(
    "payments:attempts_known:6_hours_ago",
    "Samples of the counter of attempts from before the past 6 hours; missing where the counter is younger",
    Unit.COUNT,
    _history("6h", "6h"),
    _two_series(190, 730, "180"),
)

history_1d = Signal(
    "payments:attempts_known:a_day_ago",
    "Samples of the counter of attempts from before the past day; missing where the counter is younger",
    Unit.COUNT,
    _history("6h", "1d"),
    _two_series(460, 1810, "180"),
)

history_3d = Signal(
    "payments:attempts_known:3_days_ago",
    "Samples of the counter of attempts from before the past 3 days; missing where the counter is younger",
    Unit.COUNT,
    _history("6h", "3d"),
    _two_series(1180, 4690, "180"),
)

_WINDOW_30D = outcomes.window_attempts.where(window="30d")
_WINDOW_30D_FAILED = outcomes.window_attempts.where(window="30d", result="technical_failure")

budget_left = Signal(
    "payments:error_budget_left:ratio30d",
    "Share of the month's error budget that is left; below 0 where it is overspent",
    Unit.BUDGETS_LEFT,
    f"1 - (\n  sum(max without (instance, pod) ({_WINDOW_30D_FAILED}))\n"
    f"  / on () (sum(max without (instance, pod) ({_WINDOW_30D})) > 0)\n)\n/ {plain(success.budget)}",
    Example(
        series=(
            (outcomes.window_attempts.where(window="30d", result="success"), "9990x10"),
            (_WINDOW_30D_FAILED, "10x10"),
            (outcomes.window_attempts.where(window="24h", result="technical_failure"), "10x10"),
        ),
        at=minutes(5),
        gives=(("", "0.5"),),
    ),
    serves=("HLT-11",),
)

success_1m = Signal(
    "payments:customer_success:ratio_rate1m",
    "Share of customers' attempts that succeed, over a minute",
    Unit.RATIO,
    share(outcomes.SUCCESS_BY_CUSTOMERS, outcomes.BY_CUSTOMERS, "1m"),
    Example.over(minutes(1), outcomes.AND_RENEWALS, (("", "0.9"),)),
)

_ONE_FAULT = "a fault near the bound is one fault, though it crosses the bound all day"
_ENOUGH = "failures below this number are noise, whatever share of a quiet night they make"
_OLD_ENOUGH = "on a younger counter the long window is a short one, and fires too early"

failures_per_hour = Alert(
    "PaymentFailuresPerHourHigh",
    watches=failures_1h,
    thresholds=(
        above(
            50,
            Severity.CRITICAL,
            Priority.P2,
            lasting=seconds(30),
            keep_firing=minutes(10),
            because="key metrics table: more than 50 an hour is critical: 0.67 % of 125 payments a minute, 67 % of 1.25",
        ),
    ),
    guards=(
        only_if(
            burn_1h,
            ">",
            plain(DAY.factor),
            "50 an hour are 3 times the budget at 139 payments a minute; at more traffic they may be within the promise",
        ),
        only_if(
            burn_30m, ">", "1.5", "a fault that is over half an hour ago needs nobody, though the hour still holds it"
        ),
        unless(success_1m, "<", "0.05", "a complete failure makes 50 within a minute, and its P1 is on its way"),
    ),
    stays_while=only_if(burn_30m, ">", "1.5", _ONE_FAULT),
    summary="More than {threshold} payments failed for technical reasons within an hour.",
    description="{value} payment attempts failed for technical reasons in the past hour.",
    runbook=Runbook(
        meaning="The technical failures of an hour are more than the business accepts, and more than the objective allows.",
        impact="Dozens of customers an hour cannot pay.",
        diagnosis=(
            Step("Look whether the failures came at once or trickle in; at full traffic 50 an hour is a trickle."),
            ERROR_LOGS,
            RECENT_CHANGES,
        ),
        mitigation=(ROLL_BACK, CALL_STRIPE),
    ),
    hidden_by=(outcomes.complete_failure, outcomes.degraded),
    serves=("KM-04",),
)

burn_fast = Alert(
    "PaymentErrorBudgetBurnFast",
    watches=burn_1h,
    thresholds=(
        above(
            plain(HOUR.factor),
            Severity.CRITICAL,
            Priority.P2,
            lasting=seconds(30),
            keep_firing=minutes(10),
            because="14.4 times even spending uses 2 % of the month's budget in an hour",
        ),
    ),
    guards=(
        only_if(burn_5m, ">", plain(HOUR.factor), "the short window lets the alert end when the fault does"),
        only_if(failures_1h, ">=", HOUR.least_failures, _ENOUGH),
        only_if(history_1h, ">=", 0, _OLD_ENOUGH),
    ),
    or_else=(
        or_when(
            burn_6h,
            ">",
            QUARTER_DAY.factor,
            "6 times even spending uses 5 % of the month's budget in 6 hours",
            only_if(burn_30m, ">", plain(QUARTER_DAY.factor), "the short window lets the alert end with the fault"),
            only_if(failures_6h, ">=", QUARTER_DAY.least_failures, _ENOUGH),
            only_if(history_6h, ">=", 0, _OLD_ENOUGH),
        ),
    ),
    stays_while=only_if(burn_30m, ">", "1.5", _ONE_FAULT),
    summary="The error budget of payments burns fast.",
    description="At this pace the month's error budget is used up {value} times over.",
    runbook=Runbook(
        meaning="Technical failures come so fast that the month's allowance will be gone within days.",
        impact="Customers fail to pay more often than promised, though perhaps not so many at once.",
        diagnosis=(
            Step("See on the outcomes panel since when failures rise, and of which class and method they are."),
            ERROR_LOGS,
            RECENT_CHANGES,
            STRIPE_STATUS,
            AFFECTED_USERS,
        ),
        mitigation=(ROLL_BACK, CALL_STRIPE),
    ),
    hidden_by=(outcomes.complete_failure, outcomes.degraded),
    serves=("SEV-P2", "HLT-11"),
)

burn_slow = Alert(
    "PaymentErrorBudgetBurnSlow",
    watches=burn_1d,
    thresholds=(
        above(
            plain(DAY.factor),
            Severity.WARNING,
            Priority.P3,
            lasting=seconds(30),
            keep_firing=minutes(15),
            because="3 times even spending uses 10 % of the month's budget in a day",
        ),
    ),
    guards=(
        only_if(burn_2h, ">", plain(DAY.factor), "the short window lets the alert end when the fault does"),
        only_if(failures_1d, ">=", DAY.least_failures, _ENOUGH),
        only_if(history_1d, ">=", 0, _OLD_ENOUGH),
    ),
    or_else=(
        or_when(
            burn_3d,
            ">",
            THREE_DAYS.factor,
            "even spending for 3 days on end uses 10 % of the month's budget",
            only_if(burn_6h, ">", plain(THREE_DAYS.factor), "the short window lets the alert end with the fault"),
            only_if(failures_3d, ">=", THREE_DAYS.least_failures, _ENOUGH),
            only_if(history_3d, ">=", 0, _OLD_ENOUGH),
        ),
    ),
    summary="The error budget of payments burns steadily.",
    description="At this pace the month's error budget is used up {value} times over.",
    runbook=Runbook(
        meaning="A small share of payments fails for technical reasons, for so long that it adds up.",
        impact="A few customers are hit, every day.",
        diagnosis=(
            Step("Look for the one error that recurs: the failures by class and the declines by code tell which."),
            ERROR_LOGS,
        ),
        mitigation=(Step("Write a ticket for the cause and give it this week's first place."), ROLL_BACK),
    ),
    hidden_by=(outcomes.complete_failure, outcomes.degraded, burn_fast),
    serves=("SEV-P3",),
)
