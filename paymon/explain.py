"""`paymon explain` and `paymon list`: what is defined, and what does one definition mean?"""

import difflib
import textwrap
from collections.abc import Iterable, Iterator

import click

from generators.files import folder_of
from generators.rules import AlertingRule, Expressions, rule_groups
from generators.text import file_of
from generators.wording import spoken_value
from paymon.definitions import asked_one, load, load_all
from rules.promql import PromqlError, selectors
from rules.vocabulary import (
    Alert,
    Branch,
    Catalog,
    Environment,
    Histogram,
    Metric,
    Signal,
    Step,
    Threshold,
    plain,
    prometheus_duration,
    spoken_duration,
)

__all__ = ["explain", "list_definitions"]

_KINDS = ("alerts", "signals", "metrics")


def _complete_name(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    del context, parameter
    return [name for name in load().names if name.startswith(incomplete)]


@click.command()
@click.argument("name", shell_complete=_complete_name)
def explain(name: str) -> None:
    """Explain an alert, a signal or a metric: NAME as it stands in Prometheus.

    Shows the expression down to raw metrics, thresholds and why they are there, guards, runbook, tests, and the lines
    of the runbook that it serves.
    """
    catalogs = load_all()
    catalog = asked_one(catalogs)
    found = list(catalog.named(name))
    if not found:
        near = difflib.get_close_matches(name, catalog.names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "see paymon list"
        raise click.UsageError(f"nothing is called {name!r}; {hint}")
    for definition in found:
        match definition:
            case Alert():
                lines = _alert(definition, catalog, folder_of(catalog, catalogs))
            case Signal():
                lines = _signal(definition, catalog)
            case Metric():
                lines = _metric(definition, catalog)
        try:
            click.echo("\n".join(lines))
        except PromqlError as error:
            raise click.ClickException(f"{error}; paymon lint says where it stands") from error


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS), required=False)
@click.option("--area", metavar="AREA", help="Only this area.")
def list_definitions(kind: str | None, area: str | None) -> None:
    """List what is defined, one name a line, area by area."""
    catalog = load()
    known = [one.name for one in catalog.areas]
    if area is not None and area not in known:
        raise click.BadParameter(f"there is no area {area!r}; choose one of {', '.join(known)}", param_hint="--area")
    for one in catalog.areas:
        if area not in (None, one.name):
            continue
        click.secho(f"{one.name}: {one.title}", bold=True)
        if kind in (None, "alerts"):
            for alert in one.alerts:
                worst = min(threshold.priority.value for threshold in alert.thresholds)
                click.echo(f"  alert   {worst:4} {alert.name:32} {alert.watches.title}")
        if kind in (None, "signals"):
            for signal in one.signals:
                click.echo(f"  signal       {signal.name:50} {signal.title}")
        if kind in (None, "metrics"):
            for metric in one.metrics:
                click.echo(f"  metric       {metric.name:50} {metric.kind}, {metric.source.value}")


def _alert(alert: Alert, catalog: Catalog, generated: str) -> Iterator[str]:
    area = catalog.area_of(alert)
    yield click.style(f"{alert.name} - {alert.watches.title}", bold=True)
    yield f"  defined in {file_of(area)}"
    for environment in catalog.organisation.environments:
        yield f"\nin {environment.name}"
        for threshold in alert.thresholds_in(environment):
            yield from _threshold(alert, threshold, environment)
    for threshold in alert.thresholds:
        yield f"\nfires when{f', as {threshold.tier},' if threshold.tier else ''}"
        for index, branch in enumerate(alert.branches(threshold)):
            yield from _branch(branch, "or when" if index else "")
    yield "\nwatches, down to raw metrics"
    expressions = Expressions(catalog, catalog.organisation.environments[0])
    yield from _down_to_metrics([branch.watches for branch in alert.branches(alert.thresholds[0])], expressions)
    for rule in rule_groups(catalog, catalog.organisation.environments[0]):
        for one in rule.rules:
            if isinstance(one, AlertingRule) and one.alert.name == alert.name:
                yield "\nrule"
                yield textwrap.indent(one.expr, "  ")
    yield "\nrunbook"
    yield f"  meaning     {alert.runbook.meaning}"
    yield f"  impact      {alert.runbook.impact}"
    yield from _steps("diagnosis", alert.runbook.diagnosis)
    yield from _steps("mitigation", alert.runbook.mitigation)
    if alert.stays_while:
        guard = alert.stays_while
        yield f"\nstays while   {guard.condition}: {guard.because}"
    if alert.hidden_by:
        yield f"\nhidden by     {', '.join(other.name for other in alert.hidden_by)}"
    first = catalog.organisation.environments[0].name
    yield f"\ntests         {generated}/{first}/tests/{alert.name}.yml"
    yield _serves(alert.serves, catalog)


