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
    left = [signal for area in areas for signal in area.signals if not any(signal.name in expr for expr in drawn)]
    ids = _ids(signal.name for signal in left)
    panels = tuple(_panel(ids[signal.name], signal, alerts) for signal in left)
    if not panels or not dashboards:
        return dashboards
    first, *others = dashboards
    return (replace(first, rows=(*first.rows, Row(title=_TITLE, panels=panels, collapsed=True))), *others)


def _ids(names: Iterable[str]) -> dict[str, int]:
    """A panel's id for each, from 500 on: the same whichever others there are, but for two that would share one."""
    found: dict[str, int] = {}
    for name in sorted(names):
        number = 500 + crc32(name.encode()) % 500
        while number in found.values():
            number += 1
        found[name] = number
    return found


def _panel(number: int, signal: Signal, alerts: Iterable[Alert]) -> Panel:
    states = _YES_OR_NO if signal.unit is Unit.BOOLEAN else ()
    return Panel(
        id=number,
        title=signal.title,
        description=f"{signal.title}. Give it a place in rules/payments/dashboards/ once it has proved its worth.",
        picture=Picture.STATE_TIMELINE if states else Picture.TIMESERIES,
        unit=signal.unit,
        curves=(Curve(signal, signal.title),),
        alerts=tuple(alert for alert in alerts if alert.watches is signal),
        states=states,
        width=COLUMNS,
    )
