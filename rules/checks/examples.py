"""Does every signal's example show what the signal reads, and would a wrong window be seen in it?"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from math import isclose

from rules.checks.expressions import OF_PRESENCE, matched_values
from rules.checks.problem import Problem
from rules.index import TARGET_LABELS, Index, ReadSignal
from rules.promql import Selector
from rules.promtool.rows import rows, slopes
from rules.promtool.series import Series, labels_of, unescaped
from rules.vocabulary import Example, Histogram, plain

__all__ = ["CHECKS"]

_OF_SLOPES = frozenset({"rate", "irate", "deriv", "predict_linear"})
"""Functions that give the same for every window, so long as the slope is the same."""


def moments(index: Index) -> Iterator[Problem]:
    """Prometheus 2 and 3 disagree on a sample that lies on the edge of a window."""
    for read, example in _examples(index):
        if example.at != read.signal.example.at:
            yield Problem(
                read.where,
                f"has examples at {read.signal.example.at} and at {example.at}",
                "read all of them at one moment: promtool evaluates a file of tests at one pace",
            )
        if example.every <= timedelta(0) or example.at < timedelta(0):
            yield Problem(
                read.where,
                f"has an example at {example.at} with a value every {example.every}",
                "give a moment, and an interval above 0",
            )
        elif _windows(read) and example.at % example.every == timedelta(0):
            yield Problem(
                read.where,
                f"has an example at {example.at}, a multiple of {example.every}, where versions of Prometheus differ",
                "read it between two values",
            )


def series(index: Index) -> Iterator[Problem]:
    """An example's series are ones that somebody can export."""
    verdicts: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for read, example in _examples(index):
        seen = set()
        for pair in example.series:
            if pair not in verdicts:
                verdicts[pair] = tuple(_verdicts(index, *pair))
            for what, how_to_fix in verdicts[pair]:
                yield Problem(read.where, f"has an example with {what}", how_to_fix)
            parsed = _series_in(pair[0])
            named = parsed and (parsed.name, frozenset(parsed.labels))
            if named in seen:
                yield Problem(read.where, f"has the series {pair[0]} twice in its example", "give each once")
            if named is not None:
                seen.add(named)


def results(index: Index) -> Iterator[Problem]:
    """An example's results carry labels that the signal carries, and are numbers."""
    for read, example in _examples(index):
        if read.tree is None:
            continue
        carried = index.carried(read.signal.name)
        for labels, value in example.gives:
            try:
                parsed = labels_of(labels)
            except ValueError:
                yield Problem(read.where, f"has an example that gives {labels!r}", 'write label="value", or nothing')
                continue
            for label in sorted(parsed.keys() - carried - TARGET_LABELS):
                yield Problem(
                    read.where,
                    f"has an example that gives label {label}, which the signal does not carry",
                    f"use one that it carries: {', '.join(sorted(carried - TARGET_LABELS)) or 'none'}",
                )
            try:
                float(value)
            except ValueError:
                yield Problem(read.where, f"has an example that gives the value {value!r}", "write a number")


def movement(index: Index) -> Iterator[Problem]:
    """An expression over a window needs series in whose example another window, or function, gives another value."""
    for read in index.signals:
        windows = _windows(read)
        if windows and not any(_tells_apart(index, read, selector) for selector in windows):
            yield Problem(
                read.where,
                "has an example whose series are too steady to tell one window from another",
                "let a series that it reads over a window change its pace inside the example",
            )


def _examples(index: Index) -> Iterator[tuple[ReadSignal, Example]]:
    return ((read, example) for read in index.signals for example in read.signal.examples)


def _windows(read: ReadSignal) -> list[Selector]:
    return [one for one in read.selectors if one.range is not None and not OF_PRESENCE & set(one.calls)]


def _tells_apart(index: Index, read: ReadSignal, selector: Selector) -> bool:
    for text, values in read.signal.example.series:
        parsed = _series_in(text)
        if parsed is None or (selector.name in index.by_series and not _selects(selector, parsed)):
            continue
        try:
            changes = slopes(rows(values))
        except ValueError:
            continue
        if _bends(changes) if _OF_SLOPES & set(selector.calls) else any(changes):
            return True
    return False


def _bends(changes: Sequence[Decimal]) -> bool:
    """Whether the value changes by more at one time than at another."""
    return any(not isclose(one, changes[0], rel_tol=1e-9, abs_tol=1e-12) for one in changes)


def _series_in(selector: str) -> Series | None:
    try:
        return Series.parse(selector)
    except ValueError:
        return None


def _selects(selector: Selector, series_: Series) -> bool:
    if series_.name != selector.name:
        return False
    labels = dict(series_.labels)
    for label, operator, wanted in selector.matchers:
        value = unescaped(labels.get(label, ""))
        named = matched_values(operator, wanted, frozenset({value}))
        if named is not None and bool(named) != (operator in ("=", "=~")):
            return False
    return True


def _verdicts(index: Index, selector: str, values: str) -> Iterator[tuple[str, str]]:
    """What is wrong with one series of an example, and how to mend it."""
    try:
        rows(values)
    except ValueError as error:
        yield f"the values {values!r}", str(error)
    parsed = _series_in(selector)
    if parsed is None:
        yield f"the series {selector}", 'write name{label="value"}, as promtool does'
        return
    metric = index.by_series.get(parsed.name)
    if metric is None:
        what = "is a signal" if parsed.name in index.by_name else "nobody exports"
        yield f"the series {parsed.name}, which {what}", "use the series of a metric"
        return
    for label, written in parsed.labels:
        value = unescaped(written)
        known = index.values(parsed.name, label)
        if label == "le" and isinstance(metric, Histogram):
            bounds = frozenset(plain(bound) for bound in metric.bounds)
            known = bounds | {f"{bound}.0" for bound in bounds if "." not in bound} | {"+Inf"}
        if label not in index.carried(parsed.name) | {"pod"}:
            carried = ", ".join(sorted(index.declared(parsed.name))) or "none"
            yield f"label {label}, which {parsed.name} does not carry", f"use one that it carries: {carried}"
        elif known is not None and value not in known:
            yield f"{label}={value!r}, which {parsed.name} never has", f"use one of {', '.join(sorted(known))}"


CHECKS = (moments, series, results, movement)
