"""Which areas make up the definitions of payments, and in which order are they read?"""

from rules.composition import Definitions
from rules.payments import (
    account,
    amounts,
    arrival,
    authentication,
    blindness,
    budget,
    cards,
    completion,
    database,
    declines,
    disputes,
    governance,
    health,
    identifiers,
    latency,
    monitoring,
    outcomes,
    rollout,
    scraping,
    silence,
    traffic,
    webhooks,
)
from rules.payments.dashboards import DASHBOARDS, MARKS, NARROWINGS
from rules.payments.organisation import PEOPLE, SERVICE
from rules.payments.runbook.items import ITEMS
from rules.payments.runbook.procedures import CHAPTERS
from rules.payments.runbook.stages import ROLLOUT
from rules.vocabulary import Area, Catalog

__all__ = ["PAYMENTS", "catalog"]

_AREAS = (
    outcomes,
    silence,
    budget,
    declines,
    cards,
    authentication,
    traffic,
    latency,
    webhooks,
    arrival,
    account,
    disputes,
    database,
    amounts,
    identifiers,
    health,
    rollout,
    governance,
    monitoring,
    blindness,
    completion,
    scraping,
)


PAYMENTS = Definitions(
    areas=tuple(map(Area.of, _AREAS)),
    items=ITEMS,
    chapters=CHAPTERS,
    dashboards=DASHBOARDS,
    narrowings=NARROWINGS,
    marks=MARKS,
    rollout=ROLLOUT,
)
"""What is true of live payments, for any team to take and to change."""


def catalog() -> Catalog:
    """The catalog of the example organisation, unchecked."""
    return PAYMENTS.of(PEOPLE, SERVICE)
