"""Where does the command line get the catalog from, and how does it say that a definition is wrong?"""

import sys
import traceback
from pathlib import Path

import click

from rules.vocabulary import Catalog

__all__ = ["load", "load_sound"]


def load() -> Catalog:
    """The catalog. Ends the program with status 1 and the place of the mistake where a definition cannot be made."""
    try:
        from rules.catalog import catalog

        return catalog()
    except Exception as error:
        place = _place(error)
        if place is None:
            raise
        raise SystemExit(_complain(f"{place}: {_what(error)}")) from error


def load_sound() -> Catalog:
    """The catalog, checked. Ends the program with status 1 and every problem where there are any."""
    from generators.problems import problems

    catalog = load()
    found = problems(catalog)
    if found:
        for problem in found:
            click.echo(str(problem), err=True)
        count = len(found)
        raise SystemExit(_complain(f"{count} problem{'' if count == 1 else 's'} in rules/; nothing was written"))
    return catalog


def _complain(message: str) -> int:
    click.echo(message, err=True)
    return 1


def _place(error: Exception) -> str | None:
    """The line of rules/ at fault: where the text is no Python, or the last one outside the vocabulary that failed."""
    rules = Path(sys.modules["rules"].__file__ or "").parent
    if isinstance(error, SyntaxError) and error.filename:
        places = [(Path(error.filename), error.lineno)]
    else:
        frames = traceback.extract_tb(error.__traceback__)
        places = [(Path(frame.filename), frame.lineno) for frame in reversed(frames)]
    for path, line in places:
        if path.is_relative_to(rules) and not path.is_relative_to(rules / "vocabulary"):
            return f"{path.relative_to(rules.parent)}:{line}"
    return None


def _what(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg}; this is no Python"
    if isinstance(error, ValueError):
        return str(error)
    return f"{error} ({type(error).__name__}); correct the definition on this line"
