"""Which definitions break a promise, and how would each be mended?"""

from rules.checks import alerts, examples, expressions, names, organisation
from rules.checks.problem import Problem
from rules.checks.types import mistyped
from rules.index import index_of
from rules.vocabulary import Catalog

__all__ = ["Problem", "check", "mistyped"]

_CHECKS = (*names.CHECKS, *expressions.CHECKS, *examples.CHECKS, *alerts.CHECKS, *organisation.CHECKS)


def check(catalog: Catalog) -> tuple[Problem, ...]:
    """Every problem of the catalog, each once; none where it keeps all promises. Never stops at the first.

    Where a field has a value of another type, it tells of those alone: nothing else can be judged then.
    """
    wrong = mistyped(catalog)
    if wrong:
        return wrong
    index = index_of(catalog)
    return tuple(dict.fromkeys(problem for one in _CHECKS for problem in one(index)))
