"""Do the servers export, under the labels that the definitions know, what the rules read of them?"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from paymon.programs import find
from rules.catalog import catalog
from rules.vocabulary import Metric, Source
from tests import servers
from tests.servers import prometheus
from tests.versions import ALERTMANAGER, PROMETHEUS

CATALOG = catalog()
RULES = """
groups:
- name: payments.production.test
  interval: 1s
  rules:
  - record: payments:test
    expr: vector(1)
"""


def read_of(source: Source) -> list[Metric]:
    return [metric for metric in CATALOG.metrics if metric.source is source]


def exported(url: str) -> dict[str, set[str]]:
    """The labels of each series that the server's own page has, by name."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=100).text)
    found: dict[str, set[str]] = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@contextmanager
def alertmanager(version: str, folder: Path, *options: str) -> Iterator[str]:
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: paymon-test}\nreceivers: [{name: paymon-test}]\n")
    with servers.alertmanager(find("alertmanager", version), config, *options) as url:
        yield url


@pytest.mark.parametrize("version", PROMETHEUS)
def test_prometheus_exports_what_the_rules_read_of_it(version: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    with alertmanager(ALERTMANAGER[0], tmp_path) as receiver:
        config = f"""
global: {{evaluation_interval: 1s}}
rule_files: ["{tmp_path}/rules.yml"]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{receiver.removeprefix("http://")}"]}}]}}]}}
"""
        with prometheus(find("prometheus", version), config, tmp_path / "server") as url:
            found = exported(url)
    for metric in read_of(Source.PROMETHEUS):
        assert metric.name in found, f"Prometheus {version} has no {metric}"
        unknown = found[metric.name] - {label.name for label in metric.labels}
        assert not unknown, f"Prometheus {version} gives {metric} labels that no rule was written for: {unknown}"


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_alertmanager_exports_what_the_rules_read_of_it(version: str, tmp_path: Path) -> None:
    with alertmanager(version, tmp_path) as url:
        found = exported(url)
    for metric in read_of(Source.ALERTMANAGER):
        assert metric.name in found, f"Alertmanager {version} has no {metric}"
        unknown = found[metric.name] - {label.name for label in metric.labels}
        assert not unknown, f"Alertmanager {version} gives {metric} labels that no rule was written for: {unknown}"
