"""How does a command end that could not judge, so that nobody takes it for a decision or a finding?"""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["CANNOT_JUDGE", "CannotJudge", "Judging", "NoDefinitions", "no_finding", "not_judged"]

CANNOT_JUDGE = 3
"""The exit status of a question that could not be answered, so that it never reads as fine."""
INTERRUPTED = 130
_STDOUT = 1


class CannotJudge(click.ClickException):
    """What a program that was to be asked does not say, so that there is neither a finding nor none."""

    exit_code = CANNOT_JUDGE


class NoDefinitions(SystemExit):
    """The end of a program whose definitions cannot be made or do not hold, which has been told."""


@contextmanager
def not_judged() -> Iterator[None]:
    """Ends the program with status 3 and the cause for whatever goes wrong inside.

    That is wrong use, definitions that cannot be made, or a mistake of our own. Ctrl-C ends it with 130; `--help` ends
    as it always does.
    """
    try:
        with no_finding():
            yield
    except click.exceptions.Exit:
        raise
    except click.ClickException as error:
        error.show()
    except click.Abort:
        click.echo("cannot judge: interrupted", err=True)
        raise SystemExit(INTERRUPTED) from None
    except SystemExit as end:
        if end.code == INTERRUPTED:
            raise
        if isinstance(end.code, str):
            click.echo(end.code, err=True)
    else:
        return
    raise SystemExit(CANNOT_JUDGE)


@contextmanager
def no_finding() -> Iterator[None]:
    """Ends the program with status 3 where it would read as a finding that nothing could be found.

    That are definitions that cannot be made, and mistakes of our own. Wrong use ends it with 2 as everywhere, Ctrl-C
    with 130.
    """
    try:
        yield
    except (click.exceptions.Exit, click.UsageError, click.Abort):
        raise
    except click.ClickException as error:
        error.show()
    except NoDefinitions:
        pass
    except KeyboardInterrupt:
        click.echo("cannot judge: interrupted", err=True)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader has gone; what Python flushes at the end must not end it otherwise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
    except Exception as error:
        traceback.print_exc()
        click.echo(f"cannot judge: {type(error).__name__}; this is a mistake in paymon, please report it", err=True)
    else:
        return
    raise SystemExit(CANNOT_JUDGE)


class Judging(click.Command):
    """A command that judges what runs: its status 1 is a finding, and nothing else ends with it."""

    def invoke(self, ctx: click.Context) -> Any:
        with no_finding():
            return super().invoke(ctx)
