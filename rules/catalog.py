"""Which areas make up the catalog, and in which order are they read?"""

from rules.payments import (
    account,
    budget,
    database,
    declines,
    disputes,
    governance,
    health,
    latency,
    monitoring,
    outcomes,
    rollout,
    webhooks,
)
from rules.payments.dashboards import DASHBOARDS, MARKS, NARROWINGS
from rules.payments.dashboards.rest import with_the_rest
from rules.payments.organisation import ORGANISATION
from rules.payments.runbook.items import ITEMS
from rules.payments.runbook.procedures import CHAPTERS
from rules.payments.runbook.stages import ROLLOUT
from rules.vocabulary import Area, Catalog

__all__ = ["catalog"]

_AREAS = (
    outcomes,
    budget,
    declines,
    latency,
    webhooks,
    account,
    disputes,
    database,
    health,
    rollout,
    governance,
    monitoring,
)


def catalog() -> Catalog:
    """Every definition of the project, unchecked."""
    areas = tuple(Area.of(module) for module in _AREAS)
    return Catalog(
        organisation=ORGANISATION,
        areas=areas,
        items=ITEMS,
        chapters=CHAPTERS,
        dashboards=with_the_rest(DASHBOARDS, areas),
        narrowings=NARROWINGS,
        marks=MARKS,
        rollout=ROLLOUT,
    )
