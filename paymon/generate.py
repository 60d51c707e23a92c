"""`paymon generate`: do the files on the disk follow from the definitions?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paymon.definitions import home, load_all, refuse_unsound
from paymon.project import ProjectError, refuse_other_rules
from paymon.renames import mentions, renames
from rules.vocabulary import Catalog

if TYPE_CHECKING:
    from generators.output import Drift

__all__ = ["generate"]

_DIFF_LINES = 200


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail where a file is changed, missing, stale or untracked.")
@click.option("--environment", metavar="E", help="Only this environment's rules, tests and deployment.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that receives generated/ and docs/.  [default: the project's]",
)
@click.option(
    "--vmalert-tests",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write each environment's rules and tests, as vmalert-tool takes them, into this folder.",
)
@click.option("--older", is_flag=True, help="Write although a newer paymon wrote what is there.")
def generate(check: bool, environment: str | None, out: Path | None, vmalert_tests: Path | None, older: bool) -> None:
    """Write rules, tests, dashboards, routing and pages from the definitions.

    The definitions are checked first; if anything is wrong with them, every problem is listed and nothing is written.
    """
    catalogs = load_all()
    from generators.files import begun_files
    from generators.folders import OWNED
    from generators.output import OutputError, differences, of_others, write
    from paymon.gone import gone
    from paymon.moved import moved
    from paymon.versions import written_by_newer_ones

    root = home() if out is None else out
    with begun_files(*catalogs) as every_file:
        refuse_unsound(catalogs)
        try:
            refuse_other_rules(root.resolve())
        except ProjectError as error:
            raise click.UsageError(str(error)) from error
        owned = _owned(catalogs, environment)
        files = {path: text for path, text in every_file().items() if not environment or path.startswith(f"{owned}/")}
    for folder, newer in written_by_newer_ones(root / OWNED).items():
        ours = version("paymon")
        if not older and not check:
            raise click.ClickException(
                f"{folder} was written by paymon {newer}, and this is {ours}; install {newer}, "
                f"or see what going back changes with `paymon upgrade` and write it with --older"
            )
        click.echo(f"{folder} was written by paymon {newer}, and this is {ours}", err=True)
    if check and vmalert_tests:
        raise click.UsageError("--check writes nothing; leave --vmalert-tests away")
    if vmalert_tests and (root / OWNED).resolve() in (vmalert_tests.resolve(), *vmalert_tests.resolve().parents):
        raise click.BadParameter(
            f"{OWNED}/ holds promtool's tests; name a folder outside", param_hint="--vmalert-tests"
        )
    if check:
        _report(differences(root, files, owned), _cure(files, environment, out))
        return
    _refuse_to_lose(root, of_others(root, files, owned), owned)
    whole = environment is None
    missing = gone(root / OWNED, catalogs) if whole else ()
    elsewhere = list(moved(root, catalogs, home())) if whole else []
    try:
        written, removed = write(root, files, owned)
    except OutputError as error:
        raise click.ClickException(str(error)) from error
    alerts, signals = (sum(len(getattr(one, kind)) for one in catalogs) for kind in ("alerts", "signals"))
    click.echo(
        f"{len(files)} files from {alerts} alerts and {signals} signals "
        f"in {root / OWNED}: {written} written, {removed} removed, {len(files) - written} unchanged"
    )
    if vmalert_tests:
        count = _write_vmalert_tests(vmalert_tests, catalogs, environment)
        click.echo(f"{count} test files for vmalert-tool in {vmalert_tests}")
    for line in (*map(str, missing), *mentions(home(), renames(catalogs)), *elsewhere):
        click.echo(line, err=True)


def _refuse_to_lose(root: Path, theirs: tuple[str, ...], owned: str) -> None:
    """Ends the program with 1 where somebody else's files would be overwritten or removed."""
    below = [path for path in theirs if path.startswith(f"{owned}/")]
    if below:
        count = f"{len(below)} file{'' if len(below) == 1 else 's'}"
        raise click.ClickException(
            f"{root / owned} has {count} that paymon did not write, {below[0]}{' ...' if len(below) > 1 else ''}, and"
            f" would lose {'it; move that' if len(below) == 1 else 'them; move those'} elsewhere, or name another"
            " folder with --out"
        )
    if theirs:
        raise click.ClickException(
            f"{root / theirs[0]} was not written by paymon and would be overwritten; move it elsewhere, or name another"
            " folder with --out"
        )


def _write_vmalert_tests(root: Path, catalogs: tuple[Catalog, ...], environment: str | None) -> int:
    """Rules and tests, each environment in a folder of its own; gives how many tests."""
    from generators.files import environment_files
    from generators.output import OutputError, write
    from generators.rule_tests.vmalert import vmalert_test_files

    files: dict[str, str] = {}
    tests = 0
    for catalog in catalogs:
        for one in catalog.organisation.environments:
            if environment not in (None, one.name):
                continue
            folder = f"{catalog.organisation.service}-{one.name}" if len(catalogs) > 1 else one.name
            for path, text in environment_files(catalog, one).items():
                if path.split("/")[-2] == "rules":
                    files[f"{folder}/rules/{path.split('/')[-1]}"] = text
            for name, text in vmalert_test_files(catalog, one).items():
                files[f"{folder}/tests/{name}"] = text
                tests += 1
    try:
        for folder in dict.fromkeys(path.rpartition("/")[0] for path in files):
            write(root, {path: text for path, text in files.items() if path.startswith(f"{folder}/")}, folder)
    except OutputError as error:
        raise click.ClickException(str(error)) from error
    return tests


def _owned(catalogs: tuple[Catalog, ...], environment: str | None) -> str:
    """The folder of which nothing else may be left than what was asked for."""
    from generators.folders import OWNED

    if environment is None:
        return OWNED
    known = list(dict.fromkeys(known.name for one in catalogs for known in one.organisation.environments))
    if environment not in known:
        raise click.BadParameter(
            f"there is no environment {environment!r}; choose one of {', '.join(known)}", param_hint="--environment"
        )
    if len(catalogs) > 1:
        raise click.BadParameter(
            "a project of several services is written as a whole; leave it away", param_hint="--environment"
        )
    return f"{OWNED}/{environment}"


def _cure(files: Mapping[str, str], environment: str | None, out: Path | None) -> str:
    wanted = "" if environment is None else f" --environment {environment}"
    where = "" if out is None else f" --out {out}"
    root = home() if out is None else out
    folders = dict.fromkeys(path.split("/")[0] for path in files)
    return f"paymon generate{wanted}{where} && git add {' '.join(os.path.relpath(root / folder) for folder in folders)}"


def _report(drifts: tuple[Drift, ...], cure: str) -> None:
    for drift in drifts:
        click.secho(f"{drift.path} {drift.kind.value}", fg="red")
        for line in drift.diff.splitlines()[:_DIFF_LINES]:
            click.secho(f"  {line}", fg={"+": "green", "-": "red"}.get(line[:1]))
    if drifts:
        click.echo(f"\n{len(drifts)} files do not follow from the definitions. Mend with: {cure}")
        raise SystemExit(1)
    click.echo("generated/ follows from the definitions")
