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
    alone. Stale files go last. Raises OutputError at the first that fails.
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
    for path in sorted(_present(root, owned) - set(files)):
        try:
            (root / path).unlink()
        except OSError as error:
            raise OutputError(root / path, error.strerror or str(error), "remove it by hand") from error
        removed += 1
    return written, removed


def differences(root: Path, files: Mapping[str, str], owned: str) -> tuple[Drift, ...]:
    """Every file below `root` that is not as it would be generated, in the order of their paths."""
    present = _present(root, owned)
    found = [Drift(path, DriftKind.STALE) for path in present - set(files)]
    untracked = _untracked(root, owned)
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
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(beside).chmod(0o644)
        Path(beside).replace(target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _present(root: Path, owned: str) -> set[str]:
    return {
        str(PurePosixPath(path.relative_to(root)))
        for path in (root / owned).rglob("*")
        if path.is_symlink() or path.is_file()
    }


def _untracked(root: Path, owned: str) -> set[str]:
    """Files that git does not track or ignores; none where the folder is in no git work tree."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "ls-files", "--others", "-z", "--", owned],
            capture_output=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return {path for path in answer.stdout.decode(errors="replace").split("\0") if path}
