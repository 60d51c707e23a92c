"""`paymon test`: do the generated rules fire when they should, and only then?"""

import difflib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from generators.files import folder_of
from generators.folders import OWNED
from paymon.definitions import asked, home, load_all
from paymon.not_judged import CannotJudge
from paymon.promtool import Promtool, PromtoolError, PromtoolMissing
from paymon.rule_testing import (
    Coverage,
    Failure,
    JunitCase,
    JunitSuite,
    Remembered,
    Rule,
    RuleFile,
    Suite,
    UnreadableError,
    coverage,
    digest,
    run_suites,
    silent_passes,
    usual_file,
    write_junit,
)

__all__ = ["test"]


@dataclass(frozen=True)
class _Environment:
    """The rules and the tests of one environment; `unreadable` are files that are neither."""

    name: str
    rule_files: tuple[RuleFile, ...]
    suites: tuple[Suite, ...]
    unreadable: tuple[str, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for file in self.rule_files for rule in file.rules)


@dataclass(frozen=True)
class _Result:
    """What came of one environment's tests."""

    environment: str
    suites: tuple[Suite, ...]
    failures: tuple[Failure, ...]
    findings: tuple[str, ...]
    coverage: Coverage

    @property
    def summary(self) -> "_Summary":
        """It in numbers."""
        asked, there = self.coverage.counts
        return _Summary(
            self.environment,
            alerts=len(self.coverage.alerts),
            records=len(self.coverage.records),
            failures=len(self.failures),
            findings=len(self.findings),
            asked=asked,
            there=there,
            cases=sum(len(suite.cases) for suite in self.suites),
        )


@dataclass(frozen=True)
class _Summary:
    """What came of one environment's tests, in numbers; `asked` of the aspects that are `there` are asked about."""

    environment: str
    alerts: int
    records: int
    failures: int
    findings: int
    asked: int
    there: int
    cases: int

    @property
    def fine(self) -> bool:
        """Whether there is nothing to object to."""
        return not (self.failures or self.findings)

    def __str__(self) -> str:
        share = 100 * self.asked / self.there if self.there else 100.0
        return (
            f"{self.environment}: {self.alerts} alerting and {self.records} recording rules, {self.failures} failures, "
            f"{self.findings} findings; {self.asked} of {self.there} aspects asked about ({share:.4g} %)"
        )


