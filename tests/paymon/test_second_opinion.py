"""Does promtool see each alert fire just when its definition says, on random courses of all that it reads?

The second opinion is the backtest's: bounds and guards are compared here in Python, `for` and `keep_firing_for` are its
machine's. Nothing of the rules' PromQL is read for it.
"""

import json
import operator
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from generators.rules import expressions_of, rule_file, rule_groups
from paymon.backtest.as_data import as_data
from paymon.backtest.machine import Identity, episodes
from paymon.backtest.ruleset import AlertRule, Condition, Louder, Ruleset
from paymon.promtool import Promtool
from rules.catalog import catalog

CATALOG = catalog()
PRODUCTION = CATALOG.organisation.environments[0]
EXPRESSIONS = expressions_of(CATALOG, PRODUCTION)
RULES = Ruleset.from_data(json.loads(json.dumps(as_data(CATALOG, PRODUCTION))))
TEXTS = {
    (rule["alert"], rule["labels"].get("tier", "")): rule
    for group in rule_groups(CATALOG, PRODUCTION)
    for rule in yaml.load(rule_file(group), Loader=yaml.CSafeLoader)["groups"][0]["rules"]
    if "alert" in rule
}
HERE = dict(EXPRESSIONS.recorded_labels)
COMPARE: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
PACES = (30, 60, 120, 240)
"""Seconds between evaluations; a sample counts for 300."""
STRETCHES = 6

Series = tuple[str, Identity]
Value = Decimal | None


@dataclass(frozen=True)
class Case:
    """An alerting rule, and a value at each evaluation, or none, of each series that it reads."""

    rule: AlertRule
    pace: int
    courses: Mapping[Series, Sequence[Value]]
    due: int
    """An evaluation at which it must fire, whatever was before."""

    @property
    def moments(self) -> list[float]:
        return [float(self.pace * index) for index in range(len(next(iter(self.courses.values()))))]


def pace_of(rule: AlertRule) -> int:
    """Such that a wait has some fifteen evaluations at most, where it can."""
    return next((pace for pace in PACES if pace * 15 >= rule.timing.lasting), PACES[-1])


def series_of(condition: Condition) -> list[Series]:
    """Two values of what labels the condition's series carry, and the same series in another environment."""
    signal = next(one for one in CATALOG.signals if one.name == condition.series)
    carried = sorted(EXPRESSIONS.labels(signal) - dict(condition.where).keys())
    fixed = HERE | dict(condition.where)
    labels = [fixed | dict.fromkeys(carried, value) for value in (("a", "b") if carried else ("",))]
    return [(condition.series, frozenset(one.items())) for one in (*labels, fixed | {"environment": "elsewhere"})]


def told_of(louder: Louder, watched: Series) -> Series:
    labels = dict(watched[1])
    told = {"alertname": louder.alert, "alertstate": "firing", "environment": PRODUCTION.name, "told": "fed"}
    tier = {"tier": louder.tier} if louder.tier else {}
    agreed = {label: labels[label] for label in louder.on}
    return "ALERTS", frozenset((told | {"service": HERE["service"]} | tier | agreed).items())


