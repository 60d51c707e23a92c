"""When does the clock on the wall of a zone say the same time twice?"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["Repetition", "next_repetition", "repetition_at"]

_HOUR = 3600
_LOOKED_AHEAD = 400 * 24 * _HOUR
_LONGEST = 26 * _HOUR
"""No zone has ever set its clocks back by more than a day."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """A stretch whose times the clock says twice, from when it says them first until it has said them again.

    Both are seconds since 1970.
    """

    begins: float
    ends: float


def repetition_at(zone: str, moment: float, ahead: float = 0) -> Repetition | None:
    """The one at hand at that moment (seconds since 1970), or so many seconds later.

    None where this machine does not know the zone.
    """
    known = _known(zone)
    if known is None:
        return None
    return next((_around(known, at) for at in (moment, moment + ahead) if _twice(known, at)), None)


def next_repetition(zone: str, moment: float) -> Repetition | None:
    """The one at hand, or the first of the next 13 months; None where there is none, or nobody knows the zone here."""
    known = _known(zone)
    if known is None:
        return None
    step = _HOUR // 2
    starts = int(moment) - int(moment) % step
    looked_at = (moment, *range(starts + step, starts + _LOOKED_AHEAD, step))
    return next((_around(known, at) for at in looked_at if _twice(known, at)), None)


def _around(zone: ZoneInfo, moment: float) -> Repetition:
    inside = int(moment)
    begins = next(at for at in range(inside, inside - _LONGEST, -1) if not _twice(zone, at - 1))
    ends = next(at for at in range(inside, inside + _LONGEST) if not _twice(zone, at))
    return Repetition(begins, ends)


def _twice(zone: ZoneInfo, moment: float) -> bool:
    local = datetime.fromtimestamp(moment, zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _known(zone: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(zone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None
