"""What does promtool say of these rules, metrics, configurations and rule tests?

One call is one subprocess; whoever wants several at once runs several of these. The formats of output are those of
promtool 2.42 to 3.14, which differ only in detail.
"""

import ast
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from paymon import programs

TIMEOUT_SECONDS = 600.0
"""After which promtool counts as hung. Tests that take it five seconds took over a minute at a load of 16."""


class PromtoolError(Exception):
    """promtool gave no answer: it crashed, took too long, or did not understand the question."""

    def __init__(self, command: tuple[str, ...], cause: str) -> None:
        self.command, self.cause = command, cause
        super().__init__(f"`{' '.join(command)}` {cause}")


class NotPromtoolError(PromtoolError):
    """The program at this path is another one."""

    def __init__(self, path: Path, said: str) -> None:
        self.path, self.said = path, said
        super().__init__(
            (str(path), "--version"),
            f"says {said!r}, so that is not promtool; point --promtool or PROMTOOL at promtool, or leave both away",
        )


class PromtoolMissing(Exception):  # noqa: N818 -- as ProgramMissing
    """promtool is nowhere to be found."""

    def __init__(self, wanted: str, tried: tuple[str, ...]) -> None:
        self.wanted, self.tried = wanted, tried
        super().__init__(
            f"{wanted} is needed and not here; looked at: {', '.join(tried)}. To get it: `apt-get install prometheus` "
            "on Debian, or there without root `python -m paymon.programs --only promtool`; elsewhere the Prometheus "
            "release from the project's download page, which has promtool in it. If it is not on the PATH, say where "
            "with --promtool or PROMTOOL."
        )


@dataclass(frozen=True)
class Finding:
    """One thing that promtool objects to; `subject` is the group, rule or metric it is about."""

    what: str
    file: Path | None = None
    line: int | None = None
    column: int | None = None
    subject: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, self.subject, self.what) if part)


@dataclass(frozen=True)
class CheckResult:
    """What a check of files found; `rules` counts those of the files without findings."""

    findings: tuple[Finding, ...]
    rules: int


