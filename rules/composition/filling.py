"""How are a team's words put into the places of definitions?"""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from rules.vocabulary import matchers, places_in

__all__ = ["Words", "filled", "places_left"]

Words = Mapping[str, str | tuple[str, ...]]
"""What stands in each place, by its name; several words where the place stands for several."""

_T = TypeVar("_T")
_MATCHER = re.compile(r'([a-z_]+)="⟦([a-z_]+)⟧"')
_PLACE = re.compile("⟦([a-z_]+)⟧")


def filled(definitions: _T, words: Words) -> _T:
    """The definitions with these words in their places; a place for which there is no word stays.

    What has no such place is the same object as before, and what several definitions share they share afterwards.
    """
    return _Filler(words).fill(definitions)


def places_left(thing: object) -> frozenset[str]:
    """The names of the places that nobody has filled."""
    found: set[str] = set()
    seen: dict[int, object] = {}

    def look(one: object) -> None:
        match one:
            case Enum():
                return
            case str():
                if "⟦" in one:
                    found.update(places_in(one))
                return
            case tuple():
                parts: tuple[object, ...] = one
            case _ if is_dataclass(one) and id(one) not in seen:
                seen[id(one)] = one
                parts = tuple(getattr(one, field.name) for field in fields(one))
            case _:
                return
        for part in parts:
            look(part)

    look(thing)
    return frozenset(found)


class _Filler:
    """Fills places, each definition once."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._done: dict[int, tuple[object, object]] = {}
        """What each definition became, by its identity; kept beside it, so that no identity is given away again."""
        self._fields: dict[type, tuple[str, ...]] = {}

    def fill(self, thing: _T) -> _T:
        result: Any = self._filled(thing)
        return result  # type: ignore[no-any-return]

    def _filled(self, thing: Any) -> Any:
        if isinstance(thing, str):
            return thing if "⟦" not in thing or isinstance(thing, Enum) else self._text(thing)
        if isinstance(thing, tuple):
            return self._tuple(thing)
        done = self._done.get(id(thing))
        if done is None:
            names = self._names_of_fields(type(thing))
            done = self._done[id(thing)] = (thing, self._definition(thing, names) if names else thing)
        return done[1]

    def _names_of_fields(self, kind: type) -> tuple[str, ...]:
        """The fields of a dataclass; none of anything else."""
        if kind not in self._fields:
            plain = not is_dataclass(kind) or issubclass(kind, Enum | type)
            self._fields[kind] = () if plain else tuple(field.name for field in fields(kind))
        return self._fields[kind]

    def _definition(self, thing: Any, names: tuple[str, ...]) -> Any:
        changed = {}
        for name in names:
            before = getattr(thing, name)
            after = self._filled(before)
            if after is not before:
                changed[name] = after
        if not changed:
            return thing
        return type(thing)(**{name: changed.get(name, getattr(thing, name)) for name in names})

    def _tuple(self, things: tuple[Any, ...]) -> tuple[Any, ...]:
        found: list[Any] = []
        same = True
        for one in things:
            word = self._words.get(one[1:-1]) if isinstance(one, str) and one[:1] == "⟦" and one[-1:] == "⟧" else None
            if isinstance(word, tuple):
                found.extend(word)
                same = False
                continue
            after = self._filled(one)
            same = same and after is one
            found.append(after)
        return things if same else tuple(found)

    def _text(self, text: str) -> str:
        return _PLACE.sub(self._word, _MATCHER.sub(self._matcher, text))

    def _matcher(self, found: re.Match[str]) -> str:
        word = self._words.get(found[2])
        return found[0] if word is None else matchers(**{found[1]: word})[1:-1]

    def _word(self, found: re.Match[str]) -> str:
        word = self._words.get(found[1], found[0])
        return word if isinstance(word, str) else " and ".join(word)
