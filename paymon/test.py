"""`paymon test`: do the generated rules fire when they should, and only then?"""

import difflib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from paymon.definitions import load
from paymon.promtool import Promtool, PromtoolError, PromtoolMissing
from paymon.rule_testing import (
    Coverage,
    Failure,
    JunitCase,
    JunitSuite,
    Rule,
    RuleFile,
    Suite,
    UnreadableError,
    coverage,
    run_suites,
    silent_passes,
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
    default=Path("generated"),
    show_default=True,
    help="Folder with <environment>/rules and <environment>/tests.",
)
@click.option("--coverage", "table", is_flag=True, help="Print what the tests ask of each rule.")
def test(
    names: tuple[str, ...],
    promtool: str | None,
    junit: Path | None,
    environment: str | None,
    generated: Path,
    table: bool,
) -> None:
    """Run the generated rule tests with promtool: all of them, or those of some alerts and areas.

    Beyond what promtool fails, these fail: an environment without rules or tests, a test of an alert that does not
    exist, rule files that are not there, duplicate rules, an alert that no test sees firing or quiet, and whatever else
    of a rule no test asks about.
    """
    started = time.monotonic()
    environments = _chosen(_environments(generated, environment), names)
    try:
        tool = Promtool.find(promtool)
        results = [_run(one, names, tool) for one in environments]
    except (PromtoolMissing, PromtoolError) as error:
        raise click.ClickException(str(error)) from error
    seconds = time.monotonic() - started
    for result in results:
        _print(result, table=table)
    if junit is not None:
        try:
            write_junit(junit, [suite for result in results for suite in _junit(result)], seconds)
        except OSError as error:
            raise click.ClickException(f"{junit} cannot be written: {error.strerror}; choose another file") from error
    version = ".".join(map(str, tool.version))
    cases = sum(len(suite.cases) for result in results for suite in result.suites)
    click.echo(f"{cases} cases in {seconds:.1f} s, promtool {version}")
    if any(result.failures or result.findings for result in results):
        raise SystemExit(1)


def _environments(generated: Path, wanted: str | None) -> list[_Environment]:
    """Those of the definitions, and whatever else lies there. Each has rules and tests, or the program ends."""
    there = {folder.parent.name for folder in generated.glob("*/tests")}
    if not there:
        raise click.UsageError(f"{generated} has no rule tests; write them with paymon generate")
    known = sorted(there | {environment.name for environment in load().organisation.environments})
    if wanted is not None and wanted not in known:
        raise click.BadParameter(
            f"there is no environment {wanted!r}; choose one of {', '.join(known)}", param_hint="--environment"
        )
    chosen = [generated / name for name in known if wanted in (None, name)]
    empty = [str(one / kind) for one in chosen for kind in ("rules", "tests") if not any((one / kind).glob("*.yml"))]
    if empty:
        raise click.ClickException(f"{' and '.join(empty)} lack files; write them with paymon generate")
    return [_read(folder) for folder in chosen]


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
    return _Environment(folder.name, tuple(rule_files), tuple(suites), tuple(unreadable))


def _chosen(environments: Sequence[_Environment], names: Iterable[str]) -> Sequence[_Environment]:
    known = {file.path.stem for one in environments for file in one.rule_files}
    known |= {rule.name for one in environments for rule in one.rules if rule.kind == "alert"}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "see paymon list"
            raise click.UsageError(f"no alert and no area is called {name!r}; {hint}")
    return environments


def _run(environment: _Environment, names: tuple[str, ...], tool: Promtool) -> _Result:
    rule_files = {file.path: file for file in environment.rule_files}
    suites = tuple(suite for suite in environment.suites if _is_of(suite, names))
    rules = [rule for rule in environment.rules if not names or {rule.name, rule.file.stem} & set(names)]
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
    return _Result(environment.name, suites, run_suites(runnable, rule_files, tool), tuple(findings), covered)


def _is_of(suite: Suite, names: tuple[str, ...]) -> bool:
    wanted = set(names)
    return not names or bool(wanted & suite.alerts_named) or bool(wanted & {path.stem for path in suite.rule_files})


def _print(result: _Result, *, table: bool) -> None:
    for line in (*result.failures, *result.findings):
        click.secho(f"{result.environment}: {line}", fg="red")
    if table:
        for text in _table(result.coverage):
            click.echo(text)
    asked, there = result.coverage.counts
    share = 100 * asked / there if there else 100.0
    fine = not (result.failures or result.findings)
    click.secho(
        f"{result.environment}: {len(result.coverage.alerts)} alerting and {len(result.coverage.records)} recording "
        f"rules, {len(result.failures)} failures, {len(result.findings)} findings; "
        f"{asked} of {there} aspects asked about ({share:.4g} %)",
        fg="green" if fine else "red",
    )


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
