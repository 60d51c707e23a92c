"""Which numbers does somebody look at first, and how do they stand against their thresholds?"""

from dataclasses import dataclass
from decimal import Decimal

from generators.wording import spoken_value
from rules.payments import budget, completion, disputes, latency, outcomes, webhooks
from rules.vocabulary import Alert, Catalog, Comparison, Environment, Unit

__all__ = ["KeyMetric", "Reading", "key_metrics"]


@dataclass(frozen=True, slots=True)
class KeyMetric:
    """A line of the runbook's table of key metrics: the alert that watches it, under a short title."""

    title: str
    alert: Alert

    @property
    def unit(self) -> Unit:
        """The unit of its values."""
        return self.alert.watches.unit

    def bound(self, environment: Environment) -> tuple[Comparison, Decimal]:
        """Where it stops being fine."""
        threshold = self.alert.thresholds_in(environment)[0]
        return threshold.comparison, threshold.value


_TITLES = (
    ("Payment success rate", outcomes.success_rate_low),
    ("Attempts that succeed", outcomes.complete_failure),
    ("Failed payments an hour", budget.failures_per_hour),
    ("API requests over 0.5 s", latency.api_latency_high),
    ("Webhooks over 3 s", webhooks.delay),
    ("Dispute rate", disputes.dispute_rate_high),
    ("Refund rate", disputes.refund_rate_high),
    ("Since the last payment", completion.processing_lag_high),
)
"""The runbook's key metrics and its database check, with the rate that a page for complete failure looks at."""


def key_metrics(catalog: Catalog) -> tuple[KeyMetric, ...]:
    """Those whose alert the catalog has, each with the alert as it has it: under the team's own bound."""
    known = {alert.name: alert for alert in catalog.alerts}
    return tuple(KeyMetric(title, known[alert.name]) for title, alert in _TITLES if alert.name in known)


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a key metric, where it stops being fine, and how it came to be; None where there is none."""

    metric: KeyMetric
    comparison: Comparison
    bound: Decimal
    value: float | None
    history: tuple[float, ...] = ()
    """Earlier values, oldest first, then this one."""

    @property
    def breached(self) -> bool:
        """Whether it is past its bound."""
        return self.value is not None and self.comparison.holds(Decimal(repr(self.value)), self.bound)

    @property
    def shown(self) -> str:
        """The value in a few letters."""
        if self.value is None:
            return "-"
        match self.metric.unit:
            case Unit.SECONDS:
                return f"{self.value:.0f} s"
            case Unit.COUNT:
                return f"{self.value:.0f}"
            case _:
                return f"{self.value * 100:.1f} %"

    @property
    def bound_shown(self) -> str:
        """The bound in a few letters."""
        if self.metric.unit is Unit.SECONDS:
            return f"{self.comparison.value} {float(self.bound):g} s"
        return f"{self.comparison.value} {spoken_value(self.bound, self.metric.unit)}"
