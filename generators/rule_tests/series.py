"""How are series and their samples written in a test for promtool?"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from rules.vocabulary import plain

__all__ = ["MISSING", "STALE", "Sample", "Series", "labels_of", "labels_text", "notation", "of_runs", "samples"]

Stale = Literal["stale"]
STALE: Stale = "stale"
"""The marker that Prometheus writes when a series ends; without it the last value would count for 5 minutes more."""
MISSING = None
Sample = Decimal | Stale | None

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*\Z", re.DOTALL)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_RUN = re.compile(rf"({_NUMBER})(?:([-+][0-9.]+(?:[eE][-+]?[0-9]+)?)?x([0-9]+))?\Z")
_GAP = re.compile(r"_(?:x([0-9]+))?\Z")


class Series(NamedTuple):
    """One series: a name and its labels, these as they are written, escapes and all."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Series":
        """The series that `name{label="value"}` stands for. Raises ValueError for other text."""
        found = _SELECTOR.match(text)
        if found is None:
            raise ValueError(f'{text!r} is no series; write name{{label="value"}}')
        return cls(found[1], tuple(_LABEL.findall(found[2] or "")))

    def having(self, **labels: str) -> "Series":
        """This series with these labels added, or changed where it has them."""
        return Series(self.name, tuple((dict(self.labels) | labels).items()))

    def having_first(self, *labels: tuple[str, str]) -> "Series":
        """This series with these labels before those that it has, which keep their values."""
        return Series(self.name, tuple((dict(labels) | dict(self.labels)).items()))

    def label(self, name: str) -> str:
        """The label's value, empty where it has no such label."""
        return dict(self.labels).get(name, "")

    def selected_by(self, name: str, matchers: Iterable[tuple[str, str, str]]) -> bool:
        """Whether a selector of that name, with matchers of label, operator and value, selects it."""
        return self.name == name and all(
            _matches(operator, wanted, self.label(label)) for label, operator, wanted in matchers
        )

    def __str__(self) -> str:
        return f"{self.name}{labels_text(self.labels)}" if self.labels else self.name


def _matches(operator: str, wanted: str, value: str) -> bool:
    match operator:
        case "=":
            return value == wanted
        case "!=":
            return value != wanted
        case "=~":
            return re.fullmatch(wanted, value) is not None
        case _:
            return re.fullmatch(wanted, value) is None


def labels_text(labels: Iterable[tuple[str, str]]) -> str:
    """Labels in braces, as promtool reads and PromQL matches them."""
    return "{" + ",".join([f'{name}="{value}"' for name, value in labels]) + "}"


@lru_cache(maxsize=4096)
def samples(text: str) -> tuple[Sample, ...]:
    """Every sample of a series' values in promtool's notation (`0+4x10`, `1 2 _ _x3 stale`).

    Raises ValueError for text that is no such notation.
    """
    found: list[Sample] = []
    for word in text.split():
        run, gap = _RUN.match(word), _GAP.match(word)
        if word == STALE:
            found.append(STALE)
        elif gap:
            found.extend([MISSING] * int(gap[1] or 1))
        elif run:
            start, step = Decimal(run[1]), Decimal(run[2] or 0)
            found.extend(start + step * index for index in range(int(run[3] or 0) + 1))
        else:
            raise ValueError(f"{word!r} is no value of a series; write one such as 1, 0+4x10, _x3 or stale")
    return tuple(found)


def notation(values: Sequence[Sample]) -> str:
    """Samples in promtool's notation, rows of equal steps written as one word."""
    words = []
    start = 0
    while start < len(values):
        end = _end_of_row(values, start)
        first, count = values[start], end - start
        if not isinstance(first, Decimal):
            words.append(_repeated(first, count))
            start = end
            continue
        second = values[start + 1] if count > 1 else first
        step = second - first if isinstance(second, Decimal) else Decimal(0)
        if step and count < 4:  # shorter as it is
            words.append(plain(first))
            start += 1
            continue
        words.append(f"{plain(first)}{f'{step:+f}' if step else ''}x{count - 1}" if count > 1 else plain(first))
        start = end
    return " ".join(words)


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


def _end_of_row(values: Sequence[Sample], start: int) -> int:
    """Where the row of equal steps, or of equal markers, that begins at `start` ends."""
    end = start + 1
    first = values[start]
    if not isinstance(first, Decimal):
        while end < len(values) and values[end] == first:
            end += 1
        return end
    step: Decimal | None = None
    before = first
    while end < len(values):
        here = values[end]
        if not isinstance(here, Decimal) or (step is not None and here - before != step):
            break
        step, before = here - before, here
        end += 1
    return end


def labels_of(text: str) -> Mapping[str, str]:
    """The labels in `a="1",b="2"`, braces or none around them."""
    return dict(_LABEL.findall(text))
