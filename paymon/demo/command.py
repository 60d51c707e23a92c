"""How is the demo asked for, and how does it say that it cannot run?"""

import difflib
import errno
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from paymon.demo.incidents import Shown
    from paymon.demo.stack import Programs

__all__ = ["demo"]

FASTEST = 15
DEFAULT_SPEED = 10
DEFAULT_INCIDENT = "complete-failure"


class _IncidentName(click.ParamType["Shown"]):
    """The name of an incident."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> "Shown":
        from paymon.demo.incidents import SHOWN, Shown, named

        if isinstance(value, Shown):
            return value
        found = named(str(value))
        if found is None:
            names = [one.incident.name for one in SHOWN]
            close = difflib.get_close_matches(str(value), names, n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            self.fail(f"there is no incident {value!r}.{meant} There are {', '.join(names)}.", param, ctx)
        return found


class _StoppedError(Exception):
    """Somebody has asked the demo to end."""

    def __init__(self, number: int) -> None:
        self.number = number


@click.command()
@click.option(
    "--incident", type=_IncidentName(), help="Break this, and mend it once its alerts have been seen to fire."
)
@click.option(
    "--once",
    is_flag=True,
    help="Without a terminal: break one thing, wait until the right alert fires and its notification arrives, and end.",
)
@click.option(
    "--speed",
    type=click.IntRange(1, FASTEST),
    default=DEFAULT_SPEED,
    show_default=True,
    help="How many times faster than in production windows and waits are.",
)
@click.option("--seconds", type=click.FloatRange(min=1), help="End by itself after so long.")
def demo(incident: "Shown | None", once: bool, speed: int, seconds: float | None) -> None:
    """Watch payments break, and the right alert fire.

    Starts a payments service with a real Postgres and a fake Stripe, the exporter, Prometheus with the generated rules
    and Alertmanager with the generated routing, all on free loopback ports and in a temporary folder, and shows what
    they say. Keys break things. What would be told by an alert that your project has left out is named, and has no key.
    Nothing is sent anywhere, and nothing stays behind.

    Set GRAFANA_URL to have the dashboards there as well, for as long as the demo runs.

    Exit status: 0 ended as asked, with --once: the expected alerts fired; 1 they did not, or something could not start;
    2 wrong use.
    """
    sys.exit(_run(incident, once, speed, seconds))


def _run(incident: "Shown | None", once: bool, speed: int, seconds: float | None) -> int:
    try:
        from paymon.demo import showing
        from paymon.demo.incidents import named, parted
        from paymon.demo.leftovers import folder_that_goes, sweep
        from paymon.demo.processes import NotStartedError
        from paymon.demo.shortening import TooFastError
        from paymon.demo.stack import running
    except ModuleNotFoundError as error:
        return _fail(f"The demo needs {error.name}: install paymon with its extra `simulator`.")
    from paymon.definitions import load

    catalog = load()
    environment = catalog.organisation.environments[0]
    told, untold = parted(catalog)
    if untold:
        click.echo("Not shown, because this project has left their alerts out:")
        for one in untold:
            click.echo(f"  {one.incident.name}: {one.alert.name}")
    if once and incident is None:
        incident = named(DEFAULT_INCIDENT)
    if incident in untold:
        return _wrong_use(incident, told)
    swept = sweep()
    if swept:
        click.echo(f"Cleared away what {swept} killed demo{'s have' if swept > 1 else ' has'} left.")
    try:
        with _stopped_by_signals():
            programs = _programs()
            if programs is None:
                return 1
            with folder_that_goes() as folder, running(folder, catalog, environment, programs, speed, _say) as stack:
                show = showing.Showing(stack, catalog, environment, told, speed, seconds)
                return show.once(incident) if once and incident else show.until_ended(incident)
    except _StoppedError as stopped:
        click.echo("Stopped; everything is gone.")
        return 128 + stopped.number if once or stopped.number != signal.SIGINT else 0
    except (NotStartedError, TooFastError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(_about_the_folder(error))


def _wrong_use(incident: "Shown", told: tuple["Shown", ...]) -> int:
    names = ", ".join(one.incident.name for one in told) or "no other"
    there_are = f"With --incident there are {names}."
    click.echo(
        f"{incident.incident.name} is told by {incident.alert.name}, which this project has left out. {there_are}",
        err=True,
    )
    return 2


def _programs() -> "Programs | None":
    from paymon import programs
    from paymon.demo.stack import Programs

    wanted = tuple(programs.Wanted(name) for name in ("prometheus", "promtool", "alertmanager"))
    found, failures = programs.ensure_all(wanted, say=_say)
    for failure in failures:
        click.echo(str(failure), err=True)
    if failures:
        return None
    paths = {one.program: one.path for one in found}
    return Programs(paths["prometheus"], paths["promtool"], paths["alertmanager"])


def _say(what: str) -> None:
    click.echo(f"  {what} ...")


def _fail(message: str) -> int:
    click.echo(message, err=True)
    return 1


def _about_the_folder(error: OSError) -> str:
    place = error.filename or os.environ.get("TMPDIR") or tempfile.gettempdir()
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"{place}: no room left. Make room there, or set TMPDIR to another folder."
        case errno.EACCES | errno.EROFS | errno.EPERM | errno.ENOENT:
            return f"{place}: cannot write there ({error.strerror}). Set TMPDIR to a folder in which you may write."
    return f"{place}: {error.strerror or error}"


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """The first signal to end raises _StoppedError; those that follow wait until everything is cleared away."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, _: FrameType | None) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise _StoppedError(number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
