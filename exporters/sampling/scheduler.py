"""When is each source sampled, and what is known of it now?"""

import asyncio
import math
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace

from exporters.process.logs import FailureLog
from exporters.sampling.model import Clock, Distribution, ErrorClass, Reading, SampleError, Sampler, Snapshot
from exporters.sampling.soundness import faults
from rules.vocabulary import Source

__all__ = ["Health", "Line", "Scheduler", "next_deadline"]

LEAST_INTERVAL = 1.0
LEAST_LIMIT = 60.0
FAREWELL = 1.0
"""Seconds that a cancelled sample has to let go of what it holds."""
LONGEST_NAP = 5.0
"""Seconds after which a waiting source is asked again how long it wants to wait: soon after it ceased to lead."""
FIRST_WITHIN = 5.0
"""Seconds over which the first samples are spread, so that replicas started together do not ask together."""


@dataclass(slots=True)
class Health:
    """How the sampling of one source goes; `follows` while another replica reads it, whose business that is."""

    tried: bool = False
    up: bool = False
    follows: bool = False
    duration: float | None = None
    last_success: float | None = None
    complete_until: float | None = None
    catching_up: bool = False
    errors: dict[ErrorClass, int] = field(default_factory=lambda: dict.fromkeys(ErrorClass, 0))


def next_deadline(previous: float, interval: float, now: float) -> float:
    """The first moment after `now` that is a whole number of intervals after `previous`: missed ones are skipped."""
    return previous + interval * max(1, math.floor((now - previous) / interval) + 1)


class Line:
    """One source: its sampler, its latest snapshot, its health.

    `interval` is what the sampler wanted last, in seconds, `usual_interval` what it wanted when all went well: how long
    it backs off after a failure, its own or that of another source that asks the same, must make its data look neither
    young nor old. Deadlines and ages run on the event loop's
    clock, which no correction of the machine's time can move; `clock` gives the moments that are served, `since` the
    one at which it began.
    """

    def __init__(self, sampler: Sampler, clock: Clock, log: FailureLog) -> None:
        self.sampler = sampler
        self.source = sampler.source
        self.health = Health()
        self.since = clock()
        self._clock = clock
        self._log = log
        self._snapshot: Snapshot | None = None
        self._sampled_at = -math.inf
        self._overdue: asyncio.Task[Snapshot] | None = None
        self._told: frozenset[str] = frozenset()
        self.interval = self.usual_interval = self._max_age = LEAST_LIMIT
        self._read_timing()

    def snapshot(self) -> Snapshot | None:
        """The latest snapshot, None where there is none or it has grown too old to be served."""
        if asyncio.get_running_loop().time() - self._sampled_at > self._max_age:
            self._snapshot = None
        return self._snapshot

    def about(self) -> tuple[Reading | Distribution, ...]:
        """What the sampler says of its own work; nothing where it cannot."""
        try:
            found = self.sampler.about()
            wrong = faults(found, Source.EXPORTER)
        except Exception as error:
            self._tell({f"about itself: {_place(error)}"})
            return ()
        self._tell(set(wrong.values()))
        return tuple(reading for place, reading in enumerate(found) if place not in wrong)

    def take_over(self, other: "Line", *, means_the_same: bool) -> None:
        """Go on from what another line knew of the same source, after the configuration was read again.

        Where its answers mean something else now, what the other one saw is nothing known: only the errors are counted
        on, and the data are as old as they were.
        """
        self.since = other.since
        if means_the_same:
            self.health = other.health
            self._snapshot, self._sampled_at = other._snapshot, other._sampled_at
        else:
            self.health = Health(complete_until=other.health.complete_until, errors=other.health.errors)

    async def run(self, first: float) -> None:
        """Sample at `first` (the event loop's time) and at every deadline after it, until cancelled."""
        loop = asyncio.get_running_loop()
        deadline = first
        while True:
            deadline = await self._reached(deadline)
            await self.sample()
            self._read_timing()
            deadline = next_deadline(deadline, self.interval, loop.time())

    async def _reached(self, deadline: float) -> float:
        """Wait for it, or for an earlier one where the sampler's interval shrinks meanwhile; gives the one reached.

        Stripe's sources learn from one another how much they may ask: the first to ask should not wait for hours.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (left := deadline - loop.time()) > 0:
            await asyncio.sleep(min(left, LONGEST_NAP))
            self._read_timing()
            if loop.time() + self.interval < deadline:
                deadline = began + self.interval
        return deadline

    async def sample(self) -> None:
        """Sample once, whatever the sampler does: it may raise, hang, refuse to be cancelled, or answer nonsense."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            snapshot = await self._within_limit(self._clock())
            self._accept(snapshot, started)
        except SampleError as error:
            self._failed(error)
        except Exception as error:
            self._failed(_unexpected(self.source, error))
        self.health.duration = loop.time() - started
        self.health.tried = True

    async def _within_limit(self, now: float) -> Snapshot:
        if self._overdue and not self._overdue.done():
            raise _too_long(self.source, "an earlier sample still runs and cannot be stopped")
        limit = min(self._max_age, max(LEAST_LIMIT, 2 * self.interval))
        task = asyncio.get_running_loop().create_task(self.sampler.sample(now), name=f"sample {self.source.value}")
        try:
            await asyncio.wait({task}, timeout=limit)
            if not task.done():
                raise _too_long(self.source, f"the sample did not end within {limit:.0f} s")
            return task.result()
        except asyncio.CancelledError:
            if task.cancelled() and not _being_cancelled():
                raise SampleError(
                    ErrorClass.INTERNAL, self.source.value, "the sample cancelled itself", "report it, with the log"
                ) from None
            raise
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=FAREWELL)
                task.add_done_callback(_forget)
                self._overdue = task

    def _accept(self, snapshot: Snapshot, started: float) -> None:
        if snapshot.source is not self.source:
            raise SampleError(
                ErrorClass.INTERNAL,
                self.source.value,
                f"the sampler answered for {snapshot.source.value}",
                "report it, with the log",
            )
        wrong = faults(snapshot.readings, self.source)
        if wrong:
            kept = tuple(reading for place, reading in enumerate(snapshot.readings) if place not in wrong)
            snapshot = replace(snapshot, readings=kept)
        self._snapshot, self._sampled_at = snapshot, started
        self.health.up = True
        self.health.follows = snapshot.complete_until is None
        if snapshot.complete_until is not None:
            self.health.last_success = snapshot.taken_at
            self.health.complete_until = snapshot.complete_until
        if snapshot.problem:
            self._failed(snapshot.problem)
        else:
            self._log.succeeded(self.source.value)
        self.health.catching_up = snapshot.catching_up
        if wrong:
            self.health.errors[ErrorClass.INTERNAL] += 1
            self._tell(set(wrong.values()))

    def _read_timing(self) -> None:
        try:
            self.interval = max(LEAST_INTERVAL, self.sampler.interval.total_seconds())
            if self.health.up and not self.health.follows:
                self.usual_interval = max(LEAST_INTERVAL, self.sampler.usual_interval.total_seconds())
            elif self.health.follows or self.health.last_success is None:
                self.usual_interval = min(self.usual_interval, self.interval)
            self._max_age = self.sampler.max_age.total_seconds()
        except Exception as error:
            self._failed(_unexpected(self.source, error))

    def _failed(self, error: SampleError) -> None:
        self.health.up = self.health.follows = self.health.catching_up = False
        self.health.errors[error.kind] += 1
        self._log.failed(self.source.value, error.kind.value, str(error))

    def _tell(self, faults_found: set[str]) -> None:
        """Count and log what of the sampler's readings had to be left out, each once."""
        new = faults_found - self._told
        self._told |= new
        for what in sorted(new):
            self.health.errors[ErrorClass.INTERNAL] += 1
            self._log.left_out(self.source.value, what)


