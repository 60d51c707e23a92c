"""Do rules, files and commands hold on every server that people run? `make matrix` asks, and prints a table.

The tests that ask a real server are run for each version of it: those of the suite, those between, and the newest,
which is built from its Go module. That takes the Go compiler and the better part of an hour, so CI does without.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import click

from paymon.programs import FetchError, Wanted, cache_folder, ensure_all

__all__ = ["main", "table"]

FETCHED = (
    Wanted("prometheus", "2.53"),
    Wanted("promtool", "2.53"),
    Wanted("alertmanager", "0.28"),
    Wanted("amtool", "0.28"),
)
"""What Debian has beside what the suite uses."""

BUILT = (
    ("prometheus-3.16.0", "github.com/prometheus/prometheus/cmd/prometheus@v0.316.0"),
    ("promtool-3.16.0", "github.com/prometheus/prometheus/cmd/promtool@v0.316.0"),
    ("vmalert-tool-1.151.0", "github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert-tool@v1.151.0"),
    ("kustomize-5.8.0", "sigs.k8s.io/kustomize/kustomize/v5@v5.8.0"),
)
"""What Debian does not have yet: the folder that it is kept in, and the module that it is built from."""

VERSIONS = ("2.42", "2.53", "3.5", "3.16", "0.25", "0.28", "0.33", "victoria-metrics", "kustomize", "kubectl")


def main() -> int:
    """Have every program, run the tests that take a version, print the table. 0 where every cell is fine."""
    try:
        _have_programs()
    except (FetchError, subprocess.CalledProcessError, FileNotFoundError) as error:
        click.echo(f"matrix: {error}", err=True)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = (sys.executable, "-m", "pytest", "-m", "servers", f"--junitxml={report}", *sys.argv[1:])
        asked = {
            **os.environ,
            "PAYMON_MATRIX": "1",
            "XDG_CACHE_HOME": str(_every_program(Path(folder))),
            "KUSTOMIZE": str(_program(*next(one for one in BUILT if one[0].startswith("kustomize")))),
        }
        ran = subprocess.run(command, env=asked, check=False)
        if not report.exists():
            return ran.returncode or 2
        click.echo(table(ElementTree.parse(report)))
    return ran.returncode


def _have_programs() -> None:
    _, failures = ensure_all(FETCHED, say=click.echo)
    if failures:
        raise failures[0]
    for folder, module in BUILT:
        program = _program(folder, module)
        if program.exists():
            continue
        if shutil.which("go") is None:
            raise FileNotFoundError(f"{module} is built from its Go module, and there is no `go` here; install Go 1.26")
        click.echo(f"building {module} (once; some minutes)")
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as made:
            subprocess.run(
                ("go", "install", "-tags", "remove_all_sd", module),
                env={**os.environ, "GOBIN": made, "GOFLAGS": "-trimpath"},
                check=True,
            )
            (Path(made) / program.name).replace(program)


def _program(folder: str, module: str) -> Path:
    """Where the program built from that module is kept; Go calls it by its path's last part that is no version."""
    path = module.partition("@")[0].split("/")
    name = path[-2] if re.fullmatch(r"v[0-9]+", path[-1]) else path[-1]
    return _built() / folder / "usr" / "bin" / name


def _built() -> Path:
    """Where built programs are kept: apart from the fetched ones, of which the newest serves every command."""
    return cache_folder().parent / "built"


def _every_program(folder: Path) -> Path:
    """A cache folder in which the built programs stand beside the fetched ones."""
    both = folder / "paymon" / "programs"
    both.mkdir(parents=True)
    for one in (*cache_folder().glob("*-[0-9]*"), *_built().glob("*-[0-9]*")):
        (both / one.name).symlink_to(one)
    return folder


def table(report: "ElementTree.ElementTree[ElementTree.Element]") -> str:
    """The results of a run, in Markdown: a line for each module of tests, a column for each version."""
    cells: dict[str, dict[str, Counter[str]]] = {}
    for case in report.iter("testcase"):
        for version in _versions(case.get("name", "")):
            cell = cells.setdefault(case.get("classname", ""), {}).setdefault(version, Counter())
            bad = case.find("failure") is not None or case.find("error") is not None
            cell["failed" if bad else "skipped" if case.find("skipped") is not None else "passed"] += 1
    shown = [version for version in VERSIONS if any(version in row for row in cells.values())]
    lines = [f"| tests | {' | '.join(shown)} |", f"|---|{'---|' * len(shown)}"]
    for module, row in sorted(cells.items()):
        lines.append(f"| {module.removeprefix('tests.')} | {' | '.join(_words(row.get(one)) for one in shown)} |")
    return "\n".join(lines)


def _versions(name: str) -> set[str]:
    """Of `test_two_services[3.5-0.33]` both."""
    asked = re.search(r"\[(.*)\]", name)
    return set(re.split(r"-(?!metrics)", asked[1])) & set(VERSIONS) if asked else set()


def _words(cell: Counter[str] | None) -> str:
    if cell is None:
        return ""
    words = [f"{cell['passed']} pass"]
    words += [f"{cell[what]} {word}" for what, word in (("failed", "**fail**"), ("skipped", "skipped")) if cell[what]]
    return ", ".join(words)


if __name__ == "__main__":
    sys.exit(main())
