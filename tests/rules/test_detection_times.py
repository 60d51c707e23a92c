"""How soon does each outage page, from raw series to the firing alert, and what stays quiet meanwhile?"""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from generators.rules import Expressions, RecordingRule, RuleGroup, rule_file, rule_groups
from generators.text import as_yaml
from paymon.promtool import Promtool
from rules import budget, monitoring, outcomes
from rules.catalog import catalog
from rules.vocabulary import Alert

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

    def counter(self, healthy: int, during: int) -> str:
        """A counter, one value every 12 seconds, that grows evenly before and during the incident."""
        values, value = [], 0.0
        for second in range(0, self.ends + 12, 12):
            values.append(str(int(value)))
            value += (healthy if second < BEGINS else during) * 12 / self.period
        return " ".join(values)


COMPLETE = outcomes.complete_failure
DEGRADED = outcomes.degraded
LOW = outcomes.success_rate_low
FAST = budget.burn_fast
STOPPED = outcomes.traffic_stopped

INCIDENTS = (
    Incident("all of 125 a minute fail", 48, 100, 100, 0, ((COMPLETE, 150), (DEGRADED, 180), (LOW, 360), (FAST, 150))),
    Incident("half of 125 a minute fail", 48, 100, 50, 50, ((DEGRADED, 210), (LOW, 360), (FAST, 270)), (COMPLETE,)),
    Incident("20 % of 125 a minute fail", 48, 100, 20, 80, ((DEGRADED, 300), (LOW, 420), (FAST, 570)), (COMPLETE,)),
    Incident("12 % of 125 a minute fail", 48, 100, 12, 88, ((DEGRADED, 450), (LOW, 510), (FAST, 930)), (COMPLETE,)),
    Incident("7 % of 125 a minute fail", 48, 100, 7, 93, ((LOW, 600), (FAST, 1530)), (COMPLETE, DEGRADED)),
    Incident("3 % of 125 a minute fail", 48, 100, 3, 97, ((FAST, 3570),), (COMPLETE, DEGRADED, LOW)),
    Incident("all of 12.5 a minute fail", 48, 10, 10, 0, ((COMPLETE, 180), (DEGRADED, 210), (LOW, 390), (FAST, 180))),
    Incident("all of 1.25 a minute fail", 48, 1, 1, 0, ((COMPLETE, 900), (DEGRADED, 390), (LOW, 570), (FAST, 300))),
    Incident("traffic of 125 a minute stops", 48, 100, 0, 0, ((STOPPED, 330),), (COMPLETE, DEGRADED, LOW, FAST)),
    Incident("2 % of 12.5 a minute fail", 480, 100, 2, 98, (), (COMPLETE, DEGRADED, LOW, FAST, STOPPED)),
    Incident("nothing happens", 48, 100, 0, 100, (), (COMPLETE, DEGRADED, LOW, FAST, STOPPED)),
)


def _rules_of(alerts: tuple[Alert, ...]) -> tuple[RuleGroup, ...]:
    """The groups of production with these alerts and the records that they read, and nothing else."""
    definitions = catalog()
    production = definitions.organisation.environment("production")
    expressions = Expressions(definitions, production)
    needed = {
        signal.name
        for alert in alerts
        for branch in alert.branches(alert.thresholds[0])
        for watched in (branch.watches, *(guard.signal for guard in branch.guards), monitoring.source_age)
        for signal in expressions.signals_read(watched)
    }
    groups = []
    for group in rule_groups(definitions, production):
        rules = tuple(
            rule
            for rule in group.rules
            if (rule.signal.name in needed if isinstance(rule, RecordingRule) else rule.alert in alerts)
        )
        if rules:
            groups.append(replace(group, rules=rules))
    return tuple(groups)


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.name)
def test_an_outage_is_noticed_in_time_and_by_nothing_else(
    incident: Incident, promtool: Promtool, tmp_path: Path
) -> None:
    groups = _rules_of((COMPLETE, DEGRADED, LOW, FAST, STOPPED))
    for group in groups:
        (tmp_path / f"{group.area.name}.yml").write_text(rule_file(group))
    source = 'environment="production",source="stripe_events"'
    labels = 'environment="production",payment_method="card",initiator="api"'
    checks = [(alert, BEGINS, False) for alert in (COMPLETE, DEGRADED, LOW, FAST, STOPPED)]
    checks += [(alert, BEGINS + seconds, True) for alert, seconds in incident.fires_within]
    checks += [(alert, second, False) for alert in incident.stays_quiet for second in range(BEGINS, incident.ends, 300)]
    document = {
        "rule_files": [f"{group.area.name}.yml" for group in groups],
        "evaluation_interval": "30s",
        "group_eval_order": [group.name for group in reversed(groups)],
        "tests": [
            {
                "interval": "12s",
                "input_series": [
                    {
                        "series": f'payment_attempts_total{{{labels},result="success"}}',
                        "values": incident.counter(incident.healthy, incident.succeeded),
                    },
                    {
                        "series": f'payment_attempts_total{{{labels},result="technical_failure"}}',
                        "values": incident.counter(0, incident.failed),
                    },
                    {
                        "series": f"{monitoring.watermark}{{{source}}}",
                        "values": f"0+12x{incident.ends // 12}",
                    },
                    {
                        "series": f"{monitoring.interval}{{{source}}}",
                        "values": f"15x{incident.ends // 12}",
                    },
                ],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}})',
                        "eval_time": f"{second}s",
                        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                    }
                    for alert, second, fires in checks
                ],
            }
        ],
    }
    test = tmp_path / "test.yml"
    test.write_text(as_yaml(document))

    (result,) = promtool.run_tests([test])

    assert result.passed, "\n".join(failure.raw for failure in result.failures)
