"""Which settings does a configuration still say under a former name?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from exporters.configuration.configfile import KeyPath, section_in
from exporters.configuration.secrets import Section
from rules.vocabulary import Former

__all__ = ["Renamed", "under_new_names"]


@dataclass(frozen=True, slots=True)
class Renamed:
    """A setting that was said under its former name: where it stood, and what it is called now."""

    keys: KeyPath
    name: str
    former: Former


def under_new_names(settings: Any, model: type[BaseModel]) -> tuple[Any, tuple[Renamed, ...]]:
    """The settings under the names that the sections give them now, and which of them were said otherwise.

    Where both names are said, the former one stays, to be refused as an unknown setting.
    """
    found: list[Renamed] = []
    return _renamed(settings, model, (), found), tuple(found)


def _renamed(given: Any, model: type[BaseModel] | None, keys: KeyPath, found: list[Renamed]) -> Any:
    if isinstance(given, list):
        return [_renamed(one, model, (*keys, place), found) for place, one in enumerate(given)]
    if not isinstance(given, dict) or model is None:
        return given
    known = {old: (new, former) for old, new, former in _names(model)}
    said: dict[str, Any] = {}
    for name, value in given.items():
        new = name
        if name in known and known[name][0] not in given:
            new, former = known[name]
            found.append(Renamed((*keys, name), new, former))
        field = model.model_fields.get(new)
        said[new] = _renamed(value, section_in(field.annotation) if field else None, (*keys, name), found)
    return said


def _names(model: type[BaseModel]) -> Iterator[tuple[str, str, Former]]:
    """Former name, name now, and the word about it; of a secret also for the setting that names its file."""
    former: Mapping[str, Former] = model.FORMERLY if issubclass(model, Section) else {}
    for name, word in former.items():
        yield word.name, name, word
        yield f"{word.name}_file", f"{name}_file", word
