"""Which hours and days does each window of time hold?

Pure. Prometheus keeps its samples for 15 days by default, and `increase()` misses the first event of a series. So
whatever needs an exact number over a month is counted into buckets of hours and days of UTC, and added up here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["DAY", "HOUR", "KEPT", "Window", "windows"]

HOUR = 3600
DAY = 86400
KEPT = {HOUR: 2 * DAY, DAY: 64 * DAY}
"""For how many seconds the buckets of each width are kept: the previous month begins at most 62 days ago."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time that is a row of buckets: from `start` up to but without `end`, in seconds since 1970."""

    name: str
    width: int
    start: int
    end: int


def windows(now: float) -> tuple[Window, ...]:
    """The windows at a moment, each with the unfinished hour or day that `now` lies in, but for the previous month."""
    hour = int(now) // HOUR * HOUR
    day = int(now) // DAY * DAY
    month = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    month_before = (month - timedelta(days=1)).replace(day=1)
    this_month = int(month.timestamp())
    return (
        Window("24h", HOUR, hour - 23 * HOUR, hour + HOUR),
        Window("30d", DAY, day - 29 * DAY, day + DAY),
        Window("month_to_date", DAY, this_month, day + DAY),
        Window("previous_month", DAY, int(month_before.timestamp()), this_month),
    )
