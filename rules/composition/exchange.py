"""How does one definition take another's place, wherever that stands?"""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

__all__ = ["exchanged"]

_T = TypeVar("_T")


def exchanged(thing: _T, pairs: Iterable[tuple[Any, Any]]) -> _T:
    """The thing with the second of each pair wherever the first stood; what has none of them is the same object."""
    result: Any = _Exchange({id(old): (old, new) for old, new in pairs}).of(thing)
    return result  # type: ignore[no-any-return]


class _Exchange:
    def __init__(self, done: dict[int, tuple[Any, Any]]) -> None:
        self._done = done
        """What each definition becomes, by its identity; kept beside it, so that no identity is given away again."""

    def of(self, thing: Any) -> Any:
        if isinstance(thing, tuple):
            after = tuple(map(self.of, thing))
            return thing if all(a is b for a, b in zip(after, thing, strict=True)) else after
        if not hasattr(thing, "__dataclass_fields__") or isinstance(thing, type):
            return thing
        if id(thing) not in self._done:
            changed = {}
            for field in fields(thing):
                before = getattr(thing, field.name)
                after = self.of(before)
                if after is not before:
                    changed[field.name] = after
            self._done[id(thing)] = (thing, replace(thing, **changed) if changed else thing)
        return self._done[id(thing)][1]
