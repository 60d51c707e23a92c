"""Do the generated tests notice when a rule is wrong? Every rule is changed in every way below; how many are caught?

A mutant is killed where promtool fails on the tests that belong to its rule. Mutants that no data could tell from the
original (a count above 0.01 instead of above 0) are left out.
"""

import os
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from generators.rule_tests import rule_test_files
from generators.rules import Expressions, rule_file, rule_groups
from paymon.promtool import Promtool, PromtoolError
from paymon.rule_testing import Rule, RuleFile, Suite
from paymon.rule_testing.slices import put_slice
from rules.catalog import catalog
from rules.vocabulary import Catalog, Comparison, Environment, Unit, plain

_COMPARED = re.compile(
    r"(?P<name>[a-z_]+:[a-z0-9_]+:[a-z0-9_]+)\S* (?P<sign>>=|<=|>|<) (?P<bound>-?[0-9.]+)$", re.MULTILINE
)
_WINDOW = re.compile(r"\[(\d+)([smhd])\]")
_RECORD_CHANGES = (
    ("rate to irate", r"\brate\(", "irate("),
    ("increase to irate", r"\bincrease\(", "irate("),
    ("offset dropped", r" offset \w+", ""),
    ("label of sum dropped", r" by \(\w+\)", ""),
    ("default dropped", r" or vector\(0\)", ""),
    ("replicas summed", r"\b(max|min)(?= without)", "sum"),
    (
        "max to min",
        r"\bmax(?=\([a-z]+_| without \(instance, pod, | without \(instance, pod\) \((?!rate|increase))",
        "min",
    ),
    ("min to max", r"\bmin(?=\(| without| by)", "max"),
    ("zero denominator", r"(?<=\)) > 0(?=\))", ""),
    ("absolute value dropped", r"\babs\(", "("),
    ("matcher dropped", r'(?<=[{,])(\w+)(?:=|!=|=~|!~)"(?:[^"\\]|\\.)*",?', ""),
    ("constant changed", r"(?<=[*/] )0\.\d+|\b[1-9]\d*(?= \* sum)", "0.123"),
)
_FACTORS = {"1 %": ("1.01", "0.99"), "10 %": ("1.1", "0.9")}
_FLIPPED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_OTHER_BOUND = {">": ">=", ">=": ">", "<": "<=", "<=": "<"}


@dataclass(frozen=True)
class Mutant:
    """A rule with one mistake in it."""

    kind: str
    rule: Rule
    data: Mapping[str, Any]
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.rule.title}: {self.what}"


