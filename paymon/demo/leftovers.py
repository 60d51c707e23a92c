"""How does nothing stay behind, however the demo ends?

Everything that the demo writes lies in one folder, and the demo holds a lock there while it lives. A guardian, a small
process of its own, waits until the demo has gone, even by SIGKILL, and then clears the folder away together with a
Postgres that still runs in it; the other programs die with the demo by themselves (see `launcher`). Should the
guardian be killed as well, the next demo does its work.

Run as a script, this is the guardian: its standard input ends when the demo does.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["folder_that_goes", "sweep"]

_PREFIX = "paymon-demo-"
_LOCK = "alive"
_STARTING = 60
"""Seconds that another demo may take from making its folder to locking it."""
_STOPS_WITHIN = 5.0
_TRIES = 10


@contextmanager
def folder_that_goes() -> Iterator[Path]:
    """A folder of one's own that is gone at the end, whatever end that is. Raises OSError where none can be made.

    Other users may pass through it, for Postgres, which root must start as somebody else, but not look into it.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        folder.chmod(0o711)
        unseen = folder / "locking"
        with unseen.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            unseen.rename(folder / _LOCK)  # locked before anybody sees it
            with _guarded(folder):
                yield folder
    finally:
        clear(folder)


def sweep() -> int:
    """Clear away what demos that were killed have left. Gives how many there were."""
    swept = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and not _in_use(folder):
                clear(folder)
                swept += 1
    return swept


def clear(folder: Path) -> None:
    """Stop a Postgres that runs in the folder, and remove the folder."""
    with contextlib.suppress(OSError):
        for file in folder.glob("*/data/postmaster.pid"):
            _stop_postgres(file, folder)
    for _ in range(_TRIES):  # somebody who is about to die may still write
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def _in_use(folder: Path) -> bool:
    lock = folder / _LOCK
    if not lock.exists():
        return time.time() - folder.stat().st_mtime < _STARTING
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    guardian = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    assert guardian.stdin
    try:
        yield
    finally:
        clear(folder)
        guardian.stdin.close()
        guardian.wait()


def _stop_postgres(file: Path, folder: Path) -> None:
    """At once: nobody needs its data any more. Its own processes follow it."""
    pid = int(file.read_text().split()[0])
    for number in (signal.SIGQUIT, signal.SIGKILL):
        if not _is_of(pid, folder):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + _STOPS_WITHIN
        while _is_of(pid, folder) and time.monotonic() < deadline:
            time.sleep(0.02)


def _is_of(pid: int, folder: Path) -> bool:
    """Whether that process is the one that was started in the folder, and not a later one of the same number."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        try:
            words = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True).stdout
        except OSError:
            return False
    return str(folder) in words


def main(folder: Path) -> None:
    """Wait for the end of standard input, then clear the folder away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    clear(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