@click.command()
@click.argument("names", metavar="[ALERT or AREA]...", nargs=-1)
@click.option("--promtool", metavar="PATH", help="The promtool to run.  [default: PROMTOOL, PATH, the cache folder]")
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write JUnit XML; its folder is made if need be.",
)
@click.option("--environment", metavar="E", help="Only this environment.")
@click.option(
    "--generated",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with <environment>/rules and <environment>/tests.  [default: the project's, of each service]",
)
@click.option("--coverage", "table", is_flag=True, help="Print what the tests ask of each rule.")
@click.option("--no-cache", is_flag=True, help="Run also what passed before, just as it is now; remember nothing.")
def test(
    names: tuple[str, ...],
    promtool: str | None,
    junit: Path | None,
    environment: str | None,
    generated: Path | None,
    table: bool,
    no_cache: bool,
) -> None:
    """Run the generated rule tests with promtool: all of them, or those of some alerts and areas.

    With an alert run also the examples of the signals that it reads.

    Beyond what promtool fails, these fail: an environment without rules or tests, a test of an alert that does not
    exist, rule files that are not there, duplicate rules, an alert that no test sees firing or quiet, and whatever else
    of a rule no test asks about.
    """
    started = time.monotonic()
    folders = _folders(generated, environment)
    try:
        tool = Promtool.find(promtool)
        remembered = Remembered(None if no_cache else usual_file())
        whole = _digest(tool, folders, names)
        noted = remembered.note(whole) if whole and not (table or junit) else None
        if noted is not None:
            summaries = tuple(_Summary(**one) for one in json.loads(noted))
            already = "; all is as it passed before"
        else:
            environments = _chosen([_read(folder) for folder in folders], names)
            results = [_run(one, names, tool, remembered) for one in environments]
            summaries = tuple(result.summary for result in results)
            files = sum(len(result.suites) for result in results)
            already = f"; {remembered.found} of {files} files had passed already" if remembered.found else ""
            if whole and all(one.fine for one in summaries):
                remembered.passed(whole, json.dumps([asdict(one) for one in summaries]))
            for result in results:
                _print_details(result, table=table)
    except (PromtoolMissing, PromtoolError) as error:
        raise CannotJudge(str(error)) from error
    seconds = time.monotonic() - started
    for one in summaries:
        click.secho(str(one), fg="green" if one.fine else "red")
    if junit is not None:
        try:
            write_junit(junit, [suite for result in results for suite in _junit(result)], seconds)
        except OSError as error:
            raise click.ClickException(f"{junit} cannot be written: {error.strerror}; choose another file") from error
    _keep(remembered)
    version = ".".join(map(str, tool.version)) or "of no version"
    cases = sum(one.cases for one in summaries)
    click.echo(f"{cases} cases in {seconds:.1f} s, promtool {version}{already}")
    if not all(one.fine for one in summaries):
        raise SystemExit(1)


def _folders(generated: Path | None, wanted: str | None) -> list[Path]:
    """Those of the definitions, and whatever else lies there. Each has rules and tests, or the program ends."""
    catalogs = load_all()
    known: dict[Path, None] = {}
    for catalog in asked(catalogs):
        root = home() / folder_of(catalog, catalogs) if generated is None else generated
        there = {folder.parent.name for folder in root.glob("*/tests")}
        if not there:
            raise click.UsageError(f"{root} has no rule tests; write them with paymon generate")
        names = sorted(there | {environment.name for environment in catalog.organisation.environments})
        known |= {root / name: None for name in names}
    chosen = [folder for folder in known if wanted in (None, folder.name)]
    if not chosen:
        names = list(dict.fromkeys(folder.name for folder in known))
        raise click.BadParameter(
            f"there is no environment {wanted!r}; choose one of {', '.join(names)}", param_hint="--environment"
        )
    empty = [str(one / kind) for one in chosen for kind in ("rules", "tests") if not any((one / kind).glob("*.yml"))]
    if empty:
        raise click.ClickException(f"{' and '.join(empty)} lack files; write them with paymon generate")
    return chosen


def _digest(tool: Promtool, folders: Sequence[Path], names: Sequence[str]) -> str | None:
    """Stands for everything that these tests depend on; None where some of it cannot be read."""
    try:
        texts = {
            f"{_spoken(folder)}/{kind}/{path.name}": path.read_bytes()
            for folder in folders
            for kind in ("rules", "tests")
            for path in sorted((folder / kind).glob("*.yml"))
        }
    except OSError:
        return None
    return digest(tool, {"names": "\n".join(names).encode(), **texts})


def _keep(remembered: Remembered) -> None:
    try:
        remembered.keep()
    except OSError as error:
        where = error.filename or usual_file()
        click.echo(
            f"paymon test: what passed is not remembered: {where}: {error.strerror}. "
            "Set XDG_CACHE_HOME to a folder with room in which you may write, or say --no-cache.",
            err=True,
        )


def _read(folder: Path) -> _Environment:
    rule_files, suites, unreadable = [], [], []
    for path in sorted((folder / "rules").glob("*.yml")):
        try:
            rule_files.append(RuleFile.read(path))
        except UnreadableError as error:
            unreadable.append(str(error))
    for path in sorted((folder / "tests").glob("*.yml")):
        try:
            suites.append(Suite.read(path))
        except UnreadableError as error:
            unreadable.append(str(error))
    return _Environment(_spoken(folder), tuple(rule_files), tuple(suites), tuple(unreadable))


def _spoken(folder: Path) -> str:
    """The environment, with its service before it where several lie side by side."""
    return folder.name if folder.parent.name == OWNED else f"{folder.parent.name}/{folder.name}"


def _chosen(environments: Sequence[_Environment], names: Iterable[str]) -> Sequence[_Environment]:
    known = {file.path.stem for one in environments for file in one.rule_files}
    known |= {rule.name for one in environments for rule in one.rules if rule.kind == "alert"}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "see paymon list"
            raise click.UsageError(f"no alert and no area is called {name!r}; {hint}")
    return environments


def _run(environment: _Environment, names: tuple[str, ...], tool: Promtool, remembered: Remembered) -> _Result:
    rule_files = {file.path: file for file in environment.rule_files}
    rules = _named(environment.rules, names) if names else environment.rules
    suites = tuple(suite for suite in environment.suites if not names or _is_of(suite, names, rules))
    findings = [*environment.unreadable]
    runnable = []
    for suite in suites:
        missing = [path for path in suite.rule_files if path not in rule_files]
        if missing:
            findings.append(f"{suite.path.name}: rule file {missing[0]} is none of {environment.name}'s")
        elif suite.rule_files:
            runnable.append(suite)
    findings += silent_passes(environment.rules, suites)
    covered = coverage(rules, suites)
    findings += (f"{rule.title}: no test asks: {aspect}" for rule, aspect in covered.gaps)
    failures = run_suites(runnable, rule_files, tool, environment=environment.name, remembered=remembered)
    return _Result(environment.name, suites, failures, tuple(findings), covered)


def _named(rules: Sequence[Rule], names: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of those names and areas, and every record that these read, at whatever distance."""
    wanted = [rule for rule in rules if {rule.name, rule.file.stem} & set(names)]
    read: set[str] = set()
    while more := frozenset[str]().union(*(rule.reads for rule in wanted)) - read:
        read |= more
        wanted += (rule for rule in rules if rule.kind == "record" and rule.name in more and rule not in wanted)
    return tuple(rule for rule in rules if rule in wanted)


def _is_of(suite: Suite, names: Iterable[str], rules: Sequence[Rule]) -> bool:
    """Whether it asks about one of the rules, or is about one of the areas that are named."""
    alerts, records = ({rule.name for rule in rules if rule.kind == kind} for kind in ("alert", "record"))
    areas = {path.stem for path in suite.rule_files}
    return bool(alerts & suite.alerts_named or records & suite.names_asked or areas & set(names))


def _print_details(result: _Result, *, table: bool) -> None:
    for line in (*result.failures, *result.findings):
        click.secho(f"{result.environment}: {line}", fg="red")
    if table:
        for text in _table(result.coverage):
            click.echo(text)


def _table(covered: Coverage) -> Iterator[str]:
    for one in (*covered.alerts, *covered.records):
        asked = sum(one.aspects.values())
        yield f"  {one.rule.title:56} {asked:3} of {len(one.aspects)}"
        for aspect, seen in one.aspects.items():
            yield f"    {'x' if seen else '-'} {aspect}"


def _junit(result: _Result) -> Iterator[JunitSuite]:
    for suite in result.suites:
        failures = [failure for failure in result.failures if failure.suite == suite.name]
        cases = dict.fromkeys(case.name for case in suite.cases) | dict.fromkeys(one.case for one in failures)
        yield JunitSuite(
            f"{result.environment}.{suite.name}",
            tuple(JunitCase(name, tuple(one.what for one in failures if one.case == name)) for name in cases),
        )
    yield JunitSuite(f"{result.environment}.soundness", (JunitCase("what promtool passes", result.findings),))
