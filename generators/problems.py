"""What is wrong with the definitions, or with what they would become?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from generators.alertmanager import alertmanager_problems
from generators.dashboard_checks import dashboard_problems, panel_problems
from generators.dashboards import dashboard_files
from generators.folders import OF_ALL, OWNED
from generators.rules import rule_groups
from generators.runbook_pages import link_problems, runbook_files
from rules.checks import Problem, check
from rules.vocabulary import Catalog

__all__ = ["OUTPUT_CHECKS", "OutputCheck", "problems"]


def problems(catalog: Catalog) -> tuple[Problem, ...]:
    """Every problem, all at once: of the definitions, and of what they become.

    Unsound definitions cannot always become something. What fails then is left out: its cause is among the problems.
    """
    found = check(catalog)
    became: list[Problem] = []
    for become in OUTPUT_CHECKS:
        try:
            became.extend(replace(problem, check=become.name) for problem in become.problems(catalog))
        except Exception:
            if not found and not became:
                raise
    return tuple(dict.fromkeys((*found, *became)))


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """One promise that the generated files keep, by name; none is excused from it."""

    name: str
    promise: str
    problems: Callable[[Catalog], Iterable[Problem]]


def _drawn(catalog: Catalog) -> tuple[Problem, ...]:
    return dashboard_problems(dashboard_files(catalog))


def _apart(catalog: Catalog) -> Iterator[Problem]:
    """An environment's folder would be that of something else, and `--environment` would take the one for the other."""
    organisation = catalog.organisation
    environments = (("environment", one.name) for one in organisation.environments)
    for what, name in (("service", organisation.service), *environments):
        if name in OF_ALL:
            yield Problem(
                f"organisation: {what} {name}",
                f"has the name of the folder {OWNED}/{name}, which is of all {what}s",
                "give it another name",
            )


def _beating(catalog: Catalog) -> Iterator[Problem]:
    """Silence says nothing where no alert always fires, and dashboards have no series that tells of the rules."""
    if not any(alert.always for alert in catalog.alerts):
        yield Problem(
            f"organisation: service {catalog.organisation.service}",
            "has no alert that always fires, so that nobody would see that its rules are not evaluated",
            "keep the one that was there, or define one with always=True in an area of your own",
        )


def _linked(catalog: Catalog) -> Iterator[Problem]:
    for environment in catalog.organisation.environments:
        yield from link_problems(
            runbook_files(catalog, environment), rule_groups(catalog, environment), catalog, environment
        )


OUTPUT_CHECKS = (
    OutputCheck("output/heartbeat", "An alert always fires: its absence tells that rules are not evaluated.", _beating),
    OutputCheck("output/alertmanager", "Every alert reaches somebody, by a way that suits it.", alertmanager_problems),
    OutputCheck(
        "output/panels", "Every signal is on a dashboard; a panel shows what belongs together.", panel_problems
    ),
    OutputCheck("output/dashboards", "Grafana's linter finds nothing, and no panel is cut off or overlaps.", _drawn),
    OutputCheck("output/folders", "Each environment and each service has a folder to itself.", _apart),
    OutputCheck("output/links", "Every runbook address leads to a heading that is there.", _linked),
)
"""What is promised of generated files, each under its name."""
