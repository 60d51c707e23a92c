"""Which samplers behave exactly as a test wants?"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from exporters.sampling.model import Distribution, Reading, Snapshot, reading
from rules.payments import replica
from rules.vocabulary import Source

Script = Callable[[float], Awaitable[tuple[Reading | Distribution, ...]]]


async def nothing(now: float) -> tuple[Reading | Distribution, ...]:
    return ()


async def lag(now: float) -> tuple[Reading | Distribution, ...]:
    return (reading(replica.replica_lag, 1.5),)


@dataclass
class Scripted:
    """A sampler that does what its script says, and notes when it was asked (on the event loop's clock)."""

    script: Script = lag
    source: Source = Source.POSTGRES
    interval: timedelta = timedelta(seconds=15)
    max_age: timedelta = timedelta(seconds=60)
    sampled_at: list[float] = field(default_factory=list)
    says: tuple[Reading | Distribution, ...] = ()
    closed: bool = False

    @property
    def usual_interval(self) -> timedelta:
        return self.interval

    async def sample(self, now: float) -> Snapshot:
        self.sampled_at.append(asyncio.get_running_loop().time())
        return Snapshot(self.source, now, now - 1, await self.script(now))

    def about(self) -> tuple[Reading | Distribution, ...]:
        return self.says

    async def close(self) -> None:
        self.closed = True
