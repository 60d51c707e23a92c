"""Which test left a socket, a process, a thread or an asyncio task behind? That very test fails, and not another.

What a fixture opens is the fixture's business; what is opened while a test itself runs must be gone when its fixtures
are. A task must be done, or awaited after it was cancelled, when its event loop's work is.
"""

import asyncio
import contextlib
import gc
import inspect
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_DESCRIPTORS = Path("/proc/self/fd")
_OF_A_LOOP = re.compile(r"asyncio_\d+")
"""A thread of an event loop's pool. A runner waits for its own: it is a fixture's loop that runs on."""
_GOES_SOON = 0.5
"""Seconds after which garbage is collected: it takes longer than to wait for a thread that ends by itself."""


@dataclass(frozen=True, slots=True)
class _There:
    """What there was before a test."""

    sockets: dict[str, str]
    children: frozenset[int]
    threads: frozenset[threading.Thread]
    tasks: list[str] = field(default_factory=list)
    """Those that were left to event loops to cancel, while the test ran."""

    def left(self) -> list[str]:
        """What there is now, and was not then."""
        opened = [f"socket {name}" for fd, name in sockets().items() if self.sockets.get(fd) != name]
        started = [f"process {pid} ({_command(pid)})" for pid in children() - self.children if not _pythons_own(pid)]
        threads = [
            f"thread {one.name}"
            for one in frozenset(threading.enumerate()) - self.threads
            if not _OF_A_LOOP.fullmatch(one.name)
        ]
        return sorted(opened + started + threads)


_BEFORE: "pytest.StashKey[_There]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long is waited, on a busy machine too, before what is still there counts as left behind."""
    parser.addini("gone_within", "Seconds that something may take to go which has been told to.", default="60")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """See what is there before the test itself runs."""
    item.stash[_BEFORE] = before = _There(sockets(), children(), frozenset(threading.enumerate()))
    with _told_of_tasks(before.tasks.append):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Compare, once the test's own fixtures have gone."""
    yield
    before = item.stash.get(_BEFORE, None)
    if before is None:
        return
    if before.tasks:
        pytest.fail(f"left behind: {', '.join(before.tasks)}", pytrace=False)
    within = float(item.config.getini("gone_within"))
    if not _left_after(before, _GOES_SOON):
        return
    left = _left_after(before, within, "socket")  # a peer closes it, or it is closed by nobody but the collector
    gc.collect()  # what is garbage would be blamed on another test
    now = before.left()
    garbage = [one for one in left if one.startswith("socket") and one not in now]
    if now := _left_after(before, within):
        pytest.fail(f"left behind: {', '.join(now)}", pytrace=False)
    if garbage:
        pytest.fail(f"left to the garbage collector: {', '.join(garbage)}; close it", pytrace=False)


def _left_after(before: _There, seconds: float, kind: str = "") -> list[str]:
    """What is left when all of it, or of that kind, has gone, or after so many seconds."""
    deadline = time.monotonic() + seconds
    left = before.left()
    while any(one.startswith(kind) for one in left) and time.monotonic() < deadline:
        time.sleep(0.02)
        left = before.left()
    return left


@contextlib.contextmanager
def _told_of_tasks(tell: Callable[[str], object]) -> Iterator[None]:
    """Be told of each task that is still there when its runner is closed."""

    close = asyncio.Runner.close

    def watched(runner: asyncio.Runner) -> None:
        loop = getattr(runner, "_loop", None)  # get_loop() would make one
        if loop is not None and not loop.is_closed():
            for task in asyncio.all_tasks(loop):
                coroutine = task.get_coro()
                if inspect.iscoroutine(coroutine):  # and not an asynchronous generator that the loop itself closes
                    tell(f"task {task.get_name()} ({coroutine.__qualname__})")
        close(runner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Runner, "close", watched)
        yield


def sockets() -> dict[str, str]:
    """The open sockets of this process, by descriptor."""
    found = {}
    for descriptor in _DESCRIPTORS.iterdir() if _DESCRIPTORS.exists() else ():
        with contextlib.suppress(OSError):
            name = str(descriptor.readlink())
            if name.startswith("socket:"):
                found[descriptor.name] = name
    return found


def children() -> frozenset[int]:
    """The processes that this one has started, those included that have ended and were never waited for."""
    found: set[int] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found.update(map(int, task.read_text().split()))
    return frozenset(found)


def _pythons_own(pid: int) -> bool:
    """Whether multiprocessing started it for all that is to come; it ends with this process."""
    return "from multiprocessing." in _command(pid)


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        words = ""
    return words[:120] or "ended, and not waited for"
