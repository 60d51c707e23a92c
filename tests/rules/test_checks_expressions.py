"""What do the checks say of an expression, and of which do they say nothing?"""

import pytest

from rules.vocabulary import Gauge, Source, Unit, days
from tests.rules.small import EXAMPLE, METRICS, WAIT, area, problems, problems_of_expression, signal

GOOD = (
    "sum(rate(orders_total[5m]))",
    'sum by (result) (increase(orders_total{result!="failed"}[1h] offset 1w))',
    "sum(count_over_time(orders_total[1h] offset 1h))",
    "count(orders_total)",
    "absent(orders_total)",
    "max(queue_length)",
    "sum(queue_length)",
    "delta(queue_length[5m])",
    "max_over_time(queue_length[1h])",
    "max without (instance, pod) (stock_items)",
    "sum by (shelf) (max without (instance, pod) (stock_items))",
    'stock_items{origin=~"near|far"}',
    'stock_items{shelf=~"top|elsewhere"}',
    "sum(rate(orders_total[5m])) / on () (sum(rate(orders_total[5m])) > 0)",
    "max(queue_length) / on () (max(queue_length >= 1) * 60)",
    "queue_length / on (instance) clamp_min(queue_length, 1)",
    "max(queue_length) / 100",
    "max(queue_length) / on () -(vector(2))",
    "sum(rate(orders_total[5m])) or vector(0)",
    'sum(rate(orders_total{result="paid"}[5m])) or 0 * sum(rate(orders_total[5m]))',
    'queue_length{job="shop",pod="a",environment="production"}',
    "queue_length and on () max(queue_length) > 3",
    "queue_length * on (instance) group_left () count by (instance) (queue_length)".replace(
        "on (instance)", "on (job)"
    ).replace("by (instance)", "by (job)"),
    "histogram_quantile(0.9, sum by (le) (rate(wait_seconds_bucket[5m])))",
    f"sum(rate({WAIT.within(WAIT.bounds[0])}[5m]))",
    f"sum(rate({WAIT.within(WAIT.bounds[1], route='air')}[5m]))",
    'sum(rate(wait_seconds_bucket{le="+Inf"}[5m]))',
    "vector(1)",
    "time() - max(queue_length)",
    "clamp_max(max(queue_length) + on () (max(queue_length) == bool 0), 1)",
    "avg_over_time(queue_length[1h])",
)


@pytest.mark.parametrize("expr", GOOD)
def test_nothing_is_said_of_a_sound_expression(expr: str) -> None:
    assert problems_of_expression(expr) == []


