"""`paymon drift`: is what runs what is defined?"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from generators.dashboards import CLASSIC, dashboard_files
from paymon.definitions import asked_one, home, load_all
from paymon.drift.alertmanager import alertmanager
from paymon.drift.grafana import grafana
from paymon.drift.layers import Layer, Verdict, files
from paymon.drift.presence import presence
from paymon.drift.revision import revision_that_runs
from paymon.drift.rules import prometheus_rules
from paymon.live.access import NoAnswerError, access_from, access_options
from paymon.live.asking import CANNOT_JUDGE, as_json, environment_named, environment_option
from paymon.live.http import configuration, dashboard
from paymon.live.prometheus import Prometheus
from paymon.not_judged import Judging
from rules.vocabulary import Catalog, Environment

__all__ = ["drift"]

_COLOURS = {Verdict.SAME: "green", Verdict.DRIFT: "red", Verdict.UNKNOWN: "magenta"}
_MOST = 12


@click.command(cls=Judging)
@click.option(
    "--files", "root", type=click.Path(path_type=Path), help="Folder that has generated/.  [default: the project's]"
)
@click.option("--json", "json_", is_flag=True, help="For machines.")
@environment_option
@access_options("prometheus", required=False)
@access_options("alertmanager", required=False)
@access_options("grafana", required=False)
def drift(root: Path | None, json_: bool, environment: str | None, **_access: Any) -> None:
    """Is what runs what is defined? One verdict for each layer.

    Layers: the generated files; the revision that the rules which run say they are of; the rules that Prometheus has
    loaded, with each one's health and last error; the metrics that they read, as they are there at this moment;
    Alertmanager's configuration; Grafana's dashboards. A server that is not named is not looked at, with a word.

    Exit status: 0 everything that was looked at is as defined, 1 drift, 2 wrong use, 3 some layer cannot be told.
    """
    catalogs = load_all()
    catalog = asked_one(catalogs)
    place = environment_named(catalog, environment)
    try:
        layers = tuple(_layers(catalogs, catalog, place, home() if root is None else root))
    except KeyboardInterrupt:
        click.echo("cannot judge: interrupted", err=True)
        sys.exit(130)
    if json_:
        click.echo(
            as_json(
                {
                    "environment": place.name,
                    "layers": [
                        {"layer": one.name, "verdict": one.verdict.value, "findings": one.findings, "notes": one.notes}
                        for one in layers
                    ],
                }
            )
        )
    else:
        click.echo("\n".join(_lines(layers)))
    verdicts = {one.verdict for one in layers}
    sys.exit(1 if Verdict.DRIFT in verdicts else CANNOT_JUDGE if Verdict.UNKNOWN in verdicts else 0)


def _layers(catalogs: tuple[Catalog, ...], catalog: Catalog, environment: Environment, root: Path) -> Iterator[Layer]:
    context = click.get_current_context()
    yield files(root, *catalogs)
    access = access_from(context, "prometheus")
    if access is not None:
        with Prometheus(access) as prometheus:
            try:
                yield revision_that_runs(prometheus, catalog, environment, time.time())
            except NoAnswerError as error:
                yield Layer("revision", Verdict.UNKNOWN, (str(error),))
            try:
                yield prometheus_rules(prometheus, catalog, environment)
            except NoAnswerError as error:
                yield Layer("prometheus rules", Verdict.UNKNOWN, (str(error),))
            try:
                yield presence(prometheus, catalog, environment, time.time())
            except NoAnswerError as error:
                yield Layer("metrics", Verdict.UNKNOWN, (str(error),))
            if prometheus.doubts:
                yield Layer("prometheus' answers", Verdict.UNKNOWN, tuple(prometheus.doubts))
            if prometheus.clock_doubts:
                yield Layer("prometheus' clock", Verdict.UNKNOWN, prometheus.clock_doubts)
    access = access_from(context, "alertmanager")
    if access is not None:
        with access.client() as client:
            same = (one for one in catalogs if one.organisation.people == catalog.organisation.people)
            try:
                yield alertmanager(configuration(client, access), *same, environment=environment.name)
            except NoAnswerError as error:
                yield Layer("alertmanager", Verdict.UNKNOWN, (str(error),))
    access = access_from(context, "grafana")
    if access is not None:
        with access.client() as client:
            try:
                uids = [Path(path).stem for path in dashboard_files(catalog) if path.startswith(CLASSIC)]
                yield grafana(catalog, {uid: dashboard(client, access, uid) for uid in uids})
            except NoAnswerError as error:
                yield Layer("grafana", Verdict.UNKNOWN, (str(error),))


def _lines(layers: tuple[Layer, ...]) -> Iterator[str]:
    for one in layers:
        yield click.style(f"{one.verdict.value:<12}", fg=_COLOURS[one.verdict], bold=True) + one.name
        for finding in one.findings[:_MOST]:
            yield f"  {finding}"
        if len(one.findings) > _MOST:
            yield f"  and {len(one.findings) - _MOST} more; --json has all of them"
        for note in one.notes[:_MOST]:
            yield click.style(f"  note: {note}", dim=True)
    asked = {"prometheus" if one.name == "revision" else one.name.split()[0] for one in layers}
    for server in ("prometheus", "alertmanager", "grafana"):
        if server not in asked:
            yield click.style(f"not looked at: {server}; name it with --{server}", dim=True)
