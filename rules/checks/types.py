"""Is what stands in each field of a definition of the type that the vocabulary gives the field?"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta
from decimal import Decimal
from enum import EnumMeta
from functools import cache, lru_cache
from reprlib import repr as shortened
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from rules.checks.problem import Problem
from rules.vocabulary import Area, Catalog

__all__ = ["mistyped", "mistyped_in"]


@lru_cache(maxsize=16)
def mistyped(catalog: Catalog) -> tuple[Problem, ...]:
    """Every field with a value of another type, with the definition that it is in; nothing else can be judged then."""
    return tuple(_problems(_definitions(catalog)))


def mistyped_in(areas: Iterable[Area]) -> tuple[Problem, ...]:
    """The same of areas of which no catalog can be made."""
    return tuple(_problems(_of_areas(areas)))


def _problems(definitions: Iterable[tuple[str, Any]]) -> Iterator[Problem]:
    seen: set[int] = set()
    for where, definition in definitions:
        for path, value, hint in _within(definition, "", seen):
            place = _of_organisation(definition, path) if where == _ORGANISATION else where
            yield Problem(place, f"has {shortened(value)} as its {path}", _cure(hint))


_ORGANISATION = "organisation"
_PART = re.compile(r"(\w+)s\[(\d+)\]")


def _of_organisation(organisation: Any, path: str) -> str:
    """Where in the organisation it is: the environment, contact or link by its name, or else the field."""
    found = _PART.match(path)
    name = getattr(getattr(organisation, f"{found[1]}s")[int(found[2])], "name", None) if found else None
    if found and isinstance(name, str):
        return f"{_ORGANISATION}: {found[1]} {name}"
    return f"{_ORGANISATION}: {re.split(r'[.[]', path)[0]}"


def _of_areas(areas: Iterable[Area]) -> Iterator[tuple[str, Any]]:
    for area in areas:
        for kind in ("metrics", "signals", "objectives", "alerts"):
            for definition in getattr(area, kind):
                yield f"{area.module}: {kind[:-1]} {definition.name}", definition


def _definitions(catalog: Catalog) -> Iterator[tuple[str, Any]]:
    """What is defined, with its place; before whatever may quote it."""
    yield from _of_areas(catalog.areas)
    yield _ORGANISATION, catalog.organisation
    for item in catalog.items:
        yield f"rules.payments.runbook.items: item {item.id}", item
    for chapter in catalog.chapters:
        yield f"chapter {chapter.title!r}", chapter
    for dashboard in catalog.dashboards:
        yield f"dashboard {dashboard.uid}", dashboard
    for mark in catalog.marks:
        yield f"mark {mark.name!r}", mark
    for narrowing in catalog.narrowings:
        yield f"narrowing {narrowing.label!r}", narrowing


@cache
def _hints(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    """Name and type of each field, and whether a value of that type is looked into."""
    hints = get_type_hints(kind)
    named = [(field.name, hints[field.name]) for field in fields(kind)]
    return tuple((name, hint, not isinstance(hint, type) or is_dataclass(hint)) for name, hint in named)


def _within(definition: Any, path: str, seen: set[int]) -> Iterator[tuple[str, object, Any]]:
    """The path, the value and the right type of each field that is wrong, in a definition and in what it quotes."""
    if id(definition) in seen:
        return
    seen.add(id(definition))
    for name, hint, deep in _hints(definition.__class__):
        value = getattr(definition, name)
        if deep or not isinstance(value, hint):
            yield from _wrong(value, hint, f"{path}.{name}" if path else name, seen)


def _wrong(value: object, hint: Any, path: str, seen: set[int]) -> Iterator[tuple[str, object, Any]]:
    kind, inner = _parts(hint)
    if not isinstance(value, kind):
        yield path, value, hint
    elif isinstance(value, tuple):
        if inner[-1] is Ellipsis:
            hints = inner[:1] * len(value)
        elif len(inner) == len(value):
            hints = inner
        else:
            yield path, value, hint
            return
        for place, (one, its) in enumerate(zip(value, hints, strict=True)):
            yield from _wrong(one, its, f"{path}[{place}]", seen)
    elif is_dataclass(value):
        yield from _within(value, path, seen)


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a value must be an instance of, and the types inside a tuple."""
    return (tuple, get_args(hint)) if get_origin(hint) is tuple else (hint, ())


def _cure(hint: Any) -> str:
    if get_origin(hint) is tuple:
        first, *others = get_args(hint)
        if others == [Ellipsis]:
            return f"write a tuple of {_name(first)}, and (x,) where there is one"
        return f"write ({', '.join(map(_name, (first, *others)))})"
    if isinstance(hint, UnionType):
        return f"give {' or '.join(map(_name, get_args(hint)))}"
    if hint is timedelta:
        return "write seconds(), minutes(), hours() or days()"
    if hint is Decimal:
        return 'write Decimal("0.05")'
    if isinstance(hint, EnumMeta):
        return f"write {hint.__name__}. and one of {', '.join(hint.__members__)}"
    return f"give a {_name(hint)}"


def _name(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return "tuples"
    name: str = hint.__name__
    return {"str": "text", "NoneType": "None", "ellipsis": "..."}.get(name, name)
