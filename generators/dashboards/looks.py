"""Which colours, line styles, units and words does a panel use, so that nobody depends on colour alone?"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from rules.vocabulary import Alert, Comparison, Severity, State, Threshold, Tone, Unit

__all__ = [
    "ALERT_STATES",
    "BOUND_STYLES",
    "GRAFANA_UNITS",
    "TONE_COLOURS",
    "Step",
    "Style",
    "steps",
    "style",
]

BLUE, SKY, GREEN, PURPLE, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#F0E442"
ORANGE, VERMILLION, GREY = "#E69F00", "#D55E00", "#999999"
"""The colours of Okabe and Ito, which people with any kind of colour vision tell apart; grey for their black, which a
dark background would swallow. Orange and vermillion are kept for warnings and breaches."""

TONE_COLOURS = {Tone.GOOD: BLUE, Tone.WARNING: ORANGE, Tone.BAD: VERMILLION, Tone.NEUTRAL: GREY}

ALERT_STATES = (State(0, "OK", Tone.GOOD), State(1, "PENDING", Tone.WARNING), State(2, "FIRING", Tone.BAD))

GRAFANA_UNITS = {
    Unit.SECONDS: "s",
    Unit.RATIO: "percentunit",
    Unit.COUNT: "short",
    Unit.EVENTS_PER_SECOND: "cps",
    Unit.PER_MINUTE: "cpm",
    Unit.BUDGETS: "none",
    Unit.BUDGETS_LEFT: "percentunit",
    Unit.EXCESS: "percentunit",
    Unit.SHARE_OF_COUNTED: "percentunit",
    Unit.INTERVALS: "none",
    Unit.BYTES: "bytes",
    Unit.MINOR_UNITS: "locale",
    Unit.TIMESTAMP: "dateTimeFromNow",
    Unit.BOOLEAN: "none",
    Unit.DEVIATIONS: "none",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How one line is drawn: its colour, and its dashes in pixels on and off (none: solid)."""

    colour: str
    dash: tuple[int, ...] = ()
    width: int = 2


_SERIES_COLOURS = (BLUE, SKY, GREEN, PURPLE, YELLOW, GREY)
_SERIES_DASHES = ((), (10, 6), (2, 6), (14, 4, 2, 4))

BOUND_STYLES = {
    Severity.CRITICAL: Style(VERMILLION, (20, 6), 2),
    Severity.WARNING: Style(ORANGE, (8, 8), 2),
    Severity.INFO: Style(GREY, (3, 8), 1),
    Severity.NONE: Style(GREY, (3, 8), 1),
}


def style(index: int) -> Style:
    """The style of the panel's series number `index`: neighbours differ in both colour and dashes."""
    return Style(_SERIES_COLOURS[index % len(_SERIES_COLOURS)], _SERIES_DASHES[index % len(_SERIES_DASHES)])


@dataclass(frozen=True, slots=True)
class Step:
    """From which value on which tone holds; `since` is None for the lowest."""

    since: float | None
    tone: Tone


def steps(alerts: Iterable[Alert]) -> tuple[Step, ...]:
    """The tones along the axis of values, by the alerts' own thresholds.

    Grafana's steps begin *at* a value; a bound that must be exceeded begins at the next number above it.
    """
    thresholds = [threshold for alert in alerts for threshold in alert.thresholds]
    if not thresholds:
        return (Step(None, Tone.NEUTRAL),)
    found = [Step(None, _tone(Decimal("-Infinity"), thresholds))]
    for since in sorted({_begins(threshold) for threshold in thresholds}):
        found.append(Step(since, _tone(Decimal(str(since)), thresholds)))
    return (found[0], *(later for before, later in pairwise(found) if later.tone is not before.tone))


def _begins(threshold: Threshold) -> float:
    value = float(threshold.value)
    exclusive = threshold.comparison in (Comparison.ABOVE, Comparison.AT_MOST)
    return math.nextafter(value, math.inf) if exclusive else value


def _tone(value: Decimal, thresholds: Iterable[Threshold]) -> Tone:
    breached = set(_breached(value, thresholds))
    if not breached:
        return Tone.GOOD
    return Tone.BAD if Severity.CRITICAL in breached else Tone.WARNING


def _breached(value: Decimal, thresholds: Iterable[Threshold]) -> Iterator[Severity]:
    for threshold in thresholds:
        if threshold.comparison.holds(value, threshold.value):
            yield threshold.severity
