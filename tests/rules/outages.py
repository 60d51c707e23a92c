"""Which outages are tried out, as raw series, and which rules look at them?"""

from dataclasses import dataclass, replace

from generators.rules import Expressions, RecordingRule, RuleGroup, rule_groups
from rules.catalog import catalog
from rules.payments import budget, monitoring, outcomes, silence
from rules.vocabulary import Alert

EVERY = 12
"""Seconds between two values of a series."""

BEGINS = 65 * 60
"""Seconds of healthy history before the incident: more than the hour that the burn rate asks for."""


@dataclass(frozen=True)
class Incident:
    """From `BEGINS` on, of every `period` seconds' attempts, `failed` fail and `succeeded` succeed."""

    name: str
    period: int
    healthy: int
    failed: int
    succeeded: int
    fires_within: tuple[tuple[Alert, int], ...]
    stays_quiet: tuple[Alert, ...] = ()

    @property
    def ends(self) -> int:
        """The second of the last look: the last page, or half an hour without one."""
        return BEGINS + max((seconds for _, seconds in self.fires_within), default=1800)

    def series(self, starting: int = 0) -> dict[str, list[int]]:
        """Raw series, one value every `EVERY` seconds, the first at the moment `starting`."""
        ours = 'environment="production",job="payments-exporter",service="payments"'
        labels = f'{ours},payment_method="card",initiator="api"'
        source = f'{ours},source="stripe_events"'
        moments = range(0, self.ends + EVERY, EVERY)
        return {
            f'{outcomes.attempts}{{{labels},result="success"}}': self._counter(self.healthy, self.succeeded),
            f'{outcomes.attempts}{{{labels},result="technical_failure"}}': self._counter(0, self.failed),
            f"{monitoring.watermark}{{{source}}}": [starting + moment for moment in moments],
            f"{monitoring.interval}{{{source}}}": [15] * len(moments),
        }

    def _counter(self, healthy: int, during: int) -> list[int]:
        values, value = [], 0.0
        for second in range(0, self.ends + EVERY, EVERY):
            values.append(int(value))
            value += (healthy if second < BEGINS else during) * EVERY / self.period
        return values


COMPLETE = outcomes.complete_failure
DEGRADED = outcomes.degraded
LOW = outcomes.success_rate_low
FAST = budget.burn_fast
STOPPED = silence.traffic_stopped

WATCHED = (COMPLETE, DEGRADED, LOW, FAST, STOPPED)

QUIETER = (DEGRADED, LOW, FAST)
"""What a complete failure explains, and tells louder."""

INCIDENTS = (
    Incident("all of 125 a minute fail", 48, 100, 100, 0, ((COMPLETE, 150),), QUIETER),
    Incident("half of 125 a minute fail", 48, 100, 50, 50, ((DEGRADED, 210),), (COMPLETE, LOW, FAST)),
    Incident("20 % of 125 a minute fail", 48, 100, 20, 80, ((DEGRADED, 300),), (COMPLETE, LOW, FAST)),
    Incident("12 % of 125 a minute fail", 48, 100, 12, 88, ((DEGRADED, 450),), (COMPLETE, LOW, FAST)),
    Incident("7 % of 125 a minute fail", 48, 100, 7, 93, ((LOW, 600), (FAST, 1560)), (COMPLETE, DEGRADED)),
    Incident("3 % of 125 a minute fail", 48, 100, 3, 97, ((FAST, 3600),), (COMPLETE, DEGRADED, LOW)),
    Incident("all of 12.5 a minute fail", 48, 10, 10, 0, ((COMPLETE, 180),), QUIETER),
    Incident("all of 1.25 a minute fail", 48, 1, 1, 0, ((FAST, 330), (DEGRADED, 390), (COMPLETE, 900)), (LOW,)),
    Incident("traffic of 125 a minute stops", 48, 100, 0, 0, ((STOPPED, 330),), (COMPLETE, *QUIETER)),
    Incident("2 % of 12.5 a minute fail", 480, 100, 2, 98, (), (*WATCHED,)),
    Incident("nothing happens", 48, 100, 0, 100, (), WATCHED),
)


def rules_of(alerts: tuple[Alert, ...]) -> tuple[RuleGroup, ...]:
    """The groups of production with these alerts and the records that they read, and nothing else."""
    definitions = catalog()
    production = definitions.organisation.environment("production")
    expressions = Expressions(definitions, production)
    needed = {
        signal.name
        for alert in alerts
        for branch in alert.branches(alert.thresholds[0])
        for watched in (
            branch.watches,
            *(guard.signal for guard in branch.guards),
            *((alert.stays_while.signal,) if alert.stays_while else ()),
            monitoring.source_age,
        )
        for signal in expressions.index.signals_read(watched)
    }
    names = {alert.name for alert in alerts}
    groups = []
    for group in rule_groups(definitions, production):
        rules = tuple(
            rule
            for rule in group.rules
            if (rule.signal.name in needed if isinstance(rule, RecordingRule) else rule.alert.name in names)
        )
        if rules:
            groups.append(replace(group, rules=rules))
    return tuple(groups)
