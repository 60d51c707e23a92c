"""How does an exporter live through hours in seconds, while its requests take the time that they take?"""

import asyncio
import time

__all__ = ["SteppedLoop"]


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock runs as all clocks do, and jumps when told to."""

    _ahead = 0.0

    def time(self) -> float:
        return time.monotonic() + self._ahead

    def jump(self, to: float) -> None:
        """Let it be `to` seconds on the loop's clock; never back."""
        self._ahead += max(0.0, to - self.time())
