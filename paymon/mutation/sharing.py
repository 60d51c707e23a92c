"""How do many mutants of one rule share a run of promtool, none in another's way?

Each mutant is put into the same rule file under a name of its own, with a copy of every rule that reads it, and each
expectation is asked of every copy. The rule as it was is one of them: were the renaming at fault, that one would fail.
Where it cannot be told who reads whom (a selector without a name, a name by regular expression, a query in a template),
each mutant gets files of its own.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paymon.mutation.documents import text_of
from paymon.mutation.mutants import ELSE, Mutant
from paymon.mutation.relations import Case, Expectation, Rule, Suite, key_of_alert, renamed
from rules.promql import Call, read, walk, written

__all__ = ["Job", "Scope", "alone", "as_they_are", "compared", "scope_of", "seconds_of", "shared", "shared_work"]

_MARK = "_mutant"
_MARKED = re.compile(rf"{_MARK}(\d+)")
_FIRST_WORD = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)")
_WITHOUT_SERIES = frozenset({"absent", "absent_over_time", "vector", "time"})
_LABEL = re.compile(r'(__name__|alertname)\s*=\s*"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, eq=False)
class Scope:
    """What a rule's mutants can change of what a suite asks: the cases, and the rules that take part."""

    rule: Rule
    suite: Suite
    cases: tuple[Case, ...]
    needed: tuple[Rule, ...]
    affected: frozenset[str] | None
    """None where mutants cannot share a run."""
    asked: bool
    """Whether it is asked about the rule itself."""

    @property
    def content(self) -> bytes:
        """Stands for all of this but the mutants."""
        whole = hashlib.sha256()
        head = {name: value for name, value in self.suite.found.items() if name not in ("tests", "rule_files")}
        whole.update(text_of(head).encode())
        for case in self.cases:
            whole.update(text_of(case.data).encode())
        for rule in self.needed:
            whole.update(text_of(rule.data).encode())
            whole.update(rule.interval.encode())
        return whole.digest()


@dataclass(frozen=True, eq=False)
class Job:
    """Files for one run of `promtool test rules`, and whose failure would mean what."""

    tests: str
    rules: Mapping[str, str]
    mutants: tuple[Mutant, ...]
    """In shared files, number 1 and on; number 0 is the rule as it was. Alone, the only one."""
    shares: bool
    work: float
    """About how many seconds of CPU it takes."""
    case_of: Mapping[str, str]
    """The name of the case by the expression that is asked."""

    def marks(self, text: str) -> set[int]:
        """The numbers of the mutants that a text speaks of."""
        return {int(number) for number in _MARKED.findall(text)}


def scope_of(rule: Rule, suite: Suite) -> Scope | None:
    """What of a suite could notice a mutant of the rule; None where nothing could."""
    if rule not in suite.rules:
        return None
    affected = suite.affected(rule.key)
    if affected is None or any(one.reads is None for case in suite.cases for one in case.expectations):
        asked = any(one.reads and rule.key in one.reads for case in suite.cases for one in case.expectations)
        return Scope(rule, suite, suite.cases, suite.rules, None, asked) if suite.cases else None
    cases = tuple(case for case in suite.cases if _could_notice(case, rule, suite, affected))
    if not cases:
        return None
    keys = {key for case in cases for one in case.expectations if _reads(one) & affected for key in _reads(one)}
    needed = tuple(suite.needed(keys))
    shareable = not any(key is None for case in cases for key, _ in case.fed) and not _speaks_of_marks(cases, needed)
    asked = any(rule.key in _reads(one) for case in cases for one in case.expectations)
    return Scope(rule, suite, cases, needed, affected if shareable else None, asked)


def _could_notice(case: Case, rule: Rule, suite: Suite, affected: frozenset[str]) -> bool:
    """Whether it asks about what changes, and feeds the rule with anything, or asks about the rule itself.

    Without series a record says the same as its mutants: nothing. Not so where absence is what it speaks of.
    """
    asked = {key for one in case.expectations for key in _reads(one)}
    if not asked & affected:
        return False
    if rule.key in asked or rule.kind == "alert" or any(key is None for key, _ in case.fed):
        return True
    if isinstance(rule.expression, str) or any(
        isinstance(one, Call) and one.function in _WITHOUT_SERIES for one in walk(rule.expression)
    ):
        return True
    read = set(rule.reads or ())
    sources = read | {key for one in suite.needed(read) for key in one.reads or ()}
    return any(key in sources for key, _ in case.fed)


def _reads(expectation: Expectation) -> frozenset[str]:
    return expectation.reads or frozenset()