class Workbench:
    """The rules and tests of one environment on the disk, and mutants of them."""

    def __init__(self, definitions: Catalog, environment: Environment, folder: Path) -> None:
        self.expressions = Expressions(definitions, environment)
        self._signals = {signal.name: signal for signal in definitions.signals}
        for name in ("rules", "tests"):
            (folder / name).mkdir()
        for group in rule_groups(definitions, environment):
            (folder / "rules" / f"{group.area.name}.yml").write_text(rule_file(group))
        for name, text in rule_test_files(definitions, environment).items():
            (folder / "tests" / name).write_text(text)
        self.rule_files = {path: RuleFile.read(path) for path in sorted((folder / "rules").iterdir())}
        self.suites = [Suite.read(path) for path in sorted((folder / "tests").iterdir())]

    def mutants(self) -> Iterator[Mutant]:
        """Every mutant of every rule."""
        for file in self.rule_files.values():
            for rule in file.rules:
                yield from self.alert_mutants(rule) if rule.kind == "alert" else self.record_mutants(rule)

    def mutants_of(self, name: str) -> Iterator[Mutant]:
        """Every mutant of the rules of that name."""
        return (mutant for mutant in self.mutants() if mutant.rule.name == name)

    def alert_mutants(self, rule: Rule) -> Iterator[Mutant]:
        """Every mutant of an alerting rule."""
        yield from self._changed_bounds(rule)
        yield from _changed_times(rule)
        yield from _changed_conditions(rule)
        for key in ("labels", "annotations"):
            for name, text in rule.data[key].items():
                yield Mutant(
                    f"{key[:-1]} changed", rule, {**rule.data, key: {**rule.data[key], name: f"{text}x"}}, name
                )
        for found in _COMPARED.finditer(rule.expr):
            yield _with_expr("series renamed", rule, found.span("name"), f"{found['name']}_x")
        yield from _each("environment dropped", rule, re.compile(r'environment="\w+",?'), "")
        yield from _each("service dropped", rule, re.compile(r'service="\w+",?'), "")

    def record_mutants(self, rule: Rule) -> Iterator[Mutant]:
        """Every mutant of a recording rule."""
        for found in _outside_of_zero(rule, _WINDOW):
            seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
            yield _with_expr("window doubled", rule, found.span(), f"[{seconds * 2}s]")
            yield _with_expr("window halved", rule, found.span(), f"[{seconds // 2}s]")
        for kind, pattern, by in _RECORD_CHANGES:
            for found in _outside_of_zero(rule, re.compile(pattern)):
                yield _with_expr(kind, rule, found.span(), by)
        yield from _each("numerator without 0", rule, re.compile(r"\n *or 0 \*.*"), "")
        for selector in self.expressions.index.names_read(self._signals[rule.name]):
            yield from _each("series renamed", rule, re.compile(rf"\b{selector}\b"), f"{selector}_x")

    def survives(self, mutant: Mutant, tool: Promtool, folder: Path) -> bool:
        """Whether every test of the rule passes with the mutant in its place."""
        rule = mutant.rule
        changed = replace(rule, data=mutant.data)
        file = self.rule_files[rule.file]
        groups = tuple((group, tuple(changed if one is rule else one for one in rules)) for group, rules in file.groups)
        rule_files = self.rule_files | {rule.file: replace(file, groups=groups)}
        for number, suite in enumerate(self.suites):
            if rule.name not in (suite.alerts_named if rule.kind == "alert" else suite.names_asked):
                continue
            tests = put_slice(suite, rule_files, folder / str(number))
            tests.write_text(_only_about(tests.read_text(), rule.name))
            try:
                (result,) = tool.run_tests([tests])
            except PromtoolError:
                return False
            if not result.passed:
                return False
        return True

    def _changed_bounds(self, rule: Rule) -> Iterator[Mutant]:
        for found in _COMPARED.finditer(rule.expr):
            sign, bound, unit = found["sign"], Decimal(found["bound"]), self._signals[found["name"]].unit
            for kind, factors in _FACTORS.items():
                for factor in factors:
                    other = bound * Decimal(factor) if bound else (Decimal(factor) - 1)
                    if not self._same(found["name"], sign, bound, sign, other):
                        yield _with_expr(f"bound off by {kind}", rule, found.span("bound"), plain(other))
            yield _with_expr("comparison flipped", rule, found.span("sign"), _FLIPPED[sign])
            if unit.whole and not self._same(found["name"], sign, bound, _OTHER_BOUND[sign], bound):
                yield _with_expr("bound included or not", rule, found.span("sign"), _OTHER_BOUND[sign])

    def _same(self, name: str, sign: str, bound: Decimal, other_sign: str, other: Decimal) -> bool:
        """Whether no value of the signal tells one comparison from the other."""
        unit = self._signals[name].unit
        estimated = unit is not Unit.BOOLEAN and bound and "increase" in self._signals[name].expr
        if not unit.whole or estimated:
            return sign == other_sign and bound == other
        values = [Decimal(n) for n in range(200) if unit.highest is None or n <= unit.highest]
        first, second = Comparison(sign), Comparison(other_sign)
        return all(first.holds(value, bound) == second.holds(value, other) for value in values)


