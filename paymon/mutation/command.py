"""`paymon mutate`: would the tests notice a mistake in the rules?"""

import difflib
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from paymon.mutation.confirmation import confirmed
from paymon.mutation.documents import UnreadableError, document, kind_of
from paymon.mutation.equivalents import Equivalents, read_equivalents
from paymon.mutation.relations import Rule, RuleSource, Suite, read_suite
from paymon.mutation.report import Score, as_data, confirmed_as_data, confirmed_lines, lines, score
from paymon.mutation.running import FailingError
from paymon.mutation.survey import Examined, Subject, examined, failing_before, sampled, subjects
from paymon.mutation.verdicts import Verdicts, usual_file
from paymon.not_judged import CannotJudge
from paymon.promtool import CheckResult, Promtool, PromtoolError, PromtoolMissing

__all__ = ["mutate"]

_OLDEST = (2, 42)
_EQUIVALENT = "equivalent-mutants.yml"
_SILENT_SECONDS = 30.0
_INTERRUPTED = 130


@dataclass(frozen=True)
class _Asked:
    """The rules that are changed, and the tests that should notice."""

    rules: tuple[Rule, ...]
    suites: tuple[Suite, ...]
    whole: bool
    """Whether these are all rules, so that an entry without a survivor is stale."""
    of_others: bool = True
    """Whether somebody wrote them, rather than `paymon generate`."""


@click.command()
@click.argument("what", metavar="[NAME... | RULES.yml... TESTS.yml...]", nargs=-1)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only so many mutants, drawn by chance.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which ones --sample draws.")
@click.option(
    "--alerts-at-least",
    type=click.FloatRange(0, 100),
    default=100.0,
    metavar="PERCENT",
    help="Fewer fail.  [default: 100]",
)
@click.option(
    "--records-at-least",
    type=click.FloatRange(0, 100),
    default=100.0,
    metavar="PERCENT",
    help="Fewer fail.  [default: 100]",
)
@click.option(
    "--equivalent",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"Mutants that change nothing, with reasons.  [default: {_EQUIVALENT} of the project, if there]",
)
@click.option(
    "--confirm",
    type=click.IntRange(min=1),
    metavar="N",
    help="Evaluate mutants that are listed as changing nothing on N random courses each, beside their rule.",
)
@click.option("--environment", metavar="E", help="Whose generated rules.  [default: the one with the most alerts]")
@click.option("--processes", type=click.IntRange(min=1), metavar="N", help="At once.  [default: one for each CPU]")
@click.option("--promtool", metavar="PATH", help="The promtool to run.  [default: PROMTOOL, PATH, the cache folder]")
@click.option("--no-cache", is_flag=True, help="Examine also what was examined before, just as it is now.")
@click.option("--json", "json_", is_flag=True, help="For machines: every mutant, and the scores.")
def mutate(
    what: tuple[str, ...],
    sample: int | None,
    seed: int,
    alerts_at_least: float,
    records_at_least: float,
    equivalent: Path | None,
    confirm: int | None,
    environment: str | None,
    processes: int | None,
    promtool: str | None,
    no_cache: bool,
    json_: bool,
) -> None:
    """Put mistakes into the rules, one at a time, and see whether the tests notice.

    \b
    Of anybody's promtool files:      paymon mutate RULES.yml TESTS.yml
    Of this project's, all or some:   paymon mutate [ALERT, RECORD or AREA]...

    Mistakes are those that people make: a comparison turned round, a number or a window a little off, a guard or a
    matcher forgotten, another aggregation, a wait one evaluation too short, a label or an annotation lost. What is
    known of a mutant is kept: an interrupted run goes on where it was. Exit status: 0 enough is noticed, 1 not enough,
    or an entry of the list of equivalent mutants is stale, 2 wrong use.
    """
    started = time.monotonic()
    try:
        tool = _tool(promtool)
        asked = _asked(what, environment)
        listed = _equivalents(equivalent, files=_are_files(what))
        _refuse_unloadable(tool, asked)
        every = _examined(asked, tool, sample, seed, processes, no_cache=no_cache)
        unseen = [one for one in every if one.survived and listed.reason(one)]
        seen = confirmed(tool, unseen, confirm, seed) if confirm else None
    except UnreadableError as error:
        raise click.UsageError(str(error)) from error
    except (PromtoolMissing, PromtoolError) as error:
        raise CannotJudge(str(error)) from error
    stale = listed.stale(every) if asked.whole and sample is None else ()
    alerts = score([one for one in every if one.mutant.rule.kind == "alert"], listed)
    records = score([one for one in every if one.mutant.rule.kind == "record"], listed)
    enough = alerts.percent >= alerts_at_least and records.percent >= records_at_least
    if json_:
        scores = {name: _as_data(one) for name, one in (("alerts", alerts), ("records", records))}
        left_out = {rule.title: rule.expression for rule in asked.rules if isinstance(rule.expression, str)}
        found = {
            "scores": scores,
            "left_out": left_out,
            "stale": list(map(str, stale)),
            "mutants": as_data(every, listed),
        } | ({"confirmed": confirmed_as_data(seen)} if seen else {})
        click.echo(json.dumps(found, indent=1))
    else:
        _print(asked, every, listed, alerts, records, time.monotonic() - started, tool)
        for line in confirmed_lines(seen) if seen else ():
            click.echo(line)
    for entry in stale:
        click.secho(f"{listed.file}: no mutant survives any more of: {entry}; take the entry away", fg="red", err=True)
    if not enough or stale:
        raise SystemExit(1)


