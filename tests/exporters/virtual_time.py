"""How does a test let hours pass on the event loop without waiting?"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Patient(selectors.DefaultSelector):
    """A selector that, instead of waiting, moves its loop's clock on."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on which a sleep is over as soon as nothing else can happen. Not for work in other threads."""

    def __init__(self) -> None:
        selector = _Patient()
        selector.loop = self
        self.now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def in_virtual_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, however long it sleeps."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
