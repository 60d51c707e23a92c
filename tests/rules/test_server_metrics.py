"""Do the servers export, under the labels that the definitions know, what the rules read of them?"""

import time
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


def exported(url: str, wanted: list[Metric]) -> dict[str, set[str]]:
    """The labels of each series that the server's own page has, by name, once it has those that are wanted.

    Prometheus counts for an Alertmanager from when it knows of it, a moment after it is ready itself.
    """
    names, deadline = {metric.name for metric in wanted}, time.monotonic() + 100
    while True:
        families = text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=100).text)
        found: dict[str, set[str]] = {}
        for family in families:
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        if names <= found.keys() or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


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
            found = exported(url, read_of(Source.PROMETHEUS))
    for metric in read_of(Source.PROMETHEUS):
        assert metric.name in found, f"Prometheus {version} has no {metric}"
        unknown = found[metric.name] - {label.name for label in metric.labels}
        assert not unknown, f"Prometheus {version} gives {metric} labels that no rule was written for: {unknown}"


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_alertmanager_exports_what_the_rules_read_of_it(version: str, tmp_path: Path) -> None:
    with alertmanager(version, tmp_path) as url:
        found = exported(url, read_of(Source.ALERTMANAGER))
    for metric in read_of(Source.ALERTMANAGER):
        assert metric.name in found, f"Alertmanager {version} has no {metric}"
        unknown = found[metric.name] - {label.name for label in metric.labels}
        assert not unknown, f"Alertmanager {version} gives {metric} labels that no rule was written for: {unknown}"
