"""Which incidents were there, and which of them did the alerts find, how soon?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import yaml

from paymon.backtest.notifications import Notification

__all__ = ["Incident", "Score", "read_incidents", "score"]

_MARGIN = 900.0
"""A page up to so many seconds after the end is still about the incident."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What went wrong, from when to when, in Unix seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Score:
    """How well pages and incidents agree."""

    incidents: tuple[tuple[Incident, Notification | None], ...]
    """Each with its first page, or None."""
    false_pages: tuple[Notification, ...]
    pages: int
    unknown: tuple[Incident, ...] = ()
    """Those of which nobody knows, because they were not replayed from their beginning, or not to their end."""

    @property
    def recall(self) -> float | None:
        """The share of incidents that were paged for; None where there were none."""
        found = sum(page is not None for _, page in self.incidents)
        return found / len(self.incidents) if self.incidents else None

    @property
    def precision(self) -> float | None:
        """The share of pages that were about an incident; None where there were none."""
        return 1 - len(self.false_pages) / self.pages if self.pages else None


def score(
    incidents: Sequence[Incident], sent: Sequence[Notification], start: float = -math.inf, end: float = math.inf
) -> Score:
    """How well the pages, each to whomever, find the incidents, where the time from `start` to `end` was replayed."""
    found = [
        (one, next((page for page in sent if one.start <= page.at <= one.end + _MARGIN), None)) for one in incidents
    ]
    unknown = [one for one, page in found if one.start < start or (page is None and one.end + _MARGIN > end)]
    firsts = tuple((one, page) for one, page in found if one not in unknown)
    false = tuple(page for page in sent if not any(one.start <= page.at <= one.end + _MARGIN for one in incidents))
    return Score(firsts, false, len(sent), tuple(unknown))


def read_incidents(path: Path) -> tuple[Incident, ...]:
    """The incidents of a YAML or JSON list with `name`, `start` and `end`. Raises click.UsageError for what is none."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise click.UsageError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(data, list) or not data:
        raise click.UsageError(f"{path} is no list of incidents; write - {{name: ..., start: ..., end: ...}} for each")
    return tuple(sorted((_incident(one, index, path) for index, one in enumerate(data, 1)), key=lambda one: one.start))


def _incident(data: Any, index: int, path: Path) -> Incident:
    if not isinstance(data, Mapping) or not {"start", "end"} <= data.keys():
        raise click.UsageError(f"{path}: incident {index} lacks a start or an end; give both")
    start, end = _moment(data["start"], index, path), _moment(data["end"], index, path)
    if end < start:
        raise click.UsageError(f"{path}: incident {index} ends before it starts; exchange the two")
    return Incident(str(data.get("name", f"incident {index}")), start, end)


def _moment(value: object, index: int, path: Path) -> float:
    match value:
        case bool():
            pass
        case int() | float():
            return float(value)
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
        case str():
            try:
                found = datetime.fromisoformat(value)
            except ValueError:
                pass
            else:
                return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    raise click.UsageError(f"{path}: incident {index} has {value!r} for a moment; write 2026-11-28T09:00:00Z")
