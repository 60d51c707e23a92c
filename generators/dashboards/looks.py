"""Which colours, line styles, units and words does a panel use, so that nobody depends on colour alone?"""

from collections.abc import Mapping
from dataclasses import dataclass

from rules.vocabulary import Alert, Hue, Panel, Priority, Severity, Tone, Unit

__all__ = [
    "BOUND_STYLES",
    "GRAFANA_UNITS",
    "HUES",
    "NOT_JUDGED",
    "PENDING",
    "TONE_COLOURS",
    "Style",
    "firing",
    "judges",
    "style",
    "urgencies",
    "without_alert",
    "word_tones",
]

HUES = {
    Hue.BLUE: "#0072B2",
    Hue.SKY: "#3A8FC7",
    Hue.GREEN: "#009E73",
    Hue.PURPLE: "#B5679B",
    Hue.OLIVE: "#9A8700",
    Hue.GREY: "#808080",
    Hue.ORANGE: "#C77C00",
    Hue.VERMILLION: "#D55E00",
}
"""The colours of Okabe and Ito, which people with any kind of colour vision tell apart, each as light or as dark as a
line has to be to stand out (3 to 1) from Grafana's dark and from its light background. Orange and vermillion are kept
for warnings and breaches, and for what fails."""

TONE_COLOURS = {Tone.GOOD: "#1F5F8B", Tone.WARNING: "#FFB84D", Tone.BAD: "#B33F00", Tone.NEUTRAL: "#5C6066"}
"""What tiles and timelines are filled with. Grafana writes white on the dark ones and black on the light one, with a
contrast of 4.5 to 1 at least, whatever the theme."""

PENDING, NOT_JUDGED = "PENDING", "NOT JUDGED"
"""The words beside a number whose alert is about to fire, and beside one that no rule looks at at the moment."""

GRAFANA_UNITS = {
    Unit.SECONDS: "s",
    Unit.RATIO: "percentunit",
    Unit.COUNT: "locale",
    Unit.EVENTS_PER_SECOND: "cps",
    Unit.PER_MINUTE: "cpm",
    Unit.BUDGETS: "none",
    Unit.BUDGETS_LEFT: "percentunit",
    Unit.EXCESS: "percentunit",
    Unit.SHARE_OF_COUNTED: "percentunit",
    Unit.INTERVALS: "none",
    Unit.BYTES: "bytes",
    Unit.MINOR_UNITS: "locale",
    Unit.MONEY: "locale",
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


_SERIES_HUES = (Hue.BLUE, Hue.GREEN, Hue.PURPLE, Hue.SKY, Hue.OLIVE, Hue.GREY)
_SERIES_DASHES = ((), (10, 6), (2, 6), (14, 4, 2, 4))

BOUND_STYLES = {
    Severity.CRITICAL: Style(HUES[Hue.VERMILLION], (20, 6), 2),
    Severity.WARNING: Style(HUES[Hue.ORANGE], (8, 8), 2),
    Severity.INFO: Style(HUES[Hue.GREY], (3, 8), 1),
    Severity.NONE: Style(HUES[Hue.GREY], (3, 8), 1),
}


def style(index: int, hue: Hue | None = None) -> Style:
    """The style of the panel's series number `index`: neighbours differ in dashes, and in colour unless it has one."""
    colour = HUES[hue or _SERIES_HUES[index % len(_SERIES_HUES)]]
    return Style(colour, _SERIES_DASHES[(index + index // len(_SERIES_HUES)) % len(_SERIES_DASHES)])


def firing(priority: Priority) -> str:
    """The word beside a number of which an alert of that priority fires."""
    return f"{priority.value} FIRING"


def without_alert(panel: Panel) -> str:
    """The word beside a number whose alerts neither fire nor are about to; what is a word already is not called OK."""
    return "watched" if panel.states else "OK"


def judges(panel: Panel) -> tuple[Alert, ...]:
    """The panel's alerts and all that hide them: while a louder one fires, it alone says that something is wrong.

    Where the value is a state, it says so itself; the louder alert would only contradict it.
    """
    if panel.states:
        return panel.alerts
    found = {one.name: one for alert in panel.alerts for one in (alert, *alert.louder)}
    return tuple(found.values())


def urgencies(panel: Panel) -> Mapping[Priority, Tone]:
    """The priorities that the panel's judges can have, the most urgent first, each with the tone of its severest."""
    found: dict[Priority, Tone] = {}
    for threshold in (one for alert in judges(panel) for one in alert.thresholds):
        bad = threshold.severity is Severity.CRITICAL or found.get(threshold.priority) is Tone.BAD
        found[threshold.priority] = Tone.BAD if bad else Tone.WARNING
    return {priority: found[priority] for priority in sorted(found, key=lambda one: one.value)}


def word_tones(panel: Panel) -> Mapping[str, Tone]:
    """The words that can stand beside a stat's number, each with its tone; none for a number that nobody judges."""
    words = {firing(priority): tone for priority, tone in urgencies(panel).items()}
    if panel.alerts:
        words[PENDING] = Tone.WARNING
    if panel.levels:
        words |= {level.word: level.tone for level in panel.levels}
    elif panel.alerts:
        words[without_alert(panel)] = Tone.GOOD
    return words | {NOT_JUDGED: Tone.NEUTRAL} if words else {}
