"""What did the definitions say at another revision?"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from paymon.backtest.ruleset import Ruleset
from paymon.definitions import home

__all__ = ["checked_out", "root", "ruleset_at", "ruleset_in", "told_in"]

_WITHIN = 120


def root() -> Path:
    """The root of the git repository that holds the project's definitions. Raises click.UsageError outside of any."""
    folder = home().resolve()
    answer = subprocess.run(
        ("git", "-C", folder, "rev-parse", "--show-toplevel"), capture_output=True, text=True, timeout=30, check=False
    )
    if answer.returncode:
        raise click.UsageError(f"{folder} is in no git repository, so it has no other revision to compare with")
    return Path(answer.stdout.strip())


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A revision's files in a folder of their own, for as long as the block lasts; gives that of the project in it.

    Raises click.UsageError, and click.ClickException where its files cannot be written.
    """
    repository = root()
    named = subprocess.run(
        ("git", "-C", repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if named.returncode:
        raise click.UsageError(f"there is no revision {revision!r}; git log shows those that there are")
    with tempfile.TemporaryDirectory(prefix="paymon-revision-") as scratch:
        files = Path(scratch) / "files"
        for command in (("read-tree", named.stdout.strip()), ("checkout-index", "--all", f"--prefix={files}/")):
            written = subprocess.run(
                ("git", "-C", repository, *command),
                env={**os.environ, "GIT_INDEX_FILE": f"{scratch}/index"},  # the repository's own stays as it is
                capture_output=True,
                text=True,
                timeout=_WITHIN,
                check=False,
            )
            if written.returncode:
                why = " ".join(written.stderr.split()) or f"it ended with {written.returncode}"
                raise click.ClickException(
                    f"git {command[0]} cannot write the files of {revision} to {files}: {why}; "
                    "see that there is room, or set TMPDIR to another folder"
                )
        yield files / home().resolve().relative_to(repository.resolve())


def ruleset_at(revision: str, service: str, environment: str) -> Ruleset:
    """The rules of that revision for a service.

    Raises click.UsageError where it does not exist or its definitions do not load.
    """
    with checked_out(revision) as tree:
        return ruleset_in(tree, service, environment, revision)


def ruleset_in(tree: Path, service: str, environment: str, revision: str) -> Ruleset:
    """The rules of the definitions in that folder. Raises click.UsageError where they do not load."""
    program = str(Path(__file__).with_name("as_data.py"))
    arguments = [program, service, environment]
    code = f"sys.argv = {arguments!r}; runpy.run_path({program!r}, run_name='__main__')"
    data = told_in(tree, code, revision)
    try:
        return Ruleset.from_data(data)
    except (ValueError, KeyError, TypeError) as error:
        raise _does_not_load(revision, f"{type(error).__name__}: {error}") from None


def told_in(tree: Path, code: str, revision: str) -> Any:
    """The JSON that some Python writes which runs on the definitions in that folder. Raises click.UsageError."""
    answer = subprocess.run(
        (sys.executable, "-c", f"import runpy, sys; sys.path.insert(0, ''); {code}"),
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_WITHIN,
        check=False,
    )
    if answer.returncode:
        raise _does_not_load(revision, (answer.stderr.strip().splitlines() or ["no reason given"])[-1])
    try:
        return json.loads(answer.stdout)
    except ValueError as error:
        raise _does_not_load(revision, str(error)) from None


def _does_not_load(revision: str, why: str) -> click.UsageError:
    return click.UsageError(f"the definitions of {revision} do not load: {why}; choose a revision whose tests passed")
