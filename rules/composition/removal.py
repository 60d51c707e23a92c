"""What goes with a definition that a team leaves out, and what still needs it?"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from rules.vocabulary import COLUMNS, Alert, Area, Branch, Dashboard, Metric, Panel, Rollout, Row, Signal, Source

__all__ = ["Removal", "names_in"]

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
Areas = tuple[Area, ...]
Dashboards = tuple[Dashboard, ...]


class Removal:
    """Definitions to be taken away, and what is left once they are."""

    def __init__(self, areas: Areas, dashboards: Dashboards) -> None:
        self._areas, self._dashboards = areas, dashboards
        self._gone_areas: set[str] = set()
        self._gone: set[str] = set()
        """Names of metrics' series, signals and alerts."""
        self._sources: set[Source] = set()

    def take(self, one: Area | Signal | Alert | Source) -> None:
        """Take it away, and what exists only as a part of it."""
        match one:
            case Source():
                self._take_source(one)
            case Area():
                self._gone_areas.add(one.name)
                self._gone |= {name for metric in one.metrics for name in metric.series_names}
                self._gone |= {signal.name for signal in one.signals} | {alert.name for alert in one.alerts}
            case Signal() | Alert():
                self._gone.add(one.name)

    def _take_source(self, source: Source) -> None:
        """Its metrics, and every signal that reads one, directly or through another signal."""
        metrics = [metric for area in self._areas for metric in area.metrics if metric.source is source]
        if not metrics:
            raise ValueError(f"no metric comes from {source.value}; leave out a source that there is")
        self._sources.add(source)
        self._gone |= {name for metric in metrics for name in (*metric.series_names, metric.name)}
        signals = [signal for area in self._areas for signal in area.signals]
        while found := {one.name for one in signals if one.name not in self._gone and names_in(one.expr) & self._gone}:
            self._gone |= found

    def rest(self) -> tuple[Areas, Dashboards]:
        """The areas and dashboards that are left. Raises ValueError, which names whatever is left and needs what goes."""
        areas = tuple(area for area in self._areas if area.name not in self._gone_areas)
        alerts = self._alerts(areas)
        self._gone |= {alert.name for area in areas for alert in area.alerts if alert.name not in alerts}
        dashboards = tuple(self._without_panels_of_alerts())
        self._orphans(areas, alerts, dashboards)
        needed = sorted(dict.fromkeys(self._still_needed(areas, alerts)))
        if needed:
            raise ValueError("still needed: " + "; ".join(needed) + "; leave these out too, or keep what they need")
        rest = tuple(self._area(area, alerts) for area in areas)
        kept = tuple(area for area in rest if area.metrics or area.signals or area.alerts)
        return kept, tuple(self._drawn(dashboards, alerts))

    @property
    def gone(self) -> frozenset[str]:
        """The names of what is taken away; whole once `rest` was asked for."""
        return frozenset(self._gone)

    def rollout(self, rollout: Rollout) -> Rollout | None:
        """The plan without the alerts that are gone; None where it reads something that is gone."""
        left = _without_alerts(rollout, self._gone)
        return None if any(names_in(text) & self._gone for text in _texts(left)) else left

    def _alerts(self, areas: Areas) -> dict[str, Alert]:
        """The alerts that are left, those whose source is gone only as far as they do not read it."""
        left: dict[str, Alert] = {}
        for alert in (alert for area in areas for alert in area.alerts if alert.name not in self._gone):
            changed = self._without_source(alert)
            if changed is not None:
                left[alert.name] = changed
        return left

    def _without_source(self, alert: Alert) -> Alert | None:
        threshold = alert.thresholds[0]
        branches = alert.branches(threshold)
        usable = [self._unguarded(branch) for branch in branches if not self._sources or not self._unusable(branch)]
        if not usable:
            return None
        first, *others = usable
        stays = alert.stays_while if alert.stays_while and alert.stays_while.signal.name not in self._gone else None
        if stays is alert.stays_while and usable == list(branches):
            return alert
        thresholds = alert.thresholds
        if first.watches is not alert.watches:
            moved = replace(threshold, comparison=first.comparison, value=first.value, because=first.because)
            thresholds = (moved,)
        return replace(
            alert,
            watches=first.watches,
            thresholds=thresholds,
            guards=first.guards,
            or_else=tuple(others),
            stays_while=stays,
        )

    def _unusable(self, branch: Branch) -> bool:
        needs = [branch.watches, *(guard.signal for guard in branch.guards if not guard.forbids)]
        return any(signal.name in self._gone for signal in needs)

    def _unguarded(self, branch: Branch) -> Branch:
        """Without guards that keep an alert quiet by a signal that is gone: missing, it would silence nothing."""
        kept = tuple(guard for guard in branch.guards if not (guard.forbids and guard.signal.name in self._gone))
        return branch if kept == branch.guards else replace(branch, guards=kept)

    def _without_panels_of_alerts(self) -> Iterator[Dashboard]:
        """The dashboards without those panels that only show an alert that is gone."""
        for dashboard in self._dashboards:
            rows = []
            for row in dashboard.rows:
                panels = tuple(
                    panel
                    for panel in row.panels
                    if not panel.alerts or any(alert.name not in self._gone for alert in panel.alerts)
                )
                if panels:
                    rows.append(row if panels == row.panels else Row(title=row.title, panels=_closed_up(panels)))
            if rows:
                yield replace(dashboard, rows=tuple(rows))

    def _orphans(self, areas: Areas, alerts: dict[str, Alert], dashboards: Dashboards) -> None:
        """Signals that served only what is gone go with it."""
        signals = {signal.name: signal for area in areas for signal in area.signals}
        seen = [
            branch.watches.name
            for area in self._areas
            for alert in area.alerts
            if alert.name in self._gone
            for branch in alert.branches(alert.thresholds[0])
        ]
        candidates = {name for name in seen if name in signals}
        used = {name for alert in alerts.values() for name in _read_by(alert)}
        for dashboard in dashboards:
            for panel in dashboard.panels:
                used |= {name for curve in panel.curves for name in names_in(curve.expr)}
        while True:
            reading = {
                name for signal in signals.values() if signal.name not in self._gone for name in names_in(signal.expr)
            }
            found = {name for name in candidates if name not in self._gone and name not in used | reading}
            if not found:
                return
            self._gone |= found
            candidates |= {name for one in found for name in names_in(signals[one].expr) if name in signals}

    def _still_needed(self, areas: Areas, alerts: dict[str, Alert]) -> Iterator[str]:
        for area in areas:
            for signal in area.signals:
                if signal.name not in self._gone:
                    for name in sorted(names_in(signal.expr) & self._gone):
                        yield f"signal {signal.name} of {area.name} reads {name}"
        for alert in alerts.values():
            for branch in alert.branches(alert.thresholds[0]):
                if branch.watches.name in self._gone:
                    yield f"alert {alert.name} watches {branch.watches.name}"
                for guard in branch.guards:
                    if guard.signal.name in self._gone and not guard.forbids:
                        yield f"alert {alert.name} is guarded by {guard.signal.name}"

    def _area(self, area: Area, alerts: dict[str, Alert]) -> Area:
        return replace(
            area,
            metrics=tuple(one for one in area.metrics if not self._gone.issuperset(one.series_names)),
            signals=tuple(one for one in area.signals if one.name not in self._gone),
            alerts=tuple(self._unhidden(alerts[one.name]) for one in area.alerts if one.name in alerts),
        )

    def _unhidden(self, alert: Alert) -> Alert:
        louder = tuple(self._unhidden(one) for one in alert.hidden_by if one.name not in self._gone)
        return alert if louder == alert.hidden_by else replace(alert, hidden_by=louder)

    def _drawn(self, dashboards: Dashboards, alerts: dict[str, Alert]) -> Iterator[Dashboard]:
        for dashboard in dashboards:
            rows = []
            for row in dashboard.rows:
                panels = tuple(left for panel in row.panels if (left := self._panel(panel, alerts)) is not None)
                if panels:
                    rows.append(row if panels == row.panels else Row(title=row.title, panels=_closed_up(panels)))
            if rows:
                yield replace(dashboard, rows=tuple(rows))

    def _panel(self, panel: Panel, alerts: dict[str, Alert]) -> Panel | None:
        curves = tuple(curve for curve in panel.curves if not names_in(curve.expr) & self._gone)
        if not curves:
            return None
        left = tuple(self._unhidden(alerts[one.name]) for one in panel.alerts if one.name in alerts)
        return panel if (curves, left) == (panel.curves, panel.alerts) else replace(panel, curves=curves, alerts=left)