def _changed_times(rule: Rule) -> Iterator[Mutant]:
    for key in ("for", "keep_firing_for"):
        if key not in rule.data:
            yield Mutant(f"{key} added", rule, {**rule.data, key: "10m"}, "10m")
            continue
        rest = {name: value for name, value in rule.data.items() if name != key}
        yield Mutant(f"{key} removed", rule, rest, rule.data[key])
        seconds = sum(
            int(count) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
            for count, unit in re.findall(r"(\d+)([smhd])", rule.data[key])
        )
        yield Mutant(f"{key} halved", rule, {**rule.data, key: f"{seconds // 2}s"}, rule.data[key])
        yield Mutant(f"{key} doubled", rule, {**rule.data, key: f"{seconds * 2}s"}, rule.data[key])


def _changed_conditions(rule: Rule) -> Iterator[Mutant]:
    yield from _each("guard dropped", rule, re.compile(r"\n *(and|unless) on .*"), "")
    yield from _each("and to or", rule, re.compile(r"(?<=\n)( *)and on"), r" or on")
    yield from _each("unless to and", rule, re.compile(r"(?<=\n)( *)unless on"), " and on")
    yield from _each("guard on no label", rule, re.compile(r"(?<=and on )\(\w+\)"), "()")
    branches = rule.expr.split("\nor\n")
    if len(branches) > 1:
        for index in range(len(branches)):
            rest = "\nor\n".join(branches[:index] + branches[index + 1 :])
            yield Mutant("branch dropped", rule, {**rule.data, "expr": rest}, f"branch {index + 1}")


def _outside_of_zero(rule: Rule, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """Where the pattern is found, but for `or 0 * ...`: that gives 0 whatever the window or the function is."""
    for found in pattern.finditer(rule.expr):
        line = rule.expr[: found.start()].rsplit("\n", 1)[-1]
        if not line.lstrip().startswith("or 0 *"):
            yield found


def _each(kind: str, rule: Rule, pattern: re.Pattern[str], by: str) -> Iterator[Mutant]:
    for found in pattern.finditer(rule.expr):
        yield _with_expr(kind, rule, found.span(), by)


def _with_expr(kind: str, rule: Rule, span: tuple[int, int], by: str) -> Mutant:
    expr = rule.expr[: span[0]] + by + rule.expr[span[1] :]
    was = " ".join(rule.expr[max(0, span[0] - 20) : span[1] + 20].split())
    return Mutant(kind, rule, {**rule.data, "expr": expr}, f"...{was}... to {by!r}")


def _only_about(tests: str, name: str) -> str:
    """The tests whose text has the name: the others cannot notice."""
    head, *groups = re.split(r"(?m)^(?=- name:)", tests)
    return head + "".join(group for group in groups if name in group)


def main() -> None:
    """Print killed and total by kind, and every survivor. Arguments: promtool's version, names of rules."""
    version, *names = sys.argv[1:] or ["2.42"]
    tool = Promtool.find(version_prefix=version)
    definitions = catalog()
    environment = definitions.organisation.environments[0]
    total: Counter[str] = Counter()
    survivors: dict[str, list[Mutant]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        base = Path(folder)
        (base / "originals").mkdir()
        bench = Workbench(definitions, environment, base / "originals")
        mutants = [mutant for mutant in bench.mutants() if not names or mutant.rule.name in names]

        def lives(numbered: tuple[int, Mutant]) -> bool:
            with tempfile.TemporaryDirectory(dir=base) as own:
                return bench.survives(numbered[1], tool, Path(own))

        for mutant, alive in zip(mutants, pool.map(lives, enumerate(mutants)), strict=True):
            total[mutant.kind] += 1
            if alive:
                survivors[mutant.kind].append(mutant)
    for kind, count in sorted(total.items()):
        print(f"{kind:24} killed {count - len(survivors[kind]):5} of {count:5}")
    left = sum(map(len, survivors.values()))
    print(f"{'all':24} killed {total.total() - left:5} of {total.total():5}, promtool {version}")
    for kind in sorted(survivors):
        for mutant in survivors[kind]:
            print(f"survivor: {mutant}")


if __name__ == "__main__":
    main()
