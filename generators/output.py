"""How do generated files reach the disk whole, and do those on the disk still match the definitions?"""

import difflib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

__all__ = ["Drift", "DriftKind", "OutputError", "differences", "write"]


_BESIDE = ".paymon"
"""How the name of a file ends that is not yet whole."""


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

    A file is written beside its place and renamed, so that it is old or new, never half; an unchanged one is left
    alone. Stale files go last, and what a run that was killed left beside a file. Raises OutputError at the first that
    fails.
    """
    written = 0
    for path, text in files.items():
        target = root / path
        try:
            if _read(target) == text:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, text)
        except OSError as error:
            raise OutputError(
                target, error.strerror or str(error), "make the folder writable, or choose another with --out"
            ) from error
        written += 1
    removed = 0
    for path in sorted(_stale(root, files, owned)):
        try:
            (root / path).unlink()
        except OSError as error:
            raise OutputError(root / path, error.strerror or str(error), "remove it by hand") from error
        removed += 1
    return written, removed


def differences(root: Path, files: Mapping[str, str], owned: str) -> tuple[Drift, ...]:
    """Every file below `root` that is not as it would be generated, in the order of their paths."""
    found = [Drift(path, DriftKind.STALE) for path in _stale(root, files, owned)]
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


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        return ""


def _replace(target: Path, text: str) -> None:
    handle, beside = tempfile.mkstemp(_BESIDE, f".{target.name}.", target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(beside).chmod(0o644)
        Path(beside).replace(target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _stale(root: Path, files: Mapping[str, str], owned: str) -> set[str]:
    """What lies in the owned folder and is not among the files, and what a killed run left beside one elsewhere."""
    present = [path for path in (root / owned).rglob("*") if path.is_symlink() or path.is_file()]
    for path in map(PurePosixPath, files):
        if not path.is_relative_to(owned):
            present += (root / path.parent).glob(f".{path.name}.*{_BESIDE}")
    return {str(PurePosixPath(path.relative_to(root))) for path in present} - set(files)


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
