"""How is a part of the work done on another core meanwhile?"""

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, TypeVar

__all__ = ["meanwhile"]

_Result = TypeVar("_Result")


@contextmanager
def meanwhile(work: Callable[[], _Result]) -> Iterator[Callable[[], _Result]]:
    """Begins the work in a process of its own, and gives what waits for its result; a result has to be picklable.

    The work is done here, once it is asked for, where there is no second core, no fork, or another thread; where the
    system grants no further process; and where it failed there, so that an error is the same, traceback and all. On
    leaving, nothing is left of that process.
    """
    if not _can_be_shared():
        yield work
        return
    reading, writing = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is this process' own matter
    child: int | None = None
    try:
        with suppress(OSError):  # at a limit of processes: then nobody writes, and the end is read at once
            child = os.fork()
        if child == 0:
            os.close(reading)  # so that writing fails once nobody reads
            _answer(work, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:

            def result() -> _Result:
                with suppress(EOFError, pickle.UnpicklingError):
                    found: _Result = pickle.load(answer)  # noqa: S301 - our own child wrote it
                    return found
                return work()

            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield result
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _can_be_shared() -> bool:
    """Whether there is a core more. Only Linux says on how many cores one may run, and there fork is safe."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return cores > 1 and threading.active_count() == 1


def _answer(work: Callable[[], object], writing: int) -> NoReturn:
    try:
        with os.fdopen(writing, "wb") as answer:
            pickle.dump(work(), answer, pickle.HIGHEST_PROTOCOL)
    finally:
        os._exit(0)