def _print(
    asked: _Asked,
    every: Sequence[Examined],
    listed: Equivalents,
    alerts: Score,
    records: Score,
    seconds: float,
    tool: Promtool,
) -> None:
    for line in lines(every, listed) if every else ():
        click.echo(line)
    for rule in asked.rules:
        if isinstance(rule.expression, str):
            click.echo(f"left out: {rule.kind} {rule.title}: {rule.expression}", err=True)
    click.echo("")
    for name, one in (("alerts", alerts), ("records", records)):
        if one.mutants or one.equivalent:
            click.secho(f"{name}: noticed {one}", fg="green" if one.mutants == one.noticed else "yellow")
    unloaded = sum(not one.counts for one in every)
    more = f", {unloaded} more that promtool does not load" if unloaded else ""
    version = ".".join(map(str, tool.version))
    click.echo(f"{len(every) - unloaded} mutants in {seconds:.1f} s{more}; promtool {version}")


def _as_data(one: Score) -> dict[str, float]:
    return {
        "mutants": one.mutants,
        "noticed": one.noticed,
        "equivalent": one.equivalent,
        "percent": round(one.percent, 2),
    }


def _tool(explicit: str | None) -> Promtool:
    tool = Promtool.find(explicit)
    if tool.version and tool.version < _OLDEST:
        version = ".".join(map(str, tool.version))
        raise click.ClickException(
            f"{tool.path} is promtool {version}; this needs 2.42 or newer. Point --promtool or PROMTOOL at one"
        )
    return tool


def _are_files(what: Sequence[str]) -> bool:
    return any(one.endswith((".yml", ".yaml")) or "/" in one for one in what)


def _asked(what: tuple[str, ...], environment: str | None) -> _Asked:
    if not _are_files(what):
        from paymon.mutation.project import generated_files

        rule_paths, test_paths = generated_files(environment)
        asked = _of_files(rule_paths, test_paths)
        return _Asked(_named(what, asked.rules), asked.suites, whole=not what, of_others=False)
    if environment:
        raise click.UsageError("--environment is for generated rules; files are what they are")
    paths = [Path(one) for one in what]
    kinds = {path: kind_of(document(path)) for path in paths}
    for path, kind in kinds.items():
        if not kind:
            raise UnreadableError(
                path, "is neither a rule file (with `groups`) nor a file of rule tests (with `tests`)"
            )
    tests = [path for path in paths if kinds[path] == "tests"]
    if not tests:
        raise click.UsageError(
            f"{what[0]} has no tests; name the file of promtool tests too: paymon mutate RULES.yml TESTS.yml"
        )
    return _of_files([path for path in paths if kinds[path] == "rules"], tests)


