"""What does a configuration file say, at which line, and what is wrong with it?"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporters.configuration.secrets import FromConfigurationFile, secrets_of

__all__ = ["ConfigurationError", "Document", "Fault", "KeyPath", "faults_in", "read", "section_in"]

KeyPath = tuple[str | int, ...]

_LARGEST = 1024 * 1024
_MOST = 50_000
_DEEPEST = 50
"""So many settings, and so deep: aliases of aliases make a long text of a short one."""
_UNFIT = "has a value that does not fit"
_OF_A_KEY = "[key]"
"""What pydantic adds to a place where it is the key itself that is wrong."""


_READ_AS_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (date, "a date"),
    (int, "a number"),
    (float, "a number"),
)
_READ_AS = tuple(of for of, _ in _READ_AS_KINDS)
"""What YAML makes of a text without quotes that looks like one of these."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a configuration: where, what, and what would mend it."""

    where: str
    what: str
    how_to_fix: str

    def __str__(self) -> str:
        """One line, whatever was written: what cannot be printed is shown as Python escapes it."""
        text = f"{self.where}: {self.what}; {self.how_to_fix}"
        return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class ConfigurationError(Exception):
    """A configuration that cannot be used, with everything that is wrong with it."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file: its settings, and the line of each."""

    path: Path
    settings: dict[str, Any]
    lines: Mapping[KeyPath, int]

    def place(self, keys: KeyPath) -> str:
        """The file, the line of the setting or of the nearest one around it, and the setting's path.

        A secret's is that of the setting that names its file.
        """
        if keys and keys not in self.lines and _its_file(keys) in self.lines:
            keys = _its_file(keys)
        nearest = next((keys[:end] for end in range(len(keys), 0, -1) if keys[:end] in self.lines), None)
        line = f":{self.lines[nearest]}" if nearest else ""
        return f"{self.path}{line}: {dotted(keys)}" if keys else f"{self.path}{line}"


def dotted(keys: KeyPath) -> str:
    """A setting's path as one writes it: `postgres.queries[0].labels`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def _its_file(keys: KeyPath) -> KeyPath:
    return (*keys[:-1], f"{keys[-1]}_file")


def read(path: Path) -> Document:
    """The file's settings; every text in it is a FromConfigurationFile. Raises ConfigurationError."""

    def refused(line: int | None, what: str, how_to_fix: str) -> ConfigurationError:
        return ConfigurationError((Fault(f"{path}:{line}" if line else str(path), what, how_to_fix),))

    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise refused(None, "is larger than 1 MiB", "name the configuration file")
        node = yaml.compose(raw.decode(), Loader=yaml.SafeLoader)
    except OSError as error:
        raise refused(None, f"cannot be read ({error.strerror})", "create it, or let this user read it") from None
    except UnicodeDecodeError:
        raise refused(None, "is not UTF-8 text", "write the settings as YAML") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise refused(line, f"is not YAML ({error.problem})", "mend the syntax") from None
    except (yaml.YAMLError, RecursionError):
        raise refused(None, "is not YAML", "mend the syntax") from None
    if node is None:
        return Document(path, {}, {})
    builder = _Builder(path)
    settings = builder.built(node, ())
    if builder.too_much:
        raise refused(None, "has far too many settings, or too deep ones", "write them without aliases of aliases")
    if builder.faults:
        raise ConfigurationError(tuple(builder.faults))
    if not isinstance(settings, dict):
        raise refused(1, "is not a mapping of settings", "write `name: value` lines")
    return Document(path, settings, builder.lines)


