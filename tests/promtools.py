"""What has promtool said of these very files before? Most of the suite's time would go into asking it again.

promtool's answer follows from its program, the file of tests and the rule files alone. It is kept with pytest's cache,
which `pytest --cache-clear` and `make clean` empty; what is damaged, or cannot be read or written, is as good as none.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from paymon.promtool import Answer, Promtool, parse_tests

__all__ = ["RememberingPromtool", "answers_of", "remembering"]

_TESTS = re.compile(r"^tests:\s*$", re.MULTILINE)
_ANOTHER_KEY = re.compile(r"^[^\s#-]", re.MULTILINE)
_UNUSED_FOR = 30 * 86400
"""Seconds after which an answer that nobody asked for is thrown away."""


@dataclass(frozen=True)
class RememberingPromtool(Promtool):
    """promtool, which is not asked twice about the same tests of the same rules.

    What it could not test, for whatever reason, it is asked again.
    """

    answers: Path | None = None
    """The folder that they are kept in."""

    def ask(self, *arguments: str, stdin: str = "") -> Answer:
        if self.answers is None or arguments[:2] != ("test", "rules") or len(arguments) != 3:
            return super().ask(*arguments, stdin=stdin)
        file = Path(arguments[2])
        key = _key(self.path, file)
        if key is None:
            return super().ask(*arguments, stdin=stdin)
        kept = self.answers / key
        known = _read(kept)
        if known is None:
            answer = super().ask(*arguments, stdin=stdin)
            said = answer.said.replace(str(file), _FILE)
            tested = not any(failure.error for failure in parse_tests(file, answer.said).failures)
            if tested and str(file.parent) not in said:
                _write(kept, answer.exit_status, said)
            return answer
        status, said = known
        return Answer((str(self.path), *arguments), status, said.replace(_FILE, str(file)))


_FILE = "\0"
"""What stands for the file's name, by which promtool begins to speak of it."""


def remembering(config: pytest.Config, version_prefix: str) -> RememberingPromtool:
    """The promtool of that version, with the answers of earlier runs."""
    found = Promtool.find(version_prefix=version_prefix)
    return RememberingPromtool(found.path, found.version, answers=answers_of(config))


def answers_of(config: pytest.Config) -> Path | None:
    """Where answers are kept; None where pytest keeps nothing."""
    cache = getattr(config, "cache", None)
    if cache is None:
        return None
    try:
        folder = Path(cache.mkdir("promtool"))
        if os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0":
            _sweep(folder)
    except OSError:
        return None
    return folder


def _sweep(folder: Path) -> None:
    for one in folder.iterdir():
        with contextlib.suppress(OSError):
            if one.stat().st_mtime < time.time() - _UNUSED_FOR:
                one.unlink()


def _key(program: Path, file: Path) -> str | None:
    """Stands for all that decides the answer; None where that cannot be told."""
    text = file.read_text()
    begins = _TESTS.search(text)
    if not begins or _ANOTHER_KEY.search(text, begins.end()):
        return None
    head = yaml.safe_load(text[: begins.start()])
    names = head.get("rule_files") if isinstance(head, dict) else None
    if not isinstance(names, list) or any(set("*?[") & set(str(name)) for name in names):
        return None
    whole = hashlib.sha256(_digest(program).encode())
    for name, one in (("", file), *((str(name), file.parent / str(name)) for name in names)):
        try:
            content = one.read_bytes()
        except OSError:
            return None
        whole.update(f"\n{name} {len(content)}\n".encode() + content)
    return whole.hexdigest()


@lru_cache
def _digest(program: Path) -> str:
    with program.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(kept: Path) -> tuple[int, str] | None:
    try:
        content = kept.read_bytes()
        digest, _, body = content.partition(b"\n")
        if digest.decode(errors="replace") != _seal(kept.name, body):
            return None
        status, said = json.loads(zlib.decompress(body))
        os.utime(kept)
    except (OSError, ValueError, zlib.error):
        return None
    return int(status), str(said)


def _write(kept: Path, status: int, said: str) -> None:
    body = zlib.compress(json.dumps([status, said]).encode())
    with contextlib.suppress(OSError):
        handle, beside = tempfile.mkstemp(dir=kept.parent, prefix=f".{kept.name[:8]}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_seal(kept.name, body).encode() + b"\n" + body)
            Path(beside).replace(kept)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise


def _seal(key: str, body: bytes) -> str:
    """What only this answer to this question bears."""
    return hashlib.sha256(key.encode() + body).hexdigest()
