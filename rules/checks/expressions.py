"""Does every expression read what exists, in the way that its kind of series asks for?"""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from warnings import catch_warnings

from rules.checks.problem import Problem
from rules.index import TARGET_LABELS, Index, ReadSignal
from rules.promql import (
    ABSENCES,
    Aggregation,
    Call,
    Expression,
    Number,
    Operation,
    Selector,
    Subquery,
    is_scalar,
    selectors,
    walk,
)
from rules.vocabulary import Counter, Histogram, Metric, Unit, plain

__all__ = ["CHECKS", "matched_values"]

OF_COUNTERS = frozenset({"rate", "increase", "irate"})
OF_PRESENCE = ABSENCES | {"present_over_time", "count", "count_over_time", "group"}
ON_RAW_COUNTERS = OF_COUNTERS | {"resets", "changes", "timestamp"}
WINDOW_IN_INTERVALS = 4
SCRAPE_LABELS = TARGET_LABELS | {"pod"}
FLEETING = frozenset({"instance", "pod"})


def readable(index: Index) -> Iterator[Problem]:
    """PromQL that every Prometheus from 2.42 to 3.x reads alike."""
    for read in index.signals:
        if read.error:
            yield Problem(read.where, f"has an expression that cannot be read: {read.error}", "correct the expression")


def known_series(index: Index) -> Iterator[Problem]:
    """Every series is a metric's or a signal's."""
    known: list[str] = []
    for read, selector in _selectors(index):
        if not selector.name:
            yield Problem(read.where, "selects series without naming them", "name the metric or the signal")
        elif index.is_unknown(selector.name):
            known = known or sorted((*index.by_series, *index.by_name))
            close = get_close_matches(selector.name, known, n=1) if len(known) < 1000 else []
            yield Problem(
                read.where,
                f"reads {selector.name}, which nobody exports or records",
                f"write {close[0]}, if you mean that" if close else "define the metric, or correct the name",
            )


def circles(index: Index) -> Iterator[Problem]:
    """No signal reads itself, be it through others."""
    for circle in index.circles:
        yield Problem(
            index.by_name[circle[0]].where,
            f"reads itself: {' reads '.join((*circle, circle[0]))}",
            "break the circle",
        )


def matched_values(operator: str, wanted: str, values: frozenset[str]) -> frozenset[str] | None:
    """Those of a label's values that a matcher names, for `!=` and `!~` those that it shuts out; None if unreadable."""
    if operator in ("=", "!="):
        return values & {wanted}
    try:
        with catch_warnings(action="ignore"):
            pattern = re.compile(wanted)
    except (re.error, OverflowError, RecursionError):
        return None
    return frozenset(value for value in values if pattern.fullmatch(value))


def known_labels(index: Index) -> Iterator[Problem]:
    """Every matcher names a label that the series carry, and a value that the label can have."""
    for read, selector in _known_selectors(index):
        carried = index.carried(selector.name)
        for label, operator, wanted in selector.matchers:
            if label not in carried | SCRAPE_LABELS:
                yield Problem(
                    read.where,
                    f"matches label {label}, which {selector.name} does not carry",
                    f"use one that it carries: {_listed(carried - TARGET_LABELS)}",
                )
                continue
            values = index.values(selector.name, label)
            if values is not None and wanted and matched_values(operator, wanted, values) == frozenset():
                yield Problem(
                    read.where,
                    f"matches {label}{operator}{wanted!r}, which no series of {selector.name} has",
                    f"use one of {_listed(values)}",
                )


def matchers_that_match_all(index: Index) -> Iterator[Problem]:
    """A regular expression for anything selects nothing, and hides that."""
    for read, selector in _selectors(index):
        for label, operator, wanted in selector.matchers:
            if operator in ("=~", "!~") and wanted in (".*", ".+"):
                cure = f'write {label}{"!=" if operator == "=~" else "="}""' if wanted == ".+" else "remove the matcher"
                yield Problem(read.where, f"matches {label}{operator}{wanted!r}, which tells no series apart", cure)


