"""Where is a signal drawn to which nobody has given a panel?"""

from collections.abc import Iterable
from dataclasses import replace
from zlib import crc32

from rules.vocabulary import COLUMNS, Alert, Area, Curve, Dashboard, Panel, Picture, Row, Signal, State, Tone, Unit

__all__ = ["with_the_rest"]

_YES_OR_NO = (State(0, "no", Tone.NEUTRAL), State(1, "yes", Tone.NEUTRAL))
_TITLE = "Without a place of their own"


def with_the_rest(dashboards: tuple[Dashboard, ...], areas: Iterable[Area]) -> tuple[Dashboard, ...]:
    """The dashboards; the first has one more row for the signals that none of them draws, where there are any.

    So a new signal is on a screen, and its alert leads to it, before anybody has chosen its place.
    """
    areas = tuple(areas)
    drawn = {curve.expr for dashboard in dashboards for panel in dashboard.panels for curve in panel.curves}
    alerts = [alert for area in areas for alert in area.alerts]
    panels = tuple(
        _panel(signal, alerts)
        for area in areas
        for signal in area.signals
        if not any(signal.name in expr for expr in drawn)
    )
    if not panels or not dashboards:
        return dashboards
    first, *others = dashboards
    return (replace(first, rows=(*first.rows, Row(title=_TITLE, panels=panels, collapsed=True))), *others)


def _panel(signal: Signal, alerts: Iterable[Alert]) -> Panel:
    states = _YES_OR_NO if signal.unit is Unit.BOOLEAN else ()
    return Panel(
        id=500 + crc32(signal.name.encode()) % 500,
        title=signal.title,
        description=f"{signal.title}. Give it a place in rules/payments/dashboards/ once it has proved its worth.",
        picture=Picture.STATE_TIMELINE if states else Picture.TIMESERIES,
        unit=signal.unit,
        curves=(Curve(signal, signal.title),),
        alerts=tuple(alert for alert in alerts if alert.watches is signal),
        states=states,
        width=COLUMNS,
    )
