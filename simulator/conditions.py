"""What can be otherwise in the world of payments, and how is it usually?"""

from dataclasses import dataclass
from enum import Enum

__all__ = ["USUAL", "Conditions", "Database", "ExporterState", "StripeApi", "Webhooks"]


class Database(Enum):
    """How the payments database answers."""

    UP = "up"
    DOWN = "down"
    LOCKED = "locked"
    """Somebody holds an exclusive lock on the table of payments."""
    SLOW = "slow"
    """Whoever reads the table of payments waits."""
    REPLICA_STOPPED = "replica stopped"
    """The replica that is sampled replays nothing more."""


class StripeApi(Enum):
    """How Stripe answers."""

    UP = "up"
    DOWN = "down"
    """500 for everybody, customers' payments included."""
    READS_FAIL = "reads fail"
    """500 for whoever lists events; payments go on."""
    RATE_LIMITED = "rate limited"
    """429 for the exporter; payments go on."""
    KEY_REVOKED = "key revoked"
    """401 for the exporter; payments go on."""


class Webhooks(Enum):
    """What becomes of the events that Stripe sends to the payments service."""

    DELIVERED = "delivered"
    FAILING = "failing"
    """The service answers 500; Stripe tries again later."""
    REFUSED = "refused"
    """The service finds the signature wrong."""
    DISABLED = "disabled"
    """The endpoint is disabled at Stripe, which sends nothing."""


class ExporterState(Enum):
    """What becomes of the exporter itself."""

    RUNNING = "running"
    KILLED = "killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How things are; shares are of payment attempts unless they say otherwise, durations are seconds."""

    traffic: float = 1.0
    """Customers, as a multiple of what is usual at this hour."""
    technical: float = 0.001
    declined: float = 0.06
    blocked: float = 0.01
    failing_method: str = ""
    """A payment method with which every attempt fails for technical reasons."""
    renewals: float = 0.08
    """Payments that Stripe starts by itself, as a share of the usual traffic."""
    api_seconds: float = 0.12
    payment_seconds: float = 2.0
    hanging: float = 0.0
    """Share of payments that take longer than 30 seconds."""
    webhook_seconds: float = 0.4
    webhooks: Webhooks = Webhooks.DELIVERED
    webhooks_lost: float = 0.0
    """Share of delivered events that the service accepts and never stores."""
    workers: bool = True
    """Whether payments that were begun are brought to their end in the database."""
    records_lost: float = 0.0
    """Share of payments that the database loses altogether."""
    charged_twice: float = 0.0
    """Share of orders that are charged a second time."""
    refunds_per_minute: float = 0.0
    """Refunds beyond the usual."""
    refunds_fail: bool = False
    warnings_per_minute: float = 0.0
    """Early fraud warnings beyond the usual, on Visa payments."""
    disputes_per_minute: float = 0.0
    """Disputes beyond the usual, on Visa payments."""
    dead_event_age: float = 0.0
    """Age of an event that Stripe has been trying to deliver since, where there is one."""
    killed: bool = False
    """Whether the kill switch is pulled."""
    obeys_kill_switch: bool = True
    rollout: float = 100.0
    """Percent of customers for whom the feature flag is on."""
    flag_api: bool = True
    health_cached: bool = False
    """Whether a cache answers for the health endpoint."""
    service_clock_ahead: float = 0.0
    exporter_clock_ahead: float = 0.0
    database: Database = Database.UP
    stripe_api: StripeApi = StripeApi.UP
    reads_spent: float = 0.0
    """Share of its reads from Stripe that the exporter has spent this month, before it was started."""
    certificate_left: float = 0.7
    """Share of the certificate's lifetime that is left when the incident begins."""
    exporter: ExporterState = ExporterState.RUNNING

    @property
    def takes_orders(self) -> bool:
        """Whether a customer who wants to pay gets as far as Stripe."""
        stands = self.database not in (Database.DOWN, Database.LOCKED) and self.stripe_api is not StripeApi.DOWN
        return stands and not (self.obeys_kill_switch and (self.killed or self.rollout == 0))


USUAL = Conditions()
