"""`paymon lint`: is there anything wrong with the definitions or with what they become?"""

import tempfile
from pathlib import Path

import click

from paymon.definitions import definitions_read, load

__all__ = ["lint"]


@click.command()
@click.option("--promtool", metavar="PATH", help="The promtool to ask.  [default: PROMTOOL, PATH, the cache folder]")
def lint(promtool: str | None) -> None:
    """Check the definitions, and the rule files with promtool's own linter.

    Reads only rules/: it neither needs nor touches generated/. There are no exclusions; a finding is mended, not muted.
    """
    catalog = load()
    with definitions_read():
        from generators.files import generated_files
        from generators.problems import problems
    from generators.output import write
    from paymon.promtool import Promtool, PromtoolError, PromtoolMissing

    findings = [str(problem) for problem in problems(catalog)]
    if not findings:
        try:
            tool = Promtool.find(promtool)
            with tempfile.TemporaryDirectory(prefix="paymon-lint-") as folder:
                files = {path: text for path, text in generated_files(catalog).items() if "/rules/" in path}
                write(Path(folder), files, "generated")
                checked = tool.check_rules([Path(folder) / path for path in files])
                findings = [str(finding).replace(f"{folder}/", "") for finding in checked.findings]
        except (PromtoolMissing, PromtoolError) as error:
            raise click.ClickException(str(error)) from error
    for finding in findings:
        click.echo(finding)
    if findings:
        click.echo(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}", err=True)
        raise SystemExit(1)
    click.echo(
        f"{len(catalog.alerts)} alerts, {len(catalog.signals)} signals, {len(catalog.metrics)} metrics: no finding"
    )
