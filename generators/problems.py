"""What is wrong with the definitions, or with what they would become?"""

from generators.alertmanager import alertmanager_problems
from generators.dashboard_checks import panel_problems
from generators.rules import rule_groups
from generators.runbook_pages import link_problems, runbook_files
from rules.checks import Problem, check
from rules.vocabulary import Catalog

__all__ = ["problems"]


def problems(catalog: Catalog) -> tuple[Problem, ...]:
    """Every problem, all at once. What the definitions become is looked at only where they themselves are sound."""
    return check(catalog) or (
        *alertmanager_problems(catalog),
        *panel_problems(catalog),
        *(
            problem
            for environment in catalog.organisation.environments
            for problem in link_problems(runbook_files(catalog), rule_groups(catalog, environment), catalog)
        ),
    )
