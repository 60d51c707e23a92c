"""By how much did a counter grow that moves once a week, although the pod that exports it was replaced meanwhile?

`increase()` looks at one series at a time: where a pod ends at 3 and the next one begins at 4, it sees nothing. And
VictoriaMetrics lets a series that begins at 3 grow by 3. So a value is compared with the one of a window ago.
"""

from rules.vocabulary import Example, hours, minutes, seconds

__all__ = ["events_since_start", "kept_events", "kept_for_30_hours", "more_than_an_hour_ago", "over_a_day"]

_COURSES = (
    ("4", "1x290 3x54 5x14 8x600 9x900", "0x1810"),  # 5 a day ago; a second replica has seen nothing
    ("5", "7x306 0x10 1x400 5x1200", "1x1810"),  # its state was lost, late in the hour before the window
    ("1", "6x300 3x5 1x900 4x700", "6x300 3x5 1x900 4x700"),  # earlier than that hour it was larger, late in it smaller
    ("0", "5x1810", "0x1810"),
    ("4", "1x300 _x80 2x60 3x600 6x900", "_x450 3x1400"),  # nobody scraped it in that hour
)

_NUMBERS = (
    ("4", "0x291 1 3x11", "5x303"),
    ("0", "2x303", "_"),
    ("3", "0x291 4x12", "0x290 1 4x12"),
    ("3", "3x100 2x190 5x12", "3x100 2x190 5x12"),
    ("3", "1x4 _x298 4x1", "_"),  # known last 24 hours and 50 minutes ago, and 25 minutes earlier
    ("0", "1 _x302 4x1", "_"),
)


def kept_events(counter: str, window: str) -> str:
    """PromQL for the growth of a counter that survives its exporter's restarts, because it is kept in its state.

    The largest value now, less the largest of the hour before the window; where nobody scraped it then, less the
    smallest of the window, for it is exported as 0 before the first event. Where it is smaller now, its state was lost,
    and it has grown from 0. `counter` selects one series of each replica.
    """
    now = f"max({counter})"
    before = f"max(max_over_time({counter}[1h] offset {window}))"
    first = f"min(min_over_time({counter}[{window}]))"
    return f"(\n  {now}\n  < on ()\n  {before}\n)\nor\n" + _grown(now, before, first, "on ()")


def kept_for_30_hours(one: str, other: str) -> tuple[Example, ...]:
    """What comes of two replicas' counters in a day, minute by minute until thirty hours have gone by."""
    return tuple(
        Example(series=((one, first), (other, second)), at=hours(30) + seconds(30), gives=(("", gives),))
        for gives, first, second in _COURSES
    )


def events_since_start(counter: str, window: str) -> str:
    """PromQL for the growth of a counter that begins at 0 with each process, and is scraped for the first time later.

    Each series against its own past, which is 0 for a new one; where it is smaller now, its process began anew.
    """
    before = f"last_over_time({counter}[{window}] offset {window})"
    alone = "on (instance, pod)"
    restarted = f"(\n  {counter}\n  < {alone}\n  {before}\n)"
    return f"sum(max without (instance, pod) (\n{restarted}\nor {alone}\n{_grown(counter, before, f'0 * {counter}', alone)}\n))"


def _grown(now: str, before: str, otherwise: str, matching: str) -> str:
    return f"clamp_min(\n  {now}\n  - {matching} (\n    {before}\n    or {matching} {otherwise}\n  ),\n  0\n)"


def more_than_an_hour_ago(gauge: str) -> str:
    """PromQL for how much a number of open cases is above that of the hour before, or above the last known before it.

    None where it was known at neither: what is found as one first looks is old, as far as anybody knows. `gauge` selects
    one series of each replica.
    """
    return (
        f"clamp_min(\n  max({gauge})\n  - on () min(\n"
        f'    label_replace(min(min_over_time({gauge}[1h])), "of", "the hour before", "", "")\n'
        f'    or label_replace(max(last_over_time({gauge}[1d] offset 1h)), "of", "what was known last", "", "")\n'
        "  ),\n  0\n)"
    )


def over_a_day(one: str, other: str) -> tuple[Example, ...]:
    """What is above the hour before in two replicas' numbers, every five minutes until a day and some have gone by."""
    return tuple(
        Example(
            series=((one, first), (other, second)),
            every=minutes(5),
            at=minutes(1517) + seconds(30),
            gives=(("", gives),),
        )
        for gives, first, second in _NUMBERS
    )