BAD = {
    "sum(": ["has an expression that cannot be read: unclosed left parenthesis; correct the expression"],
    "rate(orders_total[5])": [
        "has an expression that cannot be read: duration 5 has no unit; write one such as 5s; correct the expression"
    ],
    "queue_length[5m]": [
        "has an expression that cannot be read: it gives a range of samples; put it into a function such as rate(); "
        "correct the expression"
    ],
    "max(queue_lenght)": ["reads queue_lenght, which nobody exports or records; write queue_length, if you mean that"],
    "max(xyzzy)": ["reads xyzzy, which nobody exports or records; define the metric, or correct the name"],
    'max({job="shop"})': ["selects series without naming them; name the metric or the signal"],
    "max(shop:test:signal)": [
        "reads itself: shop:test:signal reads shop:test:signal; break the circle",
    ],
    'max(queue_length{colour="red"})': [
        "matches label colour, which queue_length does not carry; use one that it carries: none"
    ],
    'sum(increase(orders_total{result="payed"}[5m]))': [
        "matches result='payed', which no series of orders_total has; use one of failed, paid",
        "has an example whose series are too steady to tell one window from another; "
        "let a series that it reads over a window change its pace inside the example",
    ],
    'sum(increase(orders_total{result!="payed"}[5m]))': [
        "matches result!='payed', which no series of orders_total has; use one of failed, paid"
    ],
    'max(stock_items{shelf!~"middle.*"})': [
        "matches shelf!~'middle.*', which no series of stock_items has; use one of bottom, top"
    ],
    'max(stock_items{origin=~".*"})': ["matches origin=~'.*', which tells no series apart; remove the matcher"],
    'max(stock_items{origin=~".+"})': ["matches origin=~'.+', which tells no series apart; write origin!=\"\""],
    'max(stock_items{origin!~".+"})': ["matches origin!~'.+', which tells no series apart; write origin=\"\""],
    "sum(orders_total)": ["reads counter orders_total as it is; put it into rate() or increase() over a window"],
    "max(wait_seconds_sum)": [
        "reads counter wait_seconds_sum as it is; put it into rate() or increase() over a window"
    ],
    "sum(last_over_time(orders_total[1h] offset 1h)) > 5": [
        "reads counter orders_total as it is; put it into rate() or increase() over a window"
    ],
    "max(avg_over_time(orders_total[5m]))": [
        "reads counter orders_total as it is; put it into rate() or increase() over a window"
    ],
    "max(rate(queue_length[5m]))": ["takes rate() of gauge queue_length; use delta() or deriv(), or read it as it is"],
    "max(resets(queue_length[5m]))": [
        "takes resets() of gauge queue_length; use delta() or deriv(), or read it as it is"
    ],
    "rate(sum(orders_total)[5m:1m])": [
        "takes rate() of sum(), which hides the counters' restarts; "
        "take rate() of the counters first, and aggregate after"
    ],
    "sum(irate(orders_total[5m]))": ["uses irate(), which sees only the last two samples; use rate() over a window"],
    "sum(rate(orders_total[45s]))": [
        "looks at 45 s of orders_total, which is scraped every 15 s; look at 60 s or more"
    ],
    "sum(increase(orders_total[30d]))": [
        "looks 30 days back, and samples are kept for 15; "
        "shorten the window or its offset, or export the figure for the whole window"
    ],
    "max_over_time(max(rate(orders_total[1h] offset 7d))[4d:1h] offset 5d)": [
        "looks 16.0417 days back, and samples are kept for 15; "
        "shorten the window or its offset, or export the figure for the whole window"
    ],
    "max(queue_length offset -5m)": ["looks at queue_length in the future; make the offset positive"],
    'count_values("v", queue_length)': [
        "makes a label of values with count_values(), without a bound to their number; "
        "count each value that matters by a comparison of its own"
    ],
    "sum by (route) (increase(orders_total[5m]))": [
        "groups by route, which the series there do not carry; use a label that they carry: result"
    ],
    "sum without (route) (increase(orders_total[5m]))": [
        "aggregates away route, which the series there do not carry; use a label that they carry: result"
    ],
    "max by (pod) (queue_length)": [
        "groups by pod, whose values come and go without a bound; aggregate it away: max without (instance, pod) (...)"
    ],
    "queue_length and on (route) max(queue_length)": [
        "matches on route, which the series there do not carry; use a label that they carry: none"
    ],
    "queue_length - max(queue_length)": ["does not say on which labels the two sides of - agree; write - on ()"],
    "queue_length and max by (job) (queue_length)": [
        "does not say on which labels the two sides of and agree; write and on ()"
    ],
    "sum by (result) (rate(orders_total[5m])) * ignoring (job) sum by (result) (rate(orders_total[1h]))": [
        "does not say on which labels the two sides of * agree; write * on (result)"
    ],
    "max(queue_length offset 1h)": [
        "looks at queue_length as it was at one moment of the past, which a gap in scraping hides; "
        "look at a range there: count_over_time(x[1h] offset 1h), last_over_time(x[1h] offset 1h)"
    ],
    "max(queue_length) or 0 * absent(queue_length{job='shop'})": [
        "has series with the labels none and with job on either side of or; "
        "aggregate both sides to the same labels, or say on (...) which to match"
    ],
    "max by (job) (queue_length) or vector(0)": [
        "fills gaps with vector(), which lacks the labels job; fill with 0 * a series that has them and is always there"
    ],
    "1 / max(queue_length)": [
        "has a right-hand side of / that can be 0, and gives NaN or Inf then; "
        "let it through only where it is not: x / (y > 0)"
    ],
    "max(queue_length) / on () max(queue_length) > 0": [
        "has a right-hand side of / that can be 0, and gives NaN or Inf then; "
        "let it through only where it is not: x / (y > 0)"
    ],
    "max(queue_length) % on () (sum(queue_length != 0))": [
        "has a right-hand side of % that can be 0, and gives NaN or Inf then; "
        "let it through only where it is not: x / (y > 0)"
    ],
    'sum(rate(wait_seconds_bucket{le="5.0"}[5m]))': [
        "has an example whose series are too steady to tell one window from another; "
        "let a series that it reads over a window change its pace inside the example",
        "selects le='5.0', which is no bucket; use the bounds of wait_seconds: 0.5, 3",
    ],
    'sum(rate(wait_seconds_bucket{le="3.0"}[5m]))': [
        "selects le='3.0', which other exporters and Prometheus 3 write otherwise; select it with within(bound)"
    ],
    "sum(rate(wait_seconds_bucket[5m]))": [
        "adds up the buckets of wait_seconds, each of which holds those below it; select one with within(bound)"
    ],
    "sum(stock_items)": [
        "sums stock_items over replicas that all export the same figures; "
        "take one of them: sum(max without (instance, pod) (...))"
    ],
}