@dataclass(frozen=True)
class TestFailure:
    """One expectation of a rule test that was not met, or why the test could not run (`error`)."""

    __test__: ClassVar[bool] = False  # pytest takes every class Test... for one of its own

    file: Path
    raw: str
    group_name: str | None = None  # promtool gives it for alerts only
    alertname: str | None = None
    expr: str | None = None
    record: str | None = None
    eval_time: str | None = None
    expected: str | None = None
    got: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class TestFileResult:
    """What came of one file of rule tests; `raw` is all that promtool said."""

    __test__: ClassVar[bool] = False

    file: Path
    failures: tuple[TestFailure, ...]
    warnings: tuple[str, ...]
    raw: str

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class Promtool:
    """A promtool; its version is empty where it was built without one, as `go install` builds it."""

    path: Path
    version: tuple[int, ...]
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def find(
        cls,
        explicit: str | Path | None = None,
        *,
        version_prefix: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> "Promtool":
        """The explicit one, or PROMTOOL's, the PATH's, a fetched one. Raises PromtoolMissing and NotPromtoolError."""
        try:
            path = programs.find("promtool", version_prefix, explicit=explicit)
        except programs.ProgramMissing as missing:
            raise PromtoolMissing(missing.program, missing.tried) from missing
        return cls(path, _version(path), timeout_seconds)

    def check_rules(self, paths: Iterable[str | Path]) -> CheckResult:
        """`promtool check rules` with every lint, a duplicate rule being an error. No paths, no findings."""
        files = [str(path) for path in paths]
        return self._check("rules", *files) if files else CheckResult((), 0)

    def check_config(self, path: str | Path) -> CheckResult:
        """`promtool check config`: a Prometheus configuration, and the rule files it names."""
        return self._check("config", str(path))

    def check_metrics(self, text: str) -> tuple[Finding, ...]:
        """`promtool check metrics`: the text that an exporter serves."""
        answer = self.ask("check", "metrics", stdin=text)
        findings = tuple(_metric_finding(line) for line in answer.said.splitlines() if line)
        return answer.explained_by(findings)

    def run_tests(self, test_files: Iterable[str | Path]) -> tuple[TestFileResult, ...]:
        """`promtool test rules`, one call per file, in order: promtool 3 does not say which file it speaks of."""
        return tuple(self._run_test_file(file) for file in test_files)

    def _check(self, what: str, *files: str) -> CheckResult:
        answer = self.ask("check", what, "--lint=all", "--lint-fatal", *files)
        result = _parse_checks(answer.said)
        answer.explained_by(result.findings)
        return result

    def _run_test_file(self, file: str | Path) -> TestFileResult:
        answer = self.ask("test", "rules", str(file))
        result = parse_tests(Path(file), answer.said)
        answer.explained_by(result.failures)
        return result

    def ask(self, *arguments: str, stdin: str = "") -> "Answer":
        """One question; raises PromtoolError where what comes back is no answer."""
        command = (str(self.path), *arguments)
        ran = _run(command, stdin, self.timeout_seconds)
        said = ran.stdout.strip()
        if ran.returncode < 0:
            raise PromtoolError(command, f"was ended by {signal.Signals(-ran.returncode).name}")
        if usage := re.match(r"\S+: error: (.*?)(?:, try --help)?$", said):
            raise PromtoolError(command, f"says: {usage[1]}")
        if ran.returncode not in EXIT_STATUS_OF_ANSWERS:
            raise PromtoolError(command, f"ended with exit status {ran.returncode}: {said[:2000] or 'no output'}")
        return Answer(command, ran.returncode, ran.stdout)


EXIT_STATUS_OF_ANSWERS = (0, 1, 3)  # fine; failed; lint findings

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """All that promtool said, both streams in the order of writing."""

    command: tuple[str, ...]
    exit_status: int
    said: str

    def explained_by(self, objections: tuple[T, ...]) -> tuple[T, ...]:
        """The objections; a failure for which none was understood must not pass for success."""
        if self.exit_status != 0 and not objections:
            raise PromtoolError(
                self.command, f"ended with exit status {self.exit_status}: {self.said.strip()[:2000] or 'no output'}"
            )
        return objections


def _run(command: tuple[str, ...], stdin: str, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PromtoolError(command, f"did not finish within {timeout_seconds:g} s") from error
    except OSError as error:
        raise PromtoolError(command, f"could not be started: {error.strerror}") from error


def _version(path: Path) -> tuple[int, ...]:
    said = _run((str(path), "--version"), "", TIMEOUT_SECONDS).stdout.strip()
    match = re.match(r"promtool, version (\d+(?:\.\d+)+)?", said)
    if not match:
        raise NotPromtoolError(path, said.partition("\n")[0])
    return tuple(int(number) for number in (match[1] or "").split(".") if number)


# ---- check rules, check config

RULE_POSITION = re.compile(r"(?P<group>group \".*?\", rule \d+, \".*?\"): (?P<what>.*)", re.DOTALL)


def _parse_checks(said: str) -> CheckResult:
    findings: list[Finding] = []
    rules = 0
    for section in re.split(r"^Checking ", said, flags=re.MULTILINE)[1:]:
        name, _, text = section.partition("\n")
        rules += sum(int(count) for count in re.findall(r"SUCCESS: (\d+) rules found", text))
        failed = re.search(r"^  FAILED:\s*(.*)", text, re.MULTILINE | re.DOTALL)
        if failed:
            findings.extend(_check_findings(Path(name), failed[1].strip()))
    return CheckResult(tuple(dict.fromkeys(findings)), rules)


def _check_findings(file: Path, text: str) -> Iterator[Finding]:
    if text.startswith("lint error") and "\nMetric: " in text:
        for metric, labels in re.findall(r"^Metric: (.*)\nLabel\(s\):\n((?:\t.*\n?)*)", text, re.MULTILINE):
            given = ", ".join(label.strip() for label in labels.splitlines())
            with_labels = f" with the labels {given}" if given else ""
            yield Finding(f"more than one rule records this{with_labels}", file, subject=metric)
        return
    for item in re.split(r"\n(?!\s)", text):
        yield _check_finding(file, item)


def _check_finding(file: Path, item: str) -> Finding:
    what = item.removeprefix(f"{file}: ")
    line = column = None
    if position := re.match(r"(\d+):(\d+): ", what):  # 0:0 where promtool does not know
        line, column = int(position[1]) or None, int(position[2]) or None
        what = what[position.end() :]
    elif position := re.search(r"\bline (\d+): ", what):
        line = int(position[1])
    rule = RULE_POSITION.fullmatch(what)
    return Finding(rule["what"], file, line, column, rule["group"]) if rule else Finding(what, file, line, column)


# ---- check metrics


def _metric_finding(line: str) -> Finding:
    if unreadable := re.match(r"error while linting: (.*?(?: in line (\d+))?: .*)", line):
        return Finding(unreadable[1], line=int(unreadable[2]) if unreadable[2] else None)
    metric, _, what = line.partition(" ")
    return Finding(what, subject=metric)


# ---- test rules

EXPECTATION = re.compile(
    r"""
    (?:\ +name:\ (?P<group>.*),\n)?
    \ +(?P<kind>alertname|expr|rule):\ (?P<subject>.*?),\ time:\ (?P<time>[0-9a-z]+),\s*
    (?: err:\ (?P<error>.*)
      | exp:\s*(?P<expected>.*?),?\ *\n\ +got:\s*(?P<got>.*)
    )
    """,
    re.DOTALL | re.VERBOSE,
)


def parse_tests(file: Path, said: str) -> TestFileResult:
    """What promtool's words about one file of tests mean."""
    warnings = tuple(re.findall(r"^  WARNING: (.*)$", said, re.MULTILINE))
    kept = "\n".join(line for line in said.splitlines() if not line.startswith("  WARNING: "))
    _, _, text = kept.partition("  FAILED:\n")
    # Either version ends each failure with an empty line.
    blocks = [block.strip("\n") for block in text.split("\n\n") if block.strip()]
    failures = tuple(_test_failure(file, block) for block in blocks)
    return TestFileResult(file, failures, warnings, said)


def _test_failure(file: Path, block: str) -> TestFailure:
    match = EXPECTATION.fullmatch(block)
    if match is None:
        return TestFailure(file, block, error=block.strip())
    kind, subject = match["kind"], match["subject"]
    return TestFailure(
        file,
        block,
        group_name=match["group"],
        alertname=subject if kind == "alertname" else None,
        expr=_unquoted(subject) if kind == "expr" else None,
        record=subject if kind == "rule" else None,
        eval_time=match["time"],
        expected=match["expected"],
        got=match["got"],
        error=match["error"],
    )


def _unquoted(quoted: str) -> str:
    """Go's %q, whose escapes are Python's too."""
    try:
        return str(ast.literal_eval(quoted))
    except (SyntaxError, ValueError):
        return quoted
