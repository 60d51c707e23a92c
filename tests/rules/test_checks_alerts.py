"""What do the checks say of an alert, and of which do they say nothing?"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rules.vocabulary import (
    Alert,
    Branch,
    BurnRate,
    Comparison,
    Environment,
    Objective,
    Override,
    Priority,
    Severity,
    Signal,
    Step,
    Threshold,
    Unit,
    above,
    at_least,
    at_most,
    below,
    days,
    hours,
    minutes,
    only_if,
    seconds,
    unless,
)
from tests.rules.small import (
    ORGANISATION,
    RUNBOOK,
    alert,
    area,
    problems,
    problems_of_alert,
    signal,
    threshold,
)

ORDERS_5M = signal("sum(increase(orders_total[5m]))", name="shop:orders:increase5m")
BY_RESULT = signal("sum by (result) (increase(orders_total[5m]))", name="shop:orders_by_result:increase5m")
BY_ROUTE = signal("sum by (route) (increase(wait_seconds_count[5m]))", name="shop:waits:increase5m")
SHARE = signal("clamp_max(sum(queue_length) / 100, 1)", Unit.RATIO, "shop:queue:share")
OPEN = signal("clamp_max(max(queue_length), 1)", Unit.BOOLEAN, "shop:open:bool")
STOCK_LOW = signal("max(stock_items)", name="shop:stock:max")
STOCK_AGE = signal("max by (source) (sample_age_intervals)", Unit.INTERVALS, "shop:sample_age:intervals", steady=True)


def test_nothing_is_said_of_a_sound_alert() -> None:
    sound = alert(
        BY_RESULT,
        guards=(
            only_if(ORDERS_5M, ">=", 0, "there must be a shop"),
            only_if(BY_RESULT, ">", 1, "not for one order", result="failed"),
            unless(OPEN, "<", 1, "closed"),
        ),
        description="There is {value} of {result}.",
        thresholds=(
            above(5, Severity.WARNING, Priority.P3, because="too much", tier="warning", lasting=minutes(1)),
            above(
                9,
                Severity.CRITICAL,
                Priority.P2,
                because="far too much",
                tier="critical",
                keep_firing=minutes(5),
            ),
        ),
    )
    assert problems_of_alert(sound, ORDERS_5M, OPEN) == []


def test_a_signal_that_no_area_defines_is_never_recorded() -> None:
    lost = alert(ORDERS_5M, guards=(only_if(OPEN, ">=", 1, "closed"),))
    assert problems(area(alerts=(lost,))) == [
        "rules.shop: alert TooMuch watches shop:orders:increase5m, which no area defines; "
        "give the signal a name at the top level of an area's module",
        "rules.shop: alert TooMuch is guarded by shop:open:bool, which no area defines; "
        "give the signal a name at the top level of an area's module",
    ]


def test_another_group_s_signal_is_late_unless_it_is_steady() -> None:
    watched = alert(ORDERS_5M)
    assert problems(area(ORDERS_5M), area(alerts=(watched,), name="packing", metrics=())) == [
        "rules.packing: alert TooMuch watches shop:orders:increase5m of rules.shop, and so one evaluation late; "
        "move one of them, or mark the signal steady if a late value does no harm"
    ]
    steady = replace(ORDERS_5M, steady=True)
    assert problems(area(steady), area(alerts=(alert(steady),), name="packing", metrics=())) == []


Bound = Callable[..., Threshold]


@pytest.mark.parametrize(
    ("signal_", "bound", "value", "verdict"),
    [
        (SHARE, above, "1.5", "> 1.5, which lies outside its range"),
        (SHARE, below, "-0.1", "< -0.1, which lies outside its range"),
        (SHARE, above, 1, "> 1, which is never true"),
        (SHARE, below, 0, "< 0, which is never true"),
        (SHARE, at_least, 0, ">= 0, which is always true"),
        (SHARE, at_most, 1, "<= 1, which is always true"),
        (SHARE, above, "NaN", "with NaN, which is no number"),
    ],
)
def test_a_bound_that_its_signal_cannot_cross_is_told(signal_: Signal, bound: Bound, value: Any, verdict: str) -> None:
    threshold_ = bound(value, Severity.WARNING, Priority.P3, because="so")
    assert problems_of_alert(alert(signal_, thresholds=(threshold_,))) == [
        f"compares shop:queue:share (ratio) {verdict}; choose a bound between its values"
    ]


@pytest.mark.parametrize(("bound", "value"), [(above, 0), (at_least, 1), (below, 1), (at_most, 0)])
def test_the_edge_of_the_range_is_a_bound_where_it_can_be_crossed(bound: Bound, value: int) -> None:
    threshold_ = bound(value, Severity.WARNING, Priority.P3, because="so")
    assert problems_of_alert(alert(SHARE, thresholds=(threshold_,))) == []


def test_only_the_alert_that_always_fires_may_have_a_bound_that_is_always_met() -> None:
    steady = signal("vector(1)", Unit.BOOLEAN)
    bound = at_most(1, Severity.NONE, Priority.NONE, because="it must fire")
    assert problems_of_alert(alert(steady, thresholds=(bound,), always=True)) == []


def test_a_branch_s_bound_is_looked_at_too() -> None:
    branch = Branch(watches=SHARE, comparison=Comparison.ABOVE, value=Decimal(1), guards=(), because="also")
    assert problems_of_alert(alert(ORDERS_5M, or_else=(branch,)), SHARE) == [
        "compares shop:queue:share (ratio) > 1, which is never true; choose a bound between its values"
    ]


def test_a_guard_s_bound_lies_in_its_unit() -> None:
    guarded = alert(ORDERS_5M, guards=(only_if(SHARE, ">", 5, "so"), only_if(SHARE, "<=", 1, "so")))
    assert problems_of_alert(guarded, SHARE) == [
        "has a guard that compares shop:queue:share (ratio) > 5, which lies outside its range; "
        "choose a bound between its values",
        "has a guard that compares shop:queue:share (ratio) <= 1, which is always true; "
        "choose a bound between its values",
    ]


def overridden(*overrides: Override) -> list[str]:
    tiers = (
        above("0.5", Severity.WARNING, Priority.P3, because="half", tier="warning"),
        above("0.9", Severity.CRITICAL, Priority.P3, because="nearly all", tier="critical"),
    )
    staging = Environment(name="staging", pages=False, overrides=overrides)
    return problems(area(SHARE, alerts=(alert(SHARE, thresholds=tiers),)), environments=(staging,))


def test_an_environment_overrides_what_exists_and_within_reach() -> None:
    assert overridden(Override(threshold="TooMuch/warning", value=Decimal("0.7"), because="so")) == []


def test_an_override_of_an_unknown_threshold_names_those_that_exist() -> None:
    assert overridden(
        Override(threshold="TooMuch", value=Decimal("0.7"), because="so"),
        Override(threshold="TooLittle", value=Decimal("0.7"), because="so"),
    ) == [
        "organisation: environment staging overrides TooMuch, which is no threshold; "
        "use TooMuch/critical or TooMuch/warning",
        "organisation: environment staging overrides TooLittle, which is no threshold; name an alert, or Alert/tier",
    ]


def test_an_override_keeps_to_the_unit_and_to_whole_evaluations() -> None:
    assert overridden(
        Override(threshold="TooMuch/warning", value=Decimal(7), because="so"),
        Override(threshold="TooMuch/critical", lasting=seconds(15), because="so"),
    ) == [
        "organisation: environment staging makes TooMuch/warning compare shop:queue:share (ratio) > 7, "
        "which lies outside its range; choose a bound between its values",
        "organisation: environment staging makes TooMuch/critical wait for 15 seconds, less than one "
        "evaluation; wait for 30 seconds or more, or not at all",
    ]


def test_an_override_is_written_once() -> None:
    twice = Override(threshold="TooMuch/warning", value=Decimal("0.7"), because="so")
    assert overridden(twice, twice) == [
        "organisation: environment staging overrides TooMuch/warning twice; remove one of the two"
    ]


def overridden_branch(*overrides: Override) -> list[str]:
    branch = Branch(watches=SHARE, comparison=Comparison.ABOVE, value=Decimal("0.5"), guards=(), because="also")
    staging = Environment(name="staging", pages=False, overrides=overrides)
    several = alert(ORDERS_5M, or_else=(branch,))
    return problems(area(ORDERS_5M, SHARE, alerts=(several,)), environments=(staging,))


def test_an_override_of_one_branch_s_bound_or_of_how_long_all_of_them_last_is_fine() -> None:
    assert (
        overridden_branch(
            Override(threshold="TooMuch", lasting=minutes(5), because="so"),
            Override(threshold="TooMuch/shop:queue:share", value=Decimal("0.7"), because="so"),
        )
        == []
    )


@pytest.mark.parametrize(
    ("override", "verdict"),
    [
        (
            Override(threshold="TooMuch", value=Decimal(7), because="so"),
            "overrides the bound of TooMuch, which has several; "
            "use TooMuch/shop:orders:increase5m or TooMuch/shop:queue:share",
        ),
        (
            Override(threshold="TooMuch/shop:queue:share", lasting=minutes(5), because="so"),
            "makes TooMuch/shop:queue:share wait, and all branches of an alert last alike; "
            "say for all of TooMuch how long it lasts",
        ),
        (
            Override(threshold="TooMuch/shop:queue:share", value=Decimal(7), because="so"),
            "makes TooMuch/shop:queue:share compare shop:queue:share (ratio) > 7, which lies outside its range; "
            "choose a bound between its values",
        ),
        (
            Override(threshold="TooMuch/shop:queue:max", value=Decimal(7), because="so"),
            "overrides TooMuch/shop:queue:max, which is no threshold; "
            "use TooMuch or TooMuch/shop:orders:increase5m or TooMuch/shop:queue:share",
        ),
    ],
)
def test_an_override_says_which_branch_s_bound_it_means(override: Override, verdict: str) -> None:
    assert overridden_branch(override) == [f"organisation: environment staging {verdict}"]


def test_branches_on_one_signal_with_unlike_bounds_cannot_be_overridden() -> None:
    branch = Branch(watches=ORDERS_5M, comparison=Comparison.BELOW, value=Decimal(1), guards=(), because="also")
    override = Override(threshold="TooMuch/shop:orders:increase5m", value=Decimal(7), because="so")
    staging = Environment(name="staging", pages=False, overrides=(override,))
    assert problems(area(ORDERS_5M, alerts=(alert(ORDERS_5M, or_else=(branch,)),)), environments=(staging,)) == [
        "organisation: environment staging overrides the bound of TooMuch/shop:orders:increase5m, "
        "which has several; split the alert"
    ]


def test_tiers_look_the_same_way() -> None:
    tiers = (
        above(5, Severity.WARNING, Priority.P3, because="much", tier="much"),
        below(1, Severity.WARNING, Priority.P3, because="little", tier="little"),
    )
    assert problems_of_alert(alert(ORDERS_5M, thresholds=tiers)) == [
        "has tiers above and tiers below; split it into two alerts"
    ]


def test_the_graver_tier_lies_farther_out() -> None:
    tiers = (
        above(9, Severity.WARNING, Priority.P3, because="much", tier="warning"),
        above(5, Severity.CRITICAL, Priority.P3, because="too much", tier="critical"),
    )
    assert problems_of_alert(alert(ORDERS_5M, thresholds=tiers)) == [
        "is critical at 5 and only warning farther out, at 9; put the graver tier farther out"
    ]


def objective(target: str, *rates: tuple[timedelta, timedelta, str]) -> Objective:
    return Objective(
        name="orders",
        target=Decimal(target),
        period=days(30),
        because="so",
        burn_rates=tuple(
            BurnRate(long=long, short=short, factor=Decimal(factor), least_failures=5) for long, short, factor in rates
        ),
    )


def test_a_burn_rate_is_one_that_can_be_reached() -> None:
    good = objective("0.95", (hours(1), minutes(5), "14.4"))
    assert problems(area(objectives=(good,))) == []
    bad = objective("0.9", (hours(1), minutes(5), "14.4"), (hours(1), hours(1), "2"), (days(16), hours(6), "0"))
    start = "rules.shop: objective orders "
    assert problems(area(objectives=(bad,))) == [
        f"{start}has burn rate 14.4 over 1 hour, which needs an error ratio of 1.44; "
        "stay below a factor of 10, or set a stricter target",
        f"{start}has burn rate 2 over 1 hour, and a short window of 1 hour; make it the shorter one",
        f"{start}has burn rate 0 over 16 days, which is no pace; give a factor above 0",
        f"{start}has burn rate 0 over 16 days, and samples are kept for 15 days; "
        "shorten the window, or keep samples longer",
    ]


def test_an_alert_on_a_burn_rate_waits_for_less_than_everything_failing() -> None:
    burn = signal("max(queue_length) / 0.1", Unit.BUDGETS, "shop:burn:rate1h")
    slow = alert(burn, thresholds=(threshold(10),))
    good = objective("0.9", (hours(1), minutes(5), "2"))
    assert problems(area(burn, alerts=(slow,), objectives=(good,))) == [
        "rules.shop: alert TooMuch waits for 10 error budgets, and all failing burns 10; "
        "lower the bound, or set a stricter target"
    ]


def test_waiting_takes_an_evaluation_or_none() -> None:
    assert problems_of_alert(alert(ORDERS_5M, thresholds=(threshold(lasting=seconds(15)),))) == [
        "waits for 15 seconds, less than one evaluation; wait for 30 seconds or more, or not at all"
    ]
    assert problems_of_alert(alert(ORDERS_5M, thresholds=(threshold(lasting=timedelta(milliseconds=90500)),))) == [
        "waits for 0:01:30.500000; give a whole number of seconds"
    ]
    assert problems_of_alert(alert(ORDERS_5M, thresholds=(threshold(lasting=seconds(30)),))) == []


@pytest.mark.parametrize(
    ("priority", "kept", "wanted"), [(Priority.P1, 5, "10 minutes"), (Priority.P2, 4, "5 minutes")]
)
def test_a_page_goes_on_for_a_while(priority: Priority, kept: int, wanted: str) -> None:
    short = threshold(priority=priority, keep_firing=minutes(kept))
    assert problems_of_alert(alert(ORDERS_5M, thresholds=(short,))) == [
        f"is {priority.value} and keeps firing for {kept} minutes only; "
        f"keep it firing for {wanted}, so that a flapping signal pages once"
    ]


def test_a_page_without_keep_firing_is_told_and_a_fraction_of_a_second_too() -> None:
    assert problems_of_alert(alert(ORDERS_5M, thresholds=(threshold(priority=Priority.P2),))) == [
        "is P2 and keeps firing for at once only; keep it firing for 5 minutes, so that a flapping signal pages once"
    ]
    odd = threshold(keep_firing=timedelta(milliseconds=1))
    assert problems_of_alert(alert(ORDERS_5M, thresholds=(odd,))) == [
        "keeps firing for 0:00:00.001000; give a whole number of seconds"
    ]


def test_absence_outlasts_a_failed_scrape() -> None:
    gone = signal("absent(orders_total)", Unit.BOOLEAN, "shop:orders:absent")
    at_once = at_least(1, Severity.WARNING, Priority.P3, because="gone")
    assert problems_of_alert(alert(gone, thresholds=(at_once,))) == [
        "watches shop:orders:absent, which one failed scrape makes absent, and waits for at once; "
        "wait for 30 seconds or more"
    ]
    later = at_least(1, Severity.WARNING, Priority.P3, because="gone", lasting=minutes(1))
    assert problems_of_alert(alert(gone, thresholds=(later,))) == []


def test_a_guard_answers_for_each_series_that_is_watched() -> None:
    guarded = alert(BY_RESULT, guards=(only_if(BY_ROUTE, ">", 1, "so"),))
    assert problems_of_alert(guarded, BY_ROUTE) == [
        "has a guard on shop:waits:increase5m, whose label route shop:orders_by_result:increase5m does not carry; "
        "say which series with only_if(..., label=value), or aggregate the guard's signal"
    ]
    picked = alert(BY_RESULT, guards=(only_if(BY_ROUTE, ">", 1, "so", route="air"),))
    assert problems_of_alert(picked, BY_ROUTE) == []


def test_a_guard_picks_by_a_label_and_a_value_that_are_there() -> None:
    guards = (only_if(BY_ROUTE, ">", 1, "so", route="sea"), only_if(ORDERS_5M, ">", 1, "so", route="air"))
    assert problems_of_alert(alert(BY_RESULT, guards=guards), BY_ROUTE, ORDERS_5M) == [
        "has a guard on shop:waits:increase5m where route is 'sea', a value it never has; use a value of that label",
        "has a guard on shop:orders:increase5m where route is 'air', a label it does not carry; "
        "use one that it carries: none",
    ]


def test_sampled_data_need_an_alert_that_tells_when_they_grow_old() -> None:
    indirect = signal(f"{STOCK_LOW} * 2", name="shop:stock:twice")
    watching = alert(indirect)
    assert problems(area(STOCK_LOW, indirect, alerts=(watching,))) == [
        "rules.shop: alert TooMuch watches what is sampled from postgres, and no alert tells when that grows old; "
        "add an alert on the age of each source in its own intervals, by source"
    ]
    stale = alert(STOCK_AGE, name="SampleOld")
    assert problems(area(STOCK_LOW, indirect, STOCK_AGE, alerts=(watching, stale))) == []


@pytest.mark.parametrize(
    ("watched", "told"),
    [
        ('{age}{{source="postgres"}}', True),
        ('{age}{{source!="postgres"}}', False),
        ('time() * {age}{{source=~"health|postgres"}}', True),
        ('max by (source) ({age}) unless on (source) {age}{{source="postgres"}}', False),
        ("{age} unless on (source) {pages}", False),
        ("{age} unless on (source) ({pages} > 0)", True),
        ("{age} unless on (source) max by (source) (sample_age_intervals) > 9", True),
        ('{age} unless on (source) {age}{{source="health"}}', True),
        ('{age}{{source="health"}} or {age}{{source="postgres"}}', True),
        ('{age} and on (source) {age}{{source="health"}}', False),
    ],
)
def test_an_age_tells_only_of_the_sources_whose_series_it_has(watched: str, told: bool) -> None:
    """The expressions leave out one source's series in every way in which PromQL can."""
    pages = signal(
        'max by (source) (sample_age_intervals{source="postgres"})\n'
        "/ on (source) (max by (source) (sample_age_intervals) > 0)",
        Unit.INTERVALS,
        "shop:paged_age:intervals",
    )
    age = signal(
        watched.format(age=STOCK_AGE.name, pages=pages.name), Unit.INTERVALS, "shop:watched_age:intervals", steady=True
    )
    areas = area(STOCK_LOW, STOCK_AGE, pages, age, alerts=(alert(STOCK_LOW), alert(age, name="SampleOld")))
    untold = [one for one in problems(areas) if "no alert tells when that grows old" in one]
    assert bool(untold) is not told


