"""`paymon lint`: is there anything wrong with the definitions or with what they become?"""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from paymon.definitions import definitions_read, everything_wrong, load_all
from paymon.not_judged import CannotJudge
from rules.vocabulary import Catalog

__all__ = ["lint"]

_AMTOOL_SECONDS = 30


@click.command()
@click.option("--promtool", metavar="PATH", help="The promtool to ask.  [default: PROMTOOL, PATH, the cache folder]")
@click.option("--amtool", metavar="PATH", help="The amtool to ask.  [default: AMTOOL, PATH, the cache folder]")
def lint(promtool: str | None, amtool: str | None) -> None:
    """Check the definitions; the rules with promtool's own linter, Alertmanager's configuration with amtool.

    Reads only the definitions: it neither needs nor touches generated/. A finding is mended; what must stay is excused
    in the catalog by the check's name and a reason (docs/checks.md). Where there is no amtool, it says so.

    Exit status: 0 no finding, 1 findings, 2 wrong use, 3 promtool or amtool cannot be asked.
    """
    catalogs = load_all()
    findings = [*everything_wrong(*catalogs)]
    if not findings:
        with tempfile.TemporaryDirectory(prefix="paymon-lint-") as folder:
            findings = [
                finding.replace(f"{folder}/", "") for finding in _by_programs(catalogs, folder, promtool, amtool)
            ]
    for finding in findings:
        click.echo(finding)
    if findings:
        click.echo(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}", err=True)
        raise SystemExit(1)
    alerts, signals, metrics = (
        sum(len(getattr(one, kind)) for one in catalogs) for kind in ("alerts", "signals", "metrics")
    )
    click.echo(f"{alerts} alerts, {signals} signals, {metrics} metrics: no finding")


def _by_programs(catalogs: tuple[Catalog, ...], folder: str, promtool: str | None, amtool: str | None) -> Iterator[str]:
    with definitions_read():
        from generators.files import generated_files
        from generators.folders import OWNED
    from generators.output import write

    files = {path: text for path, text in generated_files(*catalogs).items() if path.startswith(f"{OWNED}/")}
    write(Path(folder), files, OWNED)
    yield from _by_promtool(files, folder, promtool)
    yield from _by_amtool(files, folder, amtool)


def _by_promtool(files: Mapping[str, str], folder: str, explicit: str | None) -> Iterator[str]:
    from paymon.promtool import Promtool, PromtoolError, PromtoolMissing

    try:
        tool = Promtool.find(explicit)
        checked = tool.check_rules([Path(folder) / path for path in files if "/rules/" in path])
    except (PromtoolMissing, PromtoolError) as error:
        raise CannotJudge(str(error)) from error
    yield from map(str, checked.findings)


def _by_amtool(files: Mapping[str, str], folder: str, explicit: str | None) -> Iterator[str]:
    from paymon import programs

    try:
        path = programs.find("amtool", explicit=explicit)
    except programs.ProgramMissing as error:
        if explicit:
            raise CannotJudge(str(error)) from error
        click.echo(f"Alertmanager's configuration is not checked: {error}", err=True)
        return
    for name in (name for name in files if name.endswith("/alertmanager.yml")):
        try:
            ran = subprocess.run(
                [path, "check-config", f"{folder}/{name}"],
                capture_output=True,
                text=True,
                timeout=_AMTOOL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotJudge(f"amtool at {path} does not answer: {error}") from error
        if ran.returncode:
            said = " ".join((ran.stdout + ran.stderr).split())
            yield f"{name}: amtool refuses it: {said}"
