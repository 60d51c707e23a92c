"""Which colours, line styles, units and words does a panel use, so that nobody depends on colour alone?"""

from collections.abc import Mapping
from dataclasses import dataclass

from rules.vocabulary import Panel, Severity, Tone, Unit

__all__ = [
    "BOUND_STYLES",
    "FIRING",
    "GRAFANA_UNITS",
    "PENDING",
    "TONE_COLOURS",
    "Style",
    "style",
    "without_alert",
    "word_tones",
]

BLUE, SKY, GREEN, PURPLE, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#F0E442"
ORANGE, VERMILLION, GREY = "#E69F00", "#D55E00", "#999999"
"""The colours of Okabe and Ito, which people with any kind of colour vision tell apart; grey for their black, which a
dark background would swallow. Orange and vermillion are kept for warnings and breaches."""

TONE_COLOURS = {Tone.GOOD: BLUE, Tone.WARNING: ORANGE, Tone.BAD: VERMILLION, Tone.NEUTRAL: GREY}

FIRING, PENDING = "FIRING", "PENDING"
"""The words beside a number whose alert fires, or is about to."""

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


def without_alert(panel: Panel) -> str:
    """The word beside a number whose alert neither fires nor is about to; what is a word already is not called OK."""
    return "no alert" if panel.states else "OK"


def word_tones(panel: Panel) -> Mapping[str, Tone]:
    """The words that can stand beside a stat's number, each with its tone; none for a number that nobody judges."""
    if panel.levels:
        return {level.word: level.tone for level in panel.levels}
    if not panel.alerts:
        return {}
    critical = any(one.severity is Severity.CRITICAL for alert in panel.alerts for one in alert.thresholds)
    return {
        FIRING: Tone.BAD if critical else Tone.WARNING,
        PENDING: Tone.WARNING,
        without_alert(panel): Tone.GOOD,
    }
