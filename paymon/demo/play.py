"""What happens in the demo while it runs: what is broken, what mended, and is it over?"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from paymon.demo.incidents import Shown
from paymon.demo.scene import Address, Key, Scene
from paymon.demo.stack import Stack
from paymon.demo.watching import Seen, Watch
from simulator.conditions import USUAL, Conditions, ExporterState

__all__ = ["Play", "missing"]

MEND, QUIT = "m", "q"
_SHOWN_AFTER_FIRING = 20.0
"""Seconds for which an incident that was asked for by name goes on once its alerts fire."""


def missing(shown: Shown, seen: Seen, since: float) -> tuple[str, ...]:
    """What an incident that began at `since` should have brought about and has not: its alert, and word of it."""
    alert = shown.alert
    firing = next((one for one in seen.alerts if one.name == alert.name and one.fires), None)
    if firing is None:
        return (f"{alert} does not fire",)
    told = {name for one in seen.notices if one.at >= since and not one.resolved for name in one.names}
    if alert.name not in told:
        return (f"{alert} fires, and no notification of it has arrived",)
    return ()


@dataclass(slots=True)
class Play:
    """The demo's state: which incident is on, since when, and what was seen last."""

    stack: Stack
    watch: Watch
    speed: int
    incidents: tuple[Shown, ...]
    """Those that can be begun by a key."""
    grafana: str = ""
    clock: Callable[[], float] = time.time
    shown: Shown | None = None
    since: float = 0
    """When the incident began, or was mended."""
    over: bool = False
    _conditions: Conditions = USUAL
    seen: Seen = field(default_factory=lambda: Seen((), (), (), None))

    def press(self, key: str) -> None:
        """Do what a key asks for: the key of the incident that is on mends it."""
        chosen = next((one for one in self.incidents if one.key == key), None)
        if key == QUIT:
            self.over = True
        elif key == MEND or (chosen and chosen is self.shown):
            self.mend()
        elif chosen:
            self.begin(chosen)

    def begin(self, shown: Shown) -> None:
        """Break something; what else was broken is mended."""
        self.shown, self.since = shown, self.clock()
        self.go_on()

    def mend(self) -> None:
        """Let all be well again."""
        if self.shown:
            self.shown, self.since = None, self.clock()
            self.go_on()

    def go_on(self) -> None:
        """Let things be as they are at this moment of the incident."""
        passed = timedelta(seconds=(self.clock() - self.since) * self.speed)
        wanted = self.shown.conditions(passed) if self.shown else USUAL
        if wanted != self._conditions:
            self._conditions = wanted
            self.stack.shop.meet(wanted)
            self.stack.exporter_runs(wanted.exporter is ExporterState.RUNNING)

    def look(self) -> Scene:
        """See how things are."""
        self.go_on()
        self.seen = self.watch.look()
        now = self.clock()
        return Scene(
            now=now,
            speed=self.speed,
            happening=self._happening(),
            since=self.since,
            readings=self.seen.readings,
            alerts=self.seen.alerts,
            notices=self.seen.notices,
            heartbeat=self.seen.heartbeat,
            addresses=self._addresses(),
            keys=(
                *(Key(one.key, one.words, active=one is self.shown) for one in self.incidents),
                Key(MEND, "mend"),
                Key(QUIT, "quit"),
            ),
            trouble=self.trouble,
        )

    @property
    def trouble(self) -> str:
        """What the demo itself cannot do at the moment; empty where it can do all."""
        fallen = self.stack.fallen
        return self.stack.shop.broken or (f"{fallen[0]} has ended by itself" if fallen else self.seen.trouble)

    @property
    def was_seen(self) -> bool:
        """Whether the incident's alert has fired, and for long enough to be looked at."""
        if self.shown is None or missing(self.shown, self.seen, self.since):
            return False
        began = min(one.since for one in self.seen.alerts if one.name == self.shown.alert.name)
        return self.clock() - max(began, self.since) > _SHOWN_AFTER_FIRING

    def _happening(self) -> str:
        if self.shown:
            return f"BROKEN: {self.shown.incident.title}"
        return "mended" if self.since else "nothing is broken"

    def _addresses(self) -> tuple[Address, ...]:
        found = [
            Address("Prometheus", self.stack.prometheus),
            Address("Alertmanager", self.stack.alertmanager),
            Address("exporter", f"{self.stack.exporter}/metrics"),
        ]
        return (*found, Address("Grafana", self.grafana)) if self.grafana else tuple(found)
