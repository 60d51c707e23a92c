"""Which other course could a series have taken?"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from rules.promtool.rows import MISSING, Row, Rows, count_of, notation, part, rows

__all__ = [
    "Window",
    "blank",
    "constant",
    "halved",
    "in_one_step",
    "restarted",
    "shifted",
    "standing_still",
    "still_inside",
    "thinned",
]

Window = tuple[timedelta, timedelta]
"""After the first moment, up to the second, counted from a series' first sample."""


@lru_cache(maxsize=4096)
def shifted(values: str, by: int) -> str:
    """The samples of a notation, each that much higher."""
    return notation(_higher(rows(values), Decimal(by)))


@lru_cache(maxsize=4096)
def restarted(text: str) -> str:
    """The samples of a counter's notation, 1000 higher up to the third from last, and from there counted from 0.

    What has gaps or starts again by itself stays as it is.
    """
    values = rows(text)
    place = count_of(values) - 3
    if place < 1 or not _only_grows(values):
        return notation(values)
    base = part(values, place - 1, place)[0].first
    assert isinstance(base, Decimal)
    return notation((*_higher(part(values, 0, place), Decimal(1000)), *_higher(part(values, place, place + 3), -base)))


@lru_cache(maxsize=4096)
def constant(value: int, like: str) -> str:
    """That value, as often as another notation has samples."""
    return notation([Row(Decimal(value), length=count_of(rows(like)))])


@lru_cache(maxsize=4096)
def standing_still(text: str) -> str:
    """The first sample of a notation, as often as it has samples."""
    values = rows(text)
    return notation([Row(values[0].first, length=count_of(values))])


@lru_cache(maxsize=4096)
def halved(text: str) -> str:
    """The samples of a notation, each half as high."""
    return notation(
        row._replace(first=row.first / 2, step=row.step / 2) if isinstance(row.first, Decimal) else row
        for row in rows(text)
    )


@lru_cache(maxsize=4096)
def still_inside(text: str, every: timedelta, window: Window) -> str:
    """The samples of a counter's notation, such that it grows before and behind the window, and not inside.

    Stays as it is where it has gaps or starts again.
    """
    values = rows(text)
    first, behind = _inside(window, every, count_of(values))
    if first >= behind or not _only_grows(values):
        return notation(values)
    still, last = (part(values, place, place + 1)[0].first for place in (first, behind - 1))
    assert isinstance(still, Decimal)
    assert isinstance(last, Decimal)
    after = _higher(part(values, behind, count_of(values)), still - last)
    return notation((*part(values, 0, first), Row(still, length=behind - first), *after))


@lru_cache(maxsize=4096)
def in_one_step(text: str, every: timedelta, windows: tuple[Window, ...]) -> str:
    """The samples of a counter's notation, such that inside each window it grows in the first step alone.

    Before the first window it is 0. Stays as it is where it has gaps, starts again, or has a sample on an edge.
    """
    values = rows(text)
    if not _only_grows(values):
        return notation(values)
    length = count_of(values)
    changed: list[Row] = []
    reached = 0
    for start, end in windows:
        first, behind = _inside((start, end), every, length)
        on_an_edge = not start % every and 0 <= start // every < length
        if on_an_edge or first >= behind or (changed and first < reached):
            return notation(values)
        before = part(values, reached, first) if changed else (Row(Decimal(0), length=first),)
        grown = part(values, behind - 1, behind)[0].first
        changed += (*before, *part(values, first, first + 1), Row(grown, length=behind - first - 1))
        reached = behind
    return notation(row for row in (*changed, *part(values, reached, length)) if row.length)


@lru_cache(maxsize=4096)
def blank(text: str, every: timedelta, windows: frozenset[Window]) -> str:
    """The samples of a notation, without those inside the windows."""
    values = rows(text)
    length = count_of(values)
    for window in windows:
        first, behind = _inside(window, every, length)
        if first < behind:
            gap = Row(MISSING, length=behind - first)
            values = (*part(values, 0, first), gap, *part(values, behind, length))
    return notation(values)


@lru_cache(maxsize=4096)
def thinned(text: str, every: timedelta, windows: frozenset[Window]) -> str:
    """The samples of a counter's notation, of each window the first two alone.

    Stays as it is where it does not grow between them, or windows overlap.
    """
    values = rows(text)
    length = count_of(values)
    reached = 0
    for start, end in sorted(windows):
        first, behind = _inside((start, end), every, length)
        numbers = [row.at(index) for row in part(values, first, first + 2) for index in range(row.length)]
        one, other = [*numbers, MISSING, MISSING][:2]
        if first < reached or not (isinstance(one, Decimal) and isinstance(other, Decimal) and one < other):
            return notation(values)
        reached = behind
        gap = Row(MISSING, length=max(behind - first - 2, 0))
        values = (*part(values, 0, first + 2), *((gap,) if gap.length else ()), *part(values, behind, length))
    return notation(values)


def _inside(window: Window, every: timedelta, length: int) -> tuple[int, int]:
    """The indices of a series' first sample inside the window and of the first behind it."""
    start, end = window
    return min(max(start // every + 1, 0), length), min(max(end // every + 1, 0), length)


def _higher(values: Iterable[Row], by: Decimal) -> Rows:
    return tuple(row._replace(first=row.first + by) if isinstance(row.first, Decimal) else row for row in values)


def _only_grows(values: Rows) -> bool:
    ends = [end for row in values for end in (row.first, row.last)]
    numbers = [end for end in ends if isinstance(end, Decimal)]
    return len(numbers) == len(ends) and all(one <= other for one, other in pairwise(numbers))
