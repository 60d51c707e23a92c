"""Which readings must not reach the page, because one of them would spoil it for all?"""

from collections.abc import Sequence

from exporters.sampling.model import Distribution, Reading
from rules.vocabulary import Counter, Gauge, Histogram, Source

__all__ = ["faults", "series_of"]


def series_of(reading: Reading | Distribution) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What tells the reading's series from every other."""
    return reading.metric.name, reading.labels


def faults(readings: Sequence[Reading | Distribution], source: Source) -> dict[int, str]:
    """By position in `readings`, what is wrong with those that are not sound; `source` must be each metric's own."""
    found: dict[int, str] = {}
    seen = set()
    names: dict[int, list[str]] = {}
    for place, one in enumerate(readings):
        try:
            wanted = names.get(id(one.metric))
            if wanted is None:
                wanted = names[id(one.metric)] = [label.name for label in one.metric.labels]
            wrong = _fault(one, source, wanted)
            series = series_of(one)
            if not wrong and series in seen:
                wrong = f"{one.metric.name} twice with the same labels"
            seen.add(series)
        except Exception as error:
            wrong = f"a reading that is none ({type(error).__name__})"
        if wrong:
            found[place] = wrong
    return found


def _fault(one: Reading | Distribution, source: Source, wanted: list[str]) -> str:
    metric = one.metric
    if metric.source is not source:
        return f"{metric.name}, which belongs to {metric.source.value}"
    if [name for name, _ in one.labels] != wanted:
        return f"{metric.name} without its labels"
    for _, value in one.labels:
        value.encode()
    match one:
        case Reading(metric=Counter() | Gauge(), value=int() | float()):
            return ""
        case Distribution(metric=Histogram(bounds=bounds), cumulative=cumulative, count=int(), total=int() | float()):
            return "" if len(cumulative) == len(bounds) else f"{metric.name} without a count for each bound"
    return f"{metric.name} with a value of the wrong kind"
