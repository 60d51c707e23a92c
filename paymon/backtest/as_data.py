"""What do the definitions of some revision say, as plain data that any other revision understands?

Run as a program, with the root of that revision first on the module path, this file writes it as JSON. It leans on as
few words of the definitions as it can: they may be older or newer than this program.
"""

import json
import sys
from typing import Any

__all__ = ["as_data"]


def as_data(catalog: Any, environment: Any) -> dict[str, Any]:
    """The rules of an environment, without what only their texts need."""
    from generators.rules import Expressions, rule_groups

    organisation = catalog.organisation
    expressions = Expressions(catalog, environment)
    areas = {alert.name: area.name for area in catalog.areas for alert in area.alerts}
    series = [name for metric in catalog.metrics for name in metric.series_names]
    signals = [signal.name for signal in catalog.signals]
    alerts = [
        _alert(rule, areas)
        for group in rule_groups(catalog, environment)
        for rule in group.rules
        if hasattr(rule, "alert")
    ]
    names = (*series, *signals)
    return {
        "environment": environment.name,
        "interval": organisation.evaluation_interval.total_seconds(),
        "alerts": alerts,
        "records": {signal.name: signal.expr for signal in catalog.signals},
        "titles": {signal.name: signal.title for signal in catalog.signals},
        "scopes": {name: expressions.scoped(name).removeprefix(name).strip("{}") for name in names},
        "carried": {name: sorted(expressions.index.carried(name)) for name in series},
    }


def _alert(rule: Any, areas: dict[str, str]) -> dict[str, Any]:
    threshold = rule.threshold
    begins = [branch for branch in rule.branches if not _asks_for_itself(branch)]
    return {
        "name": rule.alert.name,
        "area": areas[rule.alert.name],
        "tier": threshold.tier,
        "title": rule.alert.watches.title,
        "summary": rule.alert.summary,
        "unit": rule.alert.watches.unit.name,
        "lasting": threshold.lasting.total_seconds(),
        "keep_firing": threshold.keep_firing.total_seconds(),
        "labels": dict(rule.labels),
        "always": rule.alert.always,
        "branches": [_conditions(branch) for branch in begins],
        "louder": [_louder(branch) for branch in begins],
        "stays": _conditions(rule.branches[-1]) if len(begins) < len(rule.branches) else [],
    }


def _asks_for_itself(branch: Any) -> bool:
    return any(one.signal is None and not one.forbids for one in branch)


def _conditions(branch: Any) -> list[dict[str, Any]]:
    """The comparisons with signals; whether other alerts fire is told apart."""
    return [
        {
            "series": one.signal.name,
            "title": one.signal.title,
            "unit": one.signal.unit.name,
            "where": [list(pair) for pair in one.where],
            "comparison": one.comparison.value,
            "bound": format(one.value, "f"),
            "on": list(one.on),
            "watched": one.watched,
            "forbids": one.forbids,
            "guard": one.guard is not None,
        }
        for one in branch
        if one.signal is not None
    ]


def _louder(branch: Any) -> list[dict[str, Any]]:
    """The alerts that must not fire, nor have fired within some seconds, with these labels in common."""
    return [
        {
            "alert": dict(one.where)["alertname"],
            "tier": dict(one.where).get("tier", ""),
            "within": one.within.total_seconds(),
            "on": list(one.on),
        }
        for one in branch
        if one.signal is None and one.forbids
    ]


def main() -> None:
    """Write the data of the definitions on the module path; the arguments are service and environment."""
    from paymon.definitions import load_all

    service, wanted = sys.argv[1:]
    catalogs = load_all()
    catalog = next((one for one in catalogs if one.organisation.service == service), None)
    if catalog is None:
        sys.exit(f"there is no service {service!r}")
    environment = next((one for one in catalog.organisation.environments if one.name == wanted), None)
    if environment is None:
        sys.exit(f"there is no environment {wanted!r} of {service} to compare with")
    json.dump(as_data(catalog, environment), sys.stdout)


if __name__ == "__main__":
    main()
