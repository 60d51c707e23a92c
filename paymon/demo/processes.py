"""How is a program started beside the demo, waited for, and ended for certain?"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from paymon.demo import launcher

__all__ = ["NotStartedError", "Process", "fetched", "free_port", "started"]

_ENDS_WITHIN = 5.0
_LAUNCHER = Path(launcher.__file__)
_NO_TLS = False  # plain HTTP: nothing is verified, and no certificates need be loaded
_TOLD = 600
"""Characters of a log that are shown."""


class NotStartedError(Exception):
    """A part of the demo did not start: which, why, and what would help."""

    def __init__(self, what: str, cause: str, cure: str) -> None:
        self.what, self.cause, self.cure = what, cause, cure
        super().__init__(f"{what} did not start: {cause}. {cure}")


@dataclass(frozen=True, slots=True)
class Process:
    """A program that runs beside the demo, in a process group of its own, so that Ctrl-C reaches the demo alone."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def runs(self) -> bool:
        """Whether it still does."""
        return self.popen.poll() is None

    def wait_until(self, ready: Callable[[], bool], within: float, *, or_else_go_on: bool = False) -> None:
        """Return once `ready`.

        Raises NotStartedError where the program ends or, unless one can go on all the same, takes longer than `within`
        seconds.
        """
        deadline = time.monotonic() + within
        while not ready():
            if not self.runs:
                raise NotStartedError(self.name, f"it ended with status {self.popen.returncode}", self._last_words())
            if time.monotonic() > deadline:
                if or_else_go_on:
                    return
                raise NotStartedError(self.name, f"it was not ready within {within:.0f} s", self._last_words())
            time.sleep(0.1)

    def wait_until_answers(self, url: str, within: float = 30) -> None:
        """Return once `url` answers 200. Raises NotStartedError."""
        self.wait_until(lambda: fetched(url) is not None, within)

    def kill(self) -> None:
        """End it at once, with whatever it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(_ENDS_WITHIN)

    def end(self) -> None:
        """Ask it to end, and insist after five seconds."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGTERM)
        try:
            self.popen.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()

    def _last_words(self) -> str:
        said = self.log.read_text(errors="replace").strip()
        return f"It said last:\n{said[-_TOLD:]}" if said else "It said nothing."


@contextmanager
def started(
    name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """A program that runs until the block ends, or this process does; its log is `folder`/<name>.log.

    To be called from the main thread: the program ends with the thread that started it. Raises NotStartedError.
    """
    log = folder / f"{name.lower().replace(' ', '-')}.log"
    whole = [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), *command]
    try:
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [str(part) for part in whole],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise NotStartedError(
            name, str(error.strerror), f"See whether {folder} has room, and {command[0]} can be run."
        ) from error
    process = Process(name, popen, log)
    try:
        yield process
    finally:
        process.end()


def free_port() -> int:
    """A port of the loopback interface on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetched(url: str) -> httpx.Response | None:
    """What a server of ours on the loopback interface answers with status 200; None for anything else."""
    try:
        answer = httpx.get(url, timeout=2, trust_env=False, verify=_NO_TLS)
    except httpx.HTTPError:
        return None
    return answer if answer.status_code == httpx.codes.OK else None
