"""What do the generated rules and the generated routing look like where time runs several times faster?

Traffic runs faster by the same factor, so a window holds as many payments as it does in production, and every bound is
the one that was reviewed. Only durations change: ranges, offsets, `for`, `keep_firing_for`, intervals of evaluation,
and the timing of notifications.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from generators.text import as_yaml

__all__ = ["Alerting", "TooFastError", "shortened_routing", "shortened_rules"]

SCRAPES_IN_A_WINDOW = 4
"""Below that many samples a rate is mostly extrapolation."""

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_DURATION = r"(?:\d+(?:ms|[smhdwy]))+"
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_IN_PROMQL = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    rf"|\[(?P<range>{_DURATION})(?P<step>:{_DURATION})?\]"
    rf"|\boffset\s+(?P<offset>{_DURATION})"
)
_OF_RULES = ("for", "keep_firing_for")
_OF_ROUTES = ("group_wait", "group_interval", "repeat_interval")


class TooFastError(ValueError):
    """A window would become too short for its rate to mean anything."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """An Alertmanager configuration, and how each of its receivers was reached before the demo took it over."""

    text: str
    channels: Mapping[str, str]
    """Words such as `PagerDuty, Slack` by the name of the receiver."""


def shortened_rules(text: str, speed: int, scrape_seconds: float) -> str:
    """A rule file with every duration divided by `speed`, to the millisecond.

    Raises TooFastError where a range would hold fewer than four scrapes.
    """
    document = yaml.safe_load(text)
    for group in document["groups"]:
        group["interval"] = _divided(group["interval"], speed)
        for rule in group["rules"]:
            rule["expr"] = _expression(rule["expr"], speed, scrape_seconds)
            for key in _OF_RULES:
                if key in rule:
                    rule[key] = _divided(rule[key], speed)
    return as_yaml(document)


def shortened_routing(text: str, speed: int, sink: str) -> Alerting:
    """An Alertmanager configuration whose receivers all post to `sink`/<receiver>, its timing divided by `speed`.

    Routes, grouping and templates stay as they are; what only serves delivery (secrets, mail) goes.
    """
    document = yaml.safe_load(text)
    document.pop("global", None)
    for route in _routes(document["route"]):
        for key in _OF_ROUTES:
            if key in route:
                route[key] = _divided(route[key], speed)
    channels = {receiver["name"]: _channels(receiver) for receiver in document["receivers"]}
    document["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": f"{sink}/{receiver['name']}", "send_resolved": again}]}
        for receiver in document["receivers"]
        for again in (any(one.get("send_resolved", True) for one in _configurations(receiver)),)
    ]
    return Alerting(as_yaml(document), channels)


def _expression(expr: str, speed: int, scrape_seconds: float) -> str:
    def shorter(found: re.Match[str]) -> str:
        if found["text"]:
            return found[0]
        if found["offset"]:
            return f"offset {_divided(found['offset'], speed)}"
        if _milliseconds(found["range"]) / speed < SCRAPES_IN_A_WINDOW * scrape_seconds * 1000:
            raise TooFastError(
                f"{speed} times faster, a window of {found['range']} holds fewer than {SCRAPES_IN_A_WINDOW} scrapes"
            )
        step = f":{_divided(found['step'][1:], speed)}" if found["step"] else ""
        return f"[{_divided(found['range'], speed)}{step}]"

    return _IN_PROMQL.sub(shorter, expr)


def _milliseconds(duration: str) -> int:
    return sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(duration))


def _divided(duration: str, speed: int) -> str:
    left = milliseconds = _milliseconds(duration) // speed
    if milliseconds % 1000:
        return f"{milliseconds}ms"
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _routes(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield route
    for inner in route.get("routes", ()):
        yield from _routes(inner)


def _configurations(receiver: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key, configurations in receiver.items():
        if key != "name":
            yield from configurations


def _channels(receiver: Mapping[str, Any]) -> str:
    """In the words of those who are reached."""
    words = {"pagerduty_configs": "PagerDuty", "slack_configs": "Slack", "email_configs": "e-mail"}
    return ", ".join(words.get(key, "relay") for key in receiver if key != "name")
