"""Which mutants does promtool notice?"""

import ast
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from paymon.mutation.mutants import Mutant
from paymon.mutation.relations import Case, Suite
from paymon.mutation.sharing import Job, Scope, alone, as_they_are, compared, shared, shared_work
from paymon.promtool import Promtool, PromtoolError

__all__ = ["REFUSED", "FailingError", "different", "examine", "failing"]

REFUSED = "promtool does not load it"
"""Told of a mutant that nobody could bring into production, so that it counts nowhere."""

_SECTION = re.compile(r"^  (SUCCESS|FAILED:)$", re.MULTILINE)
_BLOCK = re.compile(
    r"^    (?:name: (?P<case>.*),\n    ?)?(?P<kind>alertname|expr|rule): (?P<subject>.*)$", re.MULTILINE
)
_EXPR = re.compile(r'("(?:[^"\\]|\\.)*"), time:')
_MOST_WORK = 4.0
"""Seconds of CPU for which one promtool is given work; it prints only at the end."""
_MOST_TOGETHER = 48
_PATIENCE = 2
"""How many times longer than a usual call of promtool one of these may take: it does seconds of work."""
_FIRST = (2, 4)
"""So many cases are tried first, and so many then: most mutants are noticed at once."""
_LESS_GARBAGE_COLLECTION = {"GOGC": "400"}


class FailingError(Exception):
    """Tests that fail without any mistake: which, and what promtool says."""

    def __init__(self, suite: Suite, said: str) -> None:
        self.suite, self.said = suite, said
        super().__init__(f"{suite.path}:\n{said}")


@dataclass(frozen=True, slots=True)
class _Stage:
    """Some cases of a scope, asked of the mutants that are left."""

    scope: Scope
    first: int
    last: int


def examine(tool: Promtool, scopes: Sequence[Scope], mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, str | None]]:
    """For each mutant of one rule the case that notices it, None where none does; each as soon as it is known.

    The scopes are asked in their order, those about the rule itself first. Raises PromtoolError and FailingError.
    """
    left = list(mutants)
    for stage in _stages(scopes):
        cases = stage.scope.cases[stage.first : stage.last]
        noticed = _noticed(tool, stage.scope, cases, left)
        yield from noticed.items()
        left = [one for one in left if one not in noticed]
        if not left:
            return
    for mutant in left:
        yield mutant, None


def _stages(scopes: Sequence[Scope]) -> Iterator[_Stage]:
    for number, scope in enumerate(scopes):
        start = 0
        for count in _FIRST if number == 0 else ():
            if start < len(scope.cases):
                yield _Stage(scope, start, start + count)
                start += count
        if start < len(scope.cases):
            yield _Stage(scope, start, len(scope.cases))


def failing(tool: Promtool, jobs: Sequence[Job], processes: int | None = None) -> list[str]:
    """What promtool objects to in each job, empty where nothing. Raises PromtoolError."""
    with ThreadPoolExecutor(processes or os.cpu_count() or 1) as pool:
        said = pool.map(lambda some: _run(tool, some), list(_packed(jobs)))
        return [text.strip("\n") for some in said for text in some]


def different(tool: Promtool, scope: Scope, cases: Sequence[Case], mutants: Sequence[Mutant]) -> set[Mutant]:
    """Those that give anything else than their rule in these cases, at the moments named. Raises PromtoolError."""
    job = compared(scope, cases, mutants)
    (said,) = _run(tool, [job])
    if said and not any(True for _ in _blocks(said)):
        raise PromtoolError(
            ("promtool", "test", "rules"), f"does not read what was written for it: {said.strip()[:1000]}"
        )
    return {mutants[number - 1] for text, _, _ in _blocks(said) for number in job.marks(text) if number}


def _noticed(tool: Promtool, scope: Scope, cases: Sequence[Case], mutants: Sequence[Mutant]) -> dict[Mutant, str]:
    found: dict[Mutant, str] = {}
    if scope.affected is None:
        for jobs in _packed([alone(scope, cases, mutant) for mutant in mutants]):
            for job, said in zip(jobs, _run(tool, jobs), strict=True):
                if said:
                    found[job.mutants[0]] = _killer(job, said)
        return found
    batches = list(_batches(scope, cases, mutants))
    while batches:
        jobs = [shared(scope, cases, batch) for batch in batches]
        again: list[list[Mutant]] = []
        for packed in _packed(jobs):
            for job, said in zip(packed, _run(tool, packed), strict=True):
                left = _of_shared(tool, scope, cases, job, said, found)
                if left:
                    again.append(left)
        batches = again
    return found


