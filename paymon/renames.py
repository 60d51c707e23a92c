"""Which names were other ones in an earlier version, and which of a team's own files still say those?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rules.vocabulary import Catalog, Former

__all__ = ["Rename", "lines_of", "mentions", "renames"]

_TEXTS = frozenset({".json", ".md", ".py", ".toml", ".yaml", ".yml"})
_NOT_THEIRS = frozenset({"build", "dist", "docs", "generated", "node_modules"})
_PIPELINES = frozenset({".github", ".gitlab-ci.yml"})
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Rename:
    """A name, what it is the name of, and what that was called before."""

    kind: str
    """`area`, `metric`, `label`, `signal` or `alert`."""
    new: str
    former: Former

    @property
    def old(self) -> str:
        """The former name."""
        return self.former.name


def renames(catalogs: Iterable[Catalog]) -> tuple[Rename, ...]:
    """Every definition of the catalogs that had another name, each once."""
    return tuple(dict.fromkeys(one for catalog in catalogs for one in _of(catalog)))


def _of(catalog: Catalog) -> Iterator[Rename]:
    for kind, named in (
        ("area", catalog.areas),
        ("metric", catalog.metrics),
        ("label", [label for metric in catalog.metrics for label in metric.labels]),
        ("signal", catalog.signals),
        ("alert", catalog.alerts),
    ):
        for one in named:
            if one.formerly:
                yield Rename(kind, one.name, one.formerly)


def mentions(folder: Path, renamed: Iterable[Rename]) -> Iterator[str]:
    """Where the files in the team's folder say a name that is another one now; a line that says both knows of it."""
    renamed = tuple(renamed)
    for place, line in lines_of(folder) if renamed else ():
        for one in renamed:
            if one.former.said_in(line) and "Former(" not in line and one.new not in line:
                yield f"{place}: {one.old} is now {one.new}; write that before {one.former.until}"


def lines_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Every line of the texts that a team writes itself in its folder, each behind its file and number."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in inside if part not in _PIPELINES)
        if path.suffix not in _TEXTS or _NOT_THEIRS & set(inside) or hidden:
            continue
        try:
            text = path.read_text() if path.stat().st_size <= _LARGEST else ""
        except (OSError, UnicodeDecodeError):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{path.relative_to(folder)}:{number}", line
