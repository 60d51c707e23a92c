"""What is to be said of a place where the definitions arrive?"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from generators.files import generated_files
from generators.folders import OWNED
from generators.output import differences
from rules.vocabulary import Catalog

__all__ = ["Layer", "Verdict", "files", "layer"]


class Verdict(Enum):
    """What is to be said of a layer."""

    SAME = "as defined"
    DRIFT = "DRIFT"
    UNKNOWN = "CANNOT TELL"


@dataclass(frozen=True, slots=True)
class Layer:
    """One place where the definitions arrive, and how it differs from them; `notes` differ in nothing that counts."""

    name: str
    verdict: Verdict
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def layer(name: str, findings: Sequence[str], notes: Sequence[str] = (), doubts: Sequence[str] = ()) -> Layer:
    """The layer as these findings have it: the same where there are none, and no doubts of what cannot be told."""
    verdict = Verdict.DRIFT if findings else Verdict.UNKNOWN if doubts else Verdict.SAME
    return Layer(name, verdict, (*findings, *doubts), tuple(notes))


def files(root: Path, *catalogs: Catalog) -> Layer:
    """Do the generated files below `root` follow from the definitions of all services?"""
    if not (root / OWNED).is_dir():
        return Layer("files", Verdict.UNKNOWN, (f"{root / OWNED} is not here; say where it is with --files",))
    found = differences(root, generated_files(*catalogs), OWNED)
    return layer("files", [f"{one.path} {one.kind.value}" for one in found])
