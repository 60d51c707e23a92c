"""How does another revision of the project come to stand beside this one, built as it builds itself?"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paymon.programs import cache_folder

__all__ = ["Revision", "RevisionError", "built"]

_WHOLE = ".built"
"""The file that says that a folder was built to its end."""
_LINES = 15


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision, by its name and its commit, in a folder of its own."""

    name: str
    commit: str
    folder: Path


class RevisionError(Exception):
    """A revision that cannot be measured, with the exit status that says whose fault it is."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def built(project: Path, name: str) -> Revision:
    """The revision of that name, unpacked and set up by its own Makefile; kept in the cache folder for the next time.

    Raises RevisionError. What an interrupted run has left half-built is built anew; of two runs at once, one builds it
    and the other waits.
    """
    commit = _commit(project, name)
    folder = cache_folder().parent / "benchmarks" / commit
    try:
        with _alone(folder.with_name(f"{commit}.lock")):
            if not (folder / _WHOLE).exists():
                shutil.rmtree(folder, ignore_errors=True)
                print(f"building {name} ({commit[:7]}) in {folder}", flush=True)
                folder.mkdir()
                _unpack(project, commit, folder)
                _make(name, folder)
                (folder / _WHOLE).touch()
    except OSError as error:
        raise RevisionError(
            f"{folder}: {error.strerror or error}; make room there, or set XDG_CACHE_HOME to another folder", 1
        ) from None
    return Revision(name, commit, folder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """No other process is in here with the same lock; it ends with the process, however that ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _commit(project: Path, name: str) -> str:
    asked = ["git", "-C", str(project), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RevisionError(
            f"{name}: there is no such revision here; name a commit, a branch or a tag "
            "(`git log --oneline` lists them, `git fetch --unshallow` fetches older ones)",
            2,
        )
    return answer.stdout.strip()


def _unpack(project: Path, commit: str, folder: Path) -> None:
    with subprocess.Popen(["git", "-C", str(project), "archive", commit], stdout=subprocess.PIPE) as archive:
        unpacked = subprocess.run(["tar", "-x", "-C", str(folder)], stdin=archive.stdout, check=False)
    if archive.returncode or unpacked.returncode:
        raise OSError(0, "the revision could not be unpacked")


def _make(name: str, folder: Path) -> None:
    python = os.path.realpath(sys.executable)
    command = ["make", "--directory", str(folder), "programs", f"PYTHON={python}"]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if made.returncode:
        last = "\n".join(f"  {line}" for line in made.stdout.splitlines()[-_LINES:])
        raise RevisionError(
            f"{name} does not build; mend it, or name another revision. `make programs` in {folder} said:\n{last}", 1
        )
