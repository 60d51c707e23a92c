"""How does an exporter live through hours in seconds, while its requests take the time that they take?"""

import asyncio
import contextlib
import time
from collections.abc import Iterator

__all__ = ["Sampling", "SteppedLoop", "turns"]

_TURNS = 12
"""Turns of the event loop after which every sample that is due has begun."""


async def turns() -> None:
    """Let the event loop turn until every sample that is due has begun."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class Sampling:
    """How many samples the exporters of a loop are taking."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """While one is taken."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def over(self) -> None:
        """Return once every sample that was due has ended."""
        await turns()
        while not self._none.is_set():
            await self._none.wait()
            await turns()


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock runs as all clocks do, and jumps when told to."""

    _ahead = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.sampling = Sampling()
        """What no jump may come between, whosever sample it is: it would seem an answer that never came."""

    def time(self) -> float:
        return time.monotonic() + self._ahead

    def jump(self, to: float) -> None:
        """Let it be `to` seconds on the loop's clock; never back."""
        self._ahead += max(0.0, to - self.time())