def _speaks_of_marks(cases: Sequence[Case], needed: Sequence[Rule]) -> bool:
    return any(_MARK in rule.name for rule in needed) or any(_MARK in case.name for case in cases)


def as_they_are(suite: Suite) -> Job:
    """The files of a suite without a mistake, and without the rules that it does not need."""
    asked = [one.reads for case in suite.cases for one in case.expectations]
    open_ended = any(one is None for one in asked) or any(rule.reads is None for rule in suite.rules)
    needed = suite.rules if open_ended else suite.needed(key for keys in asked for key in keys or ())
    return _plain(suite, suite.cases, needed, None)


def alone(scope: Scope, cases: Sequence[Case], mutant: Mutant) -> Job:
    """The files of one mutant."""
    return _plain(scope.suite, cases, scope.needed, mutant)


def _plain(suite: Suite, cases: Sequence[Case], needed: Sequence[Rule], mutant: Mutant | None) -> Job:
    rules = {}
    for number, source in enumerate(suite.sources):
        groups = []
        for place, group in enumerate(source.found["groups"]):
            held = [
                mutant.data if mutant and one is mutant.rule else one.data
                for one in needed
                if one.file == source.path and one.group == place
            ]
            groups.append({**group, "rules": held})
        rules[f"rules{number}.yml"] = text_of({"groups": groups})
    tests = {**suite.found, "rule_files": list(rules), "tests": [case.data for case in cases]}
    work = sum(_work(suite, case, len(needed)) for case in cases)
    case_of = {str(one.data.get("expr")): case.name for case in cases for one in case.expectations}
    return Job(text_of(tests), rules, (mutant,) if mutant else (), shares=False, work=work, case_of=case_of)


def shared(scope: Scope, cases: Sequence[Case], mutants: Sequence[Mutant]) -> Job:
    """The files of several mutants. Only where the scope says what is affected."""
    affected, names = _names(scope, mutants)
    rules = _shared_rules(scope, affected, names, [None, *mutants])
    case_of: dict[str, str] = {}
    tests = {
        **{word: value for word, value in scope.suite.found.items() if word not in ("rule_files", "tests")},
        "rule_files": list(rules),
        "tests": [_case(case, affected, names, case_of) for case in cases],
    }
    work = shared_work(scope, cases, len(mutants))
    return Job(text_of(tests), rules, tuple(mutants), shares=True, work=work, case_of=case_of)


def compared(scope: Scope, cases: Sequence[Case], mutants: Sequence[Mutant]) -> Job:
    """The files that ask at every moment of the cases' expectations whether each mutant gives what the rule gives."""
    affected, names = _names(scope, mutants)
    tests = []
    for case in cases:
        moments = [one.data["eval_time"] for one in case.expectations]
        asked = [
            {"expr": _differing(scope.rule, names[0], names[number]), "eval_time": moment, "exp_samples": []}
            for number in range(1, len(names))
            for moment in moments
        ]
        tests.append({**case.data, "alert_rule_test": [], "promql_expr_test": asked})
    rules = _shared_rules(scope, affected, names, [None, *mutants])
    head = {word: value for word, value in scope.suite.found.items() if word not in ("rule_files", "tests")}
    text = text_of({**head, "rule_files": list(rules), "tests": tests})
    return Job(text, rules, tuple(mutants), shares=True, work=shared_work(scope, cases, len(mutants)), case_of={})