@pytest.mark.parametrize("expr", BAD)
def test_a_broken_promise_is_told_with_cause_and_cure(expr: str) -> None:
    assert sorted(problems_of_expression(expr)) == sorted(BAD[expr])


def test_every_problem_is_told_not_only_the_first() -> None:
    assert problems_of_expression('sum(irate(nothing[5m])) / on () max(stock_items{shelf="middle"})') == [
        "reads nothing, which nobody exports or records; define the metric, or correct the name",
        "matches shelf='middle', which no series of stock_items has; use one of bottom, top",
        "uses irate(), which sees only the last two samples; use rate() over a window",
        "has a right-hand side of / that can be 0, and gives NaN or Inf then; "
        "let it through only where it is not: x / (y > 0)",
    ]


def test_a_counter_may_be_compared_with_its_own_past_where_a_fall_counts_as_nothing() -> None:
    past = "on (instance) last_over_time(orders_total[1h] offset 1h)"
    assert problems_of_expression(f"sum(clamp_min(orders_total - {past}, 0))") == []
    assert problems_of_expression(f"sum(orders_total - {past})") == [
        "reads counter orders_total as it is; put it into rate() or increase() over a window"
    ]
    assert problems_of_expression("sum(clamp_min(orders_total - on (instance) wait_seconds_sum, 0))") != []


def test_a_recorded_signal_is_a_gauge_already() -> None:
    total = signal("sum(increase(orders_total[5m]))", name="shop:orders:increase5m")
    again = signal(f"rate({total}[5m])")
    assert problems(area(total, again)) == [
        "rules.shop: signal shop:test:signal takes rate() of signal shop:orders:increase5m, which hides the counters' "
        "restarts; take rate() of the counters first, and aggregate after"
    ]


def test_a_window_over_a_signal_is_measured_in_evaluations() -> None:
    total = signal("sum(increase(orders_total[5m]))", name="shop:orders:increase5m")
    again = signal(f"max_over_time({total}[1m])")
    assert problems(area(total, again)) == [
        "rules.shop: signal shop:test:signal looks at 60 s of shop:orders:increase5m, which is recorded every 30 s; "
        "look at 120 s or more"
    ]


def test_a_recorded_signal_carries_the_environment_and_a_fresh_sum_does_not() -> None:
    total = signal("sum(increase(orders_total[5m]))", name="shop:orders:increase5m")
    joined = signal(f"{total} or sum(queue_length)")
    assert problems(area(total, joined)) == [
        "rules.shop: signal shop:test:signal has series with the labels environment, service and with none on "
        "either side of or; aggregate both sides to the same labels, or say on (...) which to match"
    ]


