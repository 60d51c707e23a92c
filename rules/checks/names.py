"""Does every name stand for one thing, and fit where it goes?"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from rules.checks.problem import Problem
from rules.index import LONGEST_INTERVAL, Index
from rules.vocabulary import Counter, spoken_duration

__all__ = ["CHECKS"]

LONGEST_GROUP_NAME = 40
MOST_RULES = 20


def two_of_one_name(index: Index) -> Iterator[Problem]:
    """Alerts, signals, metrics, areas, items, objectives, environments and dashboards."""
    organisation, catalog = index.organisation, index.catalog
    for kind, named in (
        ("area", [(area.name, area.module) for area in catalog.areas]),
        (
            "series",
            [
                (series, area.module)
                for area, metric, _ in index.metrics
                for series in (*metric.series_names, *metric.former_series_names)
            ],
        ),
        ("signal", [(read.signal.name, read.area.module) for read in index.signals]),
        ("alert", [(alert.name, area.module) for area, alert, _ in index.alerts]),
        ("objective", [(objective.name, area.module) for area in catalog.areas for objective in area.objectives]),
        ("item", [(item.id, "rules.payments.runbook.items") for item in catalog.items]),
        (
            "environment",
            [(environment.name, "organisation") for environment in organisation.environments],
        ),
        ("contact", [(contact.name, "organisation") for contact in organisation.contacts]),
        ("policy", [(policy.priority.value, "organisation") for policy in organisation.policies]),
        ("dashboard", [(dashboard.uid, "the dashboards") for dashboard in catalog.dashboards]),
    ):
        places = defaultdict(list)
        for name, place in named:
            places[name].append(place)
        for name, found in places.items():
            if len(found) > 1:
                where = " and in ".join(dict.fromkeys(found))
                yield Problem(
                    f"{found[0]}: {kind} {name}",
                    f"is defined {len(found)} times, in {where}",
                    "rename or remove all but one",
                )


def families_that_collide(index: Index) -> Iterator[Problem]:
    """OpenMetrics drops `_total` from a counter's family, and gives it a `_created` sample."""
    families = {metric.name.removesuffix("_total") for _, metric, _ in index.metrics if isinstance(metric, Counter)}
    for _, metric, where in index.metrics:
        if isinstance(metric, Counter):
            continue
        for family in (metric.name, metric.name.removesuffix("_created")):
            if family in families:
                yield Problem(
                    where,
                    f"collides with counter {family}_total, whose family OpenMetrics calls {family}",
                    "rename one of the two",
                )


def group_names(index: Index) -> Iterator[Problem]:
    """A group is named service.environment.area, in at most 40 characters (mixtool)."""
    for area in index.catalog.areas:
        for environment in index.organisation.environments:
            name = f"{index.organisation.service}.{environment.name}.{area.name}"
            if len(name) > LONGEST_GROUP_NAME:
                yield Problem(
                    f"{area.module}: area {area.name}",
                    f"makes a group name of {len(name)} characters, {name}",
                    f"shorten it to at most {LONGEST_GROUP_NAME}",
                )


def group_sizes(index: Index) -> Iterator[Problem]:
    """At most 20 rules in a group, so that one slow rule does not hold up many (mixtool)."""
    for area in index.catalog.areas:
        rules = len(area.signals) + sum(len(alert.thresholds) for alert in area.alerts)
        if rules > MOST_RULES:
            yield Problem(
                f"{area.module}: area {area.name}",
                f"makes a group of {rules} rules",
                f"split it into areas of at most {MOST_RULES}",
            )


def titles(index: Index) -> Iterator[Problem]:
    """An area's title is the beginning of its module's docstring."""
    for area in index.catalog.areas:
        if not area.title.strip():
            yield Problem(
                f"{area.module}: area {area.name}",
                "has no title",
                'begin the docstring of its module with "Title: question?"',
            )


def intervals(index: Index) -> Iterator[Problem]:
    """The periods on which windows are judged."""
    organisation = index.organisation
    for name, value, longest in (
        ("scrape_interval", organisation.scrape_interval, LONGEST_INTERVAL),
        ("evaluation_interval", organisation.evaluation_interval, LONGEST_INTERVAL),
        ("retention", organisation.retention, None),
    ):
        where = f"organisation: {name}"
        if value <= timedelta(0) or value.microseconds:
            yield Problem(where, f"is {value}", "give a whole number of seconds above 0")
        elif longest is not None and value > longest:
            yield Problem(
                where,
                f"is {spoken_duration(value)}, after which Prometheus takes a series for gone",
                f"give at most {spoken_duration(longest)}",
            )


CHECKS = (two_of_one_name, families_that_collide, group_names, group_sizes, titles, intervals)