def names_in(expr: str) -> set[str]:
    """Every word of an expression that can be a series' name."""
    return set(_NAME.findall(_QUOTED.sub("", expr)))


def _read_by(alert: Alert) -> Iterator[str]:
    for branch in alert.branches(alert.thresholds[0]):
        yield branch.watches.name
        yield from (guard.signal.name for guard in branch.guards)


def _without_alerts(thing: Any, gone: set[str]) -> Any:
    """A plan, or a part of one, whose tuples of alerts name none that is gone."""
    if isinstance(thing, tuple):
        return tuple(_without_alerts(one, gone) for one in thing if not (isinstance(one, Alert) and one.name in gone))
    if isinstance(thing, Alert | Metric | Signal) or not is_dataclass(thing) or isinstance(thing, type):
        return thing
    changed = {field.name: _without_alerts(getattr(thing, field.name), gone) for field in fields(thing)}
    return replace(thing, **changed)


def _texts(thing: object) -> Iterator[str]:
    """Every PromQL text of a plan, and the name of every metric and signal that it quotes."""
    match thing:
        case Alert():
            return
        case Metric() | Signal():
            yield thing.name
        case str():
            yield thing
        case tuple():
            for one in thing:
                yield from _texts(one)
        case _ if is_dataclass(thing):
            for field in fields(thing):
                yield from _texts(getattr(thing, field.name))


def _closed_up(panels: tuple[Panel, ...]) -> tuple[Panel, ...]:
    """The panels in lines that fill the grid again: the last of a line with a gap takes it."""
    lines: list[list[Panel]] = []
    for panel in panels:
        line = lines[-1] if lines else None
        if line is None or sum(one.width for one in line) + panel.width > COLUMNS or line[0].height != panel.height:
            lines.append([panel])
        else:
            line.append(panel)
    for line in lines:
        gap = COLUMNS - sum(one.width for one in line)
        if gap:
            line[-1] = replace(line[-1], width=line[-1].width + gap)
    return tuple(panel for line in lines for panel in line)
