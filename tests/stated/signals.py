"""Would the examples that stand beside the signals notice a wrong number, window or guard in `rules/`?

Generated tests follow the definition, and are wrong with it. Of a signal's tests only its examples are stated by hand,
and the runbook's numbers on raw series: those alone are asked here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from paymon.mutation.mutants import Mutant
from paymon.mutation.project import generated_files
from paymon.mutation.relations import RuleSource, Suite, read_suite
from paymon.mutation.survey import Subject, subjects
from tests.stated.key_metrics import by_alert, key_metrics

__all__ = ["signal_mutants", "signal_subjects"]

_BY_HAND = re.compile(r".+: example(?: \d+)?\Z")
_OF_DEFINITIONS = frozenset({"number", "window", "offset", "guard", "branch", "comparison", "matcher"})
_ADDED = re.compile(r'(?:environment|service|job)(?:=~?)"')
"""The matchers that are added to each environment's rules, and stand in no definition."""


def signal_subjects() -> tuple[Subject, ...]:
    """The signals of production as they are recorded, each with what is stated by hand about it."""
    _, paths = generated_files("production")
    sources: dict[object, RuleSource] = {}
    suites = [_by_hand(read_suite(path, sources)) for path in paths]  # type: ignore[arg-type]
    suites = [suite for suite in suites if suite.cases]
    suites += [suite for _, suite in by_alert(key_metrics())]
    rules = [rule for source in sources.values() for rule in source.rules if rule.kind == "record"]
    return subjects(rules, suites)


def _by_hand(suite: Suite) -> Suite:
    return replace(suite, cases=tuple(case for case in suite.cases if _BY_HAND.match(case.name)))


def signal_mutants(subject: Subject) -> Sequence[Mutant]:
    """The mutants of a rule that somebody could make in its definition."""
    return list(_of_definition(subject))


def _of_definition(subject: Subject) -> Iterator[Mutant]:
    for mutant in subject.mutants:
        if mutant.operator in _OF_DEFINITIONS and not (mutant.operator == "matcher" and _ADDED.search(mutant.what)):
            yield mutant
