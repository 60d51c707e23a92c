"""How does a definition say how long, and how does Prometheus read it?"""

from datetime import timedelta
from functools import lru_cache

__all__ = ["days", "hours", "minutes", "prometheus_duration", "seconds", "spoken_duration"]

NONE = timedelta(0)


def seconds(n: int) -> timedelta:
    """`n` seconds.

    >>> seconds(90)
    datetime.timedelta(seconds=90)
    """
    return timedelta(seconds=n)


def minutes(n: int) -> timedelta:
    """`n` minutes.

    >>> minutes(2) == seconds(120)
    True
    """
    return timedelta(minutes=n)


def hours(n: int) -> timedelta:
    """`n` hours.

    >>> hours(1) == minutes(60)
    True
    """
    return timedelta(hours=n)


def days(n: int) -> timedelta:
    """`n` days of 24 hours.

    >>> days(1) == hours(24)
    True
    """
    return timedelta(days=n)


def _parts(duration: timedelta) -> list[tuple[int, str, str]]:
    rest = int(duration.total_seconds())
    if rest < 0 or timedelta(seconds=rest) != duration:
        raise ValueError(
            f"{duration} is not a whole, non-negative number of seconds; use seconds(), minutes() or hours()"
        )
    parts = []
    for size, letter, word in ((86400, "d", "day"), (3600, "h", "hour"), (60, "m", "minute"), (1, "s", "second")):
        count, rest = divmod(rest, size)
        if count:
            parts.append((count, letter, word))
    return parts


@lru_cache(maxsize=4096)
def prometheus_duration(duration: timedelta) -> str:
    """The duration as Prometheus writes it, `90 minutes` as `1h30m`; nothing is `0s`.

    Raises ValueError for fractions of a second and negative durations.

    >>> prometheus_duration(minutes(90))
    '1h30m'
    """
    return "".join(f"{count}{letter}" for count, letter, _ in _parts(duration)) or "0s"


def spoken_duration(duration: timedelta) -> str:
    """The duration in words, `1 hour 30 minutes`; nothing is `at once`.

    >>> spoken_duration(minutes(90)), spoken_duration(seconds(0))
    ('1 hour 30 minutes', 'at once')
    """
    words = [f"{count} {word}{'' if count == 1 else 's'}" for count, _, word in _parts(duration)]
    return " ".join(words) or "at once"
