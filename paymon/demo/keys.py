"""Which key was pressed?"""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Keys", "pressed_keys"]


class Keys:
    """Keys of a terminal, as they are pressed."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal

    def wait(self, seconds: float) -> str:
        """The keys pressed within that time; returns at the first."""
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        return os.read(self._terminal, 64).decode(errors="ignore") if ready else ""


@contextmanager
def pressed_keys() -> Iterator[Keys]:
    """The keys of standard input, a terminal, without waiting for Enter and without showing them."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield Keys(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
