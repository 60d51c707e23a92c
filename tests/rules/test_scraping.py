"""Is it told, and soon, where the exporter is scraped under labels that no rule reads, and only there?"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from generators.rules import rule_file, rule_groups
from generators.text import as_yaml
from paymon.promtool import Promtool
from rules.catalog import PAYMENTS, catalog
from rules.payments.monitoring import watermark
from rules.payments.organisation import PEOPLE, SERVICE
from rules.vocabulary import Jobs

RIGHT = 'environment="production",service="payments",job="payments-exporter"'
OTHER_SERVICE = 'environment="production",service="donations",job="donations-exporter"'


def told(promtool: Promtool, folder: Path, *targets: str, after: timedelta = timedelta(minutes=5)) -> str:
    """The labels that the alert names, where it fires that long after these targets appeared."""
    shop = PAYMENTS.of(
        PEOPLE,
        replace(SERVICE, service="donations", jobs=Jobs(exporter=("donations-exporter",), application=("donations",))),
    )
    names = []
    for definitions in (catalog(), shop):
        for group in rule_groups(definitions, definitions.organisation.environment("production")):
            if group.area.name in ("monitoring", "scraping"):
                names.append(f"{definitions.organisation.service}-{group.area.name}.yml")
                (folder / names[-1]).write_text(rule_file(group))
    asked = 'ALERTS{alertname="PaymentLabelsUnread",alertstate="firing",service="payments"}'
    (folder / "test.yml").write_text(
        as_yaml(
            {
                "rule_files": names,
                "evaluation_interval": "30s",
                "tests": [
                    {
                        "interval": "30s",
                        "input_series": [
                            {
                                "series": f'{watermark}{{{target},source="{source}",instance="{number}"}}',
                                "values": "1x20",
                            }
                            for number, target in enumerate(targets)
                            for source in ("stripe_events", "health")
                        ],
                        "promql_expr_test": [
                            {
                                "expr": f"max by (scraped_job, scraped_service, scraped_environment) ({asked})",
                                "eval_time": f"{after.seconds}s",
                                "exp_samples": [{"labels": '{none="such"}', "value": 1}],
                            }
                        ],
                    }
                ],
            }
        )
    )
    (result,) = promtool.run_tests([folder / "test.yml"])
    (failure,) = result.failures
    got = failure.raw.partition("got:")[2].strip().splitlines()[0]
    return got.removesuffix(" 1E+00").strip("{}") if "{" in got else ""


@pytest.mark.parametrize(
    ("target", "named"),
    [
        (
            'service="payments",job="payments-exporter"',
            'scraped_job="payments-exporter", scraped_service="payments"',
        ),
        (
            'environment="production",service="paymon-exporter",job="default/paymon"',
            'scraped_environment="production", scraped_job="default/paymon", scraped_service="paymon-exporter"',
        ),
        (
            'environment="production",service="payments",job="default/paymon"',
            'scraped_environment="as it should be", scraped_job="default/paymon", scraped_service="as it should be"',
        ),
    ],
)
def test_an_exporter_under_labels_that_no_rule_reads_pages_within_five_minutes_and_names_them(
    promtool: Promtool, tmp_path: Path, target: str, named: str
) -> None:
    assert told(promtool, tmp_path, target) == named


@pytest.mark.parametrize(
    "targets",
    [
        (),
        (RIGHT,),
        (OTHER_SERVICE,),
        (RIGHT, OTHER_SERVICE),
        (RIGHT, 'environment="production",service="payments",job="a-second-one"'),
        (RIGHT, 'job="of a team without rules here"'),
    ],
)
def test_what_other_services_export_and_what_is_there_besides_ours_tells_nobody(
    promtool: Promtool, tmp_path: Path, targets: tuple[str, ...]
) -> None:
    assert told(promtool, tmp_path, *targets) == ""