def test_the_runbook_entry_has_all_its_parts() -> None:
    empty = replace(RUNBOOK, meaning=" ", impact="", diagnosis=(), mitigation=(Step(""),))
    assert problems_of_alert(alert(ORDERS_5M, runbook=empty)) == [
        "has a runbook entry without meaning; write its meaning",
        "has a runbook entry without impact; write its impact",
        "has a runbook entry without diagnosis; write at least one step, and leave none empty",
        "has a runbook entry without mitigation; write at least one step, and leave none empty",
    ]


def test_every_bound_has_its_reason() -> None:
    without = alert(
        ORDERS_5M,
        thresholds=(above(5, Severity.WARNING, Priority.P3, because=" "),),
        guards=(only_if(OPEN, ">=", 1, ""),),
        or_else=(Branch(watches=OPEN, comparison=Comparison.BELOW, value=Decimal(1), guards=(), because=""),),
    )
    assert problems_of_alert(without, OPEN) == [
        "has a threshold > 5 without a reason; say in because= why it is there",
        "has a branch on shop:open:bool without a reason; say in because= why it is there",
        "has a guard on shop:open:bool without a reason; say in because= why it is there",
    ]


@pytest.mark.parametrize(
    ("texts", "verdict"),
    [
        (
            {"description": "There is {value} by {route}."},
            "has a description that names {route}, which shop:orders_by_result:increase5m does not carry; "
            "use {value}, or a label that it carries: result",
        ),
        (
            {"summary": "There is {value}."},
            "has a summary that names {value}; "
            "leave only {threshold} there; what differs between its series belongs into the description",
        ),
        (
            {"description": "There is {value:.2f}."},
            "has a description that names {value:.2f}, which shop:orders_by_result:increase5m does not carry; "
            "use {value}, or a label that it carries: result",
        ),
        ({"description": " "}, "has no description; write one sentence, with {value} in it"),
        (
            {"description": "There is {value."},
            "has a text that cannot be filled in: expected '}' before end of string; close every brace, or double it",
        ),
    ],
)
def test_a_text_names_what_the_series_carry(texts: dict[str, str], verdict: str) -> None:
    assert problems_of_alert(alert(BY_RESULT, **texts)) == [verdict]


