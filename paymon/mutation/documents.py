"""What do rule files and files of rule tests say, to the letter, and how are changed ones written?

Read without deciding what a scalar means: what stands there plainly is written plainly again, what stands in quotes in
quotes, so that promtool finds in a changed file what it would have found in the first.
"""

import glob
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Plain", "UnreadableError", "document", "kind_of", "rule_files_of", "text_of"]

_SAFE = re.compile(r"[A-Za-z0-9_.+~-]+\Z")
_LARGEST = 64 * 2**20


class UnreadableError(Exception):
    """A file that cannot be used: which, why, and what helps."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path}: {cause}")
        self.path, self.cause = path, cause


class Plain(str):
    """A scalar that stands without quotes: YAML decides whether it is a number, true, or text."""

    __slots__ = ()


class _Loader(yaml.CSafeLoader):
    """Leaves every scalar as it stands."""


def _scalar(loader: _Loader, node: yaml.ScalarNode) -> str | None:
    text = str(loader.construct_scalar(node))
    if node.style:
        return text
    if text in ("", "~"):
        return None
    return Plain(text) if _SAFE.match(text) else text


# Plain scalars need no tag of their own; `<<` goes on to merge.
_Loader.yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile(r"<<\Z"))]}
_Loader.add_constructor("tag:yaml.org,2002:str", _scalar)


def document(path: Path) -> Mapping[str, Any]:
    """The mapping that a YAML file holds. Raises UnreadableError."""
    try:
        if path.stat().st_size > _LARGEST:
            raise UnreadableError(path, f"is larger than {_LARGEST // 2**20} MiB; that is no file of rules or tests")
        found = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise UnreadableError(path, f"cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError(path, f"is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict):
        raise UnreadableError(path, "is neither a rule file (with `groups`) nor a file of rule tests (with `tests`)")
    return found


def kind_of(found: Mapping[str, Any]) -> str:
    """`rules`, `tests`, or nothing."""
    if isinstance(found.get("groups"), list):
        return "rules"
    return "tests" if isinstance(found.get("tests"), list) else ""


def rule_files_of(path: Path, found: Mapping[str, Any]) -> tuple[Path, ...]:
    """The rule files that a file of tests names. Raises UnreadableError where there are none."""
    patterns = found.get("rule_files")
    if not isinstance(patterns, list) or not patterns:
        raise UnreadableError(path, "names no rule_files; a test without rules tests nothing")
    matched: dict[Path, None] = {}
    for pattern in patterns:
        files = sorted(glob.glob(str(path.parent / str(pattern))))  # noqa: PTH207 - Path.glob knows no `..`
        if not files:
            raise UnreadableError(path, f"rule_files has {pattern}, which is no file here")
        matched |= {Path(os.path.normpath(Path(file).absolute())): None for file in files}
    return tuple(matched)


def text_of(found: Any) -> str:
    """It as YAML, in the notation that is JSON's too where nothing stands plainly."""
    pieces: list[str] = []
    _write(found, pieces.append)
    return "".join(pieces)


def _write(found: Any, put: Any) -> None:
    match found:
        case Plain():
            put(found)
        case str():
            put(json.dumps(found, ensure_ascii=False))
        case dict():
            put("{")
            for number, (name, value) in enumerate(found.items()):
                put(", " if number else "")
                put(f"{json.dumps(str(name), ensure_ascii=False)}: ")
                _write(value, put)
            put("}")
        case list() | tuple():
            put("[")
            for number, value in enumerate(found):
                put(", " if number else "")
                _write(value, put)
            put("]")
        case None:
            put("null")
        case _:
            put(str(found))
