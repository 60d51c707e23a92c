"""What is read from a PromQL expression, and what is refused?"""

from datetime import timedelta

import pytest

from rules.promql import (
    Aggregation,
    Call,
    Number,
    Operation,
    PromqlError,
    Selector,
    Series,
    Subquery,
    labels_carried,
    parse,
    reduced,
    selectors,
    walk,
)

NOW = timedelta(0)


def test_an_expression_becomes_a_tree_without_its_parentheses() -> None:
    assert parse('sum by (a) ((rate(x{b!="1"}[5m] offset 1h))) > bool 3') == Operation(
        ">",
        Aggregation(
            "sum",
            Call("rate", (Series("x", (("b", "!=", "1"),), timedelta(minutes=5), timedelta(hours=1)),)),
            None,
            frozenset({"a"}),
            None,
        ),
        Number(3.0),
        as_bool=True,
    )


def test_both_ways_to_match_sides_are_kept() -> None:
    x, y = Series("x", (), None, None), Series("y", (), None, None)
    joined = parse("x / on (a) group_left (b) y")
    assert joined == Operation("/", x, y, on=frozenset({"a"}), many="left", copied=frozenset({"b"}))
    assert parse("x unless ignoring (a) y") == Operation("unless", x, y, ignoring=frozenset({"a"}))
    assert parse("x + on () group_right () y") == Operation("+", x, y, on=frozenset(), many="right")


def test_a_minus_is_a_product() -> None:
    assert parse("-x") == Operation("*", Number(-1.0), Series("x", (), None, None))


def test_a_name_in_braces_is_a_name() -> None:
    assert parse('{__name__="x",a=~"b"}') == Series("x", (("a", "=~", "b"),), None, None)


def test_walking_meets_every_part_in_the_order_of_the_text() -> None:
    met = [type(part).__name__ for part in walk(parse("topk(3, x) / max_over_time(y[1h:1m])"))]
    assert met == ["Operation", "Aggregation", "Number", "Series", "Call", "Subquery", "Series"]
    assert [type(part) for part in walk(parse("max_over_time(y[1h:1m])"))] == [Call, Subquery, Series]


def test_selectors_come_in_the_order_of_the_text_with_all_that_is_done_to_them() -> None:
    found = selectors('max_over_time(sum(rate(x{a!~"1"}[5m] offset 1m))[1h:1m] offset 2h) / scalar(y)')
    assert found == (
        Selector(
            name="x",
            matchers=(("a", "!~", "1"),),
            range=timedelta(minutes=5),
            offset=timedelta(hours=2, minutes=1),
            calls=("rate", "sum", "max_over_time"),
            reach=timedelta(hours=3, minutes=6),
        ),
        Selector(name="y", matchers=(), range=None, offset=None, calls=("scalar",), reach=NOW),
    )


def test_what_stands_behind_unless_only_forbids() -> None:
    found = selectors("(a and b unless max(max_over_time(c[5m])) >= 1) or (d unless (e unless f)) or g")
    assert "".join(one.name for one in found if one.forbids) == "cef"
    assert "".join(one.name for one in found) == "abcdefg"


def test_nothing_is_read_by_a_constant() -> None:
    assert selectors("vector(1)") == ()


LABELS = {"x": {"a", "b", "c"}, "y": {"a", "b"}, "h_bucket": {"a", "le"}}


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        ("x", "a b c"),
        ("stranger", ""),
        ("rate(x[5m])", "a b c"),
        ("max_over_time(rate(x[5m])[1h:1m])", "a b c"),
        ("round(x, 0.1)", "a b c"),
        ("time() - x", "a b c"),
        ("-x", "a b c"),
        ("x > 3", "a b c"),
        ("3 < bool x", "a b c"),
        ("sum(x)", ""),
        ("sum by (a, q) (x)", "a"),
        ("sum by () (x)", ""),
        ("sum without (a, instance, pod) (x)", "b c"),
        ("topk by (a) (3, x)", "a b c"),
        ("bottomk(3, x)", "a b c"),
        ("quantile by (a) (0.9, x)", "a"),
        ('count_values("n", x)', "n"),
        ('count_values by (a) ("n", x)', "a n"),
        ("x / y", "a b"),
        ("x / on (a) y", "a"),
        ("x / ignoring (c) y", "a b"),
        ("y * on (a) group_left (c) x", "a b c"),
        ("x * on (a) group_left () y", "a b c"),
        ("x * on (a, b) group_left (c) y", "a b"),
        ("y * on (a) group_right (q) x", "a b c"),
        ("x + on () group_left () sum(y)", "a b c"),
        ("x and on () y", "a b c"),
        ("y unless x", "a b"),
        ("y or x", "a b c"),
        ("sum(y) or vector(0)", ""),
        ("y or vector(0)", "a b"),
        ("absent(x)", ""),
        ('absent(x{a="1",b=~"2",q="3"})', "a"),
        ('absent_over_time(x{a="1"}[5m])', "a"),
        ('absent(sum(x{a="1"}))', ""),
        ("vector(1)", ""),
        ("vector(scalar(x))", ""),
        ("clamp_min(y, scalar(x))", "a b"),
        ("day_of_week()", ""),
        ('label_replace(y, "n", "$1", "a", "(.*)")', "a b n"),
        ('label_replace(y, "a", "", "a", ".*")', "b"),
        ('label_join(y, "n", "-", "a", "b")', "a b n"),
        ("histogram_quantile(0.9, rate(h_bucket[5m]))", "a"),
        ("histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))", ""),
        ("sum by (le) (h_bucket)", "le"),
    ],
)
def test_labels_come_out_as_prometheus_lets_them(expr: str, labels: str) -> None:
    assert labels_carried(expr, lambda name: frozenset(LABELS.get(name, ()))) == frozenset(labels.split())


