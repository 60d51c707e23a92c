"""Does every signal's example show what the signal reads, and would a wrong window be seen in it?"""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from math import isclose

from rules.checks.expressions import OF_PRESENCE, matched_values
from rules.checks.index import TARGET_LABELS, Index, ReadSignal
from rules.checks.problem import Problem
from rules.promql import Selector
from rules.vocabulary import Histogram, plain

__all__ = ["CHECKS", "Samples"]

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*\Z", re.DOTALL)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)')
_ESCAPED = re.compile(r"\\(.)")
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|Inf|NaN)"
_VALUES = re.compile(rf"({_NUMBER})(?:([-+][0-9.]+(?:[eE][-+]?[0-9]{{1,3}})?)?x([0-9]{{1,9}}))?\Z")
_GAP = re.compile(r"(?:_(?:x([0-9]{1,9}))?|stale)\Z")
_OF_SLOPES = frozenset({"rate", "irate", "deriv", "predict_linear"})
"""Functions that give the same for every window, so long as the slope is the same."""


class Samples:
    """A series' values in promtool's notation, as the points at which its course can change.

    Raises ValueError for text that is no such notation.
    """

    def __init__(self, notation: str) -> None:
        self.points: list[tuple[int, float]] = []
        position = 0
        for word in notation.split():
            gap, values = _GAP.match(word), _VALUES.match(word)
            if gap:
                position += int(gap[1] or 1)
            elif values:
                start, step, count = float(values[1]), float(values[2] or 0), int(values[3] or 0)
                for place in sorted({0, 1, count}):
                    if place <= count:
                        self.points.append((position + place, start + step * place))
                position += count + 1
            else:
                raise ValueError(f"{word!r} is no value")

    @property
    def moves(self) -> bool:
        """Whether the value changes at all."""
        return any(a != b for (_, a), (_, b) in pairwise(self.points))

    @property
    def bends(self) -> bool:
        """Whether the value changes by more at one time than at another."""
        slopes = [(b - a) / (j - i) for (i, a), (j, b) in pairwise(self.points)]
        return any(not isclose(one, slopes[0], rel_tol=1e-9, abs_tol=1e-12) for one in slopes)


def moments(index: Index) -> Iterator[Problem]:
    """Prometheus 2 and 3 disagree on a sample that lies on the edge of a window."""
    for read in index.signals:
        example = read.signal.example
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
    for read in index.signals:
        seen = set()
        for selector, values in read.signal.example.series:
            parsed = _parsed(selector)
            if parsed is None:
                yield Problem(
                    read.where,
                    f"has an example with the series {selector}",
                    'write name{label="value"}, as promtool does',
                )
                continue
            if parsed in seen:
                yield Problem(read.where, f"has the series {selector} twice in its example", "give each once")
            seen.add(parsed)
            try:
                Samples(values)
            except ValueError as error:
                yield Problem(
                    read.where, f"has an example with the values {values!r}: {error}", "write them as promtool does"
                )
            yield from _unknown(index, read, parsed[0], dict(parsed[1]))


def results(index: Index) -> Iterator[Problem]:
    """An example's results carry labels that the signal carries, and are numbers."""
    for read in index.signals:
        if read.tree is None:
            continue
        carried = index.carried(read.signal.name)
        for labels, value in read.signal.example.gives:
            parsed = _labels(labels)
            if parsed is None:
                yield Problem(read.where, f"has an example that gives {labels!r}", 'write label="value", or nothing')
                continue
            for label in sorted(set(parsed) - carried - TARGET_LABELS):
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


def _windows(read: ReadSignal) -> list[Selector]:
    return [one for one in read.selectors if one.range is not None and not OF_PRESENCE & set(one.calls)]


def _tells_apart(index: Index, read: ReadSignal, selector: Selector) -> bool:
    for text, values in read.signal.example.series:
        parsed = _parsed(text)
        if parsed is None or (selector.name in index.by_series and not _selects(selector, parsed[0], dict(parsed[1]))):
            continue
        try:
            samples = Samples(values)
        except ValueError:
            continue
        if samples.bends if _OF_SLOPES & set(selector.calls) else samples.moves:
            return True
    return False


def _selects(selector: Selector, name: str, labels: dict[str, str]) -> bool:
    if name != selector.name:
        return False
    for label, operator, wanted in selector.matchers:
        value = labels.get(label, "")
        named = matched_values(operator, wanted, frozenset({value}))
        if named is not None and bool(named) != (operator in ("=", "=~")):
            return False
    return True


def _parsed(selector: str) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    found = _SELECTOR.match(selector)
    labels = _labels(found[2] or "") if found else None
    return (found[1], tuple(sorted(labels.items()))) if found and labels is not None else None


def _labels(text: str) -> dict[str, str] | None:
    labels: dict[str, str] = {}
    position, text = 0, text.strip()
    while position < len(text):
        found = _LABEL.match(text, position)
        if not found:
            return None
        labels[found[1]] = _ESCAPED.sub(r"\1", found[2])
        position = found.end()
    return labels


def _unknown(index: Index, read: ReadSignal, name: str, labels: dict[str, str]) -> Iterator[Problem]:
    metric = index.by_series.get(name)
    if metric is None:
        what = "is a signal" if name in index.by_name else "nobody exports"
        yield Problem(read.where, f"has an example with the series {name}, which {what}", "use the series of a metric")
        return
    for label, value in labels.items():
        values = index.values(name, label)
        if label == "le" and isinstance(metric, Histogram):
            bounds = frozenset(plain(bound) for bound in metric.bounds)
            values = bounds | {f"{bound}.0" for bound in bounds if "." not in bound} | {"+Inf"}
        if label not in index.carried(name) | {"pod"}:
            yield Problem(
                read.where,
                f"has an example with label {label}, which {name} does not carry",
                f"use one that it carries: {', '.join(sorted(index.declared(name))) or 'none'}",
            )
        elif values is not None and value not in values:
            yield Problem(
                read.where,
                f"has an example with {label}={value!r}, which {name} never has",
                f"use one of {', '.join(sorted(values))}",
            )


CHECKS = (moments, series, results, movement)