@st.composite
def cases(draw: st.DrawFn, rule: AlertRule) -> Case:
    """Random stretches of values about the bounds, or of none; all as the alert asks, for long enough; and not."""
    pace = pace_of(rule)
    number = draw(st.integers(0, len(rule.branches) - 1))
    wanted, quieting = rule.branches[number], rule.louder[number] if rule.louder else ()
    conditions = [one for branch in (*rule.branches, rule.stays) for one in branch]
    watched = series_of(wanted[0])
    louder = {told_of(one, series) for branch in rule.louder for one in branch for series in watched[:-1]}
    waiting, keeping = (int(-(-seconds // pace)) for seconds in (rule.timing.lasting, rule.timing.keep_firing))
    due = int(max((one.within for one in quieting), default=0) // pace) + 2 + waiting + 2
    shape = [draw(st.integers(1, max(waiting, keeping) + 2)) for _ in range(STRETCHES)]
    courses: dict[Series, list[Value]] = {}
    for series in dict.fromkeys(one for condition in conditions for one in series_of(condition)):
        about = [one for one in conditions if series in series_of(one)]
        needed = [one for one in wanted if series in series_of(one)]
        bounds = [Decimal(one.bound) for one in about]
        near = [bound + step for bound in bounds for step in map(Decimal, ("-1", "-0.001", "0", "0.001", "1"))]
        good: list[Value] = [value for value in near if all(holds(one, value) != one.forbids for one in needed)]
        best = good[-1] if good else None
        drawn = [draw(st.sampled_from([best, best, best, *near, None])) for _ in shape]
        courses[series] = [value for value, length in zip(drawn, shape, strict=True) for _ in range(length)]
        failing: list[Value] = [value for value in near if not any(holds(one, value) for one in about if one.watched)]
        over = draw(st.sampled_from([*failing, None])) if series in watched else best
        courses[series] += [best] * due + [over] * (keeping + 2)
    for series in sorted(louder, key=repr):
        drawn = [draw(st.sampled_from([None, None, None, Decimal(1)])) for _ in shape]
        courses[series] = [value for value, length in zip(drawn, shape, strict=True) for _ in range(length)]
        courses[series] += [None] * (due + keeping + 2)
    return Case(rule, pace, courses, sum(shape) + due - 1)


def holds(condition: Condition, value: Value) -> bool:
    return value is not None and COMPARE[condition.comparison](value, Decimal(condition.bound))


def passing(case: Case, condition: Condition, index: int) -> Iterator[dict[str, str]]:
    """The labels of this environment's series for which the comparison is true."""
    asked = {"environment": HERE["environment"], "service": HERE["service"]} | dict(condition.where)
    for (name, identity), course in case.courses.items():
        if name == condition.series and asked.items() <= dict(identity).items() and holds(condition, course[index]):
            yield dict(identity)


def agree(one: Mapping[str, str], other: Mapping[str, str], on: Sequence[str]) -> bool:
    return all(one.get(label) == other.get(label) for label in on)


def true_of(case: Case, branch: Sequence[Condition], louder: Sequence[Louder], index: int) -> Iterator[Identity]:
    """The series that are watched for which the branch is true at an evaluation."""
    watched, *others = branch
    for labels in passing(case, watched, index):
        met = all(
            any(agree(labels, other, one.on) for other in passing(case, one, index)) != one.forbids for one in others
        )
        if met and not any(was_told(case, one, labels, index) for one in louder):
            yield frozenset(labels.items())


def was_told(case: Case, louder: Louder, labels: Mapping[str, str], index: int) -> bool:
    """Whether the louder alert fires, or did within its time."""
    first = index - int(louder.within // case.pace)
    asked = {"alertname": louder.alert} | ({"tier": louder.tier} if louder.tier else {})
    return any(
        name == "ALERTS"
        and asked.items() <= dict(identity).items()
        and agree(labels, dict(identity), louder.on)
        and any(course[max(first, 0) : index + 1])
        for (name, identity), course in case.courses.items()
    )


def expected(case: Case) -> dict[float, set[tuple[str, Identity]]]:
    """The state and the labels of each instance of the alert at each moment."""
    rule, moments = case.rule, case.moments
    held: dict[Identity, list[float]] = {}
    stays: dict[Identity, list[float]] = {}
    now = [Louder(one.alert, one.tier, 0.0, one.on) for branch in rule.louder[:1] for one in branch]
    for index, moment in enumerate(moments):
        for number, branch in enumerate(rule.branches):
            for identity in true_of(case, branch, rule.louder[number] if rule.louder else (), index):
                held.setdefault(identity, []).append(moment)
        for identity in true_of(case, rule.stays, now, index) if rule.stays else ():
            stays.setdefault(identity, []).append(moment)
    found: dict[float, set[tuple[str, Identity]]] = {moment: set() for moment in moments}
    for one in episodes(moments, held, rule.timing, stays=stays):
        for moment in moments:
            if one.began <= moment and (one.ended is None or moment < one.ended):
                state = "firing" if one.fired is not None and one.fired <= moment else "pending"
                labels = {**dict(one.identity), **rule.labels, "alertname": rule.name}
                found[moment].add((state, frozenset(labels.items())))
    return found


def selector(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in sorted(labels.items())) + "}"


def files(case: Case, folder: Path) -> tuple[Path, bool]:
    """The rule, alone, and a test that asks for all that is written of it; and whether it fires when it is due."""
    folder.mkdir()
    text = TEXTS[case.rule.name, case.rule.tier]
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": [text]}]}))
    answers = expected(case)
    test = {
        "interval": f"{case.pace}s",
        "input_series": [
            {
                "series": selector(name, dict(identity)),
                "values": " ".join("stale" if value is None else format(value, "f") for value in course),
            }
            for (name, identity), course in case.courses.items()
        ],
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{case.rule.name}",told=""}}',
                "eval_time": f"{moment:.0f}s",
                "exp_samples": [
                    {"labels": selector("ALERTS", {**dict(labels), "alertstate": state}), "value": 1}
                    for state, labels in sorted(instances, key=repr)
                ],
            }
            for moment, instances in answers.items()
        ],
    }
    document = {"rule_files": ["rules.yml"], "evaluation_interval": f"{case.pace}s", "tests": [test]}
    (folder / "test.yml").write_text(json.dumps(document))
    return folder / "test.yml", any(state == "firing" for state, _ in answers[case.moments[case.due]])


NUMBERS = count()


@pytest.mark.parametrize("area", sorted({rule.area for rule in RULES.alerts if not rule.always}))
@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.reuse, Phase.generate),  # promtool's words say enough, and to look for less would take minutes
)
@given(data=st.data())
def test_promtool_sees_each_alert_just_when_its_definition_says(
    area: str, data: st.DataObject, promtool: Promtool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("opinion")
    rules = [rule for rule in RULES.alerts if rule.area == area and not rule.always]
    tests = []
    for rule in rules:
        test, fires = files(data.draw(cases(rule)), folder / f"{next(NUMBERS)}")
        assert fires, f"{rule.id} is never seen firing"
        tests.append(test)
    answer = subprocess.run((promtool.path, "test", "rules", *tests), capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
