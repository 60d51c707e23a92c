"""Which areas make up the definitions of payments, and in which order are they read?"""

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
    replica,
    rollout,
    scraping,
    silence,
    traffic,
    webhooks,
)
from rules.vocabulary import Area

__all__ = ["AREAS"]

_MODULES = (
    outcomes,
    silence,
    traffic,
    budget,
    declines,
    cards,
    authentication,
    latency,
    replica,
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

AREAS = tuple(map(Area.of, _MODULES))
