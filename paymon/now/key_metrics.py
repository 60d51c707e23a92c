"""Which numbers does somebody look at first, and how do they stand against their thresholds?"""

from dataclasses import dataclass
from decimal import Decimal

from generators.wording import spoken_value
from rules.payments import budget, completion, disputes, latency, outcomes, webhooks
from rules.vocabulary import Alert, Comparison, Environment, Unit

__all__ = ["KEY_METRICS", "KeyMetric", "Reading"]


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


KEY_METRICS = (
    KeyMetric("Payment success rate", outcomes.success_rate_low),
    KeyMetric("Attempts that succeed", outcomes.complete_failure),
    KeyMetric("Failed payments an hour", budget.failures_per_hour),
    KeyMetric("API requests over 0.5 s", latency.api_latency_high),
    KeyMetric("Webhooks over 3 s", webhooks.delay),
    KeyMetric("Dispute rate", disputes.dispute_rate_high),
    KeyMetric("Refund rate", disputes.refund_rate_high),
    KeyMetric("Since the last payment", completion.processing_lag_high),
)
"""The runbook's key metrics and its database check, with the rate that a page for complete failure looks at."""


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
