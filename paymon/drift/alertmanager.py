"""Does Alertmanager have our routes and receivers?"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from generators.alertmanager import alertmanager_files
from paymon.drift.layers import Layer, Verdict, layer
from rules.vocabulary import Catalog

__all__ = ["alertmanager"]


def alertmanager(status: Mapping[str, Any], catalog: Catalog, *others: Catalog) -> Layer:
    """Does Alertmanager's configuration, as it tells of it, have our routes and receivers?

    `others` are the catalogs of other services that the same people watch: one configuration serves all.
    """
    try:
        loaded = yaml.safe_load(status["config"]["original"])
        ours = yaml.safe_load(alertmanager_files(catalog, *others)["alertmanager/routes.yml"])
    except (KeyError, TypeError, yaml.YAMLError):
        return Layer("alertmanager", Verdict.UNKNOWN, ("it does not tell its configuration",))
    findings = []
    (route,) = ours["routes"]
    mine = [one for one in _routes_of(loaded.get("route") or {}) if _matchers(one) == _matchers(route)]
    if not mine:
        findings.append(f"no route has the matchers {', '.join(_matchers(route))}")
    else:
        findings += _route_differences(route, mine[0], "route")
    receivers = {one.get("name"): one for one in loaded.get("receivers") or ()}
    findings += [f"receiver {one['name']} is missing" for one in ours["receivers"] if one["name"] not in receivers]
    for one in ours["receivers"]:
        kinds, there = _ways(one), _ways(receivers.get(one["name"], {}))
        if one["name"] in receivers and kinds != there:
            findings.append(f"receiver {one['name']} tells by {', '.join(there) or 'nothing'}, not {', '.join(kinds)}")
    return layer("alertmanager", findings)


def _routes_of(route: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield route
    for below in route.get("routes") or ():
        yield from _routes_of(below)


def _matchers(route: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(str(one) for one in route.get("matchers") or ()))


def _route_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], where: str) -> Iterator[str]:
    here = f"{where} {' '.join(_matchers(ours))}".strip()
    for key in ("receiver", "group_by", "active_time_intervals"):
        if _as_listed(ours.get(key)) != _as_listed(theirs.get(key)):
            yield f"{here}: {key} is {theirs.get(key)}, not {ours.get(key)}"
    for key in ("group_wait", "group_interval", "repeat_interval"):
        if key in ours and _span(str(ours[key])) != _span(str(theirs.get(key, ""))):
            yield f"{here}: {key} is {theirs.get(key)}, not {ours[key]}"
    if bool(ours.get("continue")) != bool(theirs.get("continue")):
        yield f"{here}: continue is {bool(theirs.get('continue'))}, not {bool(ours.get('continue'))}"
    mine, there = list(ours.get("routes") or ()), list(theirs.get("routes") or ())
    if [_matchers(one) for one in mine] != [_matchers(one) for one in there]:
        yield f"{here}: the routes below it are others, or in another order"
        return
    for one, other in zip(mine, there, strict=True):
        yield from _route_differences(one, other, here)


def _as_listed(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value


def _span(text: str) -> float:
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def _ways(receiver: Mapping[str, Any]) -> list[str]:
    return sorted(kind for kind in receiver if kind.endswith("_configs"))
