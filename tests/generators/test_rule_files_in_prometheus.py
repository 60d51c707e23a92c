"""Does a real Prometheus load and evaluate what is generated?"""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from generators.files import environment_files
from generators.rules import rule_groups
from paymon.programs import find
from rules.catalog import catalog
from rules.vocabulary import Environment
from tests.servers import prometheus
from tests.versions import PROMETHEUS

CATALOG = catalog()


@pytest.mark.slow
@pytest.mark.parametrize("version", PROMETHEUS)
@pytest.mark.parametrize("environment", CATALOG.organisation.environments, ids=lambda environment: environment.name)
def test_every_group_is_loaded_and_evaluated_and_no_rule_is_unhealthy(
    version: str, environment: Environment, tmp_path: Path
) -> None:
    files = environment_files(CATALOG, environment)
    rules = {path: text for path, text in files.items() if "/rules/" in path}
    for path, text in rules.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("interval: 30s", "interval: 1s"))
    config = f"""
global: {{evaluation_interval: 1s, scrape_interval: 1s}}
rule_files: ["{tmp_path}/generated/{environment.name}/rules/*.yml"]
"""
    with prometheus(find("prometheus", version), config, tmp_path / "server") as url:
        groups = _evaluated_groups(url)

    expected = rule_groups(CATALOG, environment)
    assert {group["name"] for group in groups} == {
        f"payments.{environment.name}.definitions-info",
        *(group.name for group in expected),
    }
    assert len(groups) == len(rules)
    loaded = {(rule["name"], rule["type"]) for group in groups for rule in group["rules"]}
    assert loaded == {
        ("paymon_definitions_info", "recording"),
        ("paymon_source_expected", "recording"),
        *((signal.name, "recording") for signal in CATALOG.signals),
        *((alert.name, "alerting") for alert in CATALOG.alerts),
    }
    unhealthy = [rule for group in groups for rule in group["rules"] if rule["health"] != "ok" or rule.get("lastError")]
    assert unhealthy == []
    firing = {rule["name"] for group in groups for rule in group["rules"] if rule.get("state") == "firing"}
    assert firing == {"PaymentsWatchdog"}


def _evaluated_groups(url: str) -> list[dict[str, Any]]:
    """The groups, once each of them has been evaluated twice or more."""
    deadline = time.monotonic() + 200
    while True:
        answer = httpx.get(f"{url}/api/v1/rules", timeout=100).json()
        assert answer["status"] == "success"
        groups: list[dict[str, Any]] = answer["data"]["groups"]
        if groups and all(rule["health"] != "unknown" for group in groups for rule in group["rules"]):
            return groups
        assert time.monotonic() < deadline, "not every rule was evaluated within 30 s"
        time.sleep(0.2)
