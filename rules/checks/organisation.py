"""Is somebody there for every alert, and is every line of the runbook accounted for?"""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress

from rules.checks.problem import Problem
from rules.index import Index
from rules.promql import PromqlError, selectors
from rules.vocabulary import Curve, Panel

__all__ = ["CHECKS"]

PLACE = "organisation"

_PROMETHEUS_S_OWN = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
_GRAFANA_S_OWN = re.compile(r"\$__(?:rate_interval|interval|range)\b")


def people(index: Index) -> Iterator[Problem]:
    """A policy tells somebody, and there is a way to reach them."""
    organisation = index.organisation
    known = {contact.name for contact in organisation.contacts}
    for contact in organisation.contacts:
        if not contact.address.strip():
            yield Problem(
                f"{PLACE}: contact {contact.name}", "has no address", f"give the one for {contact.channel.value}"
            )
    for policy in organisation.policies:
        where = f"{PLACE}: policy {policy.priority.value}"
        if not policy.notifies:
            yield Problem(where, "notifies nobody", "name at least one contact")
        for contact in (*policy.notifies, *policy.escalates_to):
            if contact.name not in known:
                yield Problem(where, f"names {contact.name}, who is not among the contacts", "add the contact there")


def items(index: Index) -> Iterator[Problem]:
    """Every line of the runbook is served by a definition, or left to people for a reason, and not both."""
    served = defaultdict(list)
    for where, ids in _serving(index):
        for id_ in ids:
            served[id_].append(where)
    known = {item.id for item in index.catalog.items}
    for id_, places in served.items():
        if id_ not in known:
            for where in places:
                yield Problem(
                    where, f"serves {id_}, which is no item of the runbook", "correct the id, or add the item"
                )
    for item in index.catalog.items:
        where = f"rules.payments.runbook.items: item {item.id}"
        if item.id not in served and not item.left_to_people.strip():
            yield Problem(where, "is served by no definition", "name it in a serves=, or say why it is left to people")
        if item.id in served and item.left_to_people.strip():
            yield Problem(
                where,
                f"is left to people, and served by {served[item.id][0]}",
                "remove the reason, or the id from serves=",
            )


def signals_nobody_reads(index: Index) -> Iterator[Problem]:
    """A recorded signal is watched, read by another one, or drawn. Judged once there are dashboards."""
    if not index.catalog.dashboards:
        return
    used = {watch.signal.name for watch in index.watches}
    used |= index.former_signals
    used |= {one.name for read in index.signals for one in read.selectors if one.name != read.signal.name}
    for _, _, curve in _curves(index):
        with suppress(PromqlError):
            used |= set(_names_read(curve))
    for read in index.signals:
        if read.signal.name not in used:
            yield Problem(read.where, "is recorded and read by nobody", "watch it, draw it, or remove it")


def drawn_definitions(index: Index) -> Iterator[Problem]:
    """What a panel draws is in the catalog."""
    alerts = {alert.name for _, alert, _ in index.alerts}
    for where, panel, curve in _curves(index):
        try:
            names = [name for name in _names_read(curve) if name not in _PROMETHEUS_S_OWN]
        except PromqlError as error:
            yield Problem(where, f"has a curve that cannot be read: {error.message}", "correct the expression")
            continue
        unknown = [f"{name}, which nobody exports or records" for name in names if index.is_unknown(name)]
        unknown += [f"alert {one.name}, which no area defines" for one in panel.alerts if one.name not in alerts]
        for what in unknown:
            yield Problem(where, f"shows {what}", "define it at the top level of an area's module")


def _curves(index: Index) -> Iterator[tuple[str, Panel, Curve]]:
    for dashboard in index.catalog.dashboards:
        for panel in dashboard.panels:
            for curve in panel.curves:
                yield f"dashboard {dashboard.uid}: panel {panel.title!r}", panel, curve


def _names_read(curve: Curve) -> tuple[str, ...]:
    """The series that a curve reads. Raises PromqlError."""
    return tuple(one.name for one in selectors(_GRAFANA_S_OWN.sub("5m", curve.expr)))


def _serving(index: Index) -> Iterator[tuple[str, tuple[str, ...]]]:
    catalog, organisation = index.catalog, index.organisation
    for _, metric, where in index.metrics:
        yield where, metric.serves
    for read in index.signals:
        yield read.where, read.signal.serves
    for _, alert, where in index.alerts:
        yield where, alert.serves
    for area in catalog.areas:
        for objective in area.objectives:
            yield f"{area.module}: objective {objective.name}", objective.serves
    for procedure in catalog.procedures:
        yield f"procedure {procedure.title!r}", procedure.serves
    yield PLACE, organisation.serves
    for contact in organisation.contacts:
        yield f"{PLACE}: contact {contact.name}", contact.serves
    for policy in organisation.policies:
        yield f"{PLACE}: policy {policy.priority.value}", policy.serves
    for link in organisation.links:
        yield f"{PLACE}: link {link.title!r}", link.serves
    for dashboard in catalog.dashboards:
        yield f"dashboard {dashboard.uid}", dashboard.serves
        for panel in dashboard.panels:
            yield f"dashboard {dashboard.uid}: panel {panel.title!r}", panel.serves


CHECKS = (people, items, signals_nobody_reads, drawn_definitions)
