"""Which other course could a series have taken?"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from generators.rule_tests.series import Sample, notation, samples

__all__ = ["constant", "in_one_step", "restarted", "shifted"]


@lru_cache(maxsize=4096)
def shifted(values: str, by: int) -> str:
    """The samples of a notation, each that much higher."""
    return notation([value + by if isinstance(value, Decimal) else value for value in samples(values)])


@lru_cache(maxsize=4096)
def restarted(text: str) -> str:
    """The samples of a counter's notation, 1000 higher up to the third from last, and from there counted from 0.

    What has gaps or starts again by itself stays as it is.
    """
    values = samples(text)
    place = len(values) - 3
    if place < 1 or not _only_grows(values):
        return notation(values)
    numbers = [value for value in values if isinstance(value, Decimal)]
    base = numbers[place - 1]
    return notation([value + 1000 if index < place else value - base for index, value in enumerate(numbers)])


@lru_cache(maxsize=4096)
def constant(value: int, like: str) -> str:
    """That value, as often as another notation has samples."""
    return notation([Decimal(value)] * len(samples(like)))


@lru_cache(maxsize=4096)
def in_one_step(text: str, every: timedelta, windows: tuple[tuple[timedelta, timedelta], ...]) -> str:
    """The samples of a counter's notation, such that inside each window (from, to) it grows in the first step alone.

    Before the first window it is 0. Stays as it is where it has gaps, starts again, or has a sample on an edge.
    """
    values = samples(text)
    if not _only_grows(values):
        return notation(values)
    moments = [every * index for index in range(len(values))]
    changed = list(values)
    seen: set[int] = set()
    for start, end in windows:
        inside = [index for index, moment in enumerate(moments) if start < moment <= end]
        if start in moments or not inside or seen & set(inside):
            return notation(values)
        seen |= set(inside)
        for index in inside[1:-1]:
            changed[index] = values[inside[-1]]
    for index in range(min(seen, default=0)):
        changed[index] = Decimal(0)
    return notation(changed)


def _only_grows(values: Sequence[Sample]) -> bool:
    numbers = [value for value in values if isinstance(value, Decimal)]
    return len(numbers) == len(values) and all(one <= other for one, other in pairwise(numbers))
