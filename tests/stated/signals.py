"""Over which windows, with which numbers and of which series is each signal computed? `signals.yml` states it by hand.

What a signal computes is shown by its examples, which promtool runs. A window that is a little off, a number that only
odd values reach and a matcher that no example has are told here.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import yaml

from rules.promql import Call, Expression, Number, Operation, Series, Subquery, read, walk, written
from rules.vocabulary import Catalog, Signal

__all__ = ["defined", "differences", "stated", "told"]

TABLE = Path(__file__).with_name("signals.yml")


@lru_cache(maxsize=1)
def stated() -> Mapping[str, str]:
    """The table: for each signal what it is made of."""
    return {name: " ".join(str(text).split()) for name, text in yaml.safe_load(TABLE.read_text()).items()}


def defined(catalog: Catalog) -> Mapping[str, str]:
    """The definitions in the words of the table."""
    return {signal.name: told(signal) for signal in catalog.signals}


def differences(catalog: Catalog) -> list[str]:
    """Where the definitions do not say what is stated."""
    ours, theirs = stated(), defined(catalog)
    return [
        f"{name}: states {ours.get(name)!r}, defines {theirs.get(name)!r}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def told(signal: Signal, expression: Expression | None = None) -> str:
    """What a signal is made of, or would be with another expression: windows; numbers; matchers; joins."""
    tree = expression or _tree(signal.expr)
    parts = (
        _counted(_windows(tree)),
        _counted(_numbers(tree)),
        _counted(_matchers(tree)),
        _counted(one.operator for one in walk(tree) if isinstance(one, Operation) and one.operator in _JOINS),
    )
    return "; ".join(part for part in parts if part) or "as it is"


_JOINS = ("and", "or", "unless")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


@lru_cache(maxsize=512)
def _tree(text: str) -> Expression:
    return read(text)


def _counted(found: Iterator[str]) -> str:
    return ", ".join(one if count == 1 else f"{count} {one}" for one, count in sorted(Counter(found).items()))


def _windows(tree: Expression) -> Iterator[str]:
    for one in walk(tree):
        if isinstance(one, Series | Subquery) and (one.range or one.offset):
            bare = Series("", (("x", "=", ""),), one.range, one.offset)
            step = (
                written(one).rpartition("[")[2].partition("]")[0].partition(":")[2] if isinstance(one, Subquery) else ""
            )
            yield written(bare).removeprefix('{x=""}').strip() + (f" by {step}" if step else "")


def _numbers(tree: Expression) -> Iterator[str]:
    for one in walk(tree):
        if isinstance(one, Operation) and one.operator not in _JOINS:
            sides = [side for side in (one.left, one.right) if isinstance(side, Number)]
            word = one.operator + (" bool" if one.as_bool else "")
            for side in sides:
                yield f"{word} {written(side)}" if side is one.right else f"{written(side)} {word}"
            if not sides and (one.operator in _COMPARISONS or one.operator == "/"):
                yield word
        elif isinstance(one, Call):
            yield from (f"{one.function} {written(part)}" for part in one.arguments if isinstance(part, Number))


def _matchers(tree: Expression) -> Iterator[str]:
    for one in walk(tree):
        if isinstance(one, Series):
            yield from (f'{label}{operator}"{value}"' for label, operator, value in one.matchers)
