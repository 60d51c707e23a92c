"""Would the exporter work here, and what is to be mended where it would not?"""

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import Any

import click

from exporters.configuration.configfile import ConfigurationError
from exporters.configuration.settings import Settings, load
from exporters.process.diagnosis import diagnose
from exporters.process.finding import Finding, Verdict, mend
from exporters.process.logs import LOGGER, configure
from paymon.definitions import asked, load_all
from paymon.expected import expected
from paymon.live.access import Access, access_from, access_options
from paymon.live.prometheus import Prometheus, PrometheusError
from paymon.project import project_at
from paymon.scraped import scraped

__all__ = ["doctor"]

_COLOURS = {"fine": "green", "note": "blue", "mend": "red"}


@click.command()
@click.option(
    "--config",
    "config",
    required=True,
    type=click.Path(path_type=Path),
    help="The exporter's configuration file.",
)
@access_options("prometheus", required=False)
def doctor(config: Path, **_access: Any) -> None:
    """Try everything that the exporter would sample, and say what to mend.

    Looked at are each permission of the Stripe key, the clocks, the database role and each query's plan, every address
    that is probed, the reads of Stripe that a month will take, and the number of series; with --prometheus also under
    which labels the metrics arrive there, and whether rules read them. In a project's folder it says which sources the
    rules read that this configuration does not have. Nothing is written anywhere.

    Exit status: 0 nothing to mend, 1 something to mend, 2 wrong use.
    """
    configure("error", None)
    logging.getLogger(LOGGER).setLevel(logging.CRITICAL)  # what samplers would log is among the findings
    try:
        settings = load(config)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    to_mend = asyncio.run(_examine(settings))
    if project_at(Path.cwd()) is not None:
        to_mend += sum(map(_told, expected(settings, asked(load_all()))))
    access = access_from(click.get_current_context(), "prometheus")
    if access is not None:
        to_mend += _look_there(access)
    click.echo(f"{to_mend} to mend" if to_mend else "nothing to mend")
    sys.exit(1 if to_mend else 0)


async def _examine(settings: Settings) -> int:
    to_mend = 0
    async for finding in diagnose(settings, time.time):
        to_mend += _told(finding)
    return to_mend


def _look_there(access: Access) -> int:
    catalogs = load_all()
    try:
        with Prometheus(access) as prometheus:
            found = [*scraped(prometheus, catalogs, time.time())]
    except PrometheusError as error:
        found = [mend("the scrape", error.cause, error.cure)]
    return sum(map(_told, found))


def _told(finding: Finding) -> bool:
    """Says it; True where there is something to mend."""
    click.echo(click.style(finding.verdict.value, fg=_COLOURS[finding.verdict.value]) + f"  {finding}")
    for line in finding.statement.splitlines():
        click.echo(f"          {line}")
    return finding.verdict is Verdict.MEND
