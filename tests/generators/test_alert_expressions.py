"""Does an alert's PromQL say what its definition does, and each thing once?"""

import pytest

from generators.rules import AlertingRule, rule_groups
from rules.catalog import catalog
from rules.payments import completion, silence
from rules.promql import Expression, Operation, parse

CATALOG = catalog()
RULES = [
    rule
    for environment in CATALOG.organisation.environments
    for group in rule_groups(CATALOG, environment)
    for rule in group.rules
    if isinstance(rule, AlertingRule)
]


def rows(expression: Expression) -> list[list[str]]:
    """Multiplied out: every way for it to be true, each with all that it asks for."""
    match expression:
        case Operation(operator="or", left=left, right=right):
            return rows(left) + rows(right)
        case Operation(operator="and" | "unless" as word, left=left, right=right, on=on):
            return [[*row, f"{word} {on} {right}"] for row in rows(left)]
        case _:
            return [[str(expression)]]


@pytest.mark.parametrize(
    "rule", RULES, ids=lambda rule: f"{rule.alert}-{rule.threshold.tier}-{dict(rule.labels)['environment']}"
)
def test_multiplied_out_the_expression_is_every_branch_with_all_its_comparisons(rule: AlertingRule) -> None:
    asked = [rows(parse("\n".join(map(str, branch))))[0] for branch in rule.branches]

    assert [sorted(row) for row in rows(parse(rule.expr))] == [sorted(row) for row in asked]


@pytest.mark.parametrize("name", [silence.traffic_stopped.name, completion.none_completed.name])
def test_what_every_way_to_begin_asks_for_stands_once(name: str) -> None:
    rule = next(one for one in RULES if one.alert.name == name)
    begins = [set(map(str, branch)) for branch in rule.branches[:-1]]
    lines = [line.strip() for line in rule.expr.splitlines()]

    shared = set.intersection(*begins)
    kept = set(map(str, rule.branches[-1]))
    assert len(begins) > 2
    assert shared
    assert {one: lines.count(one) for one in shared} == {one: 1 + (one in kept) for one in shared}
