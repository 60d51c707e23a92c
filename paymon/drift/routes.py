"""Which alerts does a route of a running Alertmanager take, and which come to the routes below it?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Matcher", "Place", "matchers_of", "places", "takes"]

_MATCHER = re.compile(r'"?([a-zA-Z_:][a-zA-Z0-9_:]*)"?\s*(=~|!=|!~|=)\s*("?)(.*)\3', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

Route = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Matcher:
    """A condition on one label; one that cannot be read has a text alone."""

    label: str
    how: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f'{self.label}{self.how}"{self.value}"' if self.how else self.label

    def holds(self, labels: Mapping[str, str]) -> bool | None:
        """Whether it holds for an alert with at least these labels; None where that turns on a label beside them.

        Prometheus and its relabelling add labels of which no rule knows.
        """
        found = labels.get(self.label)
        if found is None or not self.how:
            return None
        try:
            same = found == self.value if "~" not in self.how else bool(re.fullmatch(self.value, found))
        except re.error:
            return None
        return same != self.how.startswith("!")

    def holds_as_it_is(self, labels: Mapping[str, str]) -> bool:
        """Whether it holds for an alert with these labels alone; to Alertmanager one that is missing is empty."""
        return bool(self.holds({self.label: "", **labels}))


@dataclass(frozen=True, slots=True)
class Place:
    """A route in the tree; an alert comes to it that all routes above it take, and none that ends its way before."""

    route: Route
    above: tuple[Route, ...]
    before: tuple[Route, ...]


def matchers_of(route: Route) -> tuple[Matcher, ...]:
    """The conditions under which a route takes an alert, in the order of their labels, however they are written."""
    found = [
        *(_matcher(str(one)) for one in route.get("matchers") or ()),
        *(Matcher(label, "=", str(value)) for label, value in (route.get("match") or {}).items()),
        *(Matcher(label, "=~", str(value)) for label, value in (route.get("match_re") or {}).items()),
    ]
    return tuple(sorted(found))


def _matcher(text: str) -> Matcher:
    found = _MATCHER.fullmatch(text.strip())
    if found is None:
        return Matcher(text)
    value = _ESCAPED.sub(lambda one: "\n" if one[1] == "n" else one[1], found[4]) if found[3] else found[4]
    return Matcher(found[1], found[2], value)


def takes(route: Route, labels: Mapping[str, str]) -> bool | None:
    """Whether the route is for an alert with at least these labels; None where that turns on a label beside them."""
    held = {one.holds(labels) for one in matchers_of(route)}
    return False if False in held else None if None in held else True


def places(route: Route, above: tuple[Route, ...] = (), before: tuple[Route, ...] = ()) -> Iterator[Place]:
    """The route and all below it, in the order in which Alertmanager tries them."""
    yield Place(route, above, before)
    for below in route.get("routes") or ():
        yield from places(below, (*above, route), before)
        if not below.get("continue"):
            before = (*before, below)
