"""How many events did counters count since a moment, minute by minute?

`increase()` extrapolates to fractions, and each replica that exports the same counter would count again. Here the
values themselves are read on a grid, growth is added up, and a fall is a restart. The exporter's replicas all count the
same payments, so of them the one that saw most counts; each instance of the application counts the requests that it
answered itself, so there all count.
"""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from itertools import pairwise

from generators.rules import Expressions
from paymon.live.prometheus import Course

__all__ = ["counted", "counted_by_each"]

_REPLICA = ("instance", "job", "pod")


def counted_by_each(expressions: Expressions) -> frozenset[str]:
    """The names of the series of which every instance counts its own events: all that our exporter does not serve."""
    return frozenset(name for name, metric in expressions.index.by_series.items() if not metric.source.exported)


def counted(
    courses: Sequence[Course],
    grid: Sequence[float],
    by_each: Container[str] = frozenset(),
    beside: Sequence[Course] = (),
) -> list[int] | None:
    """The events since the first moment of the grid, at each of its moments; None where no counter is there at all.

    Series of the names `by_each` are added up over instances; of all others, replicas count once. A series that appears
    later began at 0 then, if others of its kind, or those `beside` it, were there before: a process that is asked for
    a new combination of labels shows it with what it has already counted.
    """
    if not courses:
        return None
    place = {round(moment, 3): index for index, moment in enumerate(grid)}
    replicas: dict[tuple[tuple[str, str], ...], list[dict[int, float]]] = defaultdict(list)
    for course in courses:
        if values := _placed(course, place):
            copied = () if course.labels.get("__name__") in by_each else _REPLICA
            key = tuple(sorted((name, value) for name, value in course.labels.items() if name not in copied))
            replicas[key].append(values)
    if not replicas:
        return None
    present = [values for series in replicas.values() for values in series]
    begins = min(min(values) for values in (*present, *(_placed(course, place) for course in beside)) if values)
    grown = [0.0] * len(grid)
    for series in replicas.values():
        for index, growth in _growth(series, begins):
            grown[index] += growth
    total, path = 0.0, []
    for growth in grown:
        total += growth
        path.append(round(total))
    return path


def _placed(course: Course, place: Mapping[float, int]) -> dict[int, float]:
    """A series' values by their place on the grid."""
    return {
        place[round(moment, 3)]: value
        for moment, value in zip(course.moments, course.values, strict=True)
        if round(moment, 3) in place
    }


def _growth(replicas: Sequence[dict[int, float]], begins: int) -> list[tuple[int, float]]:
    """By how much one counter grew, by place on the grid: the most that one of its replicas saw."""
    moments = sorted({index for values in replicas for index in values})
    found = []
    if moments[0] > begins:
        found.append((moments[0], max(values[moments[0]] for values in replicas if moments[0] in values)))
    for before, now in pairwise(moments):
        both = [_since(values[before], values[now]) for values in replicas if before in values and now in values]
        if not both:  # one replica took over from another in between
            last = max(values[before] for values in replicas if before in values)
            both = [_since(last, values[now]) for values in replicas if now in values]
        found.append((now, max(both)))
    return found


def _since(before: float, now: float) -> float:
    return now - before if now >= before else now