class _Builder:
    """Turns YAML nodes into plain data, noting the line of each and every key that occurs twice."""

    def __init__(self, path: Path) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.faults: list[Fault] = []
        self.too_much = False
        self._path = path
        self._built = 0
        self._open: list[yaml.Node] = []
        self._scalars = yaml.SafeLoader("")

    def built(self, node: yaml.Node, keys: KeyPath) -> Any:
        line = self.lines.setdefault(keys, node.start_mark.line + 1)
        if any(node is one for one in self._open):
            self.faults.append(Fault(f"{self._path}:{line}", "contains itself", "write it out"))
            return None
        self._built += 1
        self.too_much |= self._built > _MOST or len(self._open) > _DEEPEST
        if self.too_much:
            return None
        self._open.append(node)
        try:
            match node:
                case yaml.MappingNode():
                    return self._mapping(node, keys)
                case yaml.SequenceNode():
                    return [self.built(one, (*keys, place)) for place, one in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, keys: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in found:
                where = f"{self._path}:{line}: {dotted((*keys, key))}"
                self.faults.append(Fault(where, "is there twice", "keep one of the two"))
            self.lines[(*keys, key)] = line
            found[key] = self.built(value_node, (*keys, key))
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            value = self._scalars.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError):
            where = f"{self._path}:{node.start_mark.line + 1}"
            self.faults.append(Fault(where, "is a value of no known kind", "write a text, a number, true or false"))
            return None
        return FromConfigurationFile(value) if isinstance(value, str) else value


def faults_in(
    error: ValidationError,
    model: type[BaseModel],
    place: Callable[[KeyPath], str],
    variable: Callable[[KeyPath], str] = lambda _: "",
) -> Iterator[Fault]:
    """What pydantic found, as a person would say it, never with the value itself.

    `place` says where a setting is, `variable` which environment variable could hold it.
    """
    found = error.errors(include_url=False, include_context=True)
    inside = {details["loc"][:end] for details in found for end in range(len(details["loc"]))}
    for details in found:
        if details["type"] != "too_short" or details["loc"] not in inside:  # what is wrong in a list makes it shorter
            yield _fault(details, model, place, variable)


def _fault(
    details: ErrorDetails, model: type[BaseModel], place: Callable[[KeyPath], str], variable: Callable[[KeyPath], str]
) -> Fault:
    keys = tuple(key for key in details["loc"] if key != _OF_A_KEY)
    where = place(keys)
    owner = _owner(model, keys)
    name = str(keys[-1]) if keys else ""
    match details["type"]:
        case "missing" if owner and name in secrets_of(owner):
            from_variable = f", or set {variable(keys)}" if variable(keys) else ""
            return Fault(where, "is missing", f"name the file that holds it in {name}_file{from_variable}")
        case "missing":
            return Fault(where, "is missing", f"set {name}")
        case "extra_forbidden":
            known = _settings_of(owner) if owner else ()
            close = difflib.get_close_matches(name, known, 1)
            there = f"there is {', '.join(known)}" if known else "remove it"
            return Fault(where, "is not a setting", f"did you mean {close[0]}?" if close else there)
        case "inline_secret":
            from_variable = f", or set {variable(keys)}" if variable(keys) else ""
            return Fault(where, "is a secret", f"take it out and name its file in {name}_file{from_variable}")
        case "time_delta_parsing" | "time_delta_type":
            return Fault(where, _UNFIT, "write a duration such as 15, 15s, 5m or PT15S")
        case "tuple_type" | "list_type" | "set_type" | "frozen_set_type":
            return Fault(where, "is not a list", "write one, as in [a, b], or each entry on a line after a dash")
        case "model_type" | "dict_type" | "model_attributes_type":
            return Fault(where, "is not a mapping of settings", "write `name: value` lines below it")
        case "string_type" if isinstance(details["input"], _READ_AS):
            read_as = next(kind for of, kind in _READ_AS_KINDS if isinstance(details["input"], of))
            return Fault(where, f"is {read_as}, as YAML reads it, where a text is wanted", "put it in quotes")
    message = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    what, semicolon, how_to_fix = message.partition("; ")
    if semicolon:
        return Fault(where, what, how_to_fix)
    return Fault(where, _UNFIT, message[:1].lower() + message[1:])


def _settings_of(section: type[BaseModel]) -> tuple[str, ...]:
    secrets = secrets_of(section)
    return tuple(
        f"{name}_file" if name in secrets else field.alias or name for name, field in section.model_fields.items()
    )


def _owner(model: type[BaseModel], keys: KeyPath) -> type[BaseModel] | None:
    """The section in which the last of `keys` is a setting."""
    owner: type[BaseModel] | None = model
    for key in keys[:-1]:
        field = owner.model_fields.get(str(key)) if owner else None
        if field:
            owner = section_in(field.annotation)
    return owner


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field of that annotation holds, such as `tuple[Query, ...]`; None where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := section_in(one))), None)
