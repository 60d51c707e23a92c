"""How is the exporter started from the command line?

What the exporter runs on is loaded once nothing is collected: it stays for good, and to look through it again and again
would take an eighth of the start.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from exporters.process.run import Exporter
    from exporters.web.webconfig import WebConfigFile

__all__ = ["exporter"]

DEFAULT_ADDRESS = "127.0.0.1:9877"


class Address(click.ParamType[tuple[str, int]]):
    """A host and a port, as `host:port`, `[::1]:port` or `:port` for every interface."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        host, colon, port = str(value).rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not colon or not port.isdecimal() or int(port) > 65535:
            self.fail(f"{value} is no address; write host:port, [::1]:port or :port", param, ctx)
        return host, int(port)


@click.command()
@click.option(
    "--config",
    "config",
    required=True,
    type=click.Path(path_type=Path),
    help="The configuration file. Every setting in it can be overridden by a variable: "
    "PAYMON_POSTGRES__INTERVAL for postgres.interval. Secrets come from variables, or from the files that "
    "settings ending in _file name.",
)
@click.option("--check-config", is_flag=True, help="Say everything that is wrong with the configuration, then end.")
@click.option(
    "--web.listen-address",
    "addresses",
    type=Address(),
    multiple=True,
    default=[DEFAULT_ADDRESS],
    show_default=True,
    help="Where to serve the page; may be given several times.",
)
@click.option(
    "--web.config.file",
    "web_config",
    type=click.Path(path_type=Path),
    help="TLS, client certificates and basic authentication, in the format of Prometheus' exporter-toolkit.",
)
@click.option(
    "--log.level",
    "level",
    type=click.Choice(["debug", "info", "warn", "error"]),
    default="info",
    show_default=True,
    help="The least severe message that is logged.",
)
@click.option(
    "--log.format",
    "form",
    type=click.Choice(["human", "json"]),
    help="How messages look. [default: human on a terminal, json elsewhere]",
)
def exporter(
    config: Path,
    check_config: bool,
    addresses: tuple[tuple[str, int], ...],
    web_config: Path | None,
    level: str,
    form: str | None,
) -> None:
    """Sample Stripe, Postgres and the payments service, and serve what they say to Prometheus.

    Each source is sampled in the background; a scrape of /metrics never waits for one. SIGHUP reads the configuration
    again, SIGTERM ends the exporter once the requests at hand are answered.

    Exit status: 0 ended as asked or configuration fine, 1 configuration wrong or start failed, 2 wrong use.
    """
    if check_config:
        sys.exit(_check(config, web_config))
    sys.exit(_serve(config, addresses, web_config, level, form))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Meanwhile nothing is collected; what is there at the end never is."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _definitions_read() -> Iterator[None]:
    """As `paymon.definitions.definitions_read`, which is loaded only where there is something to tell."""
    try:
        yield
    except Exception:
        from paymon.definitions import definitions_read

        with definitions_read():
            raise


def _check(config: Path, web_config: Path | None) -> int:
    with _definitions_read():
        from exporters.configuration.configfile import ConfigurationError
        from exporters.configuration.settings import load

    found: list[str] = []
    try:
        load(config, warn=lambda said: click.echo(said, err=True))
    except ConfigurationError as error:
        found.append(str(error))
    with suppress(ConfigurationError):
        found += _in_declared_file(config)
    try:
        _web(web_config)
    except ConfigurationError as error:
        found.append(str(error))
    for one in found:
        click.echo(one, err=True)
    if not found:
        click.echo(f"{config}: nothing wrong")
    return 1 if found else 0


def _in_declared_file(config: Path) -> list[str]:
    """Why the file of declared dates cannot be read, for which the exporter itself can wait.

    Raises ConfigurationError where the configuration cannot be read.
    """
    from exporters.configuration.settings import declared_file
    from exporters.probes.declared import read
    from exporters.sampling.model import SampleError

    named = declared_file(config)
    if named is None:
        return []
    file, place = named
    try:
        read(file)
    except SampleError as error:
        return [f"{place}: {error.what}; {error.how_to_fix} ({file})"]
    return []


def _web(path: Path | None) -> "WebConfigFile":
    """The web configuration, its certificates tried out."""
    from exporters.process.run import report
    from exporters.web.tls import context_for
    from exporters.web.webconfig import WebConfigFile

    web = WebConfigFile(path, report)
    if web.config.tls_server_config.wanted:
        context_for(web.config.tls_server_config)
    return web


def _serve(
    config: Path, addresses: tuple[tuple[str, int], ...], web_config: Path | None, level: str, form: str | None
) -> int:
    with _uncollected():
        import asyncio
        import logging

        with _definitions_read():
            from exporters.configuration.configfile import ConfigurationError
            from exporters.process import logs
            from exporters.sampling.model import SampleError
            from exporters.web.server import listen

        logs.configure(level, form)
        try:
            running = _exporter(config, web_config)
        except (ConfigurationError, SampleError) as error:
            click.echo(str(error), err=True)
            return 1
    sockets = []
    for host, port in addresses:
        try:
            sockets.append(listen(host, port))
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            click.echo(f"{host}:{port}: cannot listen ({why}); choose another --web.listen-address", err=True)
            return 1
    status = 0 if asyncio.new_event_loop().run_until_complete(running.run(sockets)) else 1
    logging.shutdown()
    # Everything is closed, or was given its time to close: a look-up that hangs in a thread must not keep us here.
    os._exit(status)


def _exporter(config: Path, web_config: Path | None) -> "Exporter":
    """The exporter, not running yet. Raises ConfigurationError or SampleError."""
    import time
    from importlib.metadata import version

    with _definitions_read():
        from exporters.configuration.settings import load
        from exporters.process.assembly import assemble
        from exporters.process.run import Exporter
        from rules.areas import AREAS

    return Exporter(
        lambda: load(config),
        assemble,
        _web(web_config),
        metrics=[metric for area in AREAS for metric in area.metrics],
        clock=time.time,
        version=version("paymon"),
        environment=os.environ,
    )
