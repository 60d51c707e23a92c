"""Which definitions break a promise, and how would each be mended?"""

from rules.checks import alerts, examples, expressions, names, organisation
from rules.checks.index import Index
from rules.checks.problem import Problem
from rules.vocabulary import Catalog

__all__ = ["Problem", "check"]

_CHECKS = (*names.CHECKS, *expressions.CHECKS, *examples.CHECKS, *alerts.CHECKS, *organisation.CHECKS)


def check(catalog: Catalog) -> tuple[Problem, ...]:
    """Every problem of the catalog, each once; none where it keeps all promises. Never stops at the first."""
    index = Index(catalog)
    return tuple(dict.fromkeys(problem for one in _CHECKS for problem in one(index)))
