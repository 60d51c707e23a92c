"""Which definitions does the folder at hand have of its own?"""

import importlib
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from paymon.versions import as_numbers
from rules.vocabulary import Catalog

__all__ = ["Project", "ProjectError", "project_at", "refuse_other_rules"]

_NAMED = "module:ATTRIBUTE, such as monitoring:CATALOG"
_REQUIRES = re.compile(r"(?:(?:>=)? *(?P<version>[0-9]+(?:\.[0-9]+){1,2}))?")


class ProjectError(Exception):
    """The folder does not say which definitions are its own, or says it wrongly: where, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a project file says."""

    file: Path
    module: str
    attribute: str
    requires: str

    @property
    def folder(self) -> Path:
        """The folder in which the file lies, and from which its modules are imported."""
        return self.file.parent

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute} of {self.folder}"

    def catalogs(self) -> tuple[Catalog, ...]:
        """The catalogs, one for each service. Raises ProjectError, and whatever a definition raises."""
        if self.requires and as_numbers(version("paymon")) < as_numbers(self.requires):
            raise ProjectError(
                f"{self.file}: needs paymon {self.requires} or newer, and this is {version('paymon')}; upgrade paymon"
            )
        refuse_other_rules(self.folder)
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))
        try:
            found = self._value(self._module())
            if callable(found) and not isinstance(found, Catalog):
                found = self._called(found)
        except SystemExit as error:
            raise ProjectError(
                f"{self.file}: {self.module}:{self.attribute} ends the program with status {error.code}; "
                "let it give a catalog, and raise ValueError with the cause where it cannot"
            ) from None
        catalogs = found if isinstance(found, tuple) and found else (found,)
        for one in catalogs:
            if not isinstance(one, Catalog):
                raise ProjectError(
                    f"{self.file}: {self.module}:{self.attribute} is {_described(one)} and no catalog; "
                    "let it be PAYMENTS.of(people, service), a tuple of these, or a callable that gives one"
                )
        names = [one.organisation.service for one in catalogs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ProjectError(f"{self.file}: two catalogs are of the service {twice}; give each service its own name")
        return catalogs

    def _called(self, found: Callable[[], object]) -> object:
        try:
            signature(found).bind()
        except TypeError as error:
            raise ProjectError(
                f"{self.file}: {self.module}:{self.attribute} cannot be called without arguments ({error}); "
                "let it be a catalog, or a callable that needs none"
            ) from None
        except ValueError:  # some of Python's own have no signature
            pass
        return found()

    def _module(self) -> ModuleType:
        try:
            return importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{self.module}.".startswith(f"{error.name}."):
                raise
            raise ProjectError(
                f"{self.file}: there is no module {self.module} in {self.folder}; name a file that lies there, "
                "without .py"
            ) from None

    def _value(self, module: ModuleType) -> Any:
        try:
            return getattr(module, self.attribute)
        except AttributeError:
            known = [name for name, value in vars(module).items() if isinstance(value, Catalog)]
            hint = f"it has {', '.join(known)}" if known else "it has no catalog at all"
            raise ProjectError(f"{self.file}: {self.module} has no {self.attribute}; {hint}") from None


def project_at(folder: Path) -> Project | None:
    """The project of the nearest folder, upwards from this one, that has a project file; None where none has.

    Raises ProjectError for a file that cannot be read, or does not name a catalog.
    """
    for place in (folder, *folder.parents):
        found = [one for one in (_of_toml(place / "paymon.toml"), _of_pyproject(place / "pyproject.toml")) if one]
        if len(found) > 1:
            raise ProjectError(f"{place} has both paymon.toml and [tool.paymon] in pyproject.toml; keep one of the two")
        if found:
            return found[0]
    return None


def refuse_other_rules(folder: Path) -> None:
    """Raises ProjectError where the folder has definitions in rules/ that are not the ones that were imported."""
    here = folder / "rules"
    read = Path(sys.modules["rules"].__file__ or "").parent
    if here.is_dir() and any(here.glob("*.py")) and here.resolve() != read.resolve():
        raise ProjectError(
            f"{here} is not read by this paymon, which reads {read}; run the paymon of that checkout "
            "(.venv/bin/paymon), or, where it is a project of your own, name the folder otherwise"
        )


def _of_toml(path: Path) -> Project | None:
    found = _read(path)
    return None if found is None else _project(path, found)


def _of_pyproject(path: Path) -> Project | None:
    found = _read(path)
    tool = found.get("tool") if found else None
    section = tool.get("paymon") if isinstance(tool, dict) else None
    return None if section is None else _project(path, section)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Mapping[str, Any]:
    """What the file says; one command asks the same file many times."""
    return tomllib.loads(text)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        return _parsed(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ProjectError(f"{path} cannot be read: {error}; mend it") from None


def _project(path: Path, section: object) -> Project:
    known = {"catalog", "requires"}
    if not isinstance(section, dict) or not isinstance(section.get("catalog"), str):
        raise ProjectError(f'{path}: does not say which catalog is yours; write catalog = "{_NAMED.split()[-1]}"')
    if strange := sorted(section.keys() - known):
        raise ProjectError(f"{path}: {strange[0]} is unknown here; there are catalog and requires")
    module, colon, attribute = section["catalog"].partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise ProjectError(f"{path}: catalog {section['catalog']!r} names nothing; write {_NAMED}")
    requires = str(section.get("requires", ""))
    said = _REQUIRES.fullmatch(requires)
    if said is None:
        raise ProjectError(
            f"{path}: requires {section['requires']!r} is not understood; write the oldest version that will do, "
            'such as ">=0.1"'
        )
    return Project(path, module, attribute, said["version"] or "")


def _described(one: object) -> str:
    kind = type(one).__name__
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"
