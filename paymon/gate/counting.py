"""How many events did counters count since a moment, minute by minute?

`increase()` extrapolates to fractions, and each replica that exports the same counter would count again. Here the
values themselves are read on a grid, growth is added up, a fall is a restart, and of replicas the one that saw most
counts.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from paymon.live.prometheus import Course

__all__ = ["counted"]

_REPLICA = ("instance", "pod")


def counted(courses: Sequence[Course], grid: Sequence[float]) -> list[int] | None:
    """The events since the first moment of the grid, at each of its moments; None where no counter is there at all.

    A series that appears later began at 0 then, if others of its kind were there before it: an exporter that is asked
    for a new combination of labels shows it with what it has already counted.
    """
    if not courses:
        return None
    place = {round(moment, 3): index for index, moment in enumerate(grid)}
    replicas: dict[tuple[tuple[str, str], ...], list[dict[int, float]]] = defaultdict(list)
    begins = len(grid)
    for course in courses:
        values = {
            place[round(moment, 3)]: value
            for moment, value in zip(course.moments, course.values, strict=True)
            if round(moment, 3) in place
        }
        if values:
            key = tuple(sorted((name, value) for name, value in course.labels.items() if name not in _REPLICA))
            replicas[key].append(values)
            begins = min(begins, *values)
    if begins == len(grid):
        return None
    grown = [0.0] * len(grid)
    for series in replicas.values():
        for index, growth in _growth(series, begins):
            grown[index] += growth
    total, path = 0.0, []
    for growth in grown:
        total += growth
        path.append(round(total))
    return path


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
