"""Which rule tests need not run, because the very same have passed before?

What passed is known by a digest of all that decides it: promtool, this code, the rules and the tests. It is kept in one
file of the cache folder. A file that is damaged, or written by another version, is as good as none.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import generators.text
import rules
from paymon import programs
from paymon.promtool import Promtool

__all__ = ["Remembered", "code_files", "digest", "usual_file"]

_HEAD = "paymon rule tests that passed, 1"
_MOST = 8192
"""Digests that are kept, the newest ones: those of some dozen versions of the rules."""
_LARGEST = 16 * 2**20
"""Bytes beyond which a file cannot be one of ours."""

_NAME = re.compile(r"[a-z][a-z_-]*")
_LOOKED_INTO = re.compile(r"""environment\s*(?:=~|!~)|["'.]environment\b""")
"""Where an environment's name is more than compared and copied: matched in part, or handed to a function."""


def usual_file() -> Path:
    """Where what passed is kept."""
    return programs.cache_folder().parent / "rule-tests-passed"


class Remembered:
    """Digests of what has passed, each with a note; for as long as this lives, and in `file` where there is one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known = _read(file) if file else {}
        self._new: dict[str, str] = {}
        self.found = 0
        """How often something was known to have passed."""

    def note(self, key: str) -> str | None:
        """What was noted of it when it passed; None where it is not known to have passed."""
        noted = self._new.get(key, self._known.get(key))
        self.found += noted is not None
        return noted

    def passed(self, key: str, note: str = "") -> None:
        """It has passed now."""
        self._new[key] = note

    def keep(self) -> None:
        """Write down what is new, with what others have written meanwhile. Raises OSError."""
        if self._file is None or not self._new:
            return
        known = _read(self._file)
        for key in self._new:
            known.pop(key, None)
        _write(self._file, dict([*known.items(), *self._new.items()][-_MOST:]))


def digest(tool: Promtool, texts: Mapping[str, str] | Mapping[str, bytes], environment: str = "") -> str:
    """Stands for these texts by name, that promtool and this code.

    Tests that differ in nothing but the name of their environment have the same digest: as a label's value, in the name
    of a group and copied into an address, it decides nothing.
    """
    whole = hashlib.sha256(_our_code().encode())
    whole.update(repr((tool.version, _file_of(tool.path))).encode())
    for name, text in texts.items():
        content = text if isinstance(text, bytes) else _neutral(text, environment).encode()
        whole.update(f"\n{name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()


def _neutral(text: str, environment: str) -> str:
    """The text with another word for the environment, or as it is where that might not mean the same."""
    if not _NAME.fullmatch(environment) or _LOOKED_INTO.search(text):
        return text
    label = re.compile(rf"""\b(environment(?:=|: )["']?){environment}(?![\w-])""")
    group = re.compile(rf"(?<=\.){environment}(?=\.)")
    neutral = group.sub("\0", label.sub("\\1\0", text))
    return text if environment in neutral else neutral


@lru_cache
def _our_code() -> str:
    """This code, by what is in its files: what passed by other code is not known to pass by this."""
    whole = hashlib.sha256()
    for file in code_files():
        whole.update(file.read_bytes())
    return whole.hexdigest()


def code_files() -> tuple[Path, ...]:
    """The files of all code that reads rules and tests, runs them, and looks for what they do not ask."""
    here, beside = Path(__file__).parent, Path(str(rules.__file__)).parent
    folders = (here, beside / "promql", beside / "promtool")
    alone = (here.parent / "test.py", here.parent / "promtool.py", Path(str(generators.text.__file__)))
    return (*(file for folder in folders for file in sorted(folder.glob("*.py"))), *alone)


def _file_of(program: Path) -> tuple[int, int]:
    """Two builds of one version differ in this."""
    found = program.stat()
    return found.st_size, found.st_mtime_ns


def _read(file: Path) -> dict[str, str]:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError:
        return {}
    head, _, body = content.partition(b"\n")
    if len(content) > _LARGEST or head.decode(errors="replace") != _head(body):
        return {}
    known: dict[str, str] = json.loads(body)
    return known


def _write(file: Path, known: Mapping[str, str]) -> None:
    body = json.dumps(known, indent=0).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(_head(body).encode() + b"\n" + body)
        Path(beside).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise


def _head(body: bytes) -> str:
    return f"{_HEAD}, {hashlib.sha256(body).hexdigest()}"
