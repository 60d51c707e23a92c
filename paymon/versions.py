"""Which paymon wrote generated/, and is it this one?"""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from generators.folders import MANIFEST
from generators.manifest import FORMAT

__all__ = [
    "NotAManifest",
    "as_numbers",
    "newer",
    "read_manifest",
    "written_by_a_newer_one",
    "written_by_newer_ones",
]

_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_PARTS = ("environments", "alerts", "signals", "metrics")


class NotAManifest(Exception):  # noqa: N818 - says what is the matter, as FileNotFoundError does
    """A manifest cannot be read: where, why, and what to do about it."""


def as_numbers(text: str) -> tuple[int, ...]:
    """`0.10.2` as numbers that can be compared; what is no version is older than any."""
    found = _NUMBERS.match(text)
    return tuple(int(one or 0) for one in found.groups()) if found else ()


def newer(one: str, other: str) -> bool:
    """Whether the first version is newer than the second."""
    return as_numbers(one) > as_numbers(other)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest. Raises NotAManifest where it is missing, is none, or is of a format unknown here."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise NotAManifest(
            f"{path} is missing, so that nobody can tell what was generated before; "
            "run `paymon generate` with the version that you had, or generate now and review the diff"
        ) from None
    except (OSError, ValueError) as error:
        raise NotAManifest(f"{path} cannot be read: {error}; restore it from your repository") from error
    if not isinstance(found, dict) or not isinstance(found.get("paymon"), str):
        raise NotAManifest(f"{path} is no manifest of paymon's; restore it from your repository")
    if found.get("format") != FORMAT:
        raise NotAManifest(
            f"{path} was written by paymon {found['paymon']} in a format that this version, {version('paymon')}, does "
            f"not know; install paymon {found['paymon']} or newer"
        )
    if any(not isinstance(found.get(part), list | dict) for part in _PARTS):
        raise NotAManifest(f"{path} lacks a part; restore it from your repository")
    return found


def written_by_newer_ones(generated: Path) -> dict[Path, str]:
    """The folders of generated files that a newer version wrote, each with it; also those of services that are gone."""
    places = (generated, *sorted(generated.glob("*/")))
    return {place: wrote for place in places if (wrote := written_by_a_newer_one(place))}


def written_by_a_newer_one(folder: Path) -> str | None:
    """The version that wrote the folder's files, where it is newer than this one; None where not, or nobody knows."""
    try:
        wrote = json.loads((folder / MANIFEST).read_text())["paymon"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return wrote if isinstance(wrote, str) and newer(wrote, version("paymon")) else None
