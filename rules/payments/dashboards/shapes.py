"""Which words and shapes of PromQL do several dashboards share?"""

from rules.vocabulary import Histogram, Metric, State, Tone

__all__ = ["DUE", "INTERVAL", "MISSING", "OK", "RANGE", "READY", "SWITCH", "YES_OR_NO", "buckets", "counted", "pace"]

INTERVAL = "$__rate_interval"
"""The shortest window over which Grafana can tell a rate at the zoom at hand."""

RANGE = "$__range"
"""The time range that the dashboard shows."""

OK = (State(0, "Failing", Tone.BAD), State(1, "OK", Tone.GOOD))
DUE = (State(0, "Failing", Tone.WARNING), State(1, "OK", Tone.GOOD))
SWITCH = (State(0, "Off", Tone.GOOD), State(1, "Engaged", Tone.WARNING))
READY = (State(0, "Not ready", Tone.NEUTRAL), State(1, "Ready", Tone.GOOD))
MISSING = (State(0, "There", Tone.GOOD), State(1, "Missing", Tone.BAD))
YES_OR_NO = (State(0, "No", Tone.NEUTRAL), State(1, "Yes", Tone.GOOD))


def pace(metric: Metric, by: str) -> str:
    """PromQL for events a second by a label, where two exporters that count the same count once."""
    return f"sum by ({by}) (max without (instance, pod) (rate({metric}[{INTERVAL}])))"


def counted(metric: Metric, by: str) -> str:
    """PromQL for events in the time shown by a label, where two exporters that count the same count once."""
    return f"sum by ({by}) (max without (instance, pod) (increase({metric}[{RANGE}])))"


def buckets(histogram: Histogram) -> str:
    """PromQL for a heatmap: observations by bucket."""
    return f"sum by (le) (increase({histogram}_bucket[{INTERVAL}]))"
