"""What do the generated rules make of counters that are read once a minute?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from generators.rules import rule_file
from generators.text import as_yaml
from paymon.promtool import Promtool
from rules.payments import budget, monitoring, outcomes, silence
from rules.vocabulary import Source
from tests.rules.outages import rules_of
from tests.rules.playing import of_production

__all__ = ["failed_expectations"]

_CLOSE = 0.05
"""How far from a share by hand a recorded one may be: it looks at fourteen minutes or at fifteen."""

PAGES = (
    outcomes.complete_failure,
    silence.traffic_stopped,
    outcomes.kill_switch_ineffective,
    outcomes.degraded,
    outcomes.success_rate_low,
    budget.burn_fast,
)
"""Every alert that wakes somebody because of what attempts tell."""


def failed_expectations(
    tool: Promtool,
    folder: Path,
    minutes: Sequence[Mapping[tuple[str, ...], float]],
    *,
    healthy: int,
    within: int,
    share: float | None = None,
) -> list[str]:
    """What promtool says against no page in the `healthy` minutes, and one `within` so many after them.

    `share` is how many of the customers' attempts succeeded in the last quarter of an hour that was healthy.
    """
    by_hand = {
        "expr": f"max(abs({outcomes.success_ratio_15m} - {share})) <= bool {_CLOSE}",
        "eval_time": f"{healthy}m",
        "exp_samples": [{"labels": "{}", "value": 1}],
    }
    groups = rules_of(PAGES)
    for group in groups:
        (folder / f"{group.area.name}.yml").write_text(rule_file(group))
    names = "|".join(alert.name for alert in PAGES)
    firing = f'ALERTS{{alertname=~"{names}",alertstate="firing"}}'
    document = {
        "rule_files": [f"{group.area.name}.yml" for group in groups],
        "evaluation_interval": "1m",
        "group_eval_order": [group.name for group in groups],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in _series(minutes).items()],
                "promql_expr_test": [
                    {
                        "expr": f"sum by (alertname) (count_over_time({firing}[{healthy}m]))",
                        "eval_time": f"{healthy}m",
                        "exp_samples": [],
                    },
                    {
                        "expr": f"count({firing}) > bool 0",
                        "eval_time": f"{healthy + within}m",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    },
                    *([by_hand] if share is not None else []),
                ],
            }
        ],
    }
    test = folder / "test.yml"
    test.write_text(as_yaml(document))
    (result,) = tool.run_tests([test])
    return [failure.raw for failure in result.failures]


def _series(minutes: Sequence[Mapping[tuple[str, ...], float]]) -> dict[str, str]:
    names = [label.name for label in outcomes.attempts.labels]
    keys = sorted({key for found in minutes for key in found if key[0] == outcomes.attempts.name})
    series = {}
    for key in keys:
        labels = ",".join(f'{name}="{value}"' for name, value in zip(names, key[1:], strict=True))
        values = " ".join(f"{found.get(key, 0):.0f}" for found in minutes)
        series[of_production(f"{outcomes.attempts}{{{labels}}}")] = f"0 {values}"
    for source in Source:
        of_source = f'{{source="{source.value}"}}'
        series[of_production(f"{monitoring.watermark}{of_source}")] = f"0+60x{len(minutes)}"
        series[of_production(f"{monitoring.interval}{of_source}")] = f"60x{len(minutes)}"
    return series
