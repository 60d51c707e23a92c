"""How is the running demo shown: on a terminal, line by line, or as one verdict?"""

import os
import sys
import time
from contextlib import ExitStack

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from paymon.demo.grafana import dashboards_in
from paymon.demo.incidents import Shown
from paymon.demo.keys import pressed_keys
from paymon.demo.play import QUIT, Play, missing
from paymon.demo.scene import Scene
from paymon.demo.stack import Stack
from paymon.demo.view import LEAST_HEIGHT, LEAST_WIDTH, changes, rendered
from paymon.demo.watching import Watch
from paymon.live.access import secret
from rules.vocabulary import Catalog, Environment

__all__ = ["Showing"]

_EVERY = 1.0
_LONGEST = 150.0
"""Seconds for which a verdict is waited for, unless somebody says otherwise."""
_LONGEST_STARVED = 900.0
"""The same on a machine that is too busy for the demo."""
_FIRST_LOOK = 5.0
"""Seconds for which all is well before an incident that was asked for by name begins."""


class Showing:
    """A demo that runs, and somebody who watches it; `seconds` is when it ends by itself, None for never."""

    def __init__(
        self,
        stack: Stack,
        catalog: Catalog,
        environment: Environment,
        incidents: tuple[Shown, ...],
        speed: int,
        seconds: float | None,
    ) -> None:
        self._catalog = catalog
        self._seconds = seconds
        watch = Watch(stack.prometheus, stack.alertmanager, stack.inbox, stack.channels, catalog, environment)
        self._play = Play(stack, watch, speed, incidents)
        self._begun = time.monotonic()

    def until_ended(self, incident: Shown | None) -> int:
        """Show it until somebody quits. Gives the exit status."""
        with ExitStack() as stack:
            url = os.environ.get("GRAFANA_URL")
            if url:
                token = secret(None, "GRAFANA_TOKEN", in_header=True)
                told, self._play.grafana = stack.enter_context(
                    dashboards_in(url, token, self._catalog, self._play.stack.prometheus)
                )
                click.echo(told)
            if sys.stdin.isatty() and sys.stdout.isatty():
                self._on_a_terminal(incident)
            else:
                self._line_by_line(incident)
        return 0

    def once(self, incident: Shown) -> int:
        """Break one thing, and give 0 as soon as everything that must tell of it has done so, 1 where it has not."""
        play = self._play
        scene = play.look()
        expected = incident.alert.name
        if any(one.name == expected and one.fires for one in scene.alerts):
            why = f" {play.trouble}." if play.trouble else ""
            click.echo(f"{expected} fires before anything was broken.{why}", err=True)
            return 1
        click.echo(f"Breaking it: {incident.incident.title}. Expected: {expected}.")
        play.begin(incident)
        began = time.monotonic()
        within = self._seconds or _LONGEST
        deadline = time.monotonic() + within
        last = time.monotonic() + (self._seconds or _LONGEST_STARVED)
        while True:
            before, scene = scene, play.look()
            _tell(before, scene)
            lacking = missing(incident, play.seen, play.since)
            if not lacking:
                click.echo(f"As expected, after {play.clock() - play.since:.0f} s: {expected}.")
                return 0
            if play.seen.starved:  # its own slowness must not be taken for an alert that does not fire
                deadline = min(max(deadline, time.monotonic() + _LONGEST), last)
            if time.monotonic() > deadline:
                within = self._seconds or time.monotonic() - began
                for one in (*lacking, *([play.trouble] if play.trouble else [])):
                    click.echo(f"After {within:.0f} s: {one}.", err=True)
                return 1
            time.sleep(_EVERY)

    def _on_a_terminal(self, incident: Shown | None) -> None:
        play, console = self._play, Console()
        with pressed_keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
            while not self._over:
                self._direct(incident)
                live.update(_screen(play.look(), console), refresh=True)
                for key in keys.wait(_EVERY):
                    play.press(key)

    def _line_by_line(self, incident: Shown | None) -> None:
        play = self._play
        scene = play.look()
        for address in scene.addresses:
            click.echo(f"{address.what}: {address.url}")
        click.echo("No terminal, so there are no keys: --incident NAME breaks something; Ctrl-C ends the demo.")
        while not self._over:
            self._direct(incident)
            before, scene = scene, play.look()
            _tell(before, scene)
            time.sleep(_EVERY)

    def _direct(self, incident: Shown | None) -> None:
        """Break what was asked for by name, once, and mend it when it has been seen."""
        play = self._play
        if incident and not play.since and time.monotonic() - self._begun > _FIRST_LOOK:
            play.begin(incident)
        elif incident and play.shown is incident and play.was_seen:
            play.mend()

    @property
    def _over(self) -> bool:
        ended = self._seconds is not None and time.monotonic() - self._begun > self._seconds
        return self._play.over or ended


def _screen(scene: Scene, console: Console) -> Text:
    width, height = console.size
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Text(
            f"This terminal has {width} columns and {height} rows; the demo needs {LEAST_WIDTH} and {LEAST_HEIGHT}. "
            f"Make it larger, or press {QUIT} to quit."
        )
    return rendered(scene, width, height)


def _tell(before: Scene, after: Scene) -> None:
    for line in changes(before, after):
        click.echo(line)
