"""What in the definitions would make Alertmanager tell nobody?"""

from collections.abc import Iterator

from generators.alertmanager.routing import routing, told, told_calmly
from rules.checks.problem import Problem
from rules.vocabulary import Alert, Catalog, Environment, Organisation, Priority

__all__ = ["alertmanager_problems"]

_PLACE = "organisation"
_MOST_URGENT_FIRST = tuple(Priority)


def alertmanager_problems(catalog: Catalog) -> tuple[Problem, ...]:
    """Every way in which an alert would reach nobody, though each definition is sound by itself.

    That a contact has an address and that every priority in use has a policy which names somebody, the checks of the
    catalog say.
    """
    return (
        *_without_a_way(catalog.organisation),
        *_not_told_at_once(catalog),
        *_not_caught(catalog),
        *_own_incident_below_p1(catalog),
        *_hidden_by_a_lesser_one(catalog),
    )


def _without_a_way(organisation: Organisation) -> Iterator[Problem]:
    """A receiver that reaches nobody is legal in Alertmanager, and drops what it gets."""
    for policy in organisation.policies:
        if policy.notifies and not told(organisation, policy.priority):
            yield Problem(
                f"{_PLACE}: policy {policy.priority.value}",
                "notifies nobody whom Alertmanager can reach",
                "name a contact with PagerDuty, Slack, e-mail or the ticket system",
            )
    if told(organisation, Priority.P3) and not told_calmly(organisation):
        for environment in organisation.environments:
            if not environment.pages:
                yield Problem(
                    f"{_PLACE}: environment {environment.name}",
                    "wakes nobody, and the policy of P3 notifies a pager only",
                    "let P3 notify Slack or e-mail as well",
                )


def _not_told_at_once(catalog: Catalog) -> Iterator[Problem]:
    if told(catalog.organisation, Priority.P3) and not told_calmly(catalog.organisation):
        for area in catalog.areas:
            for alert in area.alerts:
                if alert.told_at_once:
                    yield Problem(
                        f"{area.module}: alert {alert.name}",
                        "is told at once, though it wakes nobody, and the policy of P3 notifies a pager only",
                        "let P3 notify Slack or e-mail as well",
                    )


def _not_caught(catalog: Catalog) -> Iterator[Problem]:
    routes = routing(catalog)
    organisation = catalog.organisation
    for area in catalog.areas:
        for alert in area.alerts:
            priorities = {}
            for environment in organisation.environments:
                for threshold in alert.thresholds_in(environment):
                    labels = {
                        "alertname": alert.name,
                        "environment": environment.name,
                        "priority": threshold.priority.value,
                        "team": organisation.team,
                    }
                    if routes.fallback in routes.route.receivers(labels):
                        priorities[threshold.priority.value] = environment.name
            for priority in priorities:
                yield Problem(
                    f"{area.module}: alert {alert.name}",
                    f"has priority {priority}, which no route catches",
                    "add a contact with a dead man's switch" if alert.always else "give it a priority from P1 to P4",
                )


def _own_incident_below_p1(catalog: Catalog) -> Iterator[Problem]:
    for area in catalog.areas:
        for alert in area.alerts:
            # As defined: an environment where nobody is woken makes a P3 of it, and no mistake.
            if alert.own_incident and all(one.priority is not Priority.P1 for one in alert.thresholds):
                yield Problem(
                    f"{area.module}: alert {alert.name}",
                    "is an incident of its own, which only a P1 has to be told to be",
                    "leave own_incident out, or override it with own_incident=False",
                )


def _hidden_by_a_lesser_one(catalog: Catalog) -> Iterator[Problem]:
    for area in catalog.areas:
        for alert in area.alerts:
            for louder in alert.louder:
                for environment in catalog.organisation.environments:
                    most, least = _urgencies(alert, environment)[0], _urgencies(louder, environment)[-1]
                    if _MOST_URGENT_FIRST.index(least) > _MOST_URGENT_FIRST.index(most):
                        yield Problem(
                            f"{area.module}: alert {alert.name}",
                            f"has priority {most.value}, and {louder.name} with only {least.value} hides it",
                            "remove that one from hidden_by, or make it as urgent",
                        )
                        break


def _urgencies(alert: Alert, environment: Environment) -> list[Priority]:
    """The priorities of its thresholds, the most urgent first."""
    return sorted((threshold.priority for threshold in alert.thresholds_in(environment)), key=_MOST_URGENT_FIRST.index)