def _of_files(rule_paths: Sequence[Path], test_paths: Sequence[Path]) -> _Asked:
    read: dict[Path, RuleSource] = {}
    suites = tuple(read_suite(path, read) for path in test_paths)
    for path in rule_paths:
        if _real(path) not in map(_real, read):
            tests = ", ".join(map(str, test_paths))
            raise UnreadableError(
                path, f"is not among the rule_files of {tests}, so that no test could notice a mistake in it"
            )
    wanted = {_real(path) for path in rule_paths} or set(map(_real, read))
    rules = tuple(rule for path, source in read.items() if _real(path) in wanted for rule in source.rules)
    return _Asked(rules, suites, whole=True)


def _real(path: Path) -> Path:
    return path.resolve()


def _named(names: Sequence[str], rules: Sequence[Rule]) -> tuple[Rule, ...]:
    known = {rule.name for rule in rules} | {rule.file.stem for rule in rules}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "see paymon list"
            raise click.UsageError(f"no alert, record or area is called {name!r}; {hint}")
    return tuple(rule for rule in rules if not names or {rule.name, rule.file.stem} & set(names))


def _equivalents(explicit: Path | None, *, files: bool) -> Equivalents:
    if explicit is not None:
        return read_equivalents(explicit)
    if not files:
        from paymon.definitions import home

        usual = home() / _EQUIVALENT
        if usual.exists():
            return read_equivalents(usual)
    return Equivalents(None)


def _refuse_unloadable(tool: Promtool, asked: _Asked) -> None:
    paths = list(dict.fromkeys(source.path for suite in asked.suites for source in suite.sources))
    result: CheckResult = tool.check_rules(paths)
    broken = [
        one
        for one in result.findings
        if "could not parse" in one.what or "parse error" in one.what or "yaml" in one.what
    ]
    if broken:
        raise click.UsageError("promtool does not load the rules:\n" + "\n".join(f"  {one}" for one in broken[:10]))


def _refuse_failing(tool: Promtool, asked: _Asked, chosen: Iterable[Subject], processes: int | None) -> None:
    """Of generated files, where nearly all mutants share runs with the rule as it was, only those that run alone."""
    scopes = [scope for subject in chosen for scope in subject.scopes]
    suites = asked.suites if asked.of_others else [scope.suite for scope in scopes if scope.affected is None]
    failures = failing_before(tuple(dict.fromkeys(suites)), tool, processes)
    if failures:
        raise _failing("\n".join(f"{suite.path}:\n{said}" for suite, said in failures))


def _failing(told: str) -> click.ClickException:
    return click.ClickException(f"tests fail already, so that they cannot tell a mistake; mend them first:\n{told}")


def _examined(
    asked: _Asked, tool: Promtool, sample: int | None, seed: int, processes: int | None, *, no_cache: bool
) -> tuple[Examined, ...]:
    chosen = sampled(subjects(asked.rules, asked.suites), sample, seed)
    verdicts = _verdicts(None if no_cache else usual_file())
    try:
        _refuse_failing(tool, asked, chosen, processes)
        return examined(chosen, tool, verdicts, _progress(), processes)
    except FailingError as error:
        raise _failing(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\ninterrupted; what is known so far is kept, and the same command goes on from there", err=True)
        raise SystemExit(_INTERRUPTED) from None
    except OSError as error:
        where = error.filename or usual_file()
        raise click.ClickException(f"{where}: {error.strerror}; make room there, or say --no-cache") from error
    finally:
        verdicts.close()


def _verdicts(file: Path | None) -> Verdicts:
    try:
        return Verdicts(file)
    except OSError as error:
        click.echo(
            f"paymon mutate: nothing can be kept in {file}: {error.strerror}. "
            "Set XDG_CACHE_HOME to a folder with room in which you may write, or say --no-cache.",
            err=True,
        )
        return Verdicts(None)


def _progress() -> Callable[[int, int], None]:
    """Says how far it is on the error output: on a terminal all the time, elsewhere now and then."""
    last = time.monotonic()

    def say(done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        if sys.stderr.isatty():
            if now - last > 0.1 or done == of:
                click.echo(f"\r{done} of {of} mutants examined ", err=True, nl=done == of)
                last = now
        elif now - last > _SILENT_SECONDS:
            click.echo(f"{done} of {of} mutants examined", err=True)
            last = now

    return say
