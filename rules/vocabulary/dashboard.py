"""What do people look at, and which signals and thresholds does each picture show?"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum

from rules.vocabulary.alert import Alert
from rules.vocabulary.metric import Metric
from rules.vocabulary.signal import Signal
from rules.vocabulary.units import Unit

__all__ = [
    "COLUMNS",
    "MOST_CURVES",
    "Curve",
    "Dashboard",
    "Hue",
    "Level",
    "Mark",
    "Narrowing",
    "Panel",
    "Picture",
    "Row",
    "State",
    "Tone",
]

COLUMNS = 24
"""Grafana's grid is so many columns wide."""

MOST_CURVES = 8
"""Nobody tells more curves of one panel apart."""


class Picture(Enum):
    """The way in which a panel shows its numbers.

    >>> Picture("stat").name
    'STAT'
    """

    STAT = "stat"
    TIMESERIES = "timeseries"
    STACKED = "stacked timeseries"
    HEATMAP = "heatmap"
    STATE_TIMELINE = "state timeline"
    TABLE = "table"


class Tone(Enum):
    """What a state means to the person who reads it.

    >>> [tone.value for tone in Tone]
    ['good', 'warning', 'bad', 'neutral']
    """

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    NEUTRAL = "neutral"


class Hue(Enum):
    """One of the colours of lines, for what has the same colour on every panel.

    >>> len(Hue) > 3
    True
    """

    BLUE = "blue"
    SKY = "sky"
    GREEN = "green"
    PURPLE = "purple"
    OLIVE = "olive"
    GREY = "grey"
    ORANGE = "orange"
    VERMILLION = "vermillion"


@dataclass(frozen=True, slots=True)
class State:
    """One value of a yes-or-no or of a few-valued series, in a word.

    >>> State(0, "Closed", Tone.BAD).word
    'Closed'
    """

    value: int
    word: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Level:
    """The word for a number above `above`, up to the next level; the lowest level has no `above`.

    >>> Level("Long", Tone.WARNING, Decimal(100)).above
    Decimal('100')
    """

    word: str
    tone: Tone
    above: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """One query of a panel: a recorded signal as it is, or PromQL over metrics and signals, and its legend.

    `legend` may name labels in double braces. PromQL is written as in a signal; matchers for the dashboard's variables
    are added to every selector.

    >>> Curve(LENGTH, "waiting").expr
    'shop:queue:sum'
    """

    shows: Signal | str
    legend: str

    @property
    def expr(self) -> str:
        """The PromQL text."""
        return str(self.shows)


@dataclass(frozen=True, slots=True)
class Column:
    """A label of a table, and how many pixels wide its column is.

    >>> Column("environment", 120)
    Column(label='environment', pixels=120)
    """

    label: str
    pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture: what it shows, in which unit, and against which alerts' thresholds.

    >>> PANEL.width, PANEL.picture
    (24, <Picture.TIMESERIES: 'timeseries'>)
    """

    id: int
    """Part of links to the panel: once given, it stays, wherever the panel moves."""
    title: str
    description: str
    picture: Picture = Picture.TIMESERIES
    unit: Unit
    curves: tuple[Curve, ...]
    alerts: tuple[Alert, ...] = ()
    """Their thresholds become its lines. A stat is judged by all of them, and the most urgent that fires gives it its word
    and colour. The first panel that is no stat is where each leads to."""
    states: tuple[State, ...] = ()
    """The words for its values, where they are few."""
    levels: tuple[Level, ...] = ()
    """The words for a stat's number while none of its alerts has one, the highest level first."""
    nothing: str = ""
    """What it means that a stat has no number, in a word that is true for it: no traffic, none open, not measured."""
    columns: tuple[Column, ...] = ()
    """The labels of a table in their order, which is also that of its rows; without any, the largest number comes first."""
    hues: tuple[tuple[str, Hue], ...] = ()
    """The colours of the series that have one everywhere, by their legends."""
    from_zero: bool = True
    """Whether the axis of what cannot be negative begins at 0: not where 95 must be told from 99 %."""
    width: int = 8
    height: int = 8
    serves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.id < 1000:
            raise ValueError(f"panel {self.title!r} has the id {self.id}; choose one from 1 to 999")
        if not self.description.endswith("."):
            raise ValueError(f"panel {self.title!r} lacks a description; write sentences, with full stops")
        if not self.curves:
            raise ValueError(f"panel {self.title!r} has no curve; say which signal it shows")
        if len(self.curves) > MOST_CURVES:
            raise ValueError(
                f"panel {self.title!r} has {len(self.curves)} curves; nobody tells more than {MOST_CURVES} apart, so "
                "let another panel show some"
            )
        if bool(self.states) != (self.picture is Picture.STATE_TIMELINE or self.unit is Unit.BOOLEAN):
            raise ValueError(f"panel {self.title!r} needs words where its values are states, and only there")
        if self.levels and self.picture is not Picture.STAT:
            raise ValueError(f"panel {self.title!r} has levels; only a stat has them")
        if bool(self.nothing) != (self.picture is Picture.STAT):
            raise ValueError(f"panel {self.title!r} needs a word for nothing where it is a stat, and only there")
        if any((level.above is None) != (level is self.levels[-1]) for level in self.levels):
            raise ValueError(f"panel {self.title!r} has levels of which not exactly the last is without a bound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A titled row of panels, in lines that each fill the grid.

    >>> Row(title="Queue", panels=(PANEL,)).panels[0].title
    'Orders that wait'
    """

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False
    """Whether it opens by a click, and asks nothing before."""

    def __post_init__(self) -> None:
        line: list[Panel] = []
        for panel in self.panels:
            line.append(panel)
            width = sum(one.width for one in line)
            if width > COLUMNS or len({one.height for one in line}) > 1:
                raise ValueError(
                    f"row {self.title!r} has a gap or an overlap at panel {panel.title!r}; "
                    f"let the panels of a line be of one height and {COLUMNS} columns wide together"
                )
            if width == COLUMNS:
                line = []
        if line:
            raise ValueError(
                f"row {self.title!r} ends in a gap after panel {line[-1].title!r}; "
                f"let its last line be {COLUMNS} columns wide"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """A label to some of whose values a person can narrow a dashboard's panels.

    >>> Narrowing(label="result", title="Result", description="Narrows by it.", listed_by=ORDERS).label
    'result'
    """

    label: str
    title: str
    description: str
    listed_by: Metric
    """The metric whose series have every value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Moments that a dashboard marks in all of its panels: those at which an expression has a value.

    >>> Mark(name="Releases", expr="changes(queue_length[5m]) > 0", title="A release", tone=Tone.NEUTRAL).name
    'Releases'
    """

    name: str
    expr: str
    """PromQL, written as in a curve."""
    title: str
    """What stands at the mark; may name labels in double braces."""
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One Grafana dashboard.

    >>> Dashboard(
    ...     uid="shop", title="Shop", description="The shop.", rows=(Row(title="Queue", panels=(PANEL,)),)
    ... ).panels[0].id
    1
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    past: timedelta = timedelta(hours=6)
    """How much of the past it shows when it opens."""
    serves: tuple[str, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every panel, row by row."""
        return tuple(panel for row in self.rows for panel in row.panels)
