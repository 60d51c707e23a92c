"""Which definitions break a promise, and how would each be mended?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from inspect import getdoc

from rules.checks import alerts, examples, expressions, names, organisation, values
from rules.checks.problem import Problem
from rules.checks.types import mistyped
from rules.index import Index, index_of
from rules.vocabulary import Catalog

__all__ = ["CHECKS", "Check", "Problem", "check", "mistyped"]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise that definitions keep, by name."""

    name: str
    promise: str
    """In a sentence or two."""
    problems: Callable[[Index], Iterator[Problem]]


def _named(found: Callable[[Index], Iterator[Problem]]) -> Check:
    room = found.__module__.rsplit(".", 1)[-1]
    return Check(f"{room}/{found.__name__.replace('_', '-')}", getdoc(found) or "", found)


CHECKS = tuple(
    _named(one) for module in (names, values, expressions, examples, alerts, organisation) for one in module.CHECKS
)
"""Every check; its name is the module's and the function's: `expressions/short-windows`."""


def check(catalog: Catalog) -> tuple[Problem, ...]:
    """Every problem of the catalog, each once; none where it keeps all promises. Never stops at the first.

    Where a field has a value of another type, it tells of those alone: nothing else can be judged then. What the catalog
    excuses is left out, and an excuse that excuses nothing is a problem itself.
    """
    wrong = mistyped(catalog)
    if wrong:
        return wrong
    index = index_of(catalog)
    found = tuple(dict.fromkeys(replace(problem, check=one.name) for one in CHECKS for problem in one.problems(index)))
    excused = {problem for problem in found for one in catalog.excuses if _excuses(problem, one.check, one.definition)}
    return (*(problem for problem in found if problem not in excused), *_idle_excuses(catalog, found))


def _excuses(problem: Problem, name: str, definition: str) -> bool:
    return problem.check == name and definition in problem.where.replace(",", " ").split()


def _idle_excuses(catalog: Catalog, found: tuple[Problem, ...]) -> Iterator[Problem]:
    known = {one.name for one in CHECKS}
    for excuse in catalog.excuses:
        where = f"excuse of {excuse.definition} from {excuse.check}"
        if excuse.check not in known:
            yield Problem(where, "names no check", "use a name from docs/checks.md")
        elif not any(_excuses(problem, excuse.check, excuse.definition) for problem in found):
            yield Problem(where, "excuses nothing", "remove it: the definition keeps that promise")
