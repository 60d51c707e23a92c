"""Where does the command line get the catalog from, and how does it say that a definition is wrong?"""

import linecache
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import InvalidOperation
from enum import EnumMeta
from importlib.metadata import version
from pathlib import Path

import click

from paymon.not_judged import NoDefinitions
from paymon.project import ProjectError, project_at, refuse_other_rules
from rules.checks import Problem
from rules.vocabulary import Catalog

__all__ = [
    "asked",
    "asked_one",
    "definitions_read",
    "everything_wrong",
    "home",
    "load",
    "load_all",
    "refuse_unsound",
]


@contextmanager
def definitions_read() -> Iterator[None]:
    """Ends the program with status 1 and the place of the mistake where a definition that is read cannot be made.

    A command that judges what runs ends with 3 then.
    """
    try:
        yield
    except Exception as error:
        place = _place(error)
        if place is None:
            raise
        if mistyped := _mistyped(error):
            lines = told(dict.fromkeys(mistyped))
            raise NoDefinitions(_complain("\n".join(lines))) from error
        path, first, last = place
        shown = path.relative_to(_base(path))
        status = _complain(f"{shown}:{first}: {_what(error, _lines(path, first, last))}")
        _say_if_made_by_a_newer_one()
        raise NoDefinitions(status) from error


def _say_if_made_by_a_newer_one() -> None:
    """What an older paymon cannot read may be no mistake at all."""
    from paymon.versions import written_by_newer_ones

    generated = home() / "generated"
    newer = written_by_newer_ones(generated)
    if newer:
        click.echo(
            f"{generated} was written by paymon {next(iter(newer.values()))}, and this is {version('paymon')}", err=True
        )


def home() -> Path:
    """The folder of the project at hand; this folder where there is none."""
    return next(iter(_project_folders()), Path())


def _project_folders() -> tuple[Path, ...]:
    """The folder of the project at hand; none where there is no project, or nobody can tell which."""
    try:
        project = project_at(Path.cwd())
    except ProjectError:
        return ()
    return (project.folder,) if project else ()


def asked(catalogs: tuple[Catalog, ...]) -> tuple[Catalog, ...]:
    """Those that are asked for: that of `--service`, or all. Ends the program with 2 where there is no such service."""
    wanted = _wanted()
    found = tuple(one for one in catalogs if wanted in (None, one.organisation.service))
    if not found:
        _which_service(f"there is no service {wanted!r};", catalogs)
    return found


def load() -> Catalog:
    """The catalog that is asked for, of several the one that `--service` names.

    Ends the program with status 1 and the mistake where a definition cannot be made, or is mistyped, and with 3 where
    that would read as a finding about what runs; with 2 where nobody can tell which catalog is meant.
    """
    return asked_one(load_all())


def asked_one(catalogs: tuple[Catalog, ...]) -> Catalog:
    """The one that is asked for. Ends the program with 2 where nobody can tell which that is."""
    found = asked(catalogs)
    if len(found) > 1:
        _which_service("which service?", catalogs)
    return found[0]


def _which_service(what: str, catalogs: tuple[Catalog, ...]) -> None:
    known = ", ".join(catalog.organisation.service for catalog in catalogs)
    click.echo(f"{what} choose one of {known}: paymon --service NAME ...", err=True)
    raise SystemExit(2)


def load_all() -> tuple[Catalog, ...]:
    """The catalogs of the project at hand, one for each service; it says first which project that is.

    Ends the program as `load` does.
    """
    try:
        project = project_at(Path.cwd())
        if project is None:
            refuse_other_rules(Path.cwd())
        else:
            click.echo(f"paymon {version('paymon')} reads {project}", err=True)
        with definitions_read():
            loaded = _shipped() if project is None else project.catalogs()
    except ProjectError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from error
    from rules.checks import mistyped

    _refuse(told(dict.fromkeys(problem for catalog in loaded for problem in mistyped(catalog))))
    return loaded


def _shipped() -> tuple[Catalog, ...]:
    from rules.catalog import catalog

    return (catalog(),)


def _wanted() -> str | None:
    context = click.get_current_context(silent=True)
    return context.find_root().params.get("service") if context else None


def refuse_unsound(catalogs: tuple[Catalog, ...]) -> None:
    """Ends the program with status 1 and every problem where there are any."""
    _refuse(everything_wrong(*catalogs))


def everything_wrong(*catalogs: Catalog) -> tuple[str, ...]:
    """Every problem of the definitions and of what they become, each with the file and line of its definition."""
    with definitions_read():
        from generators.problems import problems
    from paymon.places import strays

    found = [problem for catalog in catalogs for problem in problems(catalog)]
    return told(dict.fromkeys((*found, *(stray for folder in _folders() for stray in strays(catalogs, folder)))))


def told(found: Iterable[Problem]) -> tuple[str, ...]:
    """The problems as people read them, each behind the place of its definition."""
    from paymon.places import placed

    return tuple(placed(problem, _folders()) for problem in found)


def _refuse(lines: tuple[str, ...]) -> None:
    if lines:
        for line in lines:
            click.echo(line, err=True)
        count = len(lines)
        raise NoDefinitions(_complain(f"{count} problem{'' if count == 1 else 's'} in {_said()}; nothing was written"))


def _said() -> str:
    return "rules/" if _folders() == (_rules(),) else str(_folders()[0])


def _complain(message: str) -> int:
    click.echo(message, err=True)
    return 1


def _rules() -> Path:
    return Path(sys.modules["rules"].__file__ or "").parent


def _folders() -> tuple[Path, ...]:
    """Where definitions lie that somebody here can mend: those of the project, and those of this checkout."""
    project = tuple(folder for folder in _project_folders() if not _rules().is_relative_to(folder))
    return project or (_rules(),)


def _base(path: Path) -> Path:
    """The folder from which a path is told."""
    return next((folder for folder in _project_folders() if path.is_relative_to(folder)), _rules().parent)


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
    inside = (rules / "vocabulary", rules / "composition")
    for file, first, last in places:
        path = Path(file or "")
        ours = any(path.is_relative_to(folder) for folder in (rules, *_project_folders()))
        of_the_tool = any(path.is_relative_to(Path(__file__).parent.parent / one) for one in ("paymon", "generators"))
        if ours and not of_the_tool and not any(path.is_relative_to(one) for one in inside):
            return path, first or 1, last or first or 1
    return None


def _mistyped(error: Exception) -> tuple[Problem, ...]:
    """What in the areas that were being put together is of another type than the vocabulary asks for."""
    from rules.checks.types import mistyped_in
    from rules.composition import Definitions

    held = [value for frame, _ in traceback.walk_tb(error.__traceback__) for value in frame.f_locals.values()]
    own = [one for one in held if isinstance(one, Definitions)]
    return mistyped_in(own[-1].areas) if own else ()


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
    if isinstance(error, AttributeError) and isinstance(error.obj, EnumMeta):
        return f"{error.obj.__name__} has no {error.name}; choose one of {', '.join(error.obj.__members__)}"
    return f"{error} ({type(error).__name__}); correct the definition on this line"


_LACKING = re.compile(r"(\w+)(?:\.__init__)?\(\) missing \d+ required .*?arguments?: (.*)")