RANGE = "it gives a range of samples; put it into a function such as rate()"
NUMBER = "it gives one number without labels; write vector() around it"


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("", "no expression found in input"),
        ("sum(", "unclosed left parenthesis"),
        ("rate(x)", "expected type matrix in call to function 'rate', got vector"),
        ("nosuch(x)", "unknown function with name 'nosuch'"),
        ("rate(x[5])", "duration 5 has no unit; write one such as 5s"),
        ("x offset 300", "duration 300 has no unit; write one such as 300s"),
        ("max_over_time(x[5m:30])", "duration 30 has no unit; write one such as 30s"),
        ("rate(x[11y])", "duration 11y is longer than ten years"),
        ("x[5m]", RANGE),
        ("x[5m:1m]", RANGE),
        ("1", NUMBER),
        ("time()", NUMBER),
        ("1 + scalar(x)", NUMBER),
        ('"text"', "it is a string"),
        ("limitk(1, x)", "limitk() is not in every Prometheus from 2.42 on; do without it"),
        ("mad_over_time(x[5m])", "mad_over_time() is not in every Prometheus from 2.42 on; do without it"),
        ("histogram_avg(x)", "histogram_avg() is not in every Prometheus from 2.42 on; do without it"),
        ("holt_winters(x[5m], 0.1, 0.1)", "unknown function with name 'holt_winters'"),
        ('{__name__="a.b"}', "name 'a.b' needs Prometheus 3; use letters, digits and underscores"),
        ('{"a.b"}', "a name in quotes needs Prometheus 3; write it without"),
        ('x{"a.b"="c"}', "a name in quotes needs Prometheus 3; write it without"),
        ("x > 5m", "5m as a number needs Prometheus 3; write its seconds, 300"),
        ("rate(x[5m*2])", "duration 5m*2 is none that 2.42 reads; write a plain one such as 5m"),
        ("x + fill(0) y", "fill() is not in every Prometheus from 2.42 on; write `or`"),
        ('x{a="1" or b="2"}', "only VictoriaMetrics knows `or` between matchers; use a regular expression"),
    ],
)
def test_what_is_no_expression_for_a_rule_is_refused(expr: str, message: str) -> None:
    with pytest.raises(PromqlError) as raised:
        parse(expr)
    assert str(raised.value) == f"{expr!r} is no expression for a rule: {message}"
    assert (raised.value.expr, raised.value.message) == (expr, message)


def test_numbers_in_strings_and_comments_are_no_durations() -> None:
    assert parse('x{a="offset 5 [5]"} # offset 5 [5]') == Series("x", (("a", "=", "offset 5 [5]"),), None, None)


def test_an_endless_expression_is_refused_and_not_repeated_in_full() -> None:
    with pytest.raises(PromqlError) as deep:
        parse("+".join(["x"] * 150))
    assert str(deep.value) == (
        f"'{'x+' * 100}...' is no expression for a rule: it is nested more than 100 levels deep; record a part of it"
    )
    with pytest.raises(PromqlError) as long:
        parse("x" * 5001)
    assert long.value.message == "it is longer than 5000 characters; record a part of it"


_MINIMUM = 'min(label_replace(x, "of", "a", "", ""))'


@pytest.mark.parametrize(
    ("expr", "left"),
    [
        ("x unless on () (gone >= 1)", "x"),
        ("gone unless on () (x >= 1)", None),
        ("x unless (y or gone)", "x unless y"),
        ("x - on () (sum(rate(gone[5m])) or vector(0))", "x - on () vector(0)"),
        ('min(label_replace(x, "of", "a", "", "") or label_replace(gone, "of", "b", "", ""))', _MINIMUM),
        ("x / on () (gone > 0)", None),
        ("x and on () gone", None),
        ("gone or x", "x"),
        ("clamp_max(max(gone), 1)", None),
        ("max_over_time(gone[1h:5m])", None),
        ("sum by (a) (x unless gone)", "sum by (a) (x)"),
        ("absent(x) or absent(gone)", "absent(x)"),
        ("vector(1)", "vector(1)"),
        ("time() - x", "time() - x"),
    ],
)
def test_without_series_an_expression_keeps_what_does_not_need_them(expr: str, left: str | None) -> None:
    rest = reduced(parse(expr), lambda name: name == "gone")
    assert rest == (left and parse(left))
