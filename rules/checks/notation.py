"""How does promtool write the series of a test?"""

import re
from dataclasses import dataclass
from itertools import pairwise
from math import isclose

__all__ = ["Samples", "SeriesText", "labels_in", "series_in"]

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*\Z", re.DOTALL)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)')
_ESCAPED = re.compile(r"\\(.)")
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|Inf|NaN)"
_VALUES = re.compile(rf"({_NUMBER})(?:([-+][0-9.]+(?:[eE][-+]?[0-9]{{1,3}})?)?x([0-9]{{1,9}}))?\Z")
_GAP = re.compile(r"(?:_(?:x([0-9]{1,9}))?|stale)\Z")


@dataclass(frozen=True, slots=True)
class SeriesText:
    """A series as a test names it."""

    name: str
    labels: tuple[tuple[str, str], ...]
    """In alphabetical order."""


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


def series_in(selector: str) -> SeriesText | None:
    """The series that `name{label="value"}` names; None for text that is no such notation."""
    found = _SELECTOR.match(selector)
    labels = labels_in(found[2] or "") if found else None
    return SeriesText(found[1], tuple(sorted(labels.items()))) if found and labels is not None else None


def labels_in(text: str) -> dict[str, str] | None:
    """The labels that `label="value",...` lists; None for text that is no such notation."""
    labels: dict[str, str] = {}
    position, text = 0, text.strip()
    while position < len(text):
        found = _LABEL.match(text, position)
        if not found:
            return None
        labels[found[1]] = _ESCAPED.sub(r"\1", found[2])
        position = found.end()
    return labels
