"""What did this run generate, so that a later version can say in words what it changes?"""

import json
from collections.abc import Mapping
from importlib.metadata import version

from generators.folders import MANIFEST
from generators.revision import revision
from generators.wording import spoken_bound
from rules.composition import in_environment
from rules.vocabulary import Alert, Catalog, Contact, Environment, prometheus_duration

__all__ = ["FORMAT", "manifest", "manifest_files"]

FORMAT = 1
"""Raised when a reader of the former one would misread it."""


def manifest_files(catalog: Catalog) -> Mapping[str, str]:
    """The manifest, by its path below `generated/`."""
    return {MANIFEST: json.dumps(manifest(catalog), indent=1, ensure_ascii=False, sort_keys=True) + "\n"}


def manifest(catalog: Catalog) -> dict[str, object]:
    """Names, numbers and expressions as this version of paymon has them for this catalog."""
    first = in_environment(catalog, catalog.organisation.environments[0])
    return {
        "paymon": version("paymon"),
        "format": FORMAT,
        "service": catalog.organisation.service,
        "revisions": {one.name: revision(catalog, one) for one in catalog.organisation.environments},
        "environments": [environment.name for environment in catalog.organisation.environments],
        "policies": {
            policy.priority.value: {
                "respond_within": prometheus_duration(policy.respond_within),
                "notifies": [_spoken(contact) for contact in policy.notifies],
                "escalates_to": [_spoken(contact) for contact in policy.escalates_to],
            }
            for policy in catalog.organisation.policies
        },
        "alerts": {
            alert.name: {
                "area": area.name,
                "summary": alert.summary,
                "watches": alert.watches.title,
                "hidden_by": sorted(one.name for one in alert.hidden_by),
                "stays_while": alert.stays_while.condition if alert.stays_while else "",
                "told_at_once": alert.told_at_once,
                "own_incident": alert.own_incident,
                "thresholds": {
                    environment.name: _thresholds(alert, environment)
                    for environment in catalog.organisation.environments
                },
            }
            for area in catalog.areas
            for alert in area.alerts
        },
        "signals": {signal.name: signal.expr for signal in first.signals},
        "metrics": {
            metric.name: {
                "kind": metric.kind,
                "source": metric.source.value,
                "help": metric.help,
                "labels": {label.name: sorted(label.values) for label in metric.labels},
            }
            for metric in catalog.metrics
        },
    }


def _spoken(contact: Contact) -> str:
    return f"{contact.name} by {contact.channel.value} at {contact.address}"


def _thresholds(alert: Alert, environment: Environment) -> dict[str, object]:
    found: dict[str, object] = {}
    for threshold in alert.thresholds_in(environment):
        for branch in alert.branches(threshold, environment):
            found[alert.bound_id(threshold, branch)] = {
                "bound": spoken_bound(branch.comparison, branch.value, branch.watches.unit),
                "lasting": prometheus_duration(threshold.lasting),
                "keep_firing": prometheus_duration(threshold.keep_firing),
                "priority": threshold.priority.value,
                "severity": threshold.severity.value,
                "respond_within": prometheus_duration(threshold.respond_within) if threshold.respond_within else "",
                "guards": [f"{'unless' if guard.forbids else 'only if'} {guard.condition}" for guard in branch.guards],
                "because": branch.because,
            }
    return found
