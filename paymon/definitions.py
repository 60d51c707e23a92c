"""Where does the command line get the catalog from, and how does it say that a definition is wrong?"""

import linecache
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import InvalidOperation
from pathlib import Path

import click

from rules.checks import Problem
from rules.vocabulary import Catalog

__all__ = ["definitions_read", "everything_wrong", "load", "load_sound"]


@contextmanager
def definitions_read() -> Iterator[None]:
    """Ends the program with status 1 and the place of the mistake where a definition that is read cannot be made."""
    try:
        yield
    except Exception as error:
        place = _place(error)
        if place is None:
            raise
        path, first, last = place
        shown = path.relative_to(_rules().parent)
        raise SystemExit(_complain(f"{shown}:{first}: {_what(error, _lines(path, first, last))}")) from error


def load() -> Catalog:
    """The catalog. Ends the program with status 1 and the mistake where a definition cannot be made, or is mistyped."""
    with definitions_read():
        from rules.catalog import catalog

        loaded = catalog()
    from rules.checks import mistyped

    _refuse(told(mistyped(loaded)))
    return loaded


def load_sound() -> Catalog:
    """The catalog, checked. Ends the program with status 1 and every problem where there are any."""
    catalog = load()
    _refuse(everything_wrong(catalog))
    return catalog


def everything_wrong(catalog: Catalog) -> tuple[str, ...]:
    """Every problem of the definitions and of what they become, each with the file and line of its definition."""
    with definitions_read():
        from generators.problems import problems
    from paymon.places import strays

    return told((*problems(catalog), *strays(catalog, _rules())))


def told(found: Iterable[Problem]) -> tuple[str, ...]:
    """The problems as people read them, each behind the place of its definition."""
    from paymon.places import placed

    return tuple(placed(problem, (_rules(),)) for problem in found)


def _refuse(lines: tuple[str, ...]) -> None:
    if lines:
        for line in lines:
            click.echo(line, err=True)
        count = len(lines)
        raise SystemExit(_complain(f"{count} problem{'' if count == 1 else 's'} in rules/; nothing was written"))


def _complain(message: str) -> int:
    click.echo(message, err=True)
    return 1


def _rules() -> Path:
    return Path(sys.modules["rules"].__file__ or "").parent


def _place(error: Exception) -> tuple[Path, int, int] | None:
    """The lines of rules/ at fault: where the text is no Python, or the last outside the vocabulary that failed."""
    places: list[tuple[str | None, int | None, int | None]]
    if isinstance(error, SyntaxError):
        places = [(error.filename, error.lineno, error.lineno)]
    else:
        frames = traceback.extract_tb(error.__traceback__)
        places = [(frame.filename, frame.lineno, frame.end_lineno) for frame in reversed(frames)]
    if isinstance(error, ImportError):
        places.append((error.path, 1, 1))
    rules = _rules()
    for file, first, last in places:
        path = Path(file or "")
        if path.is_relative_to(rules) and not path.is_relative_to(rules / "vocabulary"):
            return path, first or 1, last or first or 1
    return None


def _lines(path: Path, first: int, last: int) -> str:
    return "".join(linecache.getlines(str(path))[first - 1 : last])


def _what(error: Exception, text: str) -> str:
    """The cause and the cure; `text` is the definition's own."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}; this is no Python"
    if isinstance(error, InvalidOperation):
        return 'Decimal() of what is no number; write digits as text, Decimal("0.05")'
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, TypeError) and (lacking := _LACKING.match(str(error))):
        kind, fields = lacking[1], " and ".join(re.findall(r"'(\w+)'", lacking[2]))
        name = re.search(r'"([^"\n]*)"', text)
        return f"{kind.lower()} {name[1] if name else ''}".strip() + f" lacks {fields}; give {fields} here"
    return f"{error} ({type(error).__name__}); correct the definition on this line"


_LACKING = re.compile(r"(\w+)(?:\.__init__)?\(\) missing \d+ required .*?arguments?: (.*)")
