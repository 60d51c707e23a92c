"""How do generated files reach the disk whole, and do those on the disk still match the definitions?"""

import contextlib
import difflib
import errno
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from generators.text import is_generated

__all__ = ["Drift", "DriftKind", "OutputError", "differences", "of_others", "write"]


_BESIDE = ".paymon"
"""How the name of a file ends that is not yet whole."""
_OTHERWISE = "make the folder writable, or choose another with --out"
_CURES = {
    errno.ENOSPC: "make room, then run it again",
    errno.EDQUOT: "make room, then run it again",
    errno.EISDIR: "remove the folder that stands in its place",
    errno.ENOTDIR: "remove the file that stands in the place of its folder",
    errno.EEXIST: "remove the link that leads nowhere in the place of its folder",
}
"""What to do about a file that cannot be written, by why it cannot."""


class OutputError(Exception):
    """A file could not be written: which, why, and what to do about it."""

    def __init__(self, path: Path, cause: str, how_to_fix: str) -> None:
        super().__init__(f"{path}: {cause}; {how_to_fix}")
        self.path = path


class DriftKind(Enum):
    """In which way a file on the disk is not the generated one."""

    CHANGED = "differs from the definitions"
    MISSING = "is missing"
    STALE = "is no longer generated"
    UNTRACKED = "is not tracked by git"


@dataclass(frozen=True, slots=True)
class Drift:
    """One file that is not as it would be generated."""

    path: str
    kind: DriftKind
    diff: str = ""


def write(root: Path, files: Mapping[str, str], owned: str) -> tuple[int, int]:
    """Write the files below `root` and remove what else lies in its folder `owned`; gives how many of each.

    Elsewhere what says that it was generated is removed where a file of its name has another place now.

    A file is written beside its place and renamed, so that it is old or new, never half; an unchanged one is left
    alone. Stale files go last, and what a run that was killed left beside a file. Raises OutputError at the first that
    fails.
    """
    present = _present(root, files, owned)
    beside = f".{os.urandom(4).hex()}{_BESIDE}"
    folders: set[str] = set()
    written = 0
    for path, text in files.items():
        target = root / path
        folder = path.rpartition("/")[0]
        try:
            if path in present and _read(target) == text:
                continue
            if folder not in folders:
                target.parent.mkdir(parents=True, exist_ok=True)
                folders.add(folder)
            _replace(target, target.with_name(f".{target.name}{beside}"), text)
        except OSError as error:
            raise OutputError(target, error.strerror or str(error), _CURES.get(error.errno or 0, _OTHERWISE)) from error
        written += 1
    removed = 0
    for path in sorted(present - files.keys()):
        try:
            (root / path).unlink()
        except OSError as error:
            raise OutputError(root / path, error.strerror or str(error), "remove it by hand") from error
        removed += 1
        if not PurePosixPath(path).is_relative_to(owned):
            with contextlib.suppress(OSError):  # not empty
                (root / path).parent.rmdir()
    _remove_empty_folders(root / owned)
    return written, removed


def _remove_empty_folders(folder: Path) -> None:
    """A folder that is left empty would look like an environment without rules."""
    for below in sorted((path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True):
        with contextlib.suppress(OSError):  # not empty, or not ours to remove: then it stays
            below.rmdir()


def differences(root: Path, files: Mapping[str, str], owned: str) -> tuple[Drift, ...]:
    """Every file below `root` that is not as it would be generated, in the order of their paths."""
    found = [Drift(path, DriftKind.STALE) for path in _present(root, files, owned) - files.keys()]
    untracked = _untracked(root, files)
    for path, text in files.items():
        current = _read(root / path)
        if current is None:
            found.append(Drift(path, DriftKind.MISSING))
        elif current != text:
            lines = difflib.unified_diff(
                current.splitlines(), text.splitlines(), f"{path} (on disk)", f"{path} (generated)", lineterm="", n=2
            )
            found.append(Drift(path, DriftKind.CHANGED, "\n".join(lines)))
        elif path in untracked:
            found.append(Drift(path, DriftKind.UNTRACKED))
    return tuple(sorted(found, key=lambda drift: drift.path))


def of_others(root: Path, files: Mapping[str, str], owned: str) -> tuple[str, ...]:
    """What paymon did not write and `write` would lose.

    That is what lies in `owned` where nothing there says that it was generated, and what it would overwrite elsewhere.
    """
    below = [path for path in sorted(_files_below(root, owned)) if not path.rpartition("/")[2].startswith(".")]
    ours = any(is_generated(_read(root / path) or "") for path in below)
    outside = (path for path in files if not PurePosixPath(path).is_relative_to(owned))
    overwritten = (path for path in outside if (text := _read(root / path)) is not None and not is_generated(text))
    return (*(() if ours else below), *overwritten)


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        return ""


def _replace(target: Path, beside: Path, text: str) -> None:
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            os.fchmod(handle, 0o644)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _present(root: Path, files: Mapping[str, str], owned: str) -> set[str]:
    """What lies in the owned folder; elsewhere those of the files that exist, and what a killed run left beside one.

    Elsewhere, too, what was generated under one of their names in another folder, as before a service came or went.
    """
    found = set(_files_below(root, owned))
    for top, name in {(path.parts[0], path.name) for path in map(PurePosixPath, files)}:
        if top != PurePosixPath(owned).parts[0]:
            places = [root / top / name, *(root / top).glob(f"*/{name}")]
            found |= {one.relative_to(root).as_posix() for one in places if is_generated(_read(one) or "")}
    for path in map(PurePosixPath, files):
        if not path.is_relative_to(owned):
            places = [root / path, *(root / path.parent).glob(f".{path.name}.*{_BESIDE}")]
            found |= {place.relative_to(root).as_posix() for place in places if place.is_symlink() or place.exists()}
    return found


def _files_below(root: Path, folder: str) -> Iterator[str]:
    """The paths below `root` of what lies in the folder and in those within, links as what they are."""
    try:
        entries = list(os.scandir(root / folder))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(root, f"{folder}/{entry.name}")
        elif entry.is_symlink() or entry.is_file():
            yield f"{folder}/{entry.name}"


def _untracked(root: Path, files: Mapping[str, str]) -> set[str]:
    """Those of the files that git does not track or ignores; none where the folder is in no git work tree."""
    folders = sorted({path.split("/")[0] for path in files})
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "ls-files", "--others", "-z", "--", *folders],
            capture_output=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return {path for path in answer.stdout.decode(errors="replace").split("\0") if path}
