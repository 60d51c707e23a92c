"""Which files of a project hold its generated rules and their tests?"""

from pathlib import Path

import click

from generators.files import folder_of
from paymon.definitions import asked, home, load_all

__all__ = ["generated_files"]


def generated_files(environment: str | None) -> tuple[list[Path], list[Path]]:
    """The rule files and the test files of one environment, of every service that is asked for.

    Environments differ in a few numbers; without a name it is the one with the most rules, of several the first.
    """
    catalogs = load_all()
    rules: list[Path] = []
    tests: list[Path] = []
    for catalog in asked(catalogs):
        root = home() / folder_of(catalog, catalogs)
        names = [one.name for one in catalog.organisation.environments]
        if environment is not None and environment not in names:
            raise click.BadParameter(
                f"there is no environment {environment!r}; choose one of {', '.join(names)}", param_hint="--environment"
            )
        folders = [root / name for name in ([environment] if environment else names)]
        chosen = max(folders, key=_size)
        rules += sorted((chosen / "rules").glob("*.yml"))
        tests += sorted((chosen / "tests").glob("*.yml"))
        if not rules or not tests:
            raise click.UsageError(f"{chosen} lacks rules or tests; write them with paymon generate")
    return rules, tests


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "rules").glob("*.yml"))
