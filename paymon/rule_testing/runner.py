"""Do the rules do what their tests say?"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from paymon.promtool import Promtool, PromtoolError, TestFailure
from paymon.rule_testing.files import RuleFile, Suite
from paymon.rule_testing.remembered import Remembered, digest
from paymon.rule_testing.slices import slice_of

__all__ = ["Failure", "run_suites"]

_BATCHES_FOR_EACH_CPU = 4
_LESS_GARBAGE_COLLECTION = {"GOGC": "400"}  # promtool lives for seconds: less time for some memory
_SAMPLE = re.compile(r"(-?[0-9.]+E[+-][0-9]+)")
_NAMED = re.compile(r'\{__name__="([^"]+)"(?:, )?')
_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Failure:
    """An expectation that was not met: in which case, and how."""

    suite: str
    case: str
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.suite, self.case, self.what) if part)


def run_suites(
    suites: Sequence[Suite],
    rule_files: Mapping[Path, RuleFile],
    tool: Promtool,
    processes: int | None = None,
    *,
    environment: str = "",
    remembered: Remembered | None = None,
) -> tuple[Failure, ...]:
    """Every expectation that is not met, suite by suite; `rule_files` has every rule file of the suites.

    Each suite gets the rules that it needs and no more. What is `remembered` to have passed is not run, and what passes
    is remembered; `environment` is whose suites they are. Several suites go to one process; where it objects to one of
    them, its suites are run one by one, to know which.
    """
    remembered = remembered or Remembered()
    processes = processes or os.cpu_count() or 1
    slices = {suite: slice_of(suite, rule_files) for suite in suites}
    keys = {suite: digest(tool, one.texts, environment) for suite, one in slices.items()}
    new = [suite for suite in suites if remembered.note(keys[suite]) is None]
    with tempfile.TemporaryDirectory(prefix="paymon-test-") as folder, ThreadPoolExecutor(processes) as pool:
        tests = {suite: slices[suite].put(Path(folder) / str(index)) for index, suite in enumerate(new)}
        batches = _batches(new, processes * _BATCHES_FOR_EACH_CPU)
        passed = pool.map(lambda batch: _pass(tool, [tests[suite] for suite in batch]), batches)
        doubtful = {suite for batch, fine in zip(batches, passed, strict=True) if not fine for suite in batch}
        one_by_one = [suite for suite in new if suite in doubtful]
        objections = pool.map(lambda suite: _failures(suite, tests[suite], tool), one_by_one)
        failed = dict(zip(one_by_one, objections, strict=True))
    for suite in new:
        if not failed.get(suite):
            remembered.passed(keys[suite])
    return tuple(failure for suite in one_by_one for failure in failed[suite])


def _batches(suites: Iterable[Suite], count: int) -> list[list[Suite]]:
    """Suites in batches of about equal work, the longest first."""
    batches: list[tuple[int, list[Suite]]] = [(0, []) for _ in range(count)]
    for work, suite in sorted(((_work(suite), suite) for suite in suites), key=lambda pair: -pair[0]):
        place = min(range(count), key=lambda index: batches[index][0])
        total, members = batches[place]
        batches[place] = (total + work, [*members, suite])
    return [members for _, members in sorted(batches, key=lambda pair: -pair[0]) if members]


def _work(suite: Suite) -> int:
    return 1 + sum(20 + len(case.expectations) * 5 for case in suite.cases)


def _pass(tool: Promtool, tests: Sequence[Path]) -> bool:
    try:
        ran = subprocess.run(
            [tool.path, "test", "rules", *tests],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_LESS_GARBAGE_COLLECTION | os.environ,
            timeout=tool.timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False  # one by one, promtool's wrapper says what is the matter
    return ran.returncode == 0


def _failures(suite: Suite, tests: Path, tool: Promtool) -> list[Failure]:
    try:
        (result,) = tool.run_tests([tests])
    except PromtoolError as error:
        return [Failure(suite.name, "", str(error))]
    return [_explained(suite, failure) for failure in result.failures]


def _explained(suite: Suite, failure: TestFailure) -> Failure:
    if failure.error is not None:
        return Failure(suite.name, failure.group_name or "", " ".join(failure.error.split()))
    expected, got = failure.expected or "", failure.got or ""
    if failure.alertname:
        said, meant = _difference(expected, got)
        return Failure(suite.name, failure.group_name or "", f"at {failure.eval_time}: expected {said}, got {meant}")
    case, what = _place(suite, failure)
    return Failure(suite.name, case, f"{what} at {failure.eval_time}: expected {_plain(expected)}, got {_plain(got)}")


def _place(suite: Suite, failure: TestFailure) -> tuple[str, str]:
    """The case that asks, and what it asks for, where promtool only tells the expression."""
    for case in suite.cases:
        for one in case.expectations:
            if one.expr == failure.expr:
                return case.name, (one.comment or one.expr).removeprefix(f"{case.name}: ")
    return "", failure.expr or failure.raw.strip()


def _plain(samples: str) -> str:
    """promtool's samples as people write them: `{} 1E+00` is 1, `nil` is nothing."""
    if samples.strip() == "nil":
        return "nothing"
    named = _NAMED.sub(r"\1{", samples).replace("{} ", " ").strip()
    return _SAMPLE.sub(lambda found: f"{float(found[1]):.12g}", named)


def _difference(expected: str, got: str) -> tuple[str, str]:
    """What only one side has of two lists of alerts with their labels and annotations."""
    wanted, there = _PAIR.findall(expected), _PAIR.findall(got)
    if not wanted or not there:
        return ("firing" if wanted else "nothing"), ("firing" if there else "nothing")
    return _pairs([one for one in wanted if one not in there]), _pairs([one for one in there if one not in wanted])


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in pairs) or "no more"
