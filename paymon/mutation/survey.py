"""Which mutants are there, and what became of each?"""

import hashlib
import os
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from paymon.mutation.mutants import Mutant, mutants_of
from paymon.mutation.relations import Rule, Suite
from paymon.mutation.running import REFUSED, examine, failing
from paymon.mutation.sharing import Scope, as_they_are, scope_of
from paymon.mutation.verdicts import Verdicts
from paymon.promtool import Promtool
from rules.promql import written

__all__ = ["Examined", "Subject", "difference", "examined", "failing_before", "nearest", "sampled", "subjects"]

_OUR_WAYS = "1"
"""To be counted up when this code would judge a mutant otherwise."""
_TOGETHER = 96
_PACE = re.compile(r"([0-9]+)(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_USUAL_PACE = timedelta(minutes=1)


@dataclass(frozen=True, eq=False)
class Subject:
    """A rule, and what of the tests could notice a mistake in it: first what asks about the rule itself."""

    rule: Rule
    scopes: tuple[Scope, ...]

    @cached_property
    def mutants(self) -> tuple[Mutant, ...]:
        return tuple(mutants_of(self.rule, self._pace))

    @property
    def _pace(self) -> timedelta:
        suite = self.scopes[0].suite.found if self.scopes else {}
        for text in (self.rule.interval, str(suite.get("evaluation_interval") or "")):
            parts = _PACE.findall(text)
            if parts and "".join(count + unit for count, unit in parts) == text:
                return timedelta(seconds=sum(int(count) * _SECONDS[unit] for count, unit in parts))
        return _USUAL_PACE

    @cached_property
    def content(self) -> bytes:
        """Stands for the rule and its tests."""
        whole = hashlib.sha256(_OUR_WAYS.encode())
        for scope in self.scopes:
            whole.update(scope.content)
        return whole.digest()


@dataclass(frozen=True, eq=False)
class Examined:
    """A mutant and what became of it."""

    subject: Subject
    mutant: Mutant
    noticed_by: str | None
    """The case that fails with it; None where none does."""

    @property
    def counts(self) -> bool:
        """False for what promtool does not even load."""
        return self.noticed_by != REFUSED

    @property
    def survived(self) -> bool:
        return self.noticed_by is None


def subjects(rules: Iterable[Rule], suites: Sequence[Suite]) -> tuple[Subject, ...]:
    """The rules, each with what could notice its mutants."""
    found = []
    for rule in rules:
        scopes = [scope for scope in (scope_of(rule, suite) for suite in suites) if scope]
        found.append(Subject(rule, tuple(sorted(scopes, key=lambda one: not one.asked))))
    return tuple(found)


def sampled(chosen: Sequence[Subject], count: int | None, seed: int) -> dict[Subject, list[Mutant]]:
    """The mutants of each, or so many of all of them, drawn by chance; the same seed draws the same ones."""
    if count is None:
        return {one: list(one.mutants) for one in chosen}
    every = [(one, mutant) for one in chosen for mutant in one.mutants]
    drawn = every if count >= len(every) else random.Random(seed).sample(every, count)  # noqa: S311 - not for secrets
    found: dict[Subject, list[Mutant]] = {}
    for subject, mutant in drawn:
        found.setdefault(subject, []).append(mutant)
    return found


def failing_before(suites: Sequence[Suite], tool: Promtool, processes: int | None = None) -> list[tuple[Suite, str]]:
    """The suites that fail with the rules as they are, each with what promtool says. Raises PromtoolError."""
    said = failing(tool, [as_they_are(suite) for suite in suites], processes)
    return [(suite, text) for suite, text in zip(suites, said, strict=True) if text]


def examined(
    chosen: dict[Subject, list[Mutant]],
    tool: Promtool,
    verdicts: Verdicts,
    progress: Callable[[int, int], object] = lambda *_: None,
    processes: int | None = None,
) -> tuple[Examined, ...]:
    """What became of each mutant. What is known already is not examined again; what is new is written down at once.

    Raises PromtoolError, FailingError, and OSError where nothing can be written down.
    """
    lock, stop = threading.Lock(), threading.Event()
    found: list[Examined] = []
    total = sum(map(len, chosen.values()))
    identity = _identity(tool)

    def one_task(subject: Subject, mutants: Sequence[Mutant]) -> None:
        keys = {mutant: _key(identity, subject, mutant) for mutant in mutants}
        for mutant, noticed_by in examine(tool, subject.scopes, mutants):
            with lock:
                verdicts.add([(keys[mutant], noticed_by)])
                found.append(Examined(subject, mutant, noticed_by))
                progress(len(found), total)
            if stop.is_set():
                return

    tasks: list[tuple[Subject, list[Mutant]]] = []
    for subject, mutants in chosen.items():
        known = verdicts.known(_key(identity, subject, mutant) for mutant in mutants)
        new = []
        for mutant in mutants:
            key = _key(identity, subject, mutant)
            if key in known:
                found.append(Examined(subject, mutant, known[key]))
            else:
                new.append(mutant)
        tasks += ((subject, new[start : start + _TOGETHER]) for start in range(0, len(new), _TOGETHER))
    progress(len(found), total)
    with ThreadPoolExecutor(processes or os.cpu_count() or 1) as pool:
        running = [pool.submit(one_task, *task) for task in tasks]
        try:
            for one in as_completed(running):
                one.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    place = {(subject, mutant): n for n, (subject, mutant) in enumerate(_each(chosen))}
    return tuple(sorted(found, key=lambda one: place[one.subject, one.mutant]))


def _each(chosen: dict[Subject, list[Mutant]]) -> Iterator[tuple[Subject, Mutant]]:
    return ((subject, mutant) for subject, mutants in chosen.items() for mutant in mutants)


def _identity(tool: Promtool) -> bytes:
    found = Path(tool.path).stat()
    return repr((tool.version, found.st_size, found.st_mtime_ns)).encode()


def _key(identity: bytes, subject: Subject, mutant: Mutant) -> bytes:
    return hashlib.sha256(identity + subject.content + mutant.content.encode()).digest()


def nearest(one: Examined) -> str:
    """The case that comes nearest to noticing a survivor: most of what it changes is spoken of there."""
    words = set(re.findall(r"\w+", f"{one.mutant.what} {one.mutant.operator}"))
    best, most = "", -1
    for scope in one.subject.scopes[:2]:
        for case in scope.cases:
            text = " ".join([case.name, *(str(item.data.get("expr", "")) for item in case.expectations)])
            shared = len(words & set(re.findall(r"\w+", text)))
            if shared > most:
                best, most = f"{scope.suite.path.name}: {case.name}", shared
    return best or "none asks about it"


def difference(mutant: Mutant) -> tuple[str, str]:
    """The lines that the mutant takes away, and those that it puts there."""
    before, after = mutant.rule.data, mutant.data
    lines: tuple[list[str], list[str]] = ([], [])
    for word in dict.fromkeys((*before, *after)):
        if before.get(word) != after.get(word):
            for side, data in zip(lines, (before, after), strict=True):
                if word in data:
                    side.append(f"{word}: {_plainly(word, mutant, data[word])}")
    return "\n".join(lines[0]), "\n".join(lines[1])


def _plainly(word: str, mutant: Mutant, value: object) -> str:
    if word == "expr" and value == mutant.rule.data["expr"] and not isinstance(mutant.rule.expression, str):
        return written(mutant.rule.expression)
    return str(value)
