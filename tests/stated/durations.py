"""How is a duration of Prometheus or Alertmanager read, and what could be written by mistake?"""

import re
from datetime import timedelta

__all__ = ["duration", "halved_and_doubled"]

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration(text: str) -> timedelta:
    """`29m50s` as a time."""
    return timedelta(seconds=sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"(\d+)(ms|[smhdw])", text)))


def halved_and_doubled(text: str) -> tuple[str, ...]:
    """Half of it and twice as much; of no time at all, a minute."""
    span = duration(text)
    if not span:
        return ("1m",)
    return tuple(f"{int(span.total_seconds() * 1000 * factor)}ms" for factor in (0.5, 2))
