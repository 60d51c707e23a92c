"""What does the demo watch: a world of payments that goes on by itself, in real time?"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError, TimeoutExpired
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

import psycopg

from paymon.demo.configuration import declared
from paymon.demo.processes import NotStartedError
from simulator.arithmetic import week_shape
from simulator.conditions import USUAL, Conditions
from simulator.postgres_server import PostgresServer, installations, running
from simulator.shop import Shop
from simulator.stripe import PERMISSIONS, Slow
from simulator.world import World, prepare
from simulator.world import opened as opened_world

__all__ = ["PER_MINUTE", "LiveShop", "opened"]

PER_MINUTE = 30
"""Customers a minute at the shop's own pace; as many as two cores serve with ease at ten times that."""

_PAST_DAYS, _PAST_PER_MINUTE = 30, 0.15
"""What Stripe remembers of before, so that rates over 30 days and the allowance of reads mean something."""

_DATABASE = "payments"
_WARMS_UP = 40
"""Seconds by which the first of the many customers have come."""

_MONDAY = 4 * 86_400
_TICK = 0.25

_AHEAD = 13.0
"""By how many seconds the Date of this Stripe's answers is ahead.

The exporter vouches for Stripe's list only up to 15 seconds before the Date, for as long may events be late at the real
one. Here none is late, and where windows are a tenth as long, that much would pass for an exporter at a standstill.
"""

_UNTIL_COUNTED = 4.0
"""Real seconds after which the exporter has read enough of the past to know how often it may ask."""

_LOOKS_BACK = 900.0
"""Seconds of the shop's time over which the health endpoint reports its rate."""


@dataclass(slots=True)
class LiveShop:
    """A world at work in a thread of its own; `environment` leads the exporter to it, `metrics_target` Prometheus."""

    environment: Mapping[str, str]
    metrics_target: str
    _world: World
    _speed: int
    _since: float
    """When its customers began to come in such numbers."""
    _clock: Callable[[], float]
    _recent: deque[tuple[float, int]] = field(default_factory=deque)
    """Attempts, by the moment at which they were noticed."""
    _stopped: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)
    _broken: str = ""

    @property
    def broken(self) -> str:
        """Why it no longer goes on; empty while it does."""
        return self._broken

    def meet(self, conditions: Conditions) -> None:
        """Do as the conditions say from now on."""
        with self._lock:
            self._world.meet(conditions)

    def keep_pace(self) -> None:
        """Let Stripe's list be vouched for at once, as soon as the exporter counts from it."""
        self._world.stripe.date_ahead = _AHEAD

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let happen what happens as time goes by, until the block ends."""
        thread = Thread(target=self._work, name="shop", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join(5)

    def _work(self) -> None:
        try:
            while not self._stopped.wait(_TICK):
                with self._lock:
                    self._go_on()
        except Exception as error:
            self._broken = f"the simulated shop broke down ({type(error).__name__}: {error})"

    def _go_on(self) -> None:
        world = self._world
        shop, now = world.shop, self._clock()
        passed, unwritten = now - world.now, len(shop.records.attempts)
        shop.advance(now)
        shop.pulse(passed)
        self._recent.append((now, len(shop.records.attempts) - unwritten))
        world.advance(now)
        if not world.conditions.health_cached:
            world.service.transactions_per_minute = self._attempts_per_minute(now)

    def _attempts_per_minute(self, now: float) -> float:
        """Over the past quarter of an hour, both of the shop's time; before we came, as Prometheus remembers it."""
        reach = _LOOKS_BACK / self._speed
        while self._recent[0][0] < now - reach:
            self._recent.popleft()
        before = max(self._since - (now - reach), 0) / 60 * PER_MINUTE * self._speed
        return (before + sum(count for _, count in self._recent)) / (_LOOKS_BACK / 60)


@contextmanager
def opened(folder: Path, speed: int, clock: Callable[[], float] = time.time) -> Iterator[LiveShop]:
    """The shop, its Postgres below `folder`, with a month behind it, at work.

    `speed` times PER_MINUTE customers come in a minute. Raises NotStartedError where Postgres does not start.
    """
    with ExitStack() as stack:
        thread = stack.enter_context(ThreadPoolExecutor(1))
        past = thread.submit(_with_a_past, clock(), speed)
        server = stack.enter_context(_postgres(folder))
        world = stack.enter_context(opened_world(past.result(), server, _DATABASE, folder))
        for endpoint in PERMISSIONS:
            if endpoint != "events":
                world.stripe.faults.next(Slow(_UNTIL_COUNTED), endpoint=endpoint)
        papers = folder / "papers.yaml"
        papers.write_text(declared(clock(), USUAL.rollout))
        live = LiveShop(
            environment={**world.environment, "PAYMON_DECLARED__FILE": str(papers)},
            metrics_target=urlsplit(world.environment["PAYMON_HEALTH__URL"]).netloc,
            _world=world,
            _speed=speed,
            _since=world.now,
            _clock=clock,
        )
        stack.enter_context(live.at_work())
        yield live


def _with_a_past(now: float, speed: int) -> Shop:
    shop = Shop(now - _PAST_DAYS * 86_400, _PAST_PER_MINUTE)
    shop.advance(now - _WARMS_UP)
    shop.customers.per_minute = PER_MINUTE * speed / week_shape(int(now) - _MONDAY)
    shop.advance(now)
    return shop


@contextmanager
def _postgres(folder: Path) -> Iterator[PostgresServer]:
    found = installations()
    if not found:
        raise NotStartedError("Postgres", "there is none here", "Install paymon with its extra `simulator`.")
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running(found[0], within=folder))
            prepare(server, _DATABASE)
        except (CalledProcessError, TimeoutExpired, OSError, psycopg.Error) as error:
            cure = (
                f"See whether {folder} has room and everybody may pass through the folders above it, "
                f"or set TMPDIR to another; and whether Postgres {found[0].version} runs on this machine."
            )
            raise NotStartedError("Postgres", _in_one_line(error), cure) from error
        yield server


def _in_one_line(error: Exception) -> str:
    """The line in which Postgres' programs, which say much, tell what is wrong."""
    lines = str(getattr(error, "output", None) or error).strip().splitlines() or [type(error).__name__]
    return next((line for line in lines if "FATAL" in line or "error:" in line), lines[-1]).strip()