def _batches(scope: Scope, cases: Sequence[Case], mutants: Sequence[Mutant]) -> Iterator[list[Mutant]]:
    """Mutants that fit into one run of promtool."""
    left = list(mutants)
    while left:
        some = left[:_MOST_TOGETHER]
        while len(some) > 1 and shared_work(scope, cases, len(some)) > _MOST_WORK:
            some = some[: len(some) // 2]
        yield some
        left = left[len(some) :]


def _of_shared(
    tool: Promtool, scope: Scope, cases: Sequence[Case], job: Job, said: str, found: dict[Mutant, str]
) -> list[Mutant]:
    """Notes what was noticed; gives the mutants that must be asked again."""
    if not said:
        return []
    blocks = list(_blocks(said))
    marked = [job.marks(text) for text, _, _ in blocks]
    if not blocks:  # not loaded: whose fault it is stands in the text
        refused = job.marks(said) - {0}
        if not refused or 0 in job.marks(said):
            return _one_by_one(tool, scope, cases, job.mutants, found)
        for number in refused:
            found[job.mutants[number - 1]] = REFUSED
        return [one for number, one in enumerate(job.mutants, 1) if number not in refused]
    if any(not marks or 0 in marks for marks in marked):
        return _one_by_one(tool, scope, cases, job.mutants, found)
    ended = False
    for (text, kind, case), marks in zip(blocks, marked, strict=True):
        ended = ended or kind == "rule"
        for number in marks:
            found.setdefault(job.mutants[number - 1], _case(job, text, case))
    return [one for one in job.mutants if one not in found] if ended else []


def _one_by_one(
    tool: Promtool, scope: Scope, cases: Sequence[Case], mutants: Sequence[Mutant], found: dict[Mutant, str]
) -> list[Mutant]:
    (said,) = _run(tool, [as_they_are(scope.suite)])
    if said:
        raise FailingError(scope.suite, said.strip("\n"))
    for jobs in _packed([alone(scope, cases, mutant) for mutant in mutants if mutant not in found]):
        for job, text in zip(jobs, _run(tool, jobs), strict=True):
            if text:
                found[job.mutants[0]] = _killer(job, text)
    return []


def _killer(job: Job, said: str) -> str:
    """The case that failed. Raises PromtoolError where it is our files that promtool does not understand."""
    for text, _, case in _blocks(said):
        return _case(job, text, case)
    if any(name in said for name in job.rules):
        return REFUSED
    raise PromtoolError(("promtool", "test", "rules"), f"does not read what was written for it: {said.strip()[:1000]}")


def _blocks(said: str) -> Iterator[tuple[str, str, str]]:
    """What promtool objects to, one after the other: the text, the kind, and the case where it is named."""
    starts = list(_BLOCK.finditer(said))
    ends = [one.start() for one in starts[1:]] + [len(said)]
    for one, end in zip(starts, ends, strict=False):
        yield said[one.start() : end], one["kind"], one["case"] or ""


def _case(job: Job, text: str, case: str) -> str:
    if case:
        return case
    found = _EXPR.search(text)
    return job.case_of.get(_unquoted(found[1]), "") if found else ""


def _unquoted(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return text


def _packed(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    packed: list[Job] = []
    work = 0.0
    for job in jobs:
        if packed and work + job.work > _MOST_WORK:
            yield packed
            packed, work = [], 0.0
        packed.append(job)
        work += job.work
    if packed:
        yield packed


def _run(tool: Promtool, jobs: Sequence[Job]) -> list[str]:
    """What promtool objects to in each job, empty where nothing. Raises PromtoolError."""
    with tempfile.TemporaryDirectory(prefix="paymon-mutate-") as folder:
        for number, job in enumerate(jobs):
            place = Path(folder) / str(number)
            place.mkdir()
            for name, text in {**job.rules, "tests.yml": job.tests}.items():
                (place / name).write_text(text)
        command = (str(tool.path), "test", "rules", *(f"{number}/tests.yml" for number in range(len(jobs))))
        said = _said(command, folder, _PATIENCE * tool.timeout_seconds)
    sections = list(_SECTION.finditer(said))
    if len(sections) == len(jobs):
        return [
            "" if one[1] == "SUCCESS" else said[one.end() : after.start() if after else len(said)]
            for one, after in zip(sections, [*sections[1:], None], strict=True)
        ]
    if len(jobs) == 1:
        raise PromtoolError(command, f"gave no answer: {said.strip()[:2000] or 'no output'}")
    return [text for job in jobs for text in _run(tool, [job])]


def _said(command: tuple[str, ...], folder: str, timeout: float) -> str:
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | _LESS_GARBAGE_COLLECTION,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PromtoolError(command, f"did not finish within {timeout:g} s") from error
    except OSError as error:
        raise PromtoolError(command, f"could not be started: {error.strerror}") from error
    return ran.stdout
