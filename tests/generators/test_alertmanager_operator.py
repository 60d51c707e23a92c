"""Does the AlertmanagerConfig tell whom alertmanager.yml tells, as it is and as the Operator rewrites it?

The Operator's own rewriting, of versions 0.50 to 0.93: a matcher on the namespace at the top route and on both sides of
(unless the strategy is None), `continue` at the top route, namespace and object before each name.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from generators.alertmanager import alertmanager_files
from generators.rules import AlertingRule, rule_groups
from rules.catalog import catalog
from rules.vocabulary import Severity
from tests.generators.test_alertmanager import distinct, every_version, resolved

CATALOG = catalog()
FILES = alertmanager_files(CATALOG)
TEXT = FILES["alertmanager/alertmanagerconfig.yaml"]
OBJECT = yaml.safe_load(TEXT)
NAMESPACE = "shop"
LABELS = distinct(
    [
        {"alertname": rule.alert.name, **dict(rule.labels)}
        for environment in CATALOG.organisation.environments
        for group in rule_groups(CATALOG, environment)
        for rule in group.rules
        if isinstance(rule, AlertingRule)
    ]
)


def rewritten(*, strategy: str) -> dict[str, Any]:
    """What Alertmanager gets to read, with a stand-in for every secret."""
    mine = [f'namespace="{NAMESPACE}"'] if strategy == "OnNamespace" else []
    spec = OBJECT["spec"]
    top = {**route_of(spec["route"]), "continue": True}
    top["matchers"] = top["matchers"] + mine
    return {
        "route": {"receiver": "null", "routes": [top]},
        "receivers": [{"name": "null"}, *map(receiver_of, spec["receivers"])],
    }


def prefixed(name: str) -> str:
    return f"{NAMESPACE}/{OBJECT['metadata']['name']}/{name}"


def matchers_of(matchers: list[dict[str, str]]) -> list[str]:
    return [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in matchers]


def route_of(route: dict[str, Any]) -> dict[str, Any]:
    return {
        "receiver": prefixed(route["receiver"]),
        "group_by": route["groupBy"],
        "group_wait": route["groupWait"],
        "group_interval": route["groupInterval"],
        "repeat_interval": route["repeatInterval"],
        "matchers": matchers_of(route.get("matchers", [])),
        "continue": route.get("continue", False),
        "routes": [route_of(one) for one in route.get("routes", [])],
    }


def receiver_of(receiver: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": prefixed(receiver["name"])}
    for one in receiver.get("pagerdutyConfigs", []):
        entry = {
            "routing_key": "key of " + one["routingKey"]["key"],
            "send_resolved": one["sendResolved"],
            "description": one["description"],
            "details": {pair["key"]: pair["value"] for pair in one["details"]},
            "links": [{"href": link["href"], "text": link["alt"]} for link in one["pagerDutyLinkConfigs"]],
            **{key: one[key] for key in ("severity", "class", "component", "group")},
        }
        found.setdefault("pagerduty_configs", []).append(entry)
    for one in receiver.get("slackConfigs", []):
        entry = {"api_url": "http://slack.example/" + one["apiURL"]["key"], "channel": one["channel"]}
        entry |= {key: one[key] for key in ("color", "title", "fallback", "text")} | {"title_link": one["titleLink"]}
        found.setdefault("slack_configs", []).append(entry)
    for one in receiver.get("emailConfigs", []):
        entry = {
            "to": one["to"],
            "from": one["from"],
            "smarthost": one["smarthost"],
            "auth_username": one["authUsername"],
            "auth_password": "password of " + one["authPassword"]["key"],
            "headers": {pair["key"]: pair["value"] for pair in one["headers"]},
            "html": one["html"],
            "text": one["text"],
        }
        found.setdefault("email_configs", []).append(entry)
    for one in receiver.get("webhookConfigs", []):
        found.setdefault("webhook_configs", []).append({"url": one["url"], "send_resolved": one["sendResolved"]})
    return found


@every_version
@pytest.mark.parametrize(
    ("strategy", "namespace"), [("None", {}), ("None", {"namespace": "x"}), ("OnNamespace", {"namespace": NAMESPACE})]
)
def test_the_rewritten_object_tells_whom_the_file_tells(
    version: str, strategy: str, namespace: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "operator.yml").write_text(yaml.safe_dump(rewritten(strategy=strategy)))
    (tmp_path / "alertmanager.yml").write_text(FILES["alertmanager/alertmanager.yml"])
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/paymon.tmpl").write_text(FILES["alertmanager/templates/paymon.tmpl"])

    ours = resolved(version, tmp_path / "alertmanager.yml", LABELS)
    theirs = resolved(version, tmp_path / "operator.yml", [{**labels, **namespace} for labels in LABELS])

    assert len(LABELS) > 8
    assert theirs == [",".join(map(prefixed, one.split(","))) for one in ours]


def test_without_the_header_s_advice_nobody_would_be_told_and_the_header_says_so(tmp_path: Path) -> None:
    (tmp_path / "operator.yml").write_text(yaml.safe_dump(rewritten(strategy="OnNamespace")))
    assert set(resolved("0.25", tmp_path / "operator.yml", LABELS)) == {"null"}
    assert "nobody would be told" in TEXT
    assert "alertmanagerConfigMatcherStrategy: {type: None}" in TEXT


def test_every_key_of_the_secret_stands_in_the_header() -> None:
    said = {line.removeprefix("#      ") for line in TEXT.splitlines() if line.startswith("#      ")}
    assert said == {"mail-password", "pagerduty-payments-oncall", "slack-payments-oncall"}


def test_the_header_names_every_alert_that_a_stock_inhibition_would_hide() -> None:
    """A louder severity hides a quieter one of the same alertname: those that have both, in any two environments."""
    severities: dict[str, set[Severity]] = {}
    for environment in CATALOG.organisation.environments:
        for group in rule_groups(CATALOG, environment):
            for rule in group.rules:
                if isinstance(rule, AlertingRule):
                    severities.setdefault(rule.alert.name, set()).add(rule.threshold.severity)
    several = {name for name, found in severities.items() if len(found) > 1}
    header = " ".join(line.lstrip("# ") for line in TEXT.splitlines() if line.startswith("#"))
    named = header.partition("these have both: ")[2].partition(".")[0]
    assert several == set(named.split(", "))
    assert 'team!="payments"' in header