def _differing(rule: Rule, ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """PromQL for what one has and the other has not, or has otherwise; two that are no number are alike."""
    one, other = ours[rule.key], theirs[rule.key]
    if rule.kind == "alert":
        one, other = f'ALERTS{{alertname="{one}"}}', f'ALERTS{{alertname="{other}"}}'
        return f"({one} unless ignoring (alertname) {other}) or ({other} unless ignoring (alertname) {one})"
    return f"(({one} != {other}) unless ({one} != {one})) or ({one} unless {other}) or ({other} unless {one})"


def _names(scope: Scope, mutants: Sequence[Mutant]) -> tuple[frozenset[str], list[dict[str, str]]]:
    """What is copied, and the names of each copy, that of the rule as it was first."""
    affected = scope.affected
    assert affected is not None
    return affected, [
        {key: f"{key.removeprefix('ALERTS/')}{_MARK}{number}" for key in affected} for number in range(len(mutants) + 1)
    ]


def _shared_rules(
    scope: Scope,
    affected: frozenset[str],
    names: Sequence[Mapping[str, str]],
    numbered: Sequence[Mutant | None],
) -> dict[str, str]:
    rules = {}
    for number, source in enumerate(scope.suite.sources):
        groups = []
        for place, group in enumerate(source.found["groups"]):
            held = [
                data
                for one in scope.needed
                if one.file == source.path and one.group == place
                for data in _copies(one, affected, names, numbered)
            ]
            groups.append({**group, "rules": held})
        rules[f"rules{number}.yml"] = text_of({"groups": groups})
    return rules


def shared_work(scope: Scope, cases: Sequence[Case], mutants: int) -> float:
    """About how many seconds of CPU so many mutants take that share a run."""
    copied = sum(one.key in (scope.affected or ()) for one in scope.needed)
    return sum(_work(scope.suite, case, len(scope.needed) + copied * mutants) for case in cases)


def _copies(
    rule: Rule, affected: frozenset[str], names: Sequence[Mapping[str, str]], mutants: Sequence[Mutant | None]
) -> Iterator[Mapping[str, Any]]:
    if rule.key not in affected:
        yield rule.data
        return
    for given, mutant in zip(names, mutants, strict=True):
        data = mutant.data if mutant and mutant.rule is rule else rule.data
        name = given[rule.key] + (ELSE if data[rule.kind] != rule.name else "")
        yield {**data, rule.kind: name, "expr": _renamed_text(str(data["expr"]), given)}


def _renamed_text(expr: str, names: Mapping[str, str]) -> str:
    return written(renamed(read(expr), names))


def _case(
    case: Case, affected: frozenset[str], names: Sequence[Mapping[str, str]], case_of: dict[str, str]
) -> Mapping[str, Any]:
    data = {
        word: value
        for word, value in case.data.items()
        if word not in ("input_series", "alert_rule_test", "promql_expr_test")
    }
    data["name"] = case.name
    data["input_series"] = [
        copy
        for key, one in case.fed
        for copy in (
            [{**one, "series": _renamed_text(str(one["series"]), given)} for given in names]
            if key in affected
            else [one]
        )
    ]
    for word, of_alerts in (("alert_rule_test", True), ("promql_expr_test", False)):
        asked = [one for one in case.expectations if bool(one.alert) is of_alerts and _reads(one) & affected]
        data[word] = [copy for one in asked for copy in _asked_of_each(one, names)]
        for one in data[word]:
            case_of[str(one.get("expr", ""))] = case.name
    return data


def _asked_of_each(expectation: Expectation, names: Sequence[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:
    for given in names:
        if expectation.alert:
            name = given[key_of_alert(expectation.alert)]
            yield {**expectation.data, "alertname": name, "exp_alerts": _renamed_alerts(expectation.data, name)}
            continue
        assert expectation.expression is not None
        data = {**expectation.data, "expr": written(renamed(expectation.expression, given))}
        if data.get("exp_samples"):
            data["exp_samples"] = [_renamed_sample(one, given) for one in data["exp_samples"]]
        yield data


def _renamed_alerts(data: Mapping[str, Any], name: str) -> Any:
    """What is expected of an alert, where that spells out the alert's name too."""
    return [
        {**one, "exp_labels": {**one["exp_labels"], "alertname": name}}
        if "alertname" in (one.get("exp_labels") or ())
        else one
        for one in data.get("exp_alerts") or ()
    ]


def _renamed_sample(sample: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    text = str(sample.get("labels") or "")
    first = _FIRST_WORD.match(text)
    if first and first[1] in names:
        text = names[first[1]] + text[first.end() :]

    def other(found: re.Match[str]) -> str:
        key = key_of_alert(found[2]) if found[1] == "alertname" else found[2]
        return f'{found[1]}="{names.get(key, found[2])}"'

    return {**sample, "labels": _LABEL.sub(other, text)} if text else sample


_SECONDS_FOR_A_CASE = 0.012
_SECONDS_FOR_A_RULE = 0.00004


def _work(suite: Suite, case: Case, rules: int) -> float:
    pace = seconds_of(suite.found.get("evaluation_interval")) or 60.0
    last = max((seconds_of(one.data.get("eval_time")) for one in case.expectations), default=0.0)
    return _SECONDS_FOR_A_CASE + (1 + last / pace) * rules * _SECONDS_FOR_A_RULE


_PARTS = re.compile(r"([0-9]+)(ms|[smhdwy])")
_SIZES = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


def seconds_of(text: object) -> float:
    """A duration of Prometheus' in seconds; nothing is 0."""
    return sum(int(count) * _SIZES[unit] for count, unit in _PARTS.findall(str(text or "")))
