"""What do signals say where a team leaves out a source of what they read?"""

from collections.abc import Iterator
from dataclasses import replace

from rules.promql import PromqlError, parse, reduced, written
from rules.vocabulary import Area, Signal, Source

__all__ = ["reductions"]


def reductions(areas: tuple[Area, ...], sources: tuple[Source, ...]) -> Iterator[tuple[Signal, Signal]]:
    """Each signal that tells the same without those sources, with what it then is: less is taken away, or nothing replaced.

    An example that feeds a series of theirs goes; a signal that no other example proves is none of these.
    """
    unfed = {
        name
        for area in areas
        for metric in area.metrics
        if metric.source in sources
        for name in (*metric.series_names, metric.name)
    }
    signals = [signal for area in areas for signal in area.signals]
    missing: set[str] = set()
    while True:
        left = [(signal, _without(signal, unfed, missing)) for signal in signals if signal.name not in missing]
        lost = {signal.name for signal, rest in left if rest is None}
        if not lost:
            return ((signal, rest) for signal, rest in left if rest is not None and rest is not signal)
        missing |= lost


def _without(signal: Signal, unfed: set[str], missing: set[str]) -> Signal | None:
    """The signal without what it reads of these; None where nothing is left of it."""
    try:
        tree = parse(signal.expr)
    except PromqlError:
        return signal
    rest = reduced(tree, lambda name: name in unfed or name in missing)
    if rest == tree:
        return signal
    examples = [one for one in signal.examples if not any(_name(series) in unfed for series, _ in one.series)]
    first = next((one for one in examples if one.gives), None)
    if rest is None or first is None:
        return None
    also = tuple(one for one in examples if one is not first)
    return replace(signal, expr=written(rest), example=first, also=also)


def _name(series: str) -> str:
    return series.split("{")[0]
