"""How does a section of the configuration look, and from where may its secrets come?

A section inherits from Section. A field `password: Secret` (or `Secret | None = None`) is then read from the file that
the setting `password_file` names, or from the environment; written into the configuration file itself it is refused.
A field `interval: timedelta` takes seconds (`15`), what Prometheus writes (`15s`, `5m`, `1h`, `2d`) and ISO 8601.
"""

import re
import stat
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, SecretStr, model_validator
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from rules.vocabulary import Former

__all__ = ["FromConfigurationFile", "Secret", "Section", "meaning_of", "regular", "stamp_of"]

_LARGEST = 64 * 1024
_DURATION = re.compile(r"(\d{1,9}(?:\.\d+)?)(ms|s|m|h|d|)\Z")
_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class FromConfigurationFile(str):
    """A text that stands in the configuration file, and so is no secret."""

    __slots__ = ()


class _InFile:
    """The file that holds a secret."""

    def __init__(self, path: object) -> None:
        self.path = path


class Secret(SecretStr):
    """A text that is never shown: `get_secret_value()` gives it to the one place that needs it.

    One that came from a file is read again whenever the file has changed, as secrets are rotated. What is empty, cannot
    be read or does not fit, as while the file is being written, leaves the one before.
    """

    def __init__(self, secret_value: str, file: Path | None = None) -> None:
        super().__init__(secret_value)
        self._file = file
        self._stamp = stamp_of(file) if file else None
        self._fits: list[Callable[[str], bool]] = []

    def __eq__(self, other: object) -> bool:
        """Whether both are the same text now and, coming from the same file, will be."""
        return isinstance(other, Secret) and self._file == other._file and super().__eq__(other)

    def __hash__(self) -> int:
        """That of what stays when the secret is rotated."""
        return super().__hash__() if self._file is None else hash(self._file)

    def get_secret_value(self) -> str:
        """The secret as it is now."""
        if self._file is not None and stamp_of(self._file) != self._stamp:
            self.renew()
        return super().get_secret_value()

    def renew(self) -> bool:
        """Read the file again, after a refusal. True where it holds another secret than before."""
        if self._file is None:
            return False
        stamp = stamp_of(self._file)
        try:
            text = _read(self._file)
        except PydanticCustomError:
            return False
        if not all(fits(text) for fits in self._fits):
            return False
        self._stamp = stamp
        changed = text != super().get_secret_value()
        self._secret_value = text
        return changed

    def only_if(self, fits: Callable[[str], bool]) -> "Secret":
        """The secret itself, which from now on takes from its file only what fits."""
        self._fits.append(fits)
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accepts a Secret, a text that does not come from the configuration file, or the file that holds it."""
        return core_schema.no_info_plain_validator_function(cls._accepted)

    @classmethod
    def _accepted(cls, value: object) -> "Secret":
        match value:
            case Secret():
                return value
            case _InFile(path=path):
                text = _read(path)
                return cls(text, Path(str(path)))
            case FromConfigurationFile():
                raise PydanticCustomError(
                    "inline_secret", "a secret does not belong in the configuration file; name a file that holds it"
                )
            case str() if value:
                return cls(value)
        raise PydanticCustomError("empty_secret", "the secret is empty or not a text; name a file that holds it")


class Section(BaseModel):
    """One section of the configuration: nothing unknown in it, and nothing changes once it was read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, defer_build=True
    )
    FORMERLY: ClassVar[Mapping[str, Former]] = {}
    """The names that settings had before, by the names that they have now; read with a warning."""
    PACE: ClassVar[frozenset[str]] = frozenset()
    """Settings that change how a source is asked, and not what its answers mean."""

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        found = dict(data)
        for name, field in cls.model_fields.items():
            if isinstance(found.get(name), str) and _holds(field.annotation, timedelta):
                found[name] = _duration(found[name])
        for name in secrets_of(cls):
            path = found.pop(f"{name}_file", None)
            if path is not None and name not in found:
                found[name] = _InFile(path)
        return found


def meaning_of(settings: object) -> object:
    """Those of the settings that say what a source's answers are of: equal where only the pace changed."""
    match settings:
        case Section():
            names = (name for name in type(settings).model_fields if name not in settings.PACE)
            return type(settings), tuple(meaning_of(getattr(settings, name)) for name in names)
        case tuple():
            return tuple(map(meaning_of, settings))
        case dict():
            return {name: meaning_of(one) for name, one in settings.items()}
    return settings


def secrets_of(section: type[BaseModel]) -> tuple[str, ...]:
    """The names of the section's secrets; each has a setting `<name>_file` beside it."""
    return tuple(name for name, field in section.model_fields.items() if _holds(field.annotation, Secret))


def _holds(annotation: Any, wanted: type) -> bool:
    """Whether a field of that annotation, such as `timedelta | None`, takes a value of the wanted type."""
    return annotation is wanted or any(_holds(one, wanted) for one in get_args(annotation))


def _duration(text: str) -> timedelta | str:
    found = _DURATION.match(text)
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]]) if found else text


def _read(path: object) -> str:
    if not isinstance(path, str | Path) or not str(path):
        raise PydanticCustomError("secret_file", "the name of the secret's file is not a path; write one")
    try:
        if not regular(Path(path)):
            raise PydanticCustomError(
                "secret_file",
                "the secret's file {path} is no regular file; name one that can be read again and again",
                {"path": str(path)},
            )
        with Path(path).open("rb") as file:
            text = file.read(_LARGEST + 1).decode()
    except OSError as error:
        raise PydanticCustomError(
            "secret_file",
            "the secret's file {path} cannot be read: {why}; create it, or let this user read it",
            {"path": str(path), "why": error.strerror or "unknown reason"},
        ) from None
    except UnicodeDecodeError:
        raise PydanticCustomError(
            "secret_file", "the secret's file {path} is not text; write the secret alone into it", {"path": str(path)}
        ) from None
    secret = text.strip()
    if not secret or len(text) > _LARGEST:
        raise PydanticCustomError(
            "secret_file",
            "the secret's file {path} is empty or far too long; write the secret alone into it",
            {"path": str(path)},
        )
    return secret


def regular(path: Path) -> bool:
    """Whether it is a file, and no pipe that would keep its reader waiting. Raises OSError where nothing is there."""
    return stat.S_ISREG(path.stat().st_mode)


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """What of a file changes when it is written anew; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
