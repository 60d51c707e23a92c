"""How many mistakes would be noticed, in the rules, the routing and the definitions? `make mutants` tries them.

    python -m tests.mutants                          every one: hours of CPU; an interrupted run goes on where it was
    python -m tests.mutants --sample 200 --seed 7    so many of alerts and of records, drawn; all of the others
    python -m tests.mutants records                  one kind: alerts, records, routing, definitions
    python -m tests.mutants --write                  the same, kept in docs/proof.md

Exit status: 0 the gates hold, 1 they do not, 2 wrong use.
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import click

from benchmarks._pages import PageError, around, keep
from paymon.mutation.equivalents import Equivalents, read_equivalents
from paymon.mutation.expressions import Change
from paymon.mutation.mutants import Mutant
from paymon.mutation.project import generated_files
from paymon.mutation.relations import RuleSource, read_suite
from paymon.mutation.report import Score, score
from paymon.mutation.survey import Examined, Subject, examined, sampled, subjects
from paymon.mutation.verdicts import Verdicts, usual_file
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.vocabulary import Signal
from tests.stated import alerts, signals
from tests.stated.definition_mutants import DefinitionMutant, alert_mutants, environment_mutants, signal_mutants
from tests.stated.routing_verdicts import Outcome, routing_outcomes

__all__ = ["GATES", "Result", "contradicts", "gathered", "main"]

PROJECT = Path(__file__).parents[1]
PROOF = PROJECT / "docs" / "proof.md"
GATES = {"alerts": 98.0, "records": 95.0, "routing": 98.0, "definitions": 95.0}
"""Per cent of the mistakes that must be noticed, those that change nothing left out."""


@dataclass(frozen=True)
class Result:
    """What became of the mutants of one kind, or of some of them."""

    kind: str
    of: int
    """So many there are."""
    score: Score
    survivors: tuple[str, ...]


Progress = Callable[[int, int], object]


def gathered(
    kind: str,
    sample: int | None = None,
    seed: int = 0,
    processes: int | None = None,
    progress: Progress = lambda *_: None,
) -> Result:
    """The mutants of a kind, or so many drawn by chance, and what became of them. What is known is not tried again."""
    match kind:
        case "alerts" | "records":
            return _of_rules(kind, sample, seed, processes, progress)
        case "routing":
            return _of_routing(sample, seed, processes, progress)
        case "definitions":
            return _of_definitions(sample, seed)
        case _:
            raise ValueError(f"there are no mutants of {kind}; choose one of {', '.join(GATES)}")


def _of_rules(kind: str, sample: int | None, seed: int, processes: int | None, progress: Progress) -> Result:
    _, paths = generated_files("production")
    sources: dict[Path, RuleSource] = {}
    suites = [read_suite(path, sources) for path in paths]
    rules = [rule for source in sources.values() for rule in source.rules if f"{rule.kind}s" == kind]
    every = subjects(rules, suites)
    chosen = sampled(every, sample, seed)
    return _result(kind, sum(len(one.mutants) for one in every), _tried(chosen, processes, progress))


def _tried(
    chosen: Mapping[Subject, Sequence[Mutant]], processes: int | None, progress: Progress
) -> tuple[Examined, ...]:
    verdicts = Verdicts(usual_file())
    try:
        return examined(
            {one: list(some) for one, some in chosen.items()}, Promtool.find(), verdicts, progress, processes
        )
    finally:
        verdicts.close()


def _equivalents() -> Equivalents:
    return read_equivalents(PROJECT / "equivalent-mutants.yml")


def _result(kind: str, of: int, every: Iterable[Examined]) -> Result:
    listed = _equivalents()
    every = list(every)
    left = [one.mutant for one in every if one.survived and listed.reason(one) is None]
    return Result(
        kind, of, score(every, listed), tuple(f"{one.rule.title}: {one.operator}: {one.what}" for one in left)
    )


def _of_routing(sample: int | None, seed: int, processes: int | None, progress: Progress) -> Result:
    every, outcomes = routing_outcomes(sample, seed, processes or 4, progress)
    count = {one: sum(found is one for _, found in outcomes) for one in Outcome}
    counted = count[Outcome.NOTICED] + count[Outcome.SURVIVED]
    survivors = tuple(f"{one.operator}: {one.what}" for one, found in outcomes if found is Outcome.SURVIVED)
    return Result("routing", every, Score(counted, count[Outcome.NOTICED], count[Outcome.EQUIVALENT]), survivors)


def _of_definitions(sample: int | None, seed: int) -> Result:
    """What contradicts the tables that are stated by hand."""
    definitions = catalog()
    environments = definitions.organisation.environments

    def of_alert(one: DefinitionMutant) -> bool:
        return any(
            alerts.differences(one.catalog, environment) for environment in one.catalog.organisation.environments
        )

    assert not any(alerts.differences(definitions, environment) for environment in environments)
    every: list[tuple[str, Callable[[], bool]]] = [
        (f"{one.operator}: {one.what}", partial(of_alert, one))
        for one in chain(alert_mutants(definitions), environment_mutants(definitions))
    ]
    every += [
        (f"{signal}: {change.operator}: {change.what}", partial(_differs, signal, change))
        for signal, change in signal_mutants(definitions)
    ]
    drawn = every if sample is None or sample >= len(every) else random.Random(seed).sample(every, sample)
    left = tuple(what for what, noticed in drawn if not noticed())
    return Result("definitions", len(every), Score(len(drawn), len(drawn) - len(left), 0), left)


def _differs(signal: Signal, change: Change) -> bool:
    return signals.told(signal, change.expression) != signals.stated()[signal.name]


def contradicts(result: Result, gate: float) -> bool:
    """Whether a sample can hardly be one of a whole in which the gate holds: in fewer than one of a hundred draws."""
    count, survived, share = result.score.mutants, result.score.mutants - result.score.noticed, 1 - gate / 100
    as_good = sum(math.comb(count, n) * share**n * (1 - share) ** (count - n) for n in range(survived))
    return 1 - as_good < 0.01


def table(results: Sequence[Result]) -> str:
    """The figures in Markdown."""
    lines = [
        "| kind | there are | tried | noticed | % | gate | changes nothing |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in results:
        tried = one.score.mutants + one.score.equivalent
        lines.append(
            f"| {one.kind} | {one.of} | {tried} | {one.score.noticed} | {one.score.percent:.1f} "
            f"| {GATES[one.kind]:g} | {one.score.equivalent} |"
        )
    return "\n".join(lines)


@click.command()
@click.argument("kinds", metavar="[KIND]...", nargs=-1, type=click.Choice(list(GATES)))
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only so many of alerts and records, drawn.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which ones --sample draws.")
@click.option("--processes", type=click.IntRange(min=1), metavar="N", help="At once.  [default: one for each CPU]")
@click.option("--write", is_flag=True, help="Keep the figures in docs/proof.md.")
def main(kinds: tuple[str, ...], sample: int | None, seed: int, processes: int | None, write: bool) -> None:
    """Put mistakes into rules, routing and definitions, and say how many are noticed."""
    if write:
        try:
            around(PROOF)
        except PageError as error:
            raise click.UsageError(str(error)) from error
    results = []
    for kind in kinds or tuple(GATES):
        result = gathered(kind, sample if kind in ("alerts", "records") else None, seed, processes)
        results.append(result)
        for survivor in result.survivors:
            click.echo(f"{kind}: survives: {survivor}", err=True)
    command = "python -m tests.mutants" + "".join(
        (*(f" {kind}" for kind in kinds), f" --sample {sample} --seed {seed}" if sample else "")
    )
    text = f"`{command}`, promtool {'.'.join(map(str, Promtool.find().version or ()))}, printed:\n\n{table(results)}"
    click.echo(text)
    if write:
        keep(PROOF, text)
    if any(one.score.percent < GATES[one.kind] for one in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
