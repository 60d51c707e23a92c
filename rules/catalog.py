"""What is defined for payments: areas, the runbook, and dashboards?"""

from functools import cache

from rules.areas import AREAS
from rules.composition import Definitions
from rules.payments.dashboards import DASHBOARDS, MARKS, NARROWINGS
from rules.payments.organisation import PEOPLE, SERVICE
from rules.payments.runbook.items import ITEMS
from rules.payments.runbook.procedures import CHAPTERS
from rules.payments.runbook.stages import ROLLOUT
from rules.vocabulary import Catalog

__all__ = ["PAYMENTS", "catalog"]

PAYMENTS = Definitions(
    areas=AREAS,
    items=ITEMS,
    chapters=CHAPTERS,
    dashboards=DASHBOARDS,
    narrowings=NARROWINGS,
    marks=MARKS,
    rollout=ROLLOUT,
)
"""What is true of live payments, for any team to take and to change."""


@cache
def catalog() -> Catalog:
    """The catalog of the example organisation, unchecked; the same one for whoever asks."""
    return PAYMENTS.of(PEOPLE, SERVICE)
