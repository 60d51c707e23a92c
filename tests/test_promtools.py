"""Is promtool asked once about the same tests of the same rules, and again about all others?"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from paymon.promtool import Promtool, TestFileResult
from tests.promtools import RememberingPromtool

RULES = "groups: [{name: g, rules: [{record: 'a:b:c', expr: 'x + 1'}]}]\n"
TESTS = """\
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series: [{series: x, values: '1x9'}]
  promql_expr_test:
  - {expr: 'a:b:c', eval_time: 2m, exp_samples: [{labels: 'a:b:c', value: 2}]}
"""


@dataclass(frozen=True)
class Asked:
    tool: RememberingPromtool
    log: Path

    @property
    def times(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def about(self, folder: Path) -> TestFileResult:
        (result,) = self.tool.run_tests([folder / "tests.yml"])
        return result


@pytest.fixture
def asked(promtool: Promtool, tmp_path: Path) -> Asked:
    """The real promtool behind a script that writes down each time it is asked."""
    program, log, answers = tmp_path / "promtool", tmp_path / "log", tmp_path / "answers"
    program.write_text(f'#!/bin/sh\necho asked >> {log}\nexec {promtool.path} "$@"\n')
    program.chmod(0o755)
    answers.mkdir()
    return Asked(RememberingPromtool(program, promtool.version, answers=answers), log)


@pytest.fixture
def tests(tmp_path: Path) -> Callable[..., Path]:
    def written(name: str, rules: str = RULES, asking: str = TESTS) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "rules.yml").write_text(rules)
        (folder / "tests.yml").write_text(asking)
        return folder

    return written


def test_the_same_tests_elsewhere_are_answered_the_same_and_not_asked_again(
    asked: Asked, tests: Callable[..., Path]
) -> None:
    first, second = tests("one"), tests("two")
    answers = [asked.about(first), asked.about(second), asked.about(first)]
    assert asked.times == 1
    plain = Promtool(asked.tool.path, asked.tool.version)
    assert answers == [plain.run_tests([folder / "tests.yml"])[0] for folder in (first, second, first)]


def test_a_failure_is_told_again_word_for_word(asked: Asked, tests: Callable[..., Path]) -> None:
    folder = tests("one", asking=TESTS.replace("value: 2", "value: 3"))
    assert asked.about(folder) == asked.about(folder)
    assert asked.times == 1


@pytest.mark.parametrize(
    "change",
    [{"rules": RULES.replace("+ 1", "+ 2")}, {"asking": TESTS.replace("1x9", "2x9")}],
    ids=["another rule", "another test"],
)
def test_what_has_changed_is_asked_anew(change: dict[str, str], asked: Asked, tests: Callable[..., Path]) -> None:
    before = asked.about(tests("one"))
    after = asked.about(tests("one", **change))
    assert asked.times == 2
    assert before.passed
    assert not after.passed


def test_another_program_is_asked_anew(asked: Asked, tests: Callable[..., Path]) -> None:
    asked.about(tests("one"))
    other = asked.tool.path.with_name("another")
    other.write_text(f"{asked.tool.path.read_text()}# built anew\n")
    other.chmod(0o755)
    Asked(RememberingPromtool(other, asked.tool.version, answers=asked.tool.answers), asked.log).about(tests("one"))
    assert asked.times == 2


def test_what_could_not_be_tested_is_asked_again(asked: Asked, tests: Callable[..., Path]) -> None:
    folder = tests("one", rules="groups: what?\n")
    assert not asked.about(folder).passed
    assert not asked.about(folder).passed
    assert asked.times == 2


@pytest.mark.parametrize("damage", ["torn", "forged", "of another question", "a folder", "not ours"])
def test_a_damaged_answer_is_never_believed(damage: str, asked: Asked, tests: Callable[..., Path]) -> None:
    wrong = tests("wrong", asking=TESTS.replace("value: 2", "value: 3"))
    right = tests("right")
    answers = asked.tool.answers
    assert answers
    asked.about(right)
    (passes,) = answers.iterdir()
    asked.about(wrong)
    (fails,) = {*answers.iterdir()} - {passes}
    match damage:
        case "torn":
            fails.write_bytes(fails.read_bytes()[:-7])
        case "forged":
            fails.write_bytes(fails.read_bytes().partition(b"\n")[0] + b"\n" + passes.read_bytes().partition(b"\n")[2])
        case "of another question":
            shutil.copy(passes, fails)
        case "a folder":
            fails.unlink()
            fails.mkdir()
        case _:
            fails.write_text("")
    assert not asked.about(wrong).passed
    assert asked.times == 3


def test_a_folder_that_cannot_be_written_costs_time_alone(asked: Asked, tests: Callable[..., Path]) -> None:
    assert asked.tool.answers
    asked.tool.answers.rmdir()
    asked.tool.answers.write_text("no folder")
    for _ in range(2):
        assert asked.about(tests("one")).passed
    assert asked.times == 2