def counters(index: Index) -> Iterator[Problem]:
    """A counter's value means nothing by itself: it starts again at 0.

    It may be looked at to see whether there is one: by `absent`, `count_over_time` and their like. And it may be compared
    with its own past, where a fall counts as nothing: `clamp_min(x - last_over_time(x[1d] offset 1d), 0)`.
    """
    for read, selector in _selectors(index):
        if not _counts(index.by_series.get(selector.name)) or set(selector.calls) & (OF_PRESENCE | OF_COUNTERS):
            continue
        if selector.calls[:1] and selector.calls[0] in ON_RAW_COUNTERS:
            continue
        if selector.name in _compared_with_their_past(read):
            continue
        yield Problem(
            read.where,
            f"reads counter {selector.name} as it is",
            "put it into rate() or increase() over a window",
        )


def rates_of_gauges(index: Index) -> Iterator[Problem]:
    """rate() takes every fall of a gauge for a restart of a counter."""
    for read, selector in _known_selectors(index):
        used = next((call for call in selector.calls[:1] if call in OF_COUNTERS | {"resets"}), "")
        if not used or selector.range is None:
            continue
        if selector.name in index.by_name:
            yield Problem(
                read.where,
                f"takes {used}() of signal {selector.name}, which hides the counters' restarts",
                f"take {used}() of the counters first, and aggregate after",
            )
        elif not _counts(index.by_series[selector.name]):
            yield Problem(
                read.where,
                f"takes {used}() of gauge {selector.name}",
                "use delta() or deriv(), or read it as it is",
            )


def rates_of_aggregates(index: Index) -> Iterator[Problem]:
    """The sum of counters falls when one of them restarts, and rate() then sees a leap."""
    for read, node in _nodes(index):
        match node:
            case Call(function="rate" | "increase" | "irate" as used, arguments=(Subquery(of=inner), *_)):
                first = next((part.operator for part in walk(inner) if isinstance(part, Aggregation)), "")
                if first:
                    yield Problem(
                        read.where,
                        f"takes {used}() of {first}(), which hides the counters' restarts",
                        f"take {used}() of the counters first, and aggregate after",
                    )


def instant_rates(index: Index) -> Iterator[Problem]:
    """irate() looks at two samples, and misses what lies between two evaluations."""
    for read, selector in _selectors(index):
        if "irate" in selector.calls:
            yield Problem(read.where, "uses irate(), which sees only the last two samples", "use rate() over a window")


def short_windows(index: Index) -> Iterator[Problem]:
    """A window holds at least four intervals, so that one lost scrape leaves enough samples."""
    for read, selector in _known_selectors(index):
        raw = selector.name in index.by_series
        interval = index.scrape_interval if raw else index.evaluation_interval
        if selector.range is not None and selector.range < WINDOW_IN_INTERVALS * interval:
            yield Problem(
                read.where,
                f"looks at {selector.range.total_seconds():g} s of {selector.name}, "
                f"which is {'scraped' if raw else 'recorded'} every {interval.total_seconds():g} s",
                f"look at {WINDOW_IN_INTERVALS * interval.total_seconds():g} s or more",
            )


def long_windows(index: Index) -> Iterator[Problem]:
    """Prometheus answers for what it still has, and does not say so."""
    retention = index.organisation.retention
    for read, selector in _selectors(index):
        if selector.reach > retention:
            yield Problem(
                read.where,
                f"looks {selector.reach / timedelta(days=1):g} days back, "
                f"and samples are kept for {retention / timedelta(days=1):g}",
                "shorten the window or its offset, or export the figure for the whole window",
            )
        if selector.offset is not None and selector.offset < timedelta(0):
            yield Problem(read.where, f"looks at {selector.name} in the future", "make the offset positive")


def labels_to_group_by(index: Index) -> Iterator[Problem]:
    """A label that is kept, dropped or matched on must be there, and its values must be countable."""
    for read, node in _nodes(index):
        match node:
            case Aggregation(operator="count_values"):
                yield Problem(
                    read.where,
                    "makes a label of values with count_values(), without a bound to their number",
                    "count each value that matters by a comparison of its own",
                )
            case Aggregation(of=inner, by=frozenset() as by):
                yield from _not_carried(index, read, by - SCRAPE_LABELS, "groups by", inner)
                for label in sorted(by & FLEETING):
                    yield Problem(
                        read.where,
                        f"groups by {label}, whose values come and go without a bound",
                        "aggregate it away: max without (instance, pod) (...)",
                    )
            case Aggregation(of=inner, without=frozenset() as without):
                yield from _not_carried(index, read, without - SCRAPE_LABELS, "aggregates away", inner)
            case Operation(left=left, right=right, on=frozenset() as on):
                wanted = on - SCRAPE_LABELS
                yield from _not_carried(index, read, wanted, "matches on", left)
                yield from _not_carried(index, read, wanted, "matches on", right)


