"""Does Alertmanager have our routes and receivers, and do our alerts come to them?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import yaml

from generators.alertmanager import MESSAGES, WITHOUT_MESSAGES, alertmanager_files
from generators.rules import AlertingRule, rule_groups
from paymon.drift.inhibitions import hidings
from paymon.drift.layers import Layer, Verdict, layer
from paymon.drift.routes import Place, matchers_of, places, takes
from rules.vocabulary import Catalog, Priority

__all__ = ["alertmanager"]

Labels = Mapping[str, str]


def alertmanager(
    status: Mapping[str, Any], catalog: Catalog, *others: Catalog, environment: str | None = None
) -> Layer:
    """Does the configuration that Alertmanager tells of have our routes and receivers, and do our alerts reach them?

    `others` are the catalogs of other services that the same people watch: one configuration serves all. Of an
    `environment`, its alerts alone have to reach them: another's may go elsewhere, or have an Alertmanager of its own.
    """
    try:
        loaded = yaml.safe_load(status["config"]["original"])
    except (KeyError, TypeError, AttributeError, yaml.YAMLError):
        loaded = None
    if not isinstance(loaded, Mapping) or not isinstance(loaded.get("route"), Mapping):
        return Layer("alertmanager", Verdict.UNKNOWN, ("its configuration has no route; see what it runs with",))
    ours = yaml.safe_load(alertmanager_files(catalog, *others)["alertmanager/routes.yml"])
    every = tuple(_alerts(catalog, *others))
    alerts = tuple(one for one in every if environment in (None, one["environment"]))
    findings: list[str] = []
    doubts: list[str] = []
    notes: list[str] = []
    (route,) = ours["routes"]
    mine = [one for one in places(loaded["route"]) if matchers_of(one.route) == matchers_of(route)]
    if not mine:
        findings.append(f"no route has the matchers {_said(route)}")
    else:
        place = next((one for one in mine if not list(_obstacles(one, alerts))), mine[0])
        findings += _obstacles(place, alerts)
        findings += _route_differences(route, place.route, "route")
        doubts += _doubts(place, alerts)
        notes += _taken_perhaps(place, alerts)
    receivers = {one.get("name"): one for one in loaded.get("receivers") or ()}
    findings += [f"receiver {one['name']} is missing" for one in ours["receivers"] if one["name"] not in receivers]
    for one in ours["receivers"]:
        kinds, there = _ways(one), _ways(receivers.get(one["name"], {}))
        if one["name"] in receivers and kinds != there:
            findings.append(f"receiver {one['name']} tells by {', '.join(there) or 'nothing'}, not {', '.join(kinds)}")
    globs = [str(one) for one in loaded.get("templates") or ()]
    words = PurePosixPath(MESSAGES).name
    if all(kind == "webhook_configs" for one in ours["receivers"] for kind in _ways(one)):
        pass  # they get the alerts themselves, and no words
    elif not globs:
        findings.append(f"it has no templates, where ours need {words}; list it: without it {WITHOUT_MESSAGES}")
    elif not any(fnmatchcase(words, PurePosixPath(one).name) for one in globs):
        doubts.append(
            f"its templates ({', '.join(globs)}) have another name than {words}; "
            f"see that one has what is in it: without it {WITHOUT_MESSAGES}"
        )
    for priority in (Priority.P1, Priority.P2):
        urgent = [one for one in alerts if one.get("priority") == priority.value]
        for one in hidings(loaded.get("inhibit_rules") or (), urgent, every):
            said = one.said(_told(one.hidden, urgent, f"every {priority.value} of ours"))
            if priority is Priority.P1:
                (findings if one.surely else doubts if one.as_ruled else notes).append(said)
            elif one.surely:
                notes.append(said)
    return layer("alertmanager", findings, notes, doubts)


def _alerts(*catalogs: Catalog) -> Iterator[Labels]:
    """The labels of each of our alerts that its rule gives it."""
    for catalog in catalogs:
        for environment in catalog.organisation.environments:
            for group in rule_groups(catalog, environment):
                for rule in group.rules:
                    if isinstance(rule, AlertingRule):
                        yield {**dict(rule.labels), "alertname": rule.alert.name}


def _obstacles(place: Place, alerts: Sequence[Labels]) -> Iterator[str]:
    """Why alerts of ours do not come to the place."""
    for one in place.above:
        lost = [labels for labels in alerts if takes(one, labels) is False]
        if lost:
            yield f"our route is below one for {_said(one)}, which leaves out {_told(lost, alerts)}"
    for one in place.before:
        lost = [labels for labels in alerts if takes(one, labels)]
        if lost:
            yield f"the route for {_said(one)} comes before ours, has no continue, and takes {_told(lost, alerts)}"


def _doubts(place: Place, alerts: Sequence[Labels]) -> Iterator[str]:
    """What must hold for our alerts, and no rule of ours says that it does."""
    for one in place.above:
        if any(takes(one, labels) is None for labels in alerts):
            yield (
                f"our route is below one for {_said(one)}; no rule gives every alert of ours these labels: "
                "see with amtool config routes test"
            )


def _taken_perhaps(place: Place, alerts: Sequence[Labels]) -> Iterator[str]:
    for one in place.before:
        if any(takes(one, labels) is None for labels in alerts):
            yield f"the route for {_said(one)} comes before ours, and takes alerts to which something adds these labels"


def _told(some: Sequence[Labels], of: Sequence[Labels], all_: str = "every alert of ours") -> str:
    names = sorted({labels["alertname"] for labels in some})
    if len(some) == len(of):
        return all_
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more of ours"


def _said(route: Mapping[str, Any]) -> str:
    return ", ".join(map(str, matchers_of(route))) or "everything"


def _route_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], where: str) -> Iterator[str]:
    here = f"{where} {' '.join(map(str, matchers_of(ours)))}".strip()
    for key in ("receiver", "group_by", "active_time_intervals", "mute_time_intervals"):
        if _as_listed(ours.get(key)) != _as_listed(theirs.get(key)):
            yield f"{here}: {key} is {theirs.get(key)}, not {ours.get(key)}"
    for key in ("group_wait", "group_interval", "repeat_interval"):
        if key in ours and _span(str(ours[key])) != _span(str(theirs.get(key, ""))):
            yield f"{here}: {key} is {theirs.get(key)}, not {ours[key]}"
    if bool(ours.get("continue")) != bool(theirs.get("continue")):
        yield f"{here}: continue is {bool(theirs.get('continue'))}, not {bool(ours.get('continue'))}"
    mine, there = list(ours.get("routes") or ()), list(theirs.get("routes") or ())
    if [matchers_of(one) for one in mine] != [matchers_of(one) for one in there]:
        yield f"{here}: the routes below it are others, or in another order"
        return
    for one, other in zip(mine, there, strict=True):
        yield from _route_differences(one, other, here)


def _as_listed(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value or []


def _span(text: str) -> float:
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def _ways(receiver: Mapping[str, Any]) -> list[str]:
    return sorted(kind for kind in receiver if kind.endswith("_configs"))