def test_a_signal_that_is_never_zero_may_divide() -> None:
    busy = signal("sum(increase(orders_total[5m])) > 0", name="shop:orders:busy")
    assert problems(area(busy, signal(f"{busy} / on () {busy}"))) == []


def test_the_mean_of_a_ratio_is_no_ratio_but_a_baseline_for_deviations() -> None:
    part, whole = 'sum(rate(orders_total{result="failed"}[5m]))', "sum(rate(orders_total[5m]))"
    ratio = signal(f"{part} / on () ({whole} > 0)", Unit.RATIO, "shop:failed:ratio5m")
    mean = f"avg_over_time({ratio}[1h])"
    assert problems(area(ratio, signal(mean, Unit.DEVIATIONS))) == []
    assert problems(area(ratio, signal(mean, Unit.RATIO))) == [
        "rules.shop: signal shop:test:signal takes avg_over_time() of ratio shop:failed:ratio5m, in which a quiet hour "
        "weighs as much as a busy one; divide the sum of the numerators by that of the denominators"
    ]


def test_a_ratio_of_doubled_sums_is_right_and_a_mixed_one_is_not() -> None:
    assert problems_of_expression("sum(stock_items{shelf='top'}) / on () (sum(stock_items) > 0)", Unit.RATIO) == []
    assert problems_of_expression("sum(stock_items{shelf='top'}) / on () (max(stock_items) > 0)", Unit.RATIO) == [
        "sums stock_items over replicas that all export the same figures; "
        "take one of them: sum(max without (instance, pod) (...))"
    ]


def test_a_group_reads_what_it_has_recorded_just_before() -> None:
    first = signal("max(queue_length)", name="shop:queue:max")
    second = signal(f"{first} * 2")
    assert problems(area(first, second)) == []
    assert problems(area(second, first)) == [
        "rules.shop: signal shop:test:signal reads shop:queue:max, which is recorded after it, "
        "and so one evaluation late; define shop:queue:max above it"
    ]


def test_another_group_s_signal_is_late_unless_it_is_steady() -> None:
    first = signal("max(queue_length)", name="shop:queue:max")
    second = signal(f"{first} * 2")
    assert problems(area(first), area(second, name="packing", metrics=())) == [
        "rules.packing: signal shop:test:signal reads shop:queue:max of rules.shop, and so one evaluation late; "
        "read the metrics themselves, or mark that signal steady if a late value does no harm"
    ]
    steady = signal("max(queue_length)", name="shop:queue:max", steady=True)
    assert problems(area(steady), area(second, name="packing", metrics=())) == []


def test_signals_that_read_each_other_are_found_and_nothing_hangs() -> None:
    one, two = (
        signal("shop:b:b * 1", name="shop:a:a", steady=True),
        signal("shop:a:a * 1", name="shop:b:b", steady=True),
    )
    assert problems(area(one, two)) == [
        "rules.shop: signal shop:a:a reads itself: shop:a:a reads shop:b:b reads shop:a:a; break the circle"
    ]


def test_a_metric_of_prometheus_itself_has_no_environment() -> None:
    own = Gauge("rule_groups", "Groups of rules that Prometheus has loaded", Unit.COUNT, Source.PROMETHEUS)
    joined = signal("rule_groups or queue_length")
    assert problems(area(joined, metrics=(*METRICS, own))) == [
        "rules.shop: signal shop:test:signal has series with the labels instance, job and with environment, instance, "
        "job, service on either side of or; aggregate both sides to the same labels, or say on (...) which to match"
    ]


def test_the_retention_is_the_organisation_s() -> None:
    found = problems(area(signal("sum(increase(orders_total[3d]))", example=EXAMPLE)), retention=days(2))
    assert found == [
        "rules.shop: signal shop:test:signal looks 3 days back, and samples are kept for 2; "
        "shorten the window or its offset, or export the figure for the whole window"
    ]
