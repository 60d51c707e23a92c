"""Would the exporter work here, and what is to be mended where it would not?"""

import asyncio
import logging
import sys
import time
from pathlib import Path

import click

from exporters.configuration.configfile import ConfigurationError
from exporters.configuration.settings import Settings, load
from exporters.process.diagnosis import diagnose
from exporters.process.finding import Verdict
from exporters.process.logs import LOGGER, configure

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
def doctor(config: Path) -> None:
    """Try everything that the exporter would sample, and say what to mend.

    Looked at are each permission of the Stripe key, the clocks, the database role and each query's plan, every address
    that is probed, the reads of Stripe that a month will take, and the number of series. Nothing is written anywhere.

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
    click.echo(f"{to_mend} to mend" if to_mend else "nothing to mend")
    sys.exit(1 if to_mend else 0)


async def _examine(settings: Settings) -> int:
    to_mend = 0
    async for finding in diagnose(settings, time.time):
        click.echo(click.style(finding.verdict.value, fg=_COLOURS[finding.verdict.value]) + f"  {finding}")
        for line in finding.statement.splitlines():
            click.echo(f"          {line}")
        to_mend += finding.verdict is Verdict.MEND
    return to_mend
