"""Which test left a socket or a process behind? That very test fails, and not whichever runs when it is noticed.

What a fixture opens is the fixture's business; what is opened while a test itself runs must be gone when its fixtures
are.
"""

import contextlib
import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_OPENED: "pytest.StashKey[tuple[dict[str, str], frozenset[int]]]" = pytest.StashKey()
_DESCRIPTORS = Path("/proc/self/fd")
_GOES_WITHIN = 10.0
"""Seconds that something may take to go which has been told to."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """See what is there before the test itself runs."""
    item.stash[_OPENED] = (sockets(), children())
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Compare, once the test's own fixtures have gone."""
    yield
    before = item.stash.get(_OPENED, None)
    if before is None:
        return
    there, running = before
    left = _left(there, running)
    if not left:
        return
    deadline = time.monotonic() + _GOES_WITHIN
    gc.collect()  # what is garbage would be blamed on another test
    garbage = [one for one in left if one not in _left(there, running)]
    while (left := _left(there, running)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        pytest.fail(f"left behind: {', '.join(left)}", pytrace=False)
    if any(one.startswith("socket") for one in garbage):
        pytest.fail(f"left to the garbage collector: {', '.join(garbage)}; close it", pytrace=False)


def _left(there: dict[str, str], running: frozenset[int]) -> list[str]:
    opened = [f"socket {name}" for fd, name in sockets().items() if there.get(fd) != name]
    started = [f"process {pid} ({_command(pid)})" for pid in children() - running]
    return sorted(opened + started)


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


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        words = ""
    return words[:120] or "ended, and not waited for"