class Scheduler:
    """All sources, each sampled by a task of its own."""

    def __init__(
        self,
        samplers: Iterable[Sampler],
        clock: Clock,
        random: Callable[[], float],
        log: FailureLog,
    ) -> None:
        """`random` gives a number from 0 up to 1 for the jitter of each first sample."""
        self.lines = tuple(Line(sampler, clock, log) for sampler in samplers)
        self._random = random

    def succeed(self, other: "Scheduler", same: Container[Source]) -> None:
        """Go on from what another one knew; `same` are the sources whose answers mean what they meant."""
        known = {line.source: line for line in other.lines}
        for line in self.lines:
            if line.source in known:
                line.take_over(known[line.source], means_the_same=line.source in same)

    @property
    def tried(self) -> bool:
        """True once every source was sampled at least once, with or without success."""
        return all(line.health.tried for line in self.lines)

    def readings(self) -> tuple[Reading | Distribution, ...]:
        """Every reading of every snapshot that is young enough, and what the samplers say of themselves."""
        found: list[Reading | Distribution] = []
        for line in self.lines:
            snapshot = line.snapshot()
            found += [*(snapshot.readings if snapshot else ()), *line.about()]
        return tuple(found)

    async def sample(self) -> None:
        """Sample every source once, now, all at the same time: for whoever decides himself how time passes."""
        await asyncio.gather(*(line.sample() for line in self.lines))

    async def run(self) -> None:
        """Sample until cancelled."""
        now = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for line in self.lines:
                first = now + self._random() * min(FIRST_WITHIN, line.interval / 10)
                tasks.create_task(line.run(first), name=f"line {line.source.value}")

    async def close(self) -> None:
        """Let every sampler go, each within a bounded time and whatever the others do."""
        await asyncio.gather(*(_closed(line.sampler) for line in self.lines))


async def _closed(sampler: Sampler) -> None:
    task = asyncio.ensure_future(sampler.close())
    await asyncio.wait({task}, timeout=FAREWELL)
    task.add_done_callback(_forget)
    if not task.done():
        task.cancel()


def _forget(task: asyncio.Task[object]) -> None:
    if not task.cancelled():
        task.exception()


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _too_long(source: Source, what: str) -> SampleError:
    return SampleError(ErrorClass.TIMEOUT, source.value, what, "see whether what it samples still answers")


def _unexpected(source: Source, error: Exception) -> SampleError:
    """An exception that nobody foresaw, without its text: that may hold a secret."""
    return SampleError(ErrorClass.INTERNAL, source.value, _place(error), "report it, with the log")


def _place(error: Exception) -> str:
    """The exception's class and the line that raised it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}" if trace else ""
    return f"unexpected {type(error).__name__}{place}"
