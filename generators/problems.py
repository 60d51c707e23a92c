"""What is wrong with the definitions, or with what they would become?"""

from collections.abc import Callable, Iterator

from generators.alertmanager import alertmanager_problems
from generators.dashboard_checks import dashboard_problems, panel_problems
from generators.dashboards import dashboard_files
from generators.rules import rule_groups
from generators.runbook_pages import link_problems, runbook_files
from rules.checks import Problem, check
from rules.vocabulary import Catalog

__all__ = ["problems"]


def problems(catalog: Catalog) -> tuple[Problem, ...]:
    """Every problem, all at once: of the definitions, and of what they become.

    Unsound definitions cannot always become something. What fails then is left out: its cause is among the problems.
    """
    found = check(catalog)
    became: list[Problem] = []
    for become in _BECOME:
        try:
            became.extend(become(catalog))
        except Exception:
            if not found:
                raise
    return tuple(dict.fromkeys((*found, *became)))


def _drawn(catalog: Catalog) -> tuple[Problem, ...]:
    return dashboard_problems(dashboard_files(catalog))


def _linked(catalog: Catalog) -> Iterator[Problem]:
    for environment in catalog.organisation.environments:
        yield from link_problems(
            runbook_files(catalog, environment), rule_groups(catalog, environment), catalog, environment
        )


_BECOME: tuple[Callable[[Catalog], tuple[Problem, ...] | Iterator[Problem]], ...] = (
    alertmanager_problems,
    panel_problems,
    _drawn,
    _linked,
)
