"""Which metric, signal, alert and panel serves each line of the runbook?"""

from collections.abc import Iterable, Mapping

from generators.rules import Expressions
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
    lines = [generated_header("rules/", "<!--").rstrip() + " -->", *_INTRODUCTION.strip().splitlines(), ""]
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
        self._catalog = catalog
        self._expressions = Expressions(catalog, catalog.organisation.environments[0])
        self._panels = [
            (dashboard.title, panel)
            for dashboard in catalog.dashboards
            for row in dashboard.rows
            for panel in row.panels
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
        alerts = [alert for alert in self._catalog.alerts if item.id in alert.serves]
        signals = [
            signal
            for signal in self._catalog.signals
            if item.id in signal.serves or any(signal is alert.watches for alert in alerts)
        ]
        read = {name for signal in signals for name in self._expressions.index.names_read(signal)}
        metrics = [
            metric
            for metric in self._catalog.metrics
            if item.id in metric.serves or read.intersection(metric.series_names)
        ]
        panels = [
            f"{dashboard} / {panel.title}"
            for dashboard, panel in self._panels
            if item.id in panel.serves or self._shows(panel, signals, alerts)
        ]
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

    @staticmethod
    def _shows(panel: Panel, signals: list[Signal], alerts: list[Alert]) -> bool:
        drawn = any(curve.shows is signal for curve in panel.curves for signal in signals)
        return drawn or any(alert in alerts for alert in panel.alerts)


def _code(definitions: Iterable[Metric | Signal | Alert]) -> str:
    return "<br>".join(f"`{definition.name}`" for definition in definitions)
