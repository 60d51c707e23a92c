"""Do the checks look at the whole of any catalog, and is ours without a problem?"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.catalog import catalog as real_catalog
from rules.checks import check
from rules.vocabulary import (
    Alert,
    Branch,
    BurnRate,
    Catalog,
    Comparison,
    Counter,
    Environment,
    Example,
    Gauge,
    Guard,
    Histogram,
    Item,
    Label,
    Metric,
    Objective,
    Override,
    Priority,
    Runbook,
    Severity,
    Signal,
    Source,
    Step,
    Threshold,
    Unit,
)
from tests.rules.small import METRICS, ORGANISATION, area, catalog

T = TypeVar("T")

texts = st.text(st.characters(codec="utf-8"), max_size=8)
some_text = texts.filter(bool)
label_names = st.sampled_from(["result", "shelf", "origin", "route", "source", "le", "job", "pod", "other"])
series_names = st.sampled_from(
    [
        "orders_total",
        "queue_length",
        "stock_items",
        "wait_seconds_bucket",
        "sample_age_intervals",
        "a:b:c",
        "d:e:f",
        "no",
    ]
)
spans = st.one_of(st.sampled_from([timedelta(0), timedelta(seconds=30), timedelta.max, timedelta.min]), st.timedeltas())
numbers = st.one_of(
    st.sampled_from(
        [Decimal(text) for text in ("0", "1", "-1", "0.5", "NaN", "sNaN", "Infinity", "9e999999", "1e-99")]
    ),
    st.decimals(),
)


def accepted(make: Callable[..., T], **fields: Any) -> st.SearchStrategy[T]:
    """What the constructor does not refuse."""

    def build(given_: dict[str, Any]) -> list[T]:
        try:
            return [make(**given_)]
        except (ValueError, InvalidOperation):
            return []

    return st.fixed_dictionaries(fields).map(build).filter(bool).map(lambda built: built[0])


def matchers() -> st.SearchStrategy[str]:
    one = st.tuples(label_names, st.sampled_from(["=", "!=", "=~", "!~"]), texts)
    return st.lists(one, max_size=2).map(
        lambda all_: "{" + ",".join(f"{label}{operator}'{value}'" for label, operator, value in all_) + "}"
    )


leaves = st.one_of(
    st.tuples(series_names, matchers()).map("".join),
    st.tuples(series_names, st.sampled_from(["[5m]", "[1s]", "[30d]", " offset -5m", "[9y] offset 9y"])).map("".join),
    st.sampled_from(["1", "0", "vector(0)", "time()", "1e999", "NaN"]),
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    calls = ["rate", "irate", "sum", "absent", "avg_over_time", "max without (pod)", "sum by (result)", "clamp_min"]
    joins = [" / ", " % ", " or ", " and on (shelf) ", " > bool ", " * on () group_left (route) ", " >= ", " unless "]
    return st.one_of(
        st.tuples(st.sampled_from(calls), inner).map(lambda both: f"{both[0]}({both[1]})"),
        st.tuples(inner, st.sampled_from(joins), inner).map(lambda parts: f"({''.join(parts)})"),
        inner.map(lambda expr: f"max_over_time(({expr})[1h:1m])"),
    )


expressions = st.one_of(st.recursive(leaves, larger, max_leaves=6), texts)
series = st.tuples(
    st.one_of(st.tuples(series_names, matchers()).map("".join), texts),
    st.one_of(st.sampled_from(["0+1x999999999", "1 2 4", "_x3", "NaN Inf -Inf 1"]), texts),
)
examples = accepted(
    Example,
    series=st.lists(series, min_size=1, max_size=3).map(tuple),
    at=spans,
    every=spans,
    gives=st.lists(st.tuples(texts, texts), min_size=1, max_size=2).map(tuple),
)
signals = accepted(
    Signal,
    name=st.sampled_from(["a:b:c", "d:e:f", "g:h:i"]),
    title=some_text,
    unit=st.sampled_from(Unit),
    expr=expressions,
    example=examples,
    steady=st.booleans(),
)
guards = accepted(
    Guard,
    signal=signals,
    comparison=st.sampled_from(Comparison),
    bound=numbers,
    because=texts,
    forbids=st.booleans(),
    where=st.lists(st.tuples(label_names, texts), max_size=2).map(tuple),
)
thresholds = accepted(
    Threshold,
    comparison=st.sampled_from(Comparison),
    value=numbers,
    severity=st.sampled_from(Severity),
    priority=st.sampled_from(Priority),
    because=some_text,
    lasting=spans,
    keep_firing=spans,
)
branches = accepted(
    Branch,
    watches=signals,
    comparison=st.sampled_from(Comparison),
    value=numbers,
    guards=st.lists(guards, max_size=1).map(tuple),
    because=texts,
)
steps = st.lists(st.builds(Step, texts), max_size=1).map(tuple)


def told_apart(several: list[Threshold]) -> tuple[Threshold, ...]:
    return tuple(replace(one, tier="ab"[place]) for place, one in enumerate(several))


def alerts(hidden_by: st.SearchStrategy[tuple[Alert, ...]]) -> st.SearchStrategy[Alert]:
    return accepted(
        Alert,
        name=st.sampled_from(["One", "Two", "Three"]),
        watches=signals,
        thresholds=st.lists(thresholds, min_size=1, max_size=2).map(told_apart),
        summary=st.sampled_from(["So.", "So {threshold}.", "So {", "So {}.", "So {a[0]!r:>{b}}."]).map(
            lambda text: text if text.endswith(".") else f"{text}."
        ),
        description=st.one_of(texts, st.sampled_from(["{value} {route}", "{", "}"])),
        runbook=st.builds(Runbook, meaning=texts, impact=texts, diagnosis=steps, mitigation=steps),
        guards=st.lists(guards, max_size=2).map(tuple),
        or_else=st.just(()) | branches.map(lambda branch: (branch,)),
        hidden_by=hidden_by,
        always=st.booleans(),
    )


any_alerts = alerts(st.lists(alerts(st.just(())), max_size=1).map(tuple))
labels = st.lists(
    accepted(
        Label,
        name=label_names.filter(lambda name: name not in ("le", "job", "pod")),
        values=st.lists(texts, max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
common = {
    "help": st.just("Something that is counted"),
    "unit": st.sampled_from(Unit),
    "source": st.sampled_from(Source),
}
metrics: st.SearchStrategy[Metric] = st.one_of(
    accepted(Counter, name=st.sampled_from(["orders_total", "more_total"]), labels=labels, **common),
    accepted(Gauge, name=st.sampled_from(["orders", "orders_created", "queue_length"]), labels=labels, **common),
    accepted(
        Histogram,
        name=st.sampled_from(["wait_seconds", "orders"]),
        labels=labels,
        bounds=st.sampled_from([(Decimal("0.5"), Decimal(3)), (Decimal("-Infinity"), Decimal("9e999999"))]),
        **common,
    ),
)
objectives = accepted(
    Objective,
    name=texts,
    target=st.sampled_from([Decimal("0.9"), Decimal("0.998"), Decimal("1e-99"), Decimal("0." + "9" * 50)]),
    period=spans,
    because=texts,
    burn_rates=st.lists(
        st.builds(BurnRate, long=spans, short=spans, factor=numbers, least_failures=st.integers()), max_size=2
    ).map(tuple),
)
overrides = accepted(
    Override,
    threshold=st.sampled_from(["One", "One/a", "Two", "/"]),
    because=some_text,
    value=st.none() | numbers,
    lasting=st.none() | spans,
)


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    def some(strategy: st.SearchStrategy[T], most: int = 2) -> tuple[T, ...]:
        return tuple(draw(st.lists(strategy, max_size=most)))

    areas = [
        area(
            *some(signals),
            alerts=some(any_alerts),
            metrics=(*(METRICS if draw(st.booleans()) else ()), *some(metrics)),
            objectives=some(objectives, 1),
            name=name,
            title=draw(texts),
        )
        for name in ("shop", "packing")
    ]
    environment = Environment(name=draw(texts), pages=draw(st.booleans()), overrides=some(overrides))
    return catalog(
        *areas,
        items=some(st.builds(Item, texts, texts, texts, texts)),
        environments=(environment,),
        policies=tuple(
            replace(policy, notifies=policy.notifies[: draw(st.integers(0, 1))]) for policy in ORGANISATION.policies
        ),
        scrape_interval=draw(spans),
        evaluation_interval=draw(spans),
        retention=draw(spans),
    )


@pytest.mark.slow
@given(catalogs())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_catalog_stops_the_checks(any_catalog: Catalog) -> None:
    for problem in check(any_catalog):
        assert problem.where
        assert problem.what
        assert problem.how_to_fix
        assert "\n" not in str(problem)


def test_our_own_definitions_keep_every_promise() -> None:
    assert [str(problem) for problem in check(real_catalog())] == []
