"""What do the checks say of a signal's example?"""

import pytest

from rules.vocabulary import Example, minutes, seconds
from tests.rules.small import EXAMPLE, MOVING, area, problems, problems_of_expression, signal


def example(*series: tuple[str, str], gives: tuple[tuple[str, str], ...] = (("", "1"),)) -> Example:
    return Example(series=series, at=minutes(10) + seconds(30), gives=gives)


def test_a_window_is_read_between_two_samples() -> None:
    edge = Example(series=EXAMPLE.series, at=minutes(10), gives=EXAMPLE.gives)
    assert problems_of_expression("sum(rate(orders_total[5m]))", example=edge) == [
        "has an example at 0:10:00, a multiple of 0:01:00, where versions of Prometheus differ; "
        "read it between two values"
    ]
    assert problems_of_expression("max(queue_length)", example=edge) == []


def test_an_example_has_a_moment_and_an_interval() -> None:
    odd = Example(series=EXAMPLE.series, at=minutes(10), gives=EXAMPLE.gives, every=seconds(0))
    assert problems_of_expression("max(queue_length)", example=odd) == [
        "has an example at 0:10:00 with a value every 0:00:00; give a moment, and an interval above 0"
    ]


def test_all_examples_of_a_signal_are_read_at_one_moment() -> None:
    later = Example(series=EXAMPLE.series, at=minutes(20) + seconds(30), gives=EXAMPLE.gives)
    first = Example(series=EXAMPLE.series, at=minutes(10) + seconds(30), gives=EXAMPLE.gives)
    assert problems_of_expression("max(queue_length)", example=first, also=(later,)) == [
        "has examples at 0:10:30 and at 0:20:30; "
        "read all of them at one moment: promtool evaluates a file of tests at one pace"
    ]
    assert problems_of_expression("max(queue_length)", example=first, also=(first,)) == []


@pytest.mark.parametrize(
    ("series", "verdict"),
    [
        (
            "queue_lenght",
            "has an example with the series queue_lenght, which nobody exports; use the series of a metric",
        ),
        (
            "shop:test:signal",
            "has an example with the series shop:test:signal, which is a signal; use the series of a metric",
        ),
        (
            'queue_length{colour="red"}',
            "has an example with label colour, which queue_length does not carry; use one that it carries: none",
        ),
        (
            'stock_items{shelf="middle"}',
            "has an example with shelf='middle', which stock_items never has; use one of bottom, top",
        ),
        (
            'wait_seconds_bucket{le="4"}',
            "has an example with le='4', which wait_seconds_bucket never has; use one of +Inf, 0.5, 3, 3.0",
        ),
        ("queue_length{", 'has an example with the series queue_length{; write name{label="value"}, as promtool does'),
        (
            "queue_length{a=~'b'}",
            "has an example with the series queue_length{a=~'b'}; write name{label=\"value\"}, as promtool does",
        ),
    ],
)
def test_the_series_of_an_example_are_ones_that_somebody_exports(series: str, verdict: str) -> None:
    assert problems_of_expression("max(queue_length)", example=example((series, "1x10"))) == [verdict]


def test_the_labels_of_a_scrape_are_welcome_in_an_example() -> None:
    scraped = example(('queue_length{job="shop",instance="a",pod="b",environment="production"}', "1x10"))
    assert problems_of_expression("max(queue_length)", example=scraped) == []


def test_a_series_is_given_once_however_its_labels_are_ordered() -> None:
    twice = example(
        ('stock_items{shelf="top",origin="far"}', "1x10"), ('stock_items{origin="far", shelf="top"}', "2x10")
    )
    assert problems_of_expression("max(stock_items)", example=twice) == [
        'has the series stock_items{origin="far", shelf="top"} twice in its example; give each once'
    ]


def test_values_are_in_promtool_s_notation() -> None:
    assert problems_of_expression("max(queue_length)", example=example(("queue_length", "1 2 three"))) == [
        "has an example with the values '1 2 three'; "
        "'three' is no value of a series; write one such as 1, 0+4x10, _x3 or stale"
    ]


@pytest.mark.parametrize(
    ("gives", "verdict"),
    [
        (
            ('colour="red"', "1"),
            "has an example that gives label colour, which the signal does not carry; use one that it carries: none",
        ),
        (("colour", "1"), "has an example that gives 'colour'; write label=\"value\", or nothing"),
        (("", "one"), "has an example that gives the value 'one'; write a number"),
    ],
)
def test_the_results_of_an_example_are_the_signal_s(gives: tuple[str, str], verdict: str) -> None:
    one = example(("queue_length", "1x10"), gives=(gives,))
    assert problems_of_expression("max(queue_length)", example=one) == [verdict]


STEADY = (
    "has an example whose series are too steady to tell one window from another; "
    "let a series that it reads over a window change its pace inside the example"
)


@pytest.mark.parametrize(
    ("expr", "values", "seen"),
    [
        ("sum(rate(orders_total[5m]))", "0+4x20", False),
        ("sum(rate(orders_total[5m]))", "0+4x10 44+4x10", False),
        ("sum(rate(orders_total[5m]))", "0+4x10 50+5x10", True),
        ("sum(increase(orders_total[5m]))", "0+4x20", True),
        ("sum(increase(orders_total[5m]))", "7x20", False),
        ("sum(increase(orders_total[5m]))", "_x5 stale 7", False),
        ("sum(count_over_time(orders_total[5m]))", "7x20", True),
        ("sum(count_over_time(orders_total[5m] offset 5m))", "7x20", True),
        ("sum(rate(orders_total[5m] offset 5m))", "0+4x20", False),
        ("sum(rate(orders_total[5m] offset 5m))", "0+4x10 50+5x10", True),
    ],
)
def test_an_example_moves_where_a_window_must_be_seen(expr: str, values: str, seen: bool) -> None:
    one = example(('orders_total{result="paid"}', values))
    assert problems_of_expression(expr, example=one) == ([] if seen else [STEADY])


def test_a_series_that_moves_beside_the_selector_shows_nothing() -> None:
    one = example(('orders_total{result="failed"}', MOVING), ('orders_total{result="paid"}', "0+1x20"))
    assert problems_of_expression('sum(rate(orders_total{result!="failed"}[5m]))', example=one) == [STEADY]


def test_a_window_over_a_signal_is_seen_where_any_series_moves() -> None:
    first = signal("max(queue_length)", name="shop:queue:max")
    still, moving = example(("queue_length", "7x20")), example(("queue_length", "7x9 9x9"))
    start = "rules.shop: signal shop:test:signal "
    expr = f"max_over_time({first}[5m])"
    assert problems(area(first, signal(expr, example=still))) == [start + STEADY]
    assert problems(area(first, signal(expr, example=moving))) == []
