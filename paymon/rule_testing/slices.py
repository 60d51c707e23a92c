"""Which rules does a file of rule tests need? The rest would only cost time, in every evaluation."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generators.text import as_yaml
from paymon.rule_testing.files import Rule, RuleFile, Suite

__all__ = ["Slice", "put_slice", "slice_of"]


@dataclass(frozen=True)
class Slice:
    """The tests, and of their rule files what they need; `texts` by where they stand in relation to one another."""

    tests: str
    texts: Mapping[str, str]

    def put(self, folder: Path) -> Path:
        """Write it below `folder`; gives the path of the tests."""
        for name, text in self.texts.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return folder / self.tests


def put_slice(suite: Suite, rule_files: Mapping[Path, RuleFile], folder: Path) -> Path:
    """Copy the tests, and of their rule files what they need, below `folder`; gives the tests' path."""
    return slice_of(suite, rule_files).put(folder)


def slice_of(suite: Suite, rule_files: Mapping[Path, RuleFile]) -> Slice:
    """The tests with the alerts and the records that they ask about, and every rule that these read."""
    used = [rule_files[path] for path in suite.rule_files]
    needed = _needed(suite, [rule for file in used for rule in file.rules])
    # Where the files lie in relation to one another is what the tests' relative paths refer to.
    base = Path(os.path.commonpath([suite.path.parent, *(file.path.parent for file in used)]))
    texts = {}
    for file in used:
        groups = [
            {**group, "rules": [rule.data for rule in rules if id(rule) in needed]} for group, rules in file.groups
        ]
        texts[str(file.path.relative_to(base))] = as_yaml({"groups": [group for group in groups if group["rules"]]})
    tests = str(suite.path.relative_to(base))
    return Slice(tests, {**texts, tests: suite.path.read_text()})


def _needed(suite: Suite, rules: list[Rule]) -> set[int]:
    alerts, records = {*suite.alerts_named}, {*suite.names_asked}
    chosen: set[int] = set()
    while True:
        more = [
            rule
            for rule in rules
            if rule.name in (alerts if rule.kind == "alert" else records) and id(rule) not in chosen
        ]
        if not more:
            return chosen
        for rule in more:
            chosen.add(id(rule))
            records |= rule.reads
            alerts |= rule.alerts_read
