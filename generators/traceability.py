"""Which metric, signal, alert and panel serves each line of the runbook?"""

from collections.abc import Iterable, Mapping

from generators.rules import expressions_of
from generators.text import generated_header
from rules.vocabulary import Alert, Catalog, Item, Metric, Panel, Signal

__all__ = ["traceability_files"]

_INTRODUCTION = """
# Traceability

Every line of the live-payments runbook that can be measured or automated, and what serves it. A line that no definition
serves is left to people, with the reason. `paymon generate` fails when a line is neither.
"""


def traceability_files(catalog: Catalog) -> Mapping[str, str]:
    """The page, by its path below the project's root."""
    trace = _Trace(catalog)
    lines = [generated_header(comment="<!--").rstrip() + " -->", *_INTRODUCTION.strip().splitlines(), ""]
    sections = dict.fromkeys(item.section for item in catalog.items)
    for section in sections:
        lines += [f"## {section}", "", "| item | line | metrics | signals | alerts | panels | also |"]
        lines.append("|---|---|---|---|---|---|---|")
        lines += [trace.row(item) for item in catalog.items if item.section == section]
        lines.append("")
    return {"docs/traceability.md": "\n".join(lines)}


class _Trace:
    """Who serves which item, found once."""

    def __init__(self, catalog: Catalog) -> None:
        self._expressions = expressions_of(catalog, catalog.organisation.environments[0])
        self._alerts, self._signals = catalog.alerts, catalog.signals
        self._metrics = [(metric, frozenset(metric.series_names)) for metric in catalog.metrics]
        self._panels = [
            (f"{dashboard.title} / {panel.title}", panel.serves, _shown(panel))
            for dashboard in catalog.dashboards
            for panel in dashboard.panels
        ]
        organisation = catalog.organisation
        self._others: list[tuple[str, tuple[str, ...]]] = [
            *((f"contact: {contact.name}", contact.serves) for contact in organisation.contacts),
            *((f"link: {link.title}", link.serves) for link in organisation.links),
            *((f"priority {policy.priority.value}", policy.serves) for policy in organisation.policies),
            *((f"procedure: {procedure.title}", procedure.serves) for procedure in catalog.procedures),
            *((f"objective: {o.name}", o.serves) for area in catalog.areas for o in area.objectives),
            *((f"dashboard: {dashboard.title}", dashboard.serves) for dashboard in catalog.dashboards),
            (f"organisation: {organisation.name}", organisation.serves),
        ]

    def row(self, item: Item) -> str:
        alerts = [alert for alert in self._alerts if item.id in alert.serves]
        watched = {alert.watches.name for alert in alerts}
        signals = [signal for signal in self._signals if item.id in signal.serves or signal.name in watched]
        read = {name for signal in signals for name in self._expressions.index.names_read(signal)}
        metrics = [metric for metric, names in self._metrics if item.id in metric.serves or not names.isdisjoint(read)]
        named = {signal.name for signal in signals} | {alert.name for alert in alerts}
        panels = [name for name, serves, shown in self._panels if item.id in serves or not shown.isdisjoint(named)]
        others = [name for name, serves in self._others if item.id in serves]
        if item.left_to_people:
            others.append(f"left to people: {item.left_to_people}")
        cells = (
            item.id,
            item.text,
            _code(metrics),
            _code(signals),
            _code(alerts),
            "<br>".join(panels),
            "<br>".join(others),
        )
        return "| " + " | ".join(cells) + " |"


def _shown(panel: Panel) -> frozenset[str]:
    """The names of the signals that a panel draws, and of its alerts."""
    drawn = (curve.shows.name for curve in panel.curves if isinstance(curve.shows, Signal))
    return frozenset((*drawn, *(alert.name for alert in panel.alerts)))


def _code(definitions: Iterable[Metric | Signal | Alert]) -> str:
    return "<br>".join(f"`{definition.name}`" for definition in definitions)
