"""What does each word of the vocabulary refuse, and what does it make of what it accepts?"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.vocabulary import (
    OTHER,
    Alert,
    Area,
    Branch,
    Comparison,
    Counter,
    Environment,
    Example,
    Gauge,
    Histogram,
    Label,
    Objective,
    Override,
    Priority,
    Severity,
    Signal,
    Source,
    Unit,
    above,
    at_least,
    at_most,
    below,
    days,
    excluding,
    hours,
    matchers,
    minutes,
    only_if,
    plain,
    seconds,
    unless,
)
from tests.rules.small import (
    EXAMPLE,
    ORDERS,
    ORGANISATION,
    QUEUE,
    RUNBOOK,
    WAIT,
    alert,
    area,
    catalog,
    signal,
    threshold,
)

HELP = "Orders that wait to be packed"
ONE = signal("max(queue_length)")


def gauge(name: str = "queue", help_: str = HELP, unit: Unit = Unit.COUNT, **more: Any) -> Gauge:
    return Gauge(name, help_, unit, Source.APPLICATION, **more)


def alert_with(**fields: Any) -> Callable[[], Alert]:
    return lambda: alert(ONE, **fields)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a metric in capitals": (
        lambda: gauge("Queue"),
        "metric 'Queue' is not a metric name; use lower-case letters, digits and underscores",
    ),
    "a metric without help": (
        lambda: gauge(help_="Orders"),
        "metric queue lacks a help text; say in one phrase, without a full stop, what it counts",
    ),
    "a help text with a full stop": (
        lambda: gauge(help_=f"{HELP}."),
        "metric queue lacks a help text; say in one phrase, without a full stop, what it counts",
    ),
    "a label twice": (
        lambda: gauge(labels=(Label("a", ("x",)), Label("a", ("y",)))),
        "metric queue has a label twice; name each once",
    ),
    "a counter without _total": (
        lambda: Counter("orders", HELP, Unit.COUNT, Source.APPLICATION),
        "counter orders does not end in _total; rename it orders_total",
    ),
    "a gauge that ends like a counter": (
        lambda: gauge("queue_total"),
        "gauge queue_total ends like a counter's or a histogram's sample; choose another ending",
    ),
    "a moment by another name": (
        lambda: gauge("queue_since", unit=Unit.TIMESTAMP),
        "gauge queue_since and its unit disagree; a moment ends in _timestamp_seconds",
    ),
    "a span by the name of a moment": (
        lambda: gauge("queue_timestamp_seconds", unit=Unit.SECONDS),
        "gauge queue_timestamp_seconds and its unit disagree; a moment ends in _timestamp_seconds",
    ),
    "a histogram without bounds": (
        lambda: Histogram("wait", HELP, Unit.SECONDS, Source.APPLICATION),
        "histogram wait needs bucket bounds in ascending order",
    ),
    "a histogram with its bounds mixed up": (
        lambda: Histogram("wait", HELP, Unit.SECONDS, Source.APPLICATION, bounds=(Decimal(2), Decimal(1))),
        "histogram wait needs bucket bounds in ascending order",
    ),
    "a label of the scrape's": (
        lambda: Label("instance", ("a",)),
        "label 'instance' is not ours to set; use a snake_case name that no scrape or rule adds",
    ),
    "a label without a bound": (
        lambda: Label("user"),
        "label user is unbounded; give its values, or the setting that lists them",
    ),
    "a label with two bounds": (
        lambda: Label("user", ("a",), "the list of users"),
        "label user is unbounded; give its values, or the setting that lists them",
    ),
    "a value twice": (lambda: Label("user", ("a", "a")), "label user lists a value twice; list each once"),
    "a matcher on a label that the metric lacks": (
        lambda: ORDERS.where(colour="red"),
        "orders_total has no label 'colour'; it has result",
    ),
    "a matcher on a metric without labels": (
        lambda: QUEUE.where(colour="red"),
        "queue_length has no label 'colour'; it has none",
    ),
    "a matcher on a value that the label lacks": (
        lambda: ORDERS.where(result=("paid", "payed")),
        "orders_total has no result='payed'; it has paid, failed",
    ),
    "an exclusion of a value that the label lacks": (
        lambda: ORDERS.where(result=excluding("payed")),
        "orders_total has no result='payed'; it has paid, failed",
    ),
    "a bucket that does not exist": (
        lambda: WAIT.within(Decimal(5)),
        "wait_seconds has no bucket bound 5; it has 0.5, 3",
    ),
    "a signal of two parts": (
        lambda: signal("x", name="shop:queue"),
        "signal 'shop:queue' is not named level:metric:operations; use three parts in lower case",
    ),
    "a signal without a title": (
        lambda: Signal("a:b:c", "", Unit.COUNT, "x", EXAMPLE),
        "signal a:b:c has no title; say in a few words what it shows",
    ),
    "an example without series": (
        lambda: Example(series=(), at=minutes(1), gives=(("", "1"),)),
        "an example lacks series; write what goes in and what comes out",
    ),
    "a signal that says nothing in its example": (
        lambda: Signal("a:b:c", "x", Unit.COUNT, "x", Example(series=(("x", "1"),), at=minutes(1), gives=())),
        "signal a:b:c has an example without results; say in `also` where it says nothing",
    ),
    "a threshold without a reason": (
        lambda: above("0.50", Severity.WARNING, Priority.P3, because=""),
        "threshold > 0.5 has no because; say why it is there",
    ),
    "a bound that is no number": (
        lambda: above("abc", Severity.WARNING, Priority.P3, because="so"),
        "'abc' is no number to compare with; write a whole number, or a fraction as text: \"0.05\"",
    ),
    "a bound that is a float": (
        lambda: above(0.05, Severity.WARNING, Priority.P3, because="so"),  # type: ignore[arg-type]
        '0.05 is no number to compare with; write a whole number, or a fraction as text: "0.05"',
    ),
    "a guard at the bound of an alert on something else": (
        lambda: unless(ONE, ">", alert(signal("max(stock_items)", name="shop:stock:max")), "so"),
        "alert TooMuch has no one bound on shop:test:signal; write a number, or an alert that has one",
    ),
    "a guard's bound that is nothing": (
        lambda: unless(ONE, ">", None, "so"),  # type: ignore[arg-type]
        'None is no number to compare with; write a whole number, or a fraction as text: "0.05"',
    ),
    "a comparison that does not exist": (
        lambda: only_if(ONE, "=>", 5, "so"),
        "'=>' is no comparison; use one of >, >=, <, <=",
    ),
    "an alert in snake case": (
        alert_with(name="too_much"),
        "alert 'too_much' is not named in CamelCase with at most 40 characters; rename it",
    ),
    "an alert with a long name": (
        alert_with(name="T" * 41),
        f"alert '{'T' * 41}' is not named in CamelCase with at most 40 characters; rename it",
    ),
    "an alert without a threshold": (
        alert_with(thresholds=()),
        "alert TooMuch has no threshold; say where its signal stops being fine",
    ),
    "two thresholds without tiers": (
        alert_with(thresholds=(threshold(1), threshold(2, tier="more"))),
        "alert TooMuch has several thresholds that nothing tells apart; give each its own tier",
    ),
    "two thresholds of one tier": (
        alert_with(thresholds=(threshold(1, tier="more"), threshold(2, tier="more"))),
        "alert TooMuch has several thresholds that nothing tells apart; give each its own tier",
    ),
    "tiers and branches": (
        alert_with(
            thresholds=(threshold(1, tier="some"), threshold(2, tier="more")),
            or_else=(Branch(watches=ONE, comparison=Comparison.ABOVE, value=Decimal(1), guards=(), because="so"),),
        ),
        "alert TooMuch has both tiers and branches; split it into two alerts",
    ),
    "a summary without a full stop": (
        alert_with(summary="There is too much"),
        "alert TooMuch lacks a summary; write one sentence, capitalised, with a full stop",
    ),
    "a summary in small letters": (
        alert_with(summary="there is too much."),
        "alert TooMuch lacks a summary; write one sentence, capitalised, with a full stop",
    ),
    "a summary with a template": (
        alert_with(summary="There is {{ $value }}."),
        "alert TooMuch lacks a summary; write one sentence, capitalised, with a full stop",
    ),
    "an override of nothing": (
        lambda: Override(threshold="TooMuch", because="so"),
        "override of TooMuch changes nothing; give a value or how long it lasts",
    ),
    "an override without a reason": (
        lambda: Override(threshold="TooMuch", because="", value=Decimal(1)),
        "override of TooMuch has no because; say why this environment differs",
    ),
    "a promise that cannot be broken": (
        lambda: Objective(name="orders", target=Decimal(1), period=days(30), burn_rates=(), because="so"),
        "objective orders is 1; a target lies between 0 and 1",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_vocabulary_refuses_with_verdict_and_cure(what: str) -> None:
    make, message = REFUSED[what]
    with pytest.raises(ValueError) as raised:
        make()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (str(ORDERS), "orders_total"),
        (ORDERS.where(), "orders_total"),
        (ORDERS.where(result="paid"), 'orders_total{result="paid"}'),
        (ORDERS.where(result=("paid", "failed")), 'orders_total{result=~"paid|failed"}'),
        (ORDERS.where(result=excluding("paid")), 'orders_total{result!="paid"}'),
        (ORDERS.where(result=excluding("paid", "failed")), 'orders_total{result!~"paid|failed"}'),
        (WAIT.counted(route="air"), 'wait_seconds_count{route="air"}'),
        (WAIT.within(Decimal("0.5")), 'wait_seconds_bucket{le="0.5"}'),
        (WAIT.within(Decimal("3.0"), route="air"), 'wait_seconds_bucket{route="air",le=~"3(\\\\.0)?"}'),
        (ONE.where(shelf="top"), 'shop:test:signal{shelf="top"}'),
        (matchers(text='say "hi" \\ bye'), '{text="say \\"hi\\" \\\\ bye"}'),
        (only_if(ONE, ">=", 20, "so", shelf="top").condition, 'shop:test:signal{shelf="top"} >= 20'),
        (unless(ONE, "<", "0.050", "so").condition, "shop:test:signal < 0.05"),
    ],
)
def test_a_definition_quotes_itself_as_promql(selector: str, text: str) -> None:
    assert selector == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=9))
def test_a_threshold_is_printed_exactly_and_without_exponent(value: Decimal) -> None:
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)
    assert not plain(value).endswith((".", ".0"))


@pytest.mark.parametrize(
    ("comparison", "below_it", "at_it", "above_it"),
    [
        (Comparison.ABOVE, False, False, True),
        (Comparison.AT_LEAST, False, True, True),
        (Comparison.BELOW, True, False, False),
        (Comparison.AT_MOST, True, True, False),
    ],
)
def test_a_comparison_holds_where_prometheus_says_so(
    comparison: Comparison, below_it: bool, at_it: bool, above_it: bool
) -> None:
    values = [comparison.holds(Decimal(value), Decimal(5)) for value in (4, 5, 6)]
    assert values == [below_it, at_it, above_it]
    assert comparison.upward == above_it


def test_a_bound_reads_like_its_comparison() -> None:
    made = [make(1, Severity.WARNING, Priority.P3, because="so") for make in (above, at_least, below, at_most)]
    assert [one.condition for one in made] == ["> 1", ">= 1", "< 1", "<= 1"]
    assert [one.comparison.words for one in made] == ["above", "at least", "below", "at most"]


def test_a_label_s_specimen_is_one_of_its_values() -> None:
    assert Label("a", ("x", OTHER)).specimen == "x"
    assert Label("a", bounded_by="a setting").specimen == "example"


def test_an_environment_has_thresholds_of_its_own_and_wakes_nobody_where_it_does_not_page() -> None:
    paging = threshold(5, Priority.P1, tier="high", keep_firing=minutes(10))
    lower = Override(threshold="TooMuch/high", value=Decimal(3), lasting=hours(1), because="small machines")
    staging = Environment(name="staging", pages=False, overrides=(lower,))
    watched = alert(ONE, thresholds=(paging,))
    assert watched.thresholds_in(Environment(name="production", pages=True)) == (paging,)
    assert watched.thresholds_in(staging) == (
        replace(
            paging,
            value=Decimal(3),
            lasting=hours(1),
            because="small machines",
            priority=Priority.P3,
            severity=Severity.WARNING,
        ),
    )


def test_an_environment_overrides_each_branch_s_bound_under_its_signal_and_for_how_long_under_the_alert() -> None:
    slow = signal("sum(queue_length)", name="shop:queue:sum")
    other = Branch(watches=slow, comparison=Comparison.ABOVE, value=Decimal(9), guards=(), because="also")
    watched = alert(ONE, or_else=(other,))
    staging = Environment(
        name="staging",
        pages=True,
        overrides=(
            Override(threshold="TooMuch", lasting=hours(1), because="few look"),
            Override(threshold="TooMuch/shop:test:signal", value=Decimal(3), because="few orders"),
            Override(threshold="TooMuch/shop:queue:sum", value=Decimal(4), because="small hall"),
        ),
    )
    (there,) = watched.thresholds_in(staging)
    first, second = watched.branches(there, staging)
    assert (first.value, there.lasting, first.because) == (Decimal(3), hours(1), "few look; few orders")
    assert (second.value, second.because) == (Decimal(4), "small hall")
    assert [watched.bound_id(there, one) for one in (first, second)] == [
        "TooMuch/shop:test:signal",
        "TooMuch/shop:queue:sum",
    ]
    assert watched.branches(watched.thresholds[0])[1] is other


def test_an_alert_s_first_branch_is_what_it_watches() -> None:
    other = Branch(watches=ONE, comparison=Comparison.BELOW, value=Decimal(1), guards=(), because="also")
    guard = only_if(ONE, ">", 1, "so")
    watched = alert(ONE, or_else=(other,), guards=(guard,))
    first, second = watched.branches(watched.thresholds[0])
    assert (first.watches, first.comparison, first.value, first.guards) == (
        ONE,
        Comparison.ABOVE,
        Decimal(5),
        (guard,),
    )
    assert second is other


def test_an_area_is_what_its_module_defines_at_the_top_level() -> None:
    module = ModuleType("rules.shop", "Shop and queue: is it open?")
    module.__dict__.update(queue=QUEUE, orders=ORDERS, one=ONE, too_much=alert(ONE), runbook=RUNBOOK, number=5)
    found = Area.of(module)
    assert (found.name, found.title, found.question) == ("shop", "Shop and queue", "is it open?")
    assert found.module == "rules.shop"
    assert (found.metrics, found.signals, found.alerts) == ((QUEUE, ORDERS), (ONE,), (alert(ONE),))


def test_a_catalog_finds_by_name_and_a_histogram_by_its_series() -> None:
    whole = catalog(area(ONE, alerts=(alert(ONE),)))
    assert list(whole.named("wait_seconds_bucket")) == [WAIT]
    assert list(whole.named("shop:test:signal")) == [ONE]
    assert list(whole.named("TooMuch")) == [alert(ONE)]
    assert list(whole.named("nothing")) == []
    assert whole.area_of(ONE) is whole.areas[0]
    with pytest.raises(KeyError, match="shop:other:signal"):
        whole.area_of(signal("x", name="shop:other:signal"))


def test_an_organisation_knows_its_policies_and_environments() -> None:
    assert ORGANISATION.policy(Priority.P2).priority is Priority.P2
    assert ORGANISATION.environment("production").pages
    with pytest.raises(KeyError, match="none"):
        ORGANISATION.policy(Priority.NONE)
    with pytest.raises(KeyError, match="elsewhere"):
        ORGANISATION.environment("elsewhere")


def test_the_budget_is_what_the_target_leaves() -> None:
    promise = Objective(name="orders", target=Decimal("0.998"), period=days(30), burn_rates=(), because="so")
    assert promise.budget == Decimal("0.002")


def test_an_example_over_a_window_is_read_between_two_of_its_values() -> None:
    one = Example.over(seconds(300), EXAMPLE.series, EXAMPLE.gives)
    assert (one.every, one.at) == (minutes(1), seconds(630))


@pytest.mark.parametrize("unit", Unit)
def test_a_unit_s_range_is_not_empty(unit: Unit) -> None:
    if unit.lowest is not None and unit.highest is not None:
        assert unit.lowest < unit.highest
