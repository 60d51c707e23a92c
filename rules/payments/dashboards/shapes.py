"""Which words, panels and shapes of PromQL do several dashboards share?"""

from rules.payments import webhooks
from rules.payments.money import in_whole_units
from rules.vocabulary import Alert, Curve, Histogram, Hue, Level, Metric, Panel, Picture, Signal, State, Tone, Unit

__all__ = [
    "ACCEPTED",
    "DUE",
    "INTERVAL",
    "MISSING",
    "OK",
    "OUTCOMES",
    "READY",
    "SWITCH",
    "WAITING",
    "YES_OR_NO",
    "buckets",
    "counted",
    "highest",
    "money",
    "pace",
    "quantile",
    "tile",
    "told",
]

INTERVAL = "$__rate_interval"
"""The shortest window over which Grafana can tell a rate at the zoom at hand."""

_RANGE = "$__range"
"""The time range that the dashboard shows."""

OK = (State(0, "Failing", Tone.BAD), State(1, "OK", Tone.GOOD))
DUE = (State(0, "Failing", Tone.WARNING), State(1, "OK", Tone.GOOD))
SWITCH = (State(0, "Off", Tone.GOOD), State(1, "Engaged", Tone.WARNING))
READY = (State(0, "Not ready", Tone.NEUTRAL), State(1, "Ready", Tone.GOOD))
MISSING = (State(0, "Present", Tone.GOOD), State(1, "Missing", Tone.BAD))
YES_OR_NO = (State(0, "No", Tone.NEUTRAL), State(1, "Yes", Tone.GOOD))


OUTCOMES = (
    ("success", Hue.BLUE),
    ("succeeded", Hue.BLUE),
    ("processed", Hue.BLUE),
    ("issuer_declined", Hue.PURPLE),
    ("blocked", Hue.OLIVE),
    ("issuer_soft", Hue.PURPLE),
    ("issuer_hard", Hue.PURPLE),
    ("authentication", Hue.SKY),
    ("customer_data", Hue.GREY),
    ("fraud_block", Hue.OLIVE),
    ("other", Hue.GREEN),
    ("technical_failure", Hue.VERMILLION),
    ("technical", Hue.VERMILLION),
    ("failed", Hue.VERMILLION),
    ("technical failures, 5 minutes", Hue.VERMILLION),
    ("technical failures in 5 minutes", Hue.VERMILLION),
    ("technical failures in an hour", Hue.ORANGE),
    ("attempts that failed, in an hour", Hue.GREY),
    ("payments that failed in the end, in an hour", Hue.VERMILLION),
    ("integration", Hue.ORANGE),
    ("invalid_signature", Hue.ORANGE),
    ("abandoned", Hue.GREY),
    ("canceled", Hue.GREY),
)
"""What has the same colour on every panel: that of whose doing it is, so that both kinds of issuers' declines share one."""


def tile(
    *,
    id: int,  # noqa: A002 - as a panel calls it
    title: str,
    description: str,
    unit: Unit,
    shows: Signal | str,
    nothing: str,
    legend: str = "now",
    alerts: tuple[Alert, ...] = (),
    states: tuple[State, ...] = (),
    levels: tuple[Level, ...] = (),
    height: int = 4,
    serves: tuple[str, ...] = (),
) -> Panel:
    """One number with a word for it, six of which fill a line: what the first row of each dashboard is made of."""
    return Panel(
        id=id,
        title=title,
        description=description,
        picture=Picture.STAT,
        unit=unit,
        curves=(Curve(shows, legend),),
        alerts=alerts,
        states=states,
        levels=levels,
        nothing=nothing,
        width=4,
        height=height,
        serves=serves,
    )


def _requests(which: str) -> str:
    return f"sum(rate({webhooks.events}{which}[{INTERVAL}]))"


_REFUSED = '{outcome=~"failed|invalid_signature"}'
ACCEPTED = f"1 - ({_requests(_REFUSED)} or 0 * {_requests('')}) / ({_requests('')} > 0)"
"""PromQL for the share of webhook requests that were not refused."""

WAITING = f"sum(max by (state) ({webhooks.undelivered})) + (max({webhooks.inbox_backlog}) or vector(0))"
"""PromQL for webhook events that wait, at Stripe and in our inbox."""


def pace(metric: Metric | str, by: str) -> str:
    """PromQL for events a minute by a label, where two exporters that count the same count once."""
    return f"60 * sum by ({by}) (max without (instance, pod) (rate({metric}[{INTERVAL}])))"


def counted(recorded: Signal | str, *by: str) -> str:
    """PromQL for how many there were in the time shown, of a signal that records how many there are in 5 minutes.

    A month of it is 8,640 samples of a series; of what is scraped every 15 seconds it would be 172,800. Where fewer than
    5 minutes are shown or recorded, it is the latest 5 minutes.
    """
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} (sum_over_time({recorded}[{_RANGE}:5m]) or {recorded})"


def highest(recorded: Signal, *by: str) -> str:
    """PromQL for the highest in the time shown, of a signal that records the highest of 5 minutes."""
    return f"max by ({', '.join(by)}) (max_over_time({recorded}[{_RANGE}:5m]) or {recorded})"


def told(recorded: Signal | str, *by: str) -> str:
    """PromQL for the same without the values of which there were none."""
    return f"{counted(recorded, *by)} > 0"


def money(recorded: Signal) -> str:
    """PromQL for amounts in the time shown, by currency and in whole units of each."""
    return in_whole_units(str(recorded), lambda of: counted(of, "currency"))


def quantile(share: str, histogram: Histogram) -> str:
    """PromQL for the duration that this share of observations stays below, estimated from its buckets."""
    return f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket[{INTERVAL}])))"


def buckets(histogram: Histogram) -> str:
    """PromQL for a heatmap: observations by bucket."""
    return f"sum by (le) (increase({histogram}_bucket[{INTERVAL}]))"
