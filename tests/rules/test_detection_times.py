"""How soon does each outage page, from raw series to the firing alert, and what stays quiet meanwhile?"""

from pathlib import Path

import pytest

from generators.rules import rule_file
from generators.text import as_yaml
from paymon.promtool import Promtool
from tests.rules.outages import BEGINS, EVERY, INCIDENTS, WATCHED, Incident, rules_of

pytestmark = pytest.mark.by_turns


@pytest.mark.slow
@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.name)
def test_an_outage_is_noticed_in_time_and_by_nothing_else(
    incident: Incident, promtool: Promtool, tmp_path: Path
) -> None:
    groups = rules_of(WATCHED)
    for group in groups:
        (tmp_path / f"{group.area.name}.yml").write_text(rule_file(group))
    checks = [(alert, BEGINS, False) for alert in WATCHED]
    checks += [(alert, BEGINS + seconds, True) for alert, seconds in incident.fires_within]
    checks += [(alert, second, False) for alert in incident.stays_quiet for second in range(BEGINS, incident.ends, 300)]
    document = {
        "rule_files": [f"{group.area.name}.yml" for group in groups],
        "evaluation_interval": "30s",
        "group_eval_order": [group.name for group in reversed(groups)],
        "tests": [
            {
                "interval": f"{EVERY}s",
                "input_series": [
                    {"series": series, "values": " ".join(map(str, values))}
                    for series, values in incident.series().items()
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
