"""How does an expression read series that have two names for a while?"""

import re
from collections.abc import Callable, Iterator

from rules.promql.expression import ABSENCES

__all__ = ["with_either"]

_TOKEN = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|([A-Za-z_:][A-Za-z0-9_:]*)|([(){}])""")
_BRACES = re.compile(r"""\s*\{(?:"(?:\\.|[^"\\])*"|[^}"])*\}""")
_RANGE = re.compile(r"\s*\[[^\]:]*\]")
_MODIFIERS = re.compile(r"(?:\s+offset\s+-?\s*\w+|\s*@\s*(?:\d+(?:\.\d+)?|start\(\)|end\(\)))*")
_FUNCTION = re.compile(r"[A-Za-z_]+\s*\Z")


def with_either(expr: str, other: Callable[[str], str | None]) -> str:
    """The text, in which every selector of a name that has another one reads the series of both.

    Where a target serves both, the first counts, so that nothing counts twice. What is missing is missing only where it
    is so under either name. `other` gives the other name of a series, None where it has none.
    """
    for start, end, at, name, second, join in reversed(list(_selectors(expr, other))):
        copied = f"{expr[start:at]}{second}{expr[at + len(name) : end]}"
        expr = f"{expr[:start]}({expr[start:end]} {join} {copied}){expr[end:]}"
    return expr


def _selectors(expr: str, other: Callable[[str], str | None]) -> Iterator[tuple[int, int, int, str, str, str]]:
    """For each such selector what is to be doubled: from where to where, where the name stands, both names, the join.

    That is the selector itself, or the call that takes its range, or that asks for its absence.
    """
    opened: list[int] = []
    in_braces = False
    for token in _TOKEN.finditer(expr):
        match token[3]:
            case "{" | "}":
                in_braces = token[3] == "{"
            case "(":
                opened.append(token.start())
            case ")":
                opened.pop()
        second = other(token[2]) if token[2] and not in_braces else None
        if second is None:
            continue
        braces = _BRACES.match(expr, token.end())
        end = braces.end() if braces else token.end()
        function = _FUNCTION.search(expr, 0, opened[-1]) if opened else None
        absent = function is not None and function[0].strip() in ABSENCES
        if function and opened and (absent or _RANGE.match(expr, end)):
            span = function.start(), _closing(expr, opened[-1])
        else:
            modifiers = _MODIFIERS.match(expr, end)
            span = token.start(), modifiers.end() if modifiers else end
        yield *span, token.start(), token[2], second, "and" if absent else "or"


def _closing(expr: str, opening: int) -> int:
    """Where the text behind the parenthesis begins that closes this one."""
    depth = 0
    for token in _TOKEN.finditer(expr, opening):
        depth += {"(": 1, ")": -1}.get(token[3] or "", 0)
        if depth == 0:
            return token.end()
    return len(expr)
