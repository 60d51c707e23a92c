"""In which file, and on which line, stands what a problem speaks of, and which files does no catalog take?"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rules.checks import Problem
from rules.vocabulary import Catalog

if TYPE_CHECKING:
    import ast

__all__ = ["placed", "strays"]

_WHERE = re.compile(r"([\w.]+): (?:(\w+) )?(.+?)(?:, .*)?\Z")
_NAMING = frozenset({"name", "service", "team", "threshold", "title", "uid"})
_DEFINING = frozenset({"Alert", "Counter", "Gauge", "Histogram", "Objective", "Signal"})
_NO_DEFINITIONS = frozenset({"build", "dist", "docs", "generated", "node_modules", "tests", "vocabulary"})


_DEFINES = re.compile(rf"^\w[^=\n]*=\s*(?:\w+\.)*(?:{'|'.join(sorted(_DEFINING))})\(", re.MULTILINE)

_ORGANISATION = re.compile(r"\b(?:Organisation|People|Service)\(\n")


def placed(problem: Problem, folders: Iterable[Path]) -> str:
    """The problem as people read it, with `file:line: ` before it where its definition stands in one of the folders.

    A definition's name is a whole string literal, written once: where the module that the problem names has it, there
    it is, and else in whichever module of the folders has it: there a team changes what is defined elsewhere. Behind it
    stands the name of the check.
    """
    found = _WHERE.match(problem.where)
    place = next(_places(found[1], found[3].strip("'\""), tuple(folders)), None) if found else None
    told = f"{place}: {str(problem).removeprefix(f'{found[1]}: ')}" if place and found else str(problem)
    return f"{told} [{problem.check}]" if problem.check else told


def strays(catalogs: Iterable[Catalog], folder: Path) -> Iterator[Problem]:
    """Modules below the folder that define alerts, signals or metrics, and are an area of no catalog."""
    taken = {_file(area.module) for catalog in catalogs for area in catalog.areas}
    loaded = {_file(module) for module in list(sys.modules)}
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder).parts
        if path.resolve() in taken or _NO_DEFINITIONS & set(inside) or any(part.startswith(".") for part in inside):
            continue
        if _in_an_environment(path, folder) or _in_another_project(path.parent, folder):
            continue
        for line, kind, name in _defined(path):
            yield Problem(
                f"{path.relative_to(folder.parent if folder.name == 'rules' else folder)}:{line}: {kind} {name}",
                "is in a module that no area takes, so that nothing comes of it",
                "add the module to the catalog's areas, with with_area(...)"
                + (
                    "; where that stands, a without(...) takes away all that it has" if path.resolve() in loaded else ""
                ),
            )
            break


def _places(module: str, name: str, folders: tuple[Path, ...]) -> Iterator[str]:
    loaded = (path for one in list(sys.modules) if (path := _file(one)))
    ours = [path for path in loaded if any(path.is_relative_to(folder) for folder in folders)]
    others = sorted(ours, key=lambda path: not _says_who(path))
    own = _file(module)
    for path in dict.fromkeys([own] if own in ours else others):
        folder = next((one for one in folders if path.is_relative_to(one)), None)
        if folder is not None and (line := _lines_of_names(path).get(name)):
            yield f"{path.relative_to(folder.parent if folder.name == 'rules' else folder)}:{line}"


def _says_who(path: Path) -> bool:
    """Whether a module says who the people or the services are, of which most problems without a module speak."""
    return _ORGANISATION.search(_text(path)) is not None


def _file(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).resolve() if file else None


@cache
def _lines_of_names(path: Path) -> dict[str, int]:
    """The line of each string that names something, and of each field of the organisation's."""
    lines: dict[str, int] = {}
    import ast

    for call in (node for node in ast.walk(_tree(path)) if isinstance(node, ast.Call)):
        named = [*call.args[:1], *(one.value for one in call.keywords if one.arg in _NAMING)]
        for one in named:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                lines.setdefault(one.value, one.lineno)
        if _called(call) in ("Delivery", "Organisation", "People", "Service"):
            for keyword in call.keywords:
                lines.setdefault(keyword.arg or "", keyword.value.lineno)
    return lines


def _defined(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, kind and name of what a module defines at its top level."""
    if not _DEFINES.search(_text(path)):
        return
    import ast

    for node in _tree(path).body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call) and _called(value) in _DEFINING and value.args:
            first = value.args[0]
            if isinstance(first, ast.Constant):
                yield node.lineno, _called(value).lower(), str(first.value)


@cache
def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _tree(path: Path) -> ast.Module:
    import ast

    try:
        return ast.parse(_text(path))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _called(call: ast.Call) -> str:
    import ast

    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _in_an_environment(path: Path, folder: Path) -> bool:
    """Whether a virtual environment lies between the folder and the file."""
    return any((parent / "pyvenv.cfg").exists() for parent in path.parents if parent.is_relative_to(folder))


@cache
def _in_another_project(place: Path, folder: Path) -> bool:
    """Whether the place belongs to a project of its own, which lies below the folder."""
    from paymon.project import ProjectError, project_at

    try:
        found = project_at(place)
    except ProjectError:  # of the nested one, which says so itself where it is read
        return True
    return found is not None and found.folder != folder and found.folder.is_relative_to(folder)
