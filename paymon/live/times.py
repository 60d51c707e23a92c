"""How does somebody write a moment or a span of time on the command line, and how are they shown?"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

__all__ = ["DURATION", "MOMENT", "Ago", "clock", "moment_of", "shown"]

_DURATION = re.compile(r"(?:(\d{1,5})w)?(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?\Z")
_LONGEST = timedelta(days=10 * 365)


class Ago(timedelta):
    """A moment that is told by how long ago it was."""


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _duration(str(value))
        if found is None:
            self.fail(f"{value!r} is no span of time; write 15m, 6h or 30d", param, ctx)
        return found


class _Moment(click.ParamType[Ago | datetime]):
    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ago | datetime:
        if isinstance(value, Ago | datetime):
            return value
        text = str(value).strip()
        span = _duration(text)
        if span is not None:
            return Ago(seconds=span.total_seconds())
        try:
            found = datetime.fromtimestamp(float(text), UTC) if text.replace(".", "", 1).isdigit() else _iso(text)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is no moment; write 2h for two hours ago, or 2026-11-28T09:00:00Z", param, ctx)
        return found


DURATION = _Duration()
"""A span of time as Prometheus writes it: `15m`, `1h30m`, `30d`."""
MOMENT = _Moment()
"""A moment: how long ago (`2h`), an ISO time (`2026-11-28T09:00:00Z`; without a zone, UTC) or Unix seconds."""


def moment_of(value: Ago | datetime, now: float) -> float:
    """The moment in whole Unix seconds: servers answer for milliseconds, and a finer one does not come back."""
    return float(math.floor(now - value.total_seconds() if isinstance(value, Ago) else value.timestamp()))


def clock(moment: float) -> str:
    """The moment as `2026-11-28 09:00:00Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def shown(seconds: float) -> str:
    """A span of time, roughly: `45 s`, `12 min`, `3.5 h`, `2.1 d`."""
    size = abs(seconds)
    if size < 120:
        return f"{seconds:.0f} s"
    if size < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if size < 172800 else f"{seconds / 86400:.1f} d"


def _iso(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _duration(text: str) -> timedelta | None:
    found = _DURATION.match(text)
    if not found or not text:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    span = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return span if timedelta(0) < span <= _LONGEST else None
