"""Which mistakes could somebody make in an Alertmanager configuration?"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.stated.durations import halved_and_doubled

__all__ = ["RoutingMutant", "routing_mutants"]

Config = dict[str, Any]
Place = tuple[str | int, ...]

_TIMINGS = ("group_wait", "group_interval", "repeat_interval")
_ADDRESSES = ("routing_key_file", "api_url_file", "channel", "to", "url")
_SEVERITIES = ("critical", "error", "warning", "info")


@dataclass(frozen=True)
class RoutingMutant:
    """A configuration with one mistake in it."""

    operator: str
    """The kind of mistake."""
    what: str
    config: Config


def routing_mutants(config: Config) -> Iterator[RoutingMutant]:
    """Every mutant of a configuration, in the order of its text."""
    for operator, what, place, change in _changes(config):
        changed = copy.deepcopy(config)
        holder: Any = changed
        for word in place[:-1]:
            holder = holder[word]
        _apply(holder, place[-1], change)
        yield RoutingMutant(operator, what, changed)


_GONE = object()


@dataclass(frozen=True)
class _Swapped:
    """The item and the next one in each other's place."""


def _apply(holder: Any, word: str | int, change: object) -> None:
    match change:
        case _Swapped():
            assert isinstance(word, int)
            holder[word], holder[word + 1] = holder[word + 1], holder[word]
        case _ if change is _GONE:
            del holder[word]
        case _:
            holder[word] = change


Change = tuple[str, str, Place, object]


def _changes(config: Config) -> Iterator[Change]:
    for word in config["global"]:
        yield "global", f"{word} is dropped", ("global", word), _GONE
        yield "global", f"{word} is another", ("global", word), "127.0.0.1:9" if "smarthost" in word else "other"
    yield "templates", "templates are not read", ("templates",), []
    names = [one["name"] for one in config["receivers"]]
    yield from _of_route(config["route"], ("route",), names)
    for number, receiver in enumerate(config["receivers"]):
        yield from _of_receiver(receiver, ("receivers", number))
    yield (
        "held back",
        "an inhibition is added: P1 hides the environment's other alerts",
        ("inhibit_rules",),
        [{"source_matchers": ['priority="P1"'], "target_matchers": ['priority=~"P2|P3|P4"'], "equal": ["environment"]}],
    )


def _of_route(route: Config, place: Place, names: list[str]) -> Iterator[Change]:
    told = f"{route['receiver']} ({', '.join(route.get('matchers', ())) or 'all'})"
    before = names.index(route["receiver"])
    for other in (names[before - 1], names[(before + 1) % len(names)]):
        yield "receiver", f"{told}: is {other}", (*place, "receiver"), other
    for number, text in enumerate(route.get("matchers", ())):
        yield "matcher", f"{told}: {text} is dropped", (*place, "matchers", number), _GONE
        other_way = text.replace("=~", "!~", 1) if "=~" in text else text.replace("=", "!=", 1)
        yield "matcher", f"{told}: {text} is {other_way}", (*place, "matchers", number), other_way
        yield "matcher", f"{told}: {text} is another", (*place, "matchers", number), f'{text[:-1]}x"'
    for word in _TIMINGS:
        if len(place) > 1:
            yield word, f"{told}: {route[word]} is dropped", (*place, word), _GONE
        for other in halved_and_doubled(route[word]):
            yield word, f"{told}: {route[word]} is {other}", (*place, word), other
    if len(place) > 1:
        yield "group_by", f"{told}: is dropped", (*place, "group_by"), _GONE
    for number, label in enumerate(route["group_by"]):
        yield "group_by", f"{told}: lacks {label}", (*place, "group_by", number), _GONE
    yield "group_by", f"{told}: has instance", (*place, "group_by"), [*route["group_by"], "instance"]
    yield "group_by", f"{told}: is everything", (*place, "group_by"), ["..."]
    if len(place) > 1:
        yield "continue", f"{told}: is the other", (*place, "continue"), not route.get("continue", False)
    below = route.get("routes", [])
    for number, one in enumerate(below):
        whose = f"{one['receiver']} ({', '.join(one['matchers'])})"
        yield "route", f"{whose}: is dropped", (*place, "routes", number), _GONE
        if number + 1 < len(below):
            yield "route", f"{whose}: comes one later", (*place, "routes", number), _Swapped()
        yield from _of_route(one, (*place, "routes", number), names)


def _of_receiver(receiver: Config, place: Place) -> Iterator[Change]:
    name = receiver["name"]
    for kind in [word for word in receiver if word != "name"]:
        for number, entry in enumerate(receiver[kind]):
            here = (*place, kind, number)
            who = f"{name}: {entry.get('to') or entry.get('channel') or kind.removesuffix('_configs')}"
            yield "person", f"{who} is dropped", here, _GONE
            for word, value in entry.items():
                yield from _of_setting(who, (*here, word), value)


def _of_setting(who: str, place: Place, value: Any) -> Iterator[Change]:
    word = str(place[-1])
    match value:
        case bool():
            yield word, f"{who}: {word} is dropped", place, _GONE
            yield word, f"{who}: {word} is {not value}", place, not value
        case dict() | list():
            yield "message", f"{who}: {word} is dropped", place, _GONE
            places = value if isinstance(value, dict) else range(len(value))
            for one in places:
                yield "message", f"{who}: {word} lacks {one}", (*place, one), _GONE
        case _ if word in _ADDRESSES:
            yield "address", f"{who}: {word} is another", place, f"{value}x"
            yield "address", f"{who}: {word} is dropped", place, _GONE
        case _ if word == "severity":
            for other in _SEVERITIES:
                if other != value:
                    yield "severity", f"{who}: {value} is {other}", place, other
            yield "severity", f"{who}: {value} is dropped", place, _GONE
        case _:
            yield "message", f"{who}: {word} is dropped", place, _GONE
            yield "message", f"{who}: {word} is another", place, "other"
