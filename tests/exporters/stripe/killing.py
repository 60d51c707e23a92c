"""An exporter in a process of its own that is killed at random moments while a shop goes on selling."""

import asyncio
import contextlib
import math
import mmap
import multiprocessing
import random
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import SampleError, Snapshot
from exporters.stripe import samplers
from exporters.stripe.events import PAGES_AT_ONCE
from exporters.stripe.settings import StripeSettings
from simulator.stripe import Cause
from tests.exporters.stripe.shop import ENDS, Watched, counters, watched

__all__ = ["Outcome", "kill_again_and_again"]

_ATTEMPTS = 20
_SALES = 12
"""So often the shop sells at most while a process lives, or a busy machine's would never have read it all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: kills of a process that was at work, what it counted before and after, and what was wrong."""

    kills: int
    counted_under_fire: float
    counted: float
    lost: float
    doubled: float
    seconds: float


def kill_again_and_again(folder: Path, kills: int, seed: int, seconds: float) -> Outcome:
    """Sell, sample in another process and kill it with SIGKILL, that often or for so many seconds; then compare."""
    chance = random.Random(seed)
    began = time.monotonic()
    done = at_work = 0
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    with (
        watched(folder, read_share=1.0, first_scrapes="PT0S", timeout="PT30S") as world,
        _shared(folder, world) as tell,
    ):
        _asked_again(world.sample)
        world.stop()
        while done < kills and time.monotonic() - began < seconds:
            child = processes.Process(
                target=_sample_for_ever, args=(world.settings.model_dump(mode="python"), str(folder / "clock"))
            )
            child.start()
            enough = world.server.reads["events"] + chance.randint(1, 8)
            sales = 0
            while world.server.reads["events"] < enough and child.is_alive():
                if sales < _SALES:
                    _sell(world, chance)
                    sales += 1
                tell()
                time.sleep(chance.uniform(0.002, 0.02))
            time.sleep(chance.uniform(0, 0.02))
            at_work += child.is_alive()
            _kill(child)
            done += 1
        world.start()
        before_the_end = counters(_asked_again(world.sample))
        world.clock.on(601)
        found = counters(_rested(world))
        truth = world.shop.truth()
    minor = "payment_amount_minor_units_total", "stripe_refund_amount_minor_units_total"
    keys = found.keys() | truth.keys()
    differences = [found.get(key, 0) - truth.get(key, 0) for key in keys]
    return Outcome(
        at_work,
        math.fsum(count for key, count in before_the_end.items() if key[0] not in minor),
        math.fsum(count for key, count in found.items() if key[0] not in minor),
        math.fsum(-one for one in differences if one < 0),
        math.fsum(one for one in differences if one > 0),
        time.monotonic() - began,
    )


def _asked_again(ask: Callable[[], Snapshot]) -> Snapshot:
    """What it gives, the next time where a busy machine answered too late, as the exporter asks again, too."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(SampleError):
            return ask()
    return ask()


def _rested(world: Watched) -> Snapshot:
    """What it has counted once it has read everything again that may have come late, and nothing is left to decide."""
    pages = PAGES_AT_ONCE
    while pages >= PAGES_AT_ONCE:
        before = world.server.reads["events"]
        world.clock.on(600)
        _asked_again(world.sample)
        pages = world.server.reads["events"] - before
    return _asked_again(lambda: world.rest(3))


def _sell(world: Watched, chance: random.Random) -> None:
    """A few seconds of the shop's day."""
    world.clock.on(chance.uniform(0.5, 6))
    before = world.fake.last_event
    payment = world.shop.pay(chance.choice(sorted(ENDS)))
    if chance.random() < 0.2:
        world.shop.cancel(world.shop.ask())
    if chance.random() < 0.2:
        world.shop.refund(payment, 100)
    if chance.random() < 0.2:
        held = world.shop.pay(capture=False, after=world.shop.ask(), cause=Cause.AUTHENTICATED)
        chance.choice((world.shop.capture, lambda held: world.shop.capture(held, 700, 900), world.shop.release))(held)
    if chance.random() < 0.1:
        chance.choice((world.shop.appeal, world.shop.be_asked_about))(world.shop.pay())
    if chance.random() < 0.1:
        world.fake.use_version(chance.choice(("2024-06-20", "2026-04-22.dahlia")))
    for event in range(before + 1, world.fake.last_event + 1):
        if chance.random() < 0.2:
            world.fake.repeat(event)
        if chance.random() < 0.2:
            world.fake.delay(event, chance.uniform(0, 890))
    if chance.random() < 0.1:
        for number in world.fake.pay().events:
            world.fake.garble(number, {"data": 7})


class _shared:  # noqa: N801 - used like a function
    """The world's time in a file that another process reads."""

    def __init__(self, folder: Path, world: Watched) -> None:
        self._path = folder / "clock"
        self._world = world

    def __enter__(self) -> Callable[[], None]:
        self._path.write_bytes(struct.pack("d", self._world.clock()))
        self._file = self._path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), 8)
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._map.close()
        self._file.close()

    def _tell(self) -> None:
        self._map[:8] = struct.pack("d", self._world.clock())


def _kill(child: BaseProcess) -> None:
    child.kill()
    child.join(100)


def _sample_for_ever(settings: dict[str, Any], path: str) -> None:
    """The child: sample as fast as it can until it is killed."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ) as shared:

        def clock() -> float:
            return float(struct.unpack("d", shared[:8])[0])

        async def pause(seconds: float) -> None:
            """Nobody waits."""

        async def run() -> None:
            stripe = samplers(
                StripeSettings.model_validate(settings), clock, LabelOverflow(), random=lambda: 0.0, pause=pause
            )
            while True:
                try:
                    await stripe.samplers[0].sample(clock())
                except SampleError:
                    await asyncio.sleep(0.001)

        asyncio.run(run())
