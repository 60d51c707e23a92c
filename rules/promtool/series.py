"""How does a test for promtool name a series, and its labels?"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["Series", "labels_of", "labels_text", "unescaped"]

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*\Z", re.DOTALL)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)')
_ESCAPED = re.compile(r"\\(.)")


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
        return cls(found[1], tuple(labels_of(found[2] or "").items()))

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
        if self.name != name:
            return False
        labels = dict(self.labels)
        return all(_matches(operator, wanted, labels.get(label, "")) for label, operator, wanted in matchers)

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


def labels_of(text: str) -> Mapping[str, str]:
    """The labels in `a="1",b="2"`, as they are written, braces or none around them. Raises ValueError for other text."""
    listed = text.strip()
    if listed[:1] == "{" and listed[-1:] == "}":
        listed = listed[1:-1].strip()
    labels: dict[str, str] = {}
    position = 0
    while position < len(listed):
        found = _LABEL.match(listed, position)
        if found is None:
            raise ValueError(f'{text!r} lists no labels; write label="value", or nothing')
        labels[found[1]] = found[2]
        position = found.end()
    return labels


def unescaped(value: str) -> str:
    """A label's value as it is, of the text that is written for it."""
    return _ESCAPED.sub(r"\1", value)