def named_labels(index: Index) -> Iterator[Problem]:
    """Two sides meet on labels that the expression names: a label more on one of them must not part them.

    Prometheus adds such a label by itself, `__type__` to raw series alone, where its flag type-and-unit-labels is on.
    """
    for read, node in _nodes(index):
        if not isinstance(node, Operation) or node.operator == "or" or node.on is not None:
            continue
        if is_scalar(node.left) or is_scalar(node.right):
            continue
        shared = index.labels(node.left) & index.labels(node.right) - TARGET_LABELS
        yield Problem(
            read.where,
            f"does not say on which labels the two sides of {node.operator} agree",
            f"write {node.operator} on ({', '.join(sorted(shared))})",
        )


def instants_of_the_past(index: Index) -> Iterator[Problem]:
    """`x offset 1h` is missing for as long as nobody scraped exactly an hour ago, however long the series was there."""
    for read, selector in _selectors(index):
        if selector.offset is not None and selector.offset > timedelta(0) and selector.range is None:
            yield Problem(
                read.where,
                f"looks at {selector.name} as it was at one moment of the past, which a gap in scraping hides",
                "look at a range there: count_over_time(x[1h] offset 1h), last_over_time(x[1h] offset 1h)",
            )


def sides_that_match(index: Index) -> Iterator[Problem]:
    """Of sides with other labels `or` makes one series, and then another."""
    for read, node in _nodes(index):
        if not isinstance(node, Operation) or node.operator != "or" or node.on is not None or _is_vector(node.right):
            continue
        ignored = node.ignoring or frozenset()
        left, right = index.labels(node.left) - ignored, index.labels(node.right) - ignored
        if left != right:
            yield Problem(
                read.where,
                f"has series with the labels {_listed(left)} and with {_listed(right)} on either side of or",
                "aggregate both sides to the same labels, or say on (...) which to match",
            )


def filled_gaps(index: Index) -> Iterator[Problem]:
    """vector(0) has no labels: it fills no gap of a labelled side, and stands beside it for ever."""
    for read, node in _nodes(index):
        match node:
            case Operation(operator="or", left=left, right=right) if _is_vector(right) and index.labels(left):
                yield Problem(
                    read.where,
                    f"fills gaps with vector(), which lacks the labels {_listed(index.labels(left))}",
                    "fill with 0 * a series that has them and is always there",
                )


def divisions(index: Index) -> Iterator[Problem]:
    """Nothing divided by nothing is NaN, which no comparison holds for: an alert on it stays quiet."""
    for read, node in _nodes(index):
        match node:
            case Operation(operator="/" | "%" as operator, right=right) if index.can_be_zero(right):
                yield Problem(
                    read.where,
                    f"has a right-hand side of {operator} that can be 0, and gives NaN or Inf then",
                    "let it through only where it is not: x / (y > 0)",
                )


def means_of_ratios(index: Index) -> Iterator[Problem]:
    """The mean of ratios weighs a quiet hour like a busy one. As a baseline for deviations it will do."""
    for read, selector in _selectors(index):
        used = next((call for call in selector.calls if call in ("avg_over_time", "avg")), "")
        if used and index.unit(selector.name) is Unit.RATIO and read.signal.unit is Unit.RATIO:
            yield Problem(
                read.where,
                f"takes {used}() of ratio {selector.name}, in which a quiet hour weighs as much as a busy one",
                "divide the sum of the numerators by that of the denominators",
            )


def buckets(index: Index) -> Iterator[Problem]:
    """A bucket is selected by a bound that exists, in both ways in which exporters write it."""
    for read, selector in _known_selectors(index):
        metric = index.by_series.get(selector.name)
        if not isinstance(metric, Histogram) or not selector.name.endswith("_bucket"):
            continue
        bounds = f"bounds of {metric.name}: {', '.join(map(plain, metric.bounds))}"
        matchers = [(operator, wanted) for label, operator, wanted in selector.matchers if label == "le"]
        if not matchers and not {"histogram_quantile", "histogram_fraction"} & set(selector.calls):
            yield Problem(
                read.where,
                f"adds up the buckets of {metric.name}, each of which holds those below it",
                "select one with within(bound)",
            )
        for operator, wanted in matchers:
            spellings = {text for bound in metric.bounds for text in _spellings(bound)} | {"+Inf"}
            found = matched_values(operator, wanted, frozenset(spellings))
            if not found:
                yield Problem(read.where, f"selects le{operator}{wanted!r}, which is no bucket", f"use the {bounds}")
            elif operator == "=" and wanted != "+Inf" and len(_spellings(Decimal(wanted))) > 1:
                yield Problem(
                    read.where,
                    f"selects le={wanted!r}, which other exporters and Prometheus 3 write otherwise",
                    "select it with within(bound)",
                )


