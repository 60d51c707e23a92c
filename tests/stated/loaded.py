"""What does a configuration of Alertmanager's mean, with everything filled in that it does not say?"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.stated.routing import Told

__all__ = ["MAIL_HOST", "RELAY", "SECRETS", "Loaded", "ways"]

Config = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Loaded:
    """What an Alertmanager made of a configuration, with everything filled in that it does not say."""

    config: Config

    def means_the_same_as(self, other: "Loaded") -> bool:
        """Whether no alert could tell them apart: the same people hear, at the same times, in the same words."""
        apart = {"route": None, "receivers": None}
        if {**self.config, **apart} != {**other.config, **apart}:
            return False
        trees = [_inherited(one.config["route"], {}) for one in (self, other)]
        values: dict[str, set[str]] = {}
        for label, value in (pair for tree in trees for pair in _asked_for(tree)):
            values.setdefault(label, {"", "anything"}).add(value)
        every = (dict(zip(values, some, strict=True)) for some in itertools.product(*map(sorted, values.values())))
        people = [{entry["name"]: _nameless(entry) for entry in one.config["receivers"]} for one in (self, other)]
        return all(_ends(trees[0], people[0], labels) == _ends(trees[1], people[1], labels) for labels in every)


def _nameless(receiver: Config) -> Config:
    return {word: value for word, value in receiver.items() if word.endswith("_configs")}


def _asked_for(route: Config) -> Iterator[tuple[str, str]]:
    for text in route["matchers"]:
        label, _, value = _matcher(text)
        yield from ((label, one) for one in value.split("|"))
    for one in route["routes"]:
        yield from _asked_for(one)


def _ends(tree: Config, people: Mapping[str, Config], labels: Labels) -> list[str]:
    return sorted(
        str([people[route["receiver"]], *(route[word] for word in _TIMING)]) for route in _taken(tree, labels)
    )


_TIMING = ("group_by", "group_wait", "group_interval", "repeat_interval")
_INHERITED = (*_TIMING, "receiver")
_MATCHER = re.compile(r'\s*([a-z_]+)\s*(=~|!~|!=|=)\s*"?([^"]*)"?\s*\Z')


def _inherited(route: Config, above: Config) -> Config:
    whole = {**above, **{word: route[word] for word in _INHERITED if word in route}}
    return {
        **whole,
        "group_by": sorted(whole["group_by"]),
        "matchers": sorted(map(str, route.get("matchers", ()))),
        "continue": route.get("continue", False),
        "routes": [_inherited(one, whole) for one in route.get("routes", ())],
    }


def _matcher(text: str) -> tuple[str, str, str]:
    found = _MATCHER.match(text)
    assert found, text
    return found[1], found[2], found[3]


def _taken(route: Config, labels: Labels) -> list[Config]:
    """The routes at whose ends an alert arrives, of a tree in which everything is inherited."""
    for text in route["matchers"]:
        label, operator, value = _matcher(text)
        holds = bool(re.fullmatch(value, labels.get(label, ""))) if "~" in operator else labels.get(label, "") == value
        if holds == operator.startswith("!"):
            return []
    taken: list[Config] = []
    for one in route["routes"]:
        deeper = _taken(one, labels)
        taken += deeper
        if deeper and not one["continue"]:
            break
    return taken or [route]


def ways(given: Config, known: Config, labels: Labels) -> set[Told]:
    """Who is told of an alert, and when, as it is loaded; addresses as they were given, for it hides them."""
    receivers = {one["name"]: one for one in given["receivers"]}
    filled = {one["name"]: one for one in known["receivers"]}
    found = set()
    for route in _taken(_inherited(known["route"], {}), labels):
        name = route["receiver"]
        entries = [
            (kind, entry, other["send_resolved"])
            for kind in receivers[name]
            if kind.endswith("_configs")
            for entry, other in zip(receivers[name][kind], filled[name].get(kind, ()), strict=True)
        ]
        for end in {end for _, _, end in entries}:
            found.add(
                Told(
                    who=tuple(sorted(_contact(kind, entry) for kind, entry, other in entries if other == end)),
                    after=route["group_wait"],
                    look=route["group_interval"],
                    again=route["repeat_interval"],
                    together=tuple(route["group_by"]),
                    end=end,
                )
            )
    return found


SECRETS, RELAY, MAIL_HOST = "/etc/alertmanager/secrets", "http://127.0.0.1:9095", "smtp.gametriq.com:587"


def _contact(kind: str, entry: Config) -> str:
    match kind:
        case "pagerduty_configs":
            key = str(entry.get("routing_key_file")).removeprefix(f"{SECRETS}/pagerduty-")
            return f"PagerDuty {key}, {entry.get('severity')}"
        case "slack_configs":
            hook = str(entry.get("api_url_file")).removeprefix(f"{SECRETS}/slack-")
            return f"Slack {entry.get('channel')}" + ("" if f"#{hook}" == entry.get("channel") else f" by {hook}")
        case "email_configs":
            return f"mail {entry.get('to')}"
        case _:
            return f"webhook {str(entry.get('url')).removeprefix(f'{RELAY}/')}"