def test_a_branch_s_series_carry_what_the_description_names() -> None:
    branch = Branch(watches=ORDERS_5M, comparison=Comparison.ABOVE, value=Decimal(50), guards=(), because="also")
    several = alert(BY_RESULT, or_else=(branch,), description="There is {value} of {result}.")
    assert problems_of_alert(several, ORDERS_5M) == [
        "has a description that names {result}, which shop:orders:increase5m does not carry; "
        "use {value}, or a label that it carries: none"
    ]


def test_an_alert_is_hidden_by_others_that_exist_and_not_by_itself() -> None:
    lasts = (threshold(lasting=minutes(1)),)
    stranger, other = alert(ORDERS_5M, name="Stranger"), alert(ORDERS_5M, name="Other", thresholds=lasts)
    hidden = alert(ORDERS_5M, hidden_by=(stranger, other), thresholds=lasts)
    back = replace(other, hidden_by=(alert(ORDERS_5M),))
    assert problems(area(ORDERS_5M, alerts=(hidden, back))) == [
        "rules.shop: alert TooMuch is hidden by Stranger, which no area defines; define it, or remove it there",
        "rules.shop: alert TooMuch is hidden by itself, be it through others; remove one hidden_by of that circle",
        "rules.shop: alert Other is hidden by itself, be it through others; remove one hidden_by of that circle",
    ]


def test_an_alert_that_a_louder_one_hides_gives_that_one_time_to_speak_first() -> None:
    louder = alert(ORDERS_5M, name="Louder")
    assert problems(area(ORDERS_5M, alerts=(louder, alert(ORDERS_5M, hidden_by=(louder,))))) == [
        "rules.shop: alert TooMuch is hidden by Louder, and told before that one can be; "
        "let it last for 30 seconds or more"
    ]


def test_what_keeps_an_alert_firing_belongs_to_its_series_and_has_a_bound_that_can_be_met() -> None:
    staying = alert(ORDERS_5M, stays_while=only_if(ORDERS_5M, "<", 0, "a test"))
    assert problems_of_alert(staying) == [
        "has a guard that compares shop:orders:increase5m (count) < 0, which is never true; "
        "choose a bound between its values"
    ]


def test_a_priority_has_a_policy() -> None:
    few = tuple(policy for policy in ORGANISATION.policies if policy.priority is not Priority.P3)
    one: Alert = alert(ORDERS_5M)
    assert problems(area(ORDERS_5M, alerts=(one,)), policies=few) == [
        "rules.shop: alert TooMuch has priority P3, for which there is no policy; "
        "add a PriorityPolicy to the policies of your people"
    ]