def replicas(index: Index) -> Iterator[Problem]:
    """Every replica of the exporter exports the same figures: their sum counts each as often as there are replicas.

    A ratio of two such sums is right all the same.
    """
    for read in index.signals:
        summed = []
        for selector in read.selectors:
            metric = index.by_series.get(selector.name)
            if metric is not None and metric.source.sampled:
                first = next((call for call in selector.calls if call in ("sum", "max", "min", "count", "group")), "")
                summed.append((selector.name, first == "sum"))
        if read.signal.unit is Unit.RATIO and all(twice for _, twice in summed):
            continue
        for name in (name for name, twice in summed if twice):
            yield Problem(
                read.where,
                f"sums {name} over replicas that all export the same figures",
                "take one of them: sum(max without (instance, pod) (...))",
            )


def lag(index: Index) -> Iterator[Problem]:
    """A group reads what another recorded one evaluation ago, or later ones of its own."""
    for area in index.catalog.areas:
        recorded: set[str] = set()
        for read in (index.by_name[signal.name] for signal in area.signals):
            for selector in read.selectors:
                inner = index.by_name.get(selector.name)
                if inner is None or inner.signal.steady or selector.name in recorded or inner is read:
                    continue
                if inner.area is area:
                    yield Problem(
                        read.where,
                        f"reads {selector.name}, which is recorded after it, and so one evaluation late",
                        f"define {selector.name} above it",
                    )
                elif inner.area.module != area.module:
                    yield Problem(
                        read.where,
                        f"reads {selector.name} of {inner.area.module}, and so one evaluation late",
                        "read the metrics themselves, or mark that signal steady if a late value does no harm",
                    )
            recorded.add(read.signal.name)


def _selectors(index: Index) -> Iterator[tuple[ReadSignal, Selector]]:
    return ((read, selector) for read in index.signals for selector in read.selectors)


def _nodes(index: Index) -> Iterator[tuple[ReadSignal, Expression]]:
    return ((read, node) for read in index.signals for node in read.nodes)


def _known_selectors(index: Index) -> Iterator[tuple[ReadSignal, Selector]]:
    for read, selector in _selectors(index):
        if not index.is_unknown(selector.name):
            yield read, selector


def _counts(metric: Metric | None) -> bool:
    return isinstance(metric, Counter | Histogram)


def _not_carried(
    index: Index, read: ReadSignal, wanted: frozenset[str], verb: str, inner: Expression
) -> Iterator[Problem]:
    carried = index.labels(inner) if wanted else frozenset()
    for label in sorted(wanted - carried):
        yield Problem(
            read.where,
            f"{verb} {label}, which the series there do not carry",
            f"use a label that they carry: {_listed(carried - TARGET_LABELS)}",
        )


def _is_vector(expression: Expression) -> bool:
    return isinstance(expression, Call) and expression.function == "vector"


def _spellings(bound: Decimal) -> tuple[str, ...]:
    text = plain(bound)
    return (text,) if "." in text else (text, f"{text}.0")


def _compared_with_their_past(read: ReadSignal) -> frozenset[str]:
    found: set[str] = set()
    for node in read.nodes:
        match node:
            case Call(
                function="clamp_min", arguments=(Operation(operator="-", left=now, right=before), Number(value=0))
            ):
                here = {one.name for one in selectors(now) if one.offset is None}
                found |= here & {one.name for one in selectors(before) if one.offset is not None}
    return frozenset(found)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


CHECKS = (
    readable,
    known_series,
    circles,
    known_labels,
    matchers_that_match_all,
    counters,
    rates_of_gauges,
    rates_of_aggregates,
    instant_rates,
    short_windows,
    long_windows,
    labels_to_group_by,
    named_labels,
    instants_of_the_past,
    sides_that_match,
    filled_gaps,
    divisions,
    means_of_ratios,
    buckets,
    replicas,
    lag,
)
