"""What do people look at, and which signals and thresholds does each picture show?"""

from dataclasses import dataclass
from enum import Enum

from rules.vocabulary.alert import Alert
from rules.vocabulary.metric import Metric
from rules.vocabulary.signal import Signal
from rules.vocabulary.units import Unit

__all__ = ["Curve", "Dashboard", "Panel", "Picture", "Row"]


class Picture(Enum):
    """The way in which a panel shows its numbers."""

    STAT = "stat"
    TIMESERIES = "timeseries"
    STACKED = "stacked timeseries"
    HEATMAP = "heatmap"
    STATE_TIMELINE = "state timeline"
    TABLE = "table"
    ALERT_LIST = "alert list"


@dataclass(frozen=True, slots=True)
class Curve:
    """One query of a panel: a recorded signal as it is, or PromQL over raw metrics, and what its legend says.

    `legend` may name labels in double braces.
    """

    shows: Signal | str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture: what it shows, in which unit, and against which alerts' thresholds."""

    title: str
    description: str
    picture: Picture
    unit: Unit
    curves: tuple[Curve, ...]
    alerts: tuple[Alert, ...] = ()
    """Their thresholds become its lines and colours."""
    reads: tuple[Metric, ...] = ()
    """The raw metrics that its own PromQL reads."""
    width: int = 8
    """Columns of Grafana's 24."""
    height: int = 8
    serves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A titled row of panels."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One Grafana dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    serves: tuple[str, ...] = ()
