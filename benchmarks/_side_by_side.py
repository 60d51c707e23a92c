"""How do the figures of two revisions compare, each printed by its own benchmarks?

What a benchmark prints is all that is asked of a revision: its lines name its figures. A number that differs between
runs is a figure; one that is the same in all of them belongs to the words around it.
"""

import os
import platform
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._pages import around, keep
from benchmarks._revision import Revision

__all__ = ["Comparison", "compared", "comparisons"]

_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
_LINES = 15


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of both revisions, over all rounds."""

    what: str
    """The line that it stands in, with `#` in its place and `..` in that of the others."""
    new: tuple[float, ...]
    base: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """New/base of each round in which the base has any."""
        return tuple(new / base for new, base in zip(self.new, self.base, strict=True) if base)

    def __str__(self) -> str:
        new, base = statistics.median(self.new), statistics.median(self.base)
        ratios = self.ratios
        spread = f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f}" if ratios else "- | -"
        return f"| {self.what.replace('|', '/')} | {base:g} | {new:g} | {spread} |"


_HEAD = ("| figure (`#`) | base | new | new/base | spread |", "|---|---|---|---|---|")


def compared(project: Path, base: Revision, names: Sequence[str], rounds: int, page: Path | None) -> bool:
    """Print every figure of both, run in turn; keep them on the page. False where a benchmark failed.

    Raises PageError before anything runs.
    """
    if page:
        around(page)
    there = {path.stem for path in (base.folder / "benchmarks").glob("*.py")}
    lines: list[str] = []
    fine = True
    began = os.getloadavg()[0]
    for name in names:
        lines += ["", f"### {name}", ""]
        if name not in there:
            lines.append(f"{base.name} has no such benchmark.")
            continue
        print(f"{name}: {rounds} rounds", file=sys.stderr, flush=True)
        try:
            printed = [_round(project, base.folder, name, number) for number in range(rounds)]
        except _FailedError as error:
            lines.append(str(error))
            fine = False
            continue
        lines += [*_HEAD, *map(str, comparisons([new for new, _ in printed], [old for _, old in printed]))]
    text = "\n".join(
        (
            f'`make benchmarks BASE={base.name} NAMES="{" ".join(names)}" WRITE=yes` printed:',
            "",
            f"Each figure of this revision beside that of {base.name} ({base.commit[:7]}): both are run in turn, in"
            f" {rounds} rounds. Shown are the median of each, the median of the ratios, and the least and the greatest"
            " of them. Seconds and mebibytes are better when smaller, events a second when larger.",
            "",
            f"Machine: {_machine()}; load {began:.1f} when it began, {os.getloadavg()[0]:.1f} when it ended.",
            *lines,
        )
    )
    print(text)
    if page and fine:
        keep(page, text)
    return fine


class _FailedError(Exception):
    """A benchmark that ended badly."""


def _round(project: Path, base: Path, name: str, number: int) -> tuple[str, str]:
    """What both print; who goes first changes from round to round."""
    first, second = (project, base) if number % 2 else (base, project)
    printed = {folder: _printed(folder, name) for folder in (first, second)}
    return printed[project], printed[base]


def _printed(folder: Path, name: str) -> str:
    """What a revision's own benchmark prints, with bytecode kept as wherever packages are installed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    before = os.times()
    ended = subprocess.run(
        [str(folder / ".venv/bin/python"), "-m", "benchmarks", name],
        cwd=folder,
        env=environment | {"PATH": f"{folder}/.venv/bin:{os.environ.get('PATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        last = "\n".join(f"    {line}" for line in ended.stderr.splitlines()[-_LINES:])
        raise _FailedError(f"The benchmark {name} fails in {folder}:\n\n{last}")
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return f"{ended.stdout}\nthe whole benchmark: {used:.1f} s of processor time\n"


def comparisons(new: Sequence[str], base: Sequence[str]) -> Iterator[Comparison]:
    """Every figure that both print in each round, in the order of the new lines."""
    news, bases = [_figures(text) for text in new], [_figures(text) for text in base]
    for key in news[0]:
        runs = [*(one.get(key) for one in news), *(one.get(key) for one in bases)]
        rows = [row for row in runs if row is not None]
        if len(rows) < len(runs):
            continue
        varying = [place for place, values in enumerate(zip(*rows, strict=True)) if len(set(values)) > 1]
        for place in varying:
            values = tuple(float(row[place].replace(",", "")) for row in rows)
            yield Comparison(_named(key[0], rows[0], place, varying), values[: len(new)], values[len(new) :])


def _figures(text: str) -> dict[tuple[str, int], list[str]]:
    """The numbers of each line by its words, and how many lines of the same words stand before it."""
    seen: Counter[str] = Counter()
    found = {}
    for line in text.splitlines():
        words = _NUMBER.sub("#", line)
        numbers = _NUMBER.findall(line)
        if numbers:
            found[words, seen[words]] = numbers
            seen[words] += 1
    return found


def _named(words: str, numbers: Sequence[str], place: int, varying: Sequence[int]) -> str:
    """The line with its constant numbers, `#` for the figure that is meant, and `..` for the others."""
    shown = iter("#" if at == place else ".." if at in varying else number for at, number in enumerate(numbers))
    return " ".join(re.sub("#", lambda _: next(shown), words).split())


def _machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} processors ({cpu[1] if cpu else platform.machine()}), {memory:.0f} GiB,"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
