"""What do all commands that ask a live server have in common?"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from paymon.live.access import NoAnswerError, access_from
from paymon.live.prometheus import Prometheus
from paymon.not_judged import CANNOT_JUDGE
from rules.vocabulary import Catalog, Environment

__all__ = ["CANNOT_JUDGE", "as_json", "asked", "environment_named", "environment_option", "written"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def environment_option(command: _Command) -> _Command:
    """`--environment`; `environment_named` finds it."""
    return click.option(
        "--environment", metavar="NAME", envvar="PAYMON_ENVIRONMENT", help="Default: the first one defined."
    )(command)


def environment_named(catalog: Catalog, name: str | None) -> Environment:
    """The environment of that name, or the first. Raises click.UsageError for an unknown one."""
    known = catalog.organisation.environments
    if name is None:
        return known[0]
    try:
        return catalog.organisation.environment(name)
    except KeyError:
        names = ", ".join(one.name for one in known)
        raise click.UsageError(f"there is no environment {name!r}; choose one of {names}") from None


@contextmanager
def asked(context: click.Context) -> Iterator[Prometheus]:
    """The Prometheus of `--prometheus`; a question that it does not answer ends the program, as does Ctrl-C."""
    access = access_from(context, "prometheus")
    assert access is not None, "the option is required"
    with Prometheus(access) as prometheus, unanswered():
        yield prometheus


@contextmanager
def unanswered() -> Iterator[None]:
    """Ends the program with status 3 and a message where a server gives no answer."""
    try:
        yield
    except NoAnswerError as error:
        click.echo(f"cannot judge: {error}", err=True)
        raise SystemExit(CANNOT_JUDGE) from None
    except KeyboardInterrupt:
        click.echo("cannot judge: interrupted", err=True)
        raise SystemExit(130) from None


def as_json(data: Mapping[str, Any]) -> str:
    """The data as JSON; numbers that JSON has no notation for are null."""
    return json.dumps(_plain(data), indent=2, allow_nan=False)


def written(path: Path, text: str) -> None:
    """Write the file whole or not at all. Raises click.UsageError where it cannot be."""
    aside = path.with_name(f".{path.name}.new")
    try:
        aside.write_text(text)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise click.UsageError(
            f"{path} cannot be written: {error.strerror}; name a file in a folder that exists"
        ) from None


def _plain(data: Any) -> Any:
    match data:
        case float():
            return data if abs(data) < float("inf") else None
        case Mapping():
            return {str(key): _plain(value) for key, value in data.items()}
        case list() | tuple():
            return [_plain(one) for one in data]
        case _:
            return data
