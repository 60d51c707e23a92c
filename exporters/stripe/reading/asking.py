"""What do the sources that ask Stripe for its present state have in common?"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from exporters.sampling.model import Clock, ErrorClass, Reading, SampleError, Sampler, Snapshot
from exporters.stripe.reading.answers import Listed, understood
from exporters.stripe.reading.client import StripeReads
from exporters.stripe.reading.governor import Governor

__all__ = ["FOLLOWING", "Asked", "Asking", "Shared"]

FOLLOWING = timedelta(seconds=5)
"""How often a follower looks whether it leads now: it asks nobody, and a leader must begin at once."""

_LIMIT = 100
_MISSED = 3
"""Samples that may fail before what was read last is no longer served."""

Model = TypeVar("Model", bound=BaseModel)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all of Stripe's sources share."""

    reads: StripeReads
    governor: Governor
    clock: Clock
    is_leader: Callable[[], bool]


class Asking(Sampler):
    """A source that is read anew each time, as often as the allowance permits."""

    endpoints: tuple[str, ...]
    """The endpoints that it reads, the one that decides about its back-off first."""
    least: timedelta
    """The shortest time between two samples."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._reads_each = float(len(self.endpoints))
        self._partial = False

    @property
    def interval(self) -> timedelta:
        """By the allowance, or by the back-off after a failure; short while another replica leads."""
        if not self._shared.is_leader():
            return FOLLOWING
        now = self._shared.clock()
        delays = (self._shared.governor.retry_delay(endpoint, now) for endpoint in self.endpoints)
        delay = max((delay for delay in delays if delay is not None), default=None)
        return self._planned() if delay is None or self._partial else timedelta(seconds=max(delay, 1.0))

    @property
    def usual_interval(self) -> timedelta:
        """By the allowance, whatever another source of the same endpoints or of the same key has met."""
        return self._planned() if self._shared.is_leader() else FOLLOWING

    @property
    def max_age(self) -> timedelta:
        return _MISSED * self._planned()

    async def sample(self, now: float) -> Snapshot:
        """Read once. A follower reads nothing, has no readings, and vouches for nothing. Raises SampleError."""
        if not self._shared.is_leader():
            return Snapshot(self.source, now, None, ())
        here = now - (self._shared.reads.skew or 0.0)
        asked = Asked(self._shared.reads, here)
        self._partial = False
        readings = await self.read(asked)
        if asked.problem and not readings:
            raise asked.problem
        self._partial = asked.problem is not None
        self._reads_each += 0.5 * (asked.count - self._reads_each)
        return Snapshot(self.source, now, here, readings, problem=asked.problem)

    @abstractmethod
    async def read(self, asked: "Asked") -> tuple[Reading, ...]:
        """What Stripe says now. Raises SampleError."""

    async def close(self) -> None:
        """Nothing is held."""

    def _planned(self) -> timedelta:
        seconds = self._shared.governor.interval(
            self.source, self._reads_each, self.least.total_seconds(), self._shared.clock()
        )
        return timedelta(seconds=seconds)


class Asked:
    """The requests of one sample, counted; `here` is the present moment by Stripe's clock.

    `problem` is the permission that a part of it lacked.
    """

    def __init__(self, reads: StripeReads, here: float) -> None:
        self._reads = reads
        self.here = here
        self.count = 0
        self.problem: SampleError | None = None

    async def if_permitted(self, asking: Awaitable[Found]) -> Found | None:
        """What is asked for, None where the key may not ask: the rest of the sample goes on. Raises SampleError."""
        try:
            return await asking
        except SampleError as error:
            if error.kind is not ErrorClass.NOT_PERMITTED:
                raise
            self.problem = self.problem or error
            return None

    async def one(self, endpoint: str, model: type[Model]) -> Model:
        """One object. Raises SampleError."""
        self.count += 1
        return understood(model, (await self._reads.get(endpoint)).data, endpoint)

    async def all(
        self, endpoint: str, model: type[Model], parameters: Mapping[str, Any], pages: int
    ) -> tuple[tuple[Model, ...], bool]:
        """The objects of a list, newest first, up to that many pages, and whether these are all. Raises SampleError."""
        found: list[Model] = []
        cursor: dict[str, str] = {}
        for _ in range(pages):
            self.count += 1
            data = (await self._reads.get(endpoint, {"limit": _LIMIT, **parameters, **cursor})).data
            listed = understood(Listed, data, endpoint)
            found.extend(understood(model, one, endpoint) for one in data["data"])
            if not listed.has_more or not listed.data:
                return tuple(found), True
            cursor = {"starting_after": listed.data[-1].id}
        return tuple(found), False
