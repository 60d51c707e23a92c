"""How are a series' samples written in a test for promtool, and which part of them lies where?

Samples are kept as rows, as promtool's notation has them: an example of a month has thousands of samples and few rows.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from rules.vocabulary import plain

__all__ = [
    "MISSING",
    "STALE",
    "Row",
    "Rows",
    "Sample",
    "count_of",
    "notation",
    "of_runs",
    "part",
    "rows",
    "samples",
    "slopes",
]

Stale = Literal["stale"]
STALE: Stale = "stale"
"""The marker that Prometheus writes when a series ends; without it the last value would count for 5 minutes more."""
MISSING = None
Sample = Decimal | Stale | None

_ZERO = Decimal(0)
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_RUN = re.compile(rf"([-+]?{_NUMBER})(?:([-+]{_NUMBER})?x([0-9]{{1,9}}))?\Z")
_GAP = re.compile(r"_(?:x([0-9]{1,9}))?\Z")


class Row(NamedTuple):
    """Samples that change by the same step, or one marker again and again."""

    first: Sample
    step: Decimal = _ZERO
    length: int = 1

    def at(self, index: int) -> Sample:
        """One of its samples."""
        return self.first + self.step * index if isinstance(self.first, Decimal) else self.first

    @property
    def last(self) -> Sample:
        """The last of its samples."""
        return self.at(self.length - 1)


Rows = tuple[Row, ...]


@lru_cache(maxsize=4096)
def rows(text: str) -> Rows:
    """A series' values in promtool's notation (`0+4x10`, `1 2 _ _x3 stale`).

    Raises ValueError for text that is no such notation.
    """
    found = []
    for word in text.split():
        run, gap = _RUN.match(word), _GAP.match(word)
        if word == STALE:
            found.append(Row(STALE))
        elif gap:
            found.append(Row(MISSING, length=int(gap[1] or 1)))
        elif run:
            found.append(Row(Decimal(run[1]), Decimal(run[2] or 0), int(run[3] or 0) + 1))
        else:
            raise ValueError(f"{word!r} is no value of a series; write one such as 1, 0+4x10, _x3 or stale")
    return tuple(found)


def samples(text: str) -> tuple[Sample, ...]:
    """Every sample of a notation. Raises ValueError as `rows` does."""
    return tuple(row.at(index) for row in rows(text) for index in range(row.length))


def slopes(of: Iterable[Row]) -> tuple[Decimal, ...]:
    """By how much the value changes from one sample to the next, or on average over a gap; each change of a row once."""
    points = []
    position = 0
    for row in of:
        if isinstance(row.first, Decimal):
            places = sorted({0, min(1, row.length - 1), row.length - 1})
            points += [(position + place, row.first + row.step * place) for place in places]
        position += row.length
    return tuple((b - a) / (j - i) for (i, a), (j, b) in pairwise(points))


def count_of(of: Rows) -> int:
    """How many samples there are."""
    return sum(row.length for row in of)


def part(of: Rows, start: int, end: int) -> Rows:
    """The samples from index `start` on, before index `end`."""
    found = []
    position = 0
    for row in of:
        first, last = max(start - position, 0), min(end - position, row.length)
        if first < last:
            found.append(Row(row.at(first), row.step, last - first))
        position += row.length
    return tuple(found)


def notation(of: Iterable[Row]) -> str:
    """Samples in promtool's notation, each row as long as it can be and in one word."""
    words = []
    for first, step, count in _joined(of):
        if not isinstance(first, Decimal):
            words.append(_repeated(first, count))
        elif count == 1:
            words.append(plain(first))
        else:
            words.append(f"{plain(first)}{f'{step:+f}' if step else ''}x{count - 1}")
    return " ".join(words)


def _joined(of: Iterable[Row]) -> Iterator[Row]:
    """The same samples in rows as long as can be, from the first on; one of another step than 0 has four or more."""
    left = [*of]
    left.reverse()
    while left:
        first, step, count = left.pop()
        while left and (following := left[-1]):
            if not isinstance(first, Decimal):
                if following.first != first:
                    break
                count += left.pop().length
                continue
            if not isinstance(following.first, Decimal):
                break
            change = following.first - (first + step * (count - 1))
            if count == 1:
                step = change
            elif change != step:
                break
            left.pop()
            count += 1
            if following.length > 1:
                left.append(Row(following.first + following.step, following.step, following.length - 1))
                if following.step != step:
                    break
                count += left.pop().length
        if isinstance(first, Decimal) and count > 1 and step and count < 4:  # shorter one by one
            left.append(Row(first + step, step, count - 1))
            count = 1
        yield Row(first, step, count)


def of_runs(runs: Iterable[tuple[Decimal | None, int]]) -> str:
    """Values, each for a number of samples, in promtool's notation; a series that ends gets the marker for it."""
    merged: list[tuple[Decimal | None, int]] = []
    for value, count in runs:
        if count and merged and merged[-1][0] == value:
            merged[-1] = (value, merged[-1][1] + count)
        elif count:
            merged.append((value, count))
    words = []
    for index, (value, count) in enumerate(merged):
        if isinstance(value, Decimal):
            words.append(f"{plain(value)}x{count - 1}" if count > 1 else plain(value))
        elif index:
            words.append(STALE if count == 1 else f"{STALE} {_repeated(MISSING, count - 1)}")
        else:
            words.append(_repeated(MISSING, count))
    return " ".join(words)


def _repeated(value: Stale | None, count: int) -> str:
    if value == STALE:
        return " ".join([STALE] * count)
    return f"_x{count}" if count > 1 else "_"
