"""By how much did a counter grow that moves once a week, although the pod that exports it was replaced meanwhile?

`increase()` alone looks at one series at a time: where a pod ends at 3 and the next one begins at 4, it sees nothing.
"""

from textwrap import indent

__all__ = ["events_since_start", "kept_events"]


def kept_events(counter: str, window: str) -> str:
    """PromQL for the growth of a counter that survives its exporter's restarts, because it is kept in its state.

    The largest value now, less the largest of the window before this one; where nobody scraped it then, less the
    smallest of this window, for it is exported as 0 before the first event. Where the state was lost the counter begins
    again at 0, which `increase()` sees: the larger of the two counts.
    """
    now = f"max without (instance, pod) ({counter})"
    before = f"max without (instance, pod) (max_over_time({counter}[{window}] offset {window}))"
    first = f"min without (instance, pod) (min_over_time({counter}[{window}]))"
    grown = f"sum(clamp_min(\n  {now}\n  - (\n    {before}\n    or {first}\n  ),\n  0\n))"
    return _larger(grown, f"sum(max without (instance, pod) (increase({counter}[{window}])))")


def events_since_start(counter: str, window: str) -> str:
    """PromQL for the growth of a counter that begins at 0 with each process, and is scraped for the first time later.

    Each series against its own past, which is 0 for a new one; or `increase()`, which sees a restart, if it is larger.
    """
    grown = f"clamp_min({counter} - (max_over_time({counter}[{window}] offset {window}) or 0 * {counter}), 0)"
    return _larger(
        f"sum(max without (instance, pod) ({grown}))",
        f"sum(max without (instance, pod) (increase({counter}[{window}])))",
    )


def _larger(one: str, other: str) -> str:
    return f"(\n  {other}\n  >\n{indent(one, '  ')}\n)\nor\n{one}"