def _down_to_metrics(wanted: Iterable[Signal], expressions: Expressions) -> Iterator[str]:
    """Each signal's expression, then those of the signals in it that cannot be put in their place."""
    signals = list(dict.fromkeys(wanted))
    named = len(signals) > 1
    for signal in signals:
        text = expressions.expanded(signal.expr)
        left = [one for selector in selectors(text) for one in expressions.catalog.named(selector.name)]
        signals += [one for one in dict.fromkeys(left) if isinstance(one, Signal) and one not in signals]
        if named:
            yield f"  {signal} is"
        yield textwrap.indent(text, "    " if named else "  ")
        named = True


def _threshold(alert: Alert, threshold: Threshold, environment: Environment) -> Iterator[str]:
    first, *others = alert.branches(threshold, environment)
    tier = f"{threshold.tier}: " if threshold.tier else ""
    bound = spoken_value(first.value, first.watches.unit)
    lasting = f" for {spoken_duration(threshold.lasting)}" if threshold.lasting else ""
    keep = f", keeps firing for {prometheus_duration(threshold.keep_firing)}" if threshold.keep_firing else ""
    yield (
        f"  {tier}{threshold.comparison.words} {bound}{lasting}: "
        f"{threshold.severity.value}, {threshold.priority.value}{keep}"
    )
    yield f"    because {first.because}"
    for branch in others:
        bound = spoken_value(branch.value, branch.watches.unit)
        yield f"  or {branch.watches} {branch.comparison.words} {bound}{lasting}"
        yield f"    because {branch.because}"


def _branch(branch: Branch, word: str) -> Iterator[str]:
    if word:
        yield f"  {word}"
    yield f"  {branch.watches} {branch.comparison.value} {plain(branch.value)}"
    for guard in branch.guards:
        yield f"    {'unless' if guard.forbids else 'only if'} {guard.condition}"
        yield f"      because {guard.because}"


def _steps(word: str, steps: Iterable[Step]) -> Iterator[str]:
    for index, step in enumerate(steps):
        yield f"  {word if index == 0 else '':11} - {step.text}"
        if step.command:
            yield textwrap.indent(step.command, " " * 18)


def _signal(signal: Signal, catalog: Catalog) -> Iterator[str]:
    expressions = Expressions(catalog, catalog.organisation.environments[0])
    yield click.style(f"{signal.name} - {signal.title}", bold=True)
    yield f"  defined in {file_of(catalog.area_of(signal))}; {signal.unit.value}"
    carried = sorted(expressions.labels(signal))
    yield f"  labels      {', '.join(carried) or 'none'}"
    yield f"  sampled by  {', '.join(sorted(source.value for source in expressions.sources(signal))) or 'nobody'}"
    yield "\nexpression, down to raw metrics"
    yield from _down_to_metrics([signal], expressions)
    yield f"\nexample, one value every {prometheus_duration(signal.example.every)}"
    for series, values in signal.example.series:
        yield f"  {series}  {values}"
    for labels, value in signal.example.gives:
        where = f"{{{labels}}}" if labels else ""
        yield f"  at {prometheus_duration(signal.example.at)} {signal.name}{where} is {value}"
    watching = [
        alert.name
        for alert in catalog.alerts
        for branch in alert.branches(alert.thresholds[0])
        if signal is branch.watches or any(guard.signal is signal for guard in branch.guards)
    ]
    yield f"\nwatched by    {', '.join(dict.fromkeys(watching)) or 'no alert'}"
    yield _serves(signal.serves, catalog)


def _metric(metric: Metric, catalog: Catalog) -> Iterator[str]:
    expressions = Expressions(catalog, catalog.organisation.environments[0])
    yield click.style(f"{metric.name} - {metric.kind}", bold=True)
    yield f"  {metric.help}"
    yield f"  defined in {file_of(catalog.area_of(metric))}; {metric.unit.value}"
    yield f"  source      {metric.source.value}"
    for label in metric.labels:
        yield f"  label       {label.name}: {', '.join(label.values) or 'bounded by ' + label.bounded_by}"
    if isinstance(metric, Histogram):
        yield f"  bounds      {', '.join(map(plain, metric.bounds))}"
    names = set(metric.series_names)
    reading = [signal.name for signal in catalog.signals if names & expressions.index.names_read(signal)]
    yield f"\nread by       {', '.join(reading) or 'no signal'}"
    yield _serves(metric.serves, catalog)


def _serves(ids: Iterable[str], catalog: Catalog) -> str:
    items = {item.id: item.text for item in catalog.items}
    lines = [f"  {one:8} {items.get(one, '')}" for one in ids]
    return "\n".join(["serves", *lines]) if lines else "serves        no line of the runbook by itself"
