"""Every alert reaches the right people in a real Alertmanager, once, in words that help."""

import contextlib
import copy
import html
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from generators.alertmanager import alertmanager_files, alertmanager_problems
from generators.alertmanager.routing import routing
from generators.rules import AlertingRule, rule_groups
from paymon.programs import find
from rules.catalog import PAYMENTS, catalog
from rules.payments import account, completion, disputes, health, monitoring, outcomes, rollout, silence
from rules.payments.organisation import DEAD_MAN, ON_CALL, ORGANISATION, PEOPLE, SERVICE
from rules.payments.runbook.procedures import STRIPE_SUPPORT
from rules.vocabulary import Alert, Catalog, Priority, PriorityPolicy, Severity
from tests import servers
from tests.generators.sinks import Inbox, Mail, Posted, http_sink, mail_sink
from tests.versions import ALERTMANAGER

Config = dict[str, Any]
Labels = dict[str, str]
LabelSet = tuple[tuple[str, str], ...]

CATALOG = catalog()
FILES = alertmanager_files(CATALOG)
CONFIG: Config = yaml.safe_load(FILES["alertmanager/alertmanager.yml"])
FRAGMENT: Config = yaml.safe_load(FILES["alertmanager/routes.yml"])
TEMPLATE = FILES["alertmanager/templates/paymon.tmpl"]

RULES: tuple[AlertingRule, ...] = tuple(
    rule
    for environment in CATALOG.organisation.environments
    for group in rule_groups(CATALOG, environment)
    for rule in group.rules
    if isinstance(rule, AlertingRule)
)

every_version = pytest.mark.parametrize("version", ALERTMANAGER)


def labels_of(rule: AlertingRule) -> Labels:
    return {"alertname": rule.alert.name, **dict(rule.labels)}


def label_set(labels: Mapping[str, str]) -> LabelSet:
    return tuple(sorted(labels.items()))


def rule_for(alert: Alert, environment: str = "production", tier: str = "") -> AlertingRule:
    return next(
        rule
        for rule in RULES
        if (rule.alert.name, rule.threshold.tier) == (alert.name, tier)
        and dict(rule.labels)["environment"] == environment
    )


def annotations_of(rule: AlertingRule) -> dict[str, str]:
    """The annotations as Prometheus would fill them in."""
    return {name: re.sub(r"\{\{.*?\}\}", "42", text) for name, text in rule.annotations}


def merged_into_another() -> Config:
    """The fragment in the configuration of an Alertmanager that serves others too, put there as it says."""
    theirs: Config = {
        "global": CONFIG["global"],
        "route": {
            "receiver": "everybody-else",
            "routes": [{"receiver": "payments-of-old", "matchers": ['team=~".+"']}],
        },
        "receivers": [{"name": "everybody-else"}, {"name": "payments-of-old"}],
    }
    theirs["route"]["routes"] = FRAGMENT["routes"] + theirs["route"]["routes"]
    theirs["receivers"] = theirs["receivers"] + FRAGMENT["receivers"]
    return theirs


def amtool(version: str, *arguments: str | Path) -> str:
    ran = subprocess.run(
        [find("amtool", version), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Alertmanager's folder as it is generated, with the configuration of another team beside ours."""
    for path, text in FILES.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (tmp_path / "alertmanager" / "merged.yml").write_text(yaml.safe_dump(merged_into_another()))
    return tmp_path / "alertmanager"


# ---- what is written


@every_version
@pytest.mark.parametrize("name", ["alertmanager.yml", "merged.yml"])
def test_alertmanager_accepts_the_configuration(version: str, name: str, folder: Path) -> None:
    assert "SUCCESS" in amtool(version, "check-config", folder / name)


def test_secrets_are_files_and_the_header_says_what_each_must_hold() -> None:
    text = FILES["alertmanager/alertmanager.yml"]
    files = set(re.findall(r"_file: (\S+)", text))
    assert files == {
        "/etc/alertmanager/secrets/mail-password",
        "/etc/alertmanager/secrets/pagerduty-payments-oncall",
        "/etc/alertmanager/secrets/slack-payments-oncall",
    }
    for file in files:
        assert f"#   {file}: the " in text
    for setting in ("routing_key:", "service_key:", "api_url:", "slack_api_url:", "smtp_auth_password:"):
        assert setting not in text


def test_the_value_of_every_matcher_is_in_double_quotes() -> None:
    def matchers(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key.endswith("matchers"):
                    yield from value
                else:
                    yield from matchers(value)
        elif isinstance(node, list):
            for item in node:
                yield from matchers(item)

    found = list(matchers(CONFIG))
    assert len(found) > 10
    assert [one for one in found if not re.fullmatch(r'[a-z_]+=~?"[A-Za-z0-9_|-]*"', one)] == []


@pytest.mark.parametrize("path", ["alertmanager/alertmanager.yml", "alertmanager/routes.yml"])
def test_alertmanager_holds_nothing_back_of_which_it_would_never_tell_the_end(path: str) -> None:
    """It forgets an end that comes while the alert is inhibited or outside its hours, and then the next beginning."""
    text = FILES[path]
    for word in ("inhibit_rules", "active_time_intervals", "mute_time_intervals", "time_intervals"):
        assert word not in text


def test_the_relay_is_told_in_which_hours_tickets_are_worked_on() -> None:
    hours = "monday to friday, 09:00 to 17:00, America/New_York"
    assert hours in FILES["alertmanager/alertmanager.yml"]
    assert hours in FILES["alertmanager/routes.yml"]


def duration(text: str) -> timedelta:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return timedelta(seconds=sum(int(count) * seconds[unit] for count, unit in re.findall(r"(\d+)([smhd])", text)))


def route_to(receiver: str, matched: str = "") -> Config:
    found: list[Config] = [
        one
        for one in CONFIG["route"]["routes"][0]["routes"]
        if one["receiver"] == receiver and (not matched or matched in one["matchers"])
    ]
    (route,) = found
    return route


def test_stakeholders_are_told_again_as_often_as_the_runbook_promises() -> None:
    """Alertmanager looks once per group_interval, and repeats what is more than repeat_interval old by then."""
    route = route_to("payments-stakeholders")
    promised, look = ORGANISATION.stakeholder_update_every, duration(route["group_interval"])
    assert promised == timedelta(minutes=30)
    assert promised % look == timedelta(0)
    assert promised - look < duration(route["repeat_interval"]) < promised


def test_a_heartbeat_is_repeated_at_every_look_and_more_often_than_anything_else() -> None:
    routes = CONFIG["route"]["routes"][0]["routes"]
    heartbeat = route_to("payments-heartbeat-production")
    assert duration(heartbeat["repeat_interval"]) < duration(heartbeat["group_interval"]) == timedelta(minutes=1)
    assert min(duration(route["repeat_interval"]) for route in routes) == duration(heartbeat["repeat_interval"])


def test_the_end_of_a_heartbeat_is_not_sent_as_if_it_were_a_heartbeat() -> None:
    heartbeats = [one for one in CONFIG["receivers"] if "heartbeat" in one["name"]]
    assert [one["webhook_configs"] for one in heartbeats] == [
        [{"url": "http://127.0.0.1:9095/payments-monitoring/production", "send_resolved": False}],
        [{"url": "http://127.0.0.1:9095/payments-monitoring/staging", "send_resolved": False}],
    ]


# ---- who hears of what


def expected_receivers(labels: Labels) -> str:
    """The runbook's severity table, that nobody is woken by staging, and that all know when payments are off."""
    if labels["alertname"] == "PaymentsWatchdog":
        return f"payments-heartbeat-{labels['environment']}"
    if labels["alertname"] == "PaymentsKillSwitchActive":
        return "payments-calm,payments-p4"
    if labels["priority"] == "P4":
        return "payments-p4"
    if labels["environment"] == "staging":
        return "payments-calm"
    return {"P1": "payments-stakeholders,payments-p1", "P2": "payments-p2", "P3": "payments-p3"}[labels["priority"]]


def resolved(version: str, file: Path, label_sets: list[Labels]) -> list[str]:
    """The receivers of each label set, as amtool finds them."""

    def ask(labels: Labels) -> str:
        pairs = [f"{name}={value}" for name, value in labels.items()]
        return amtool(version, "config", "routes", "test", f"--config.file={file}", *pairs).strip()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(ask, label_sets))


def distinct(label_sets: list[Labels]) -> list[Labels]:
    """One label set of each kind that a route could tell from the others."""
    kinds = {
        (
            labels["priority"],
            labels["severity"],
            labels["environment"],
            labels["alertname"] in ("PaymentsWatchdog", "PaymentsKillSwitchActive"),
            labels["alertname"] == "PaymentsWatchdog",
        ): labels
        for labels in label_sets
    }
    return list(kinds.values())


@every_version
def test_every_threshold_of_every_alert_in_every_environment_reaches_its_receiver(version: str, folder: Path) -> None:
    label_sets = [labels_of(rule) for rule in RULES]
    found = resolved(version, folder / "alertmanager.yml", label_sets)
    assert len(found) > 100
    assert found == [expected_receivers(labels) for labels in label_sets]
    assert not any("fallback" in receivers for receivers in found)


@every_version
def test_alerts_reach_the_same_receivers_in_an_alertmanager_that_serves_others_too(version: str, folder: Path) -> None:
    label_sets = distinct([labels_of(rule) for rule in RULES])
    assert len(label_sets) > 8
    assert resolved(version, folder / "merged.yml", label_sets) == [expected_receivers(one) for one in label_sets]


FOREIGN: tuple[tuple[Labels, str], ...] = (
    ({"alertname": "Other", "team": "payments"}, "payments-fallback"),
    ({"alertname": "Other", "team": "payments", "priority": "P9"}, "payments-fallback"),
    ({"alertname": "Other", "team": "payments", "priority": "P1", "environment": "staging"}, "payments-calm"),
    ({"alertname": "Other", "team": "payments", "priority": "P1"}, "payments-stakeholders,payments-p1"),
    ({"alertname": "Other", "team": "payments", "priority": "P4"}, "payments-p4"),
    (
        {"alertname": "PaymentsKillSwitchActive", "team": "payments", "priority": "P4", "environment": "production"},
        "payments-calm,payments-p4",
    ),
    (
        {"alertname": "PaymentsKillSwitchActive", "team": "payments", "priority": "P1", "environment": "production"},
        "payments-stakeholders,payments-p1",
    ),
    ({"alertname": "PaymentsWatchdog", "team": "payments", "environment": "moon"}, "payments-fallback"),
)


@every_version
def test_an_alert_written_by_hand_reaches_the_team_by_its_labels(version: str, folder: Path) -> None:
    found = resolved(version, folder / "alertmanager.yml", [labels for labels, _ in FOREIGN])
    assert found == [receivers for _, receivers in FOREIGN]


@every_version
def test_an_alert_without_a_team_is_nobody_s_but_not_lost(version: str, folder: Path) -> None:
    assert resolved(version, folder / "alertmanager.yml", [{"alertname": "Other"}]) == ["payments-fallback"]
    assert resolved(version, folder / "merged.yml", [{"alertname": "Other"}]) == ["everybody-else"]


def test_the_checks_resolve_routes_as_alertmanager_does(folder: Path) -> None:
    label_sets = distinct([labels_of(rule) for rule in RULES]) + [labels for labels, _ in FOREIGN]
    route = routing(CATALOG).route
    assert [",".join(receiver.name for receiver in route.receivers(labels)) for labels in label_sets] == resolved(
        "0.33", folder / "alertmanager.yml", label_sets
    )


def test_only_environments_that_page_reach_pagerduty() -> None:
    for rule in RULES:
        labels = labels_of(rule)
        contacts = [c for receiver in routing(CATALOG).route.receivers(labels) for c in receiver.contacts]
        pages = labels["priority"] in ("P1", "P2", "P3") and labels["environment"] == "production"
        assert (ON_CALL in contacts) == pages


def test_everybody_hears_at_once_that_payments_are_off_and_nobody_is_woken_by_it() -> None:
    at_once = route_to("payments-calm", matched='alertname="PaymentsKillSwitchActive"')
    (slack,) = (one for one in CONFIG["receivers"] if one["name"] == "payments-calm")

    assert at_once["continue"] is True
    assert at_once["group_wait"] == "0s"
    assert set(slack) == {"name", "slack_configs"}
    told = [alert for alert in CATALOG.alerts if alert.told_at_once]
    assert [alert.name for alert in told] == [rollout.kill_switch_active.name]


# ---- a real Alertmanager


def scaled(node: object) -> None:
    """Let Alertmanager's minutes last a quarter of a second."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("group_wait", "group_interval", "repeat_interval"):
                node[key] = f"{int(duration(value).total_seconds() * 1000 / 240)}ms"
            scaled(value)
    elif isinstance(node, list):
        for item in node:
            scaled(item)


def with_webhooks(config: Config, port: int) -> Config:
    """The configuration, quick, and with a webhook in place of what each receiver has."""
    config = copy.deepcopy(config)
    scaled(config["route"])
    for receiver in config["receivers"]:
        name = receiver.pop("name")
        resolved_too = {one["send_resolved"] for configurations in receiver.values() for one in configurations}
        receiver.clear()
        receiver["name"] = name
        receiver["webhook_configs"] = [
            {"url": f"http://127.0.0.1:{port}/{name}", "send_resolved": resolved_too == {True}}
        ]
    return config


class Alertmanager:
    """A running Alertmanager, and what its receivers were told."""

    def __init__(self, url: str, told: Inbox[Posted]) -> None:
        self.url = url
        self.told = told

    def post(self, *alerts: Mapping[str, Any]) -> None:
        httpx.post(f"{self.url}/api/v2/alerts", json=alerts, timeout=100).raise_for_status()

    def names_told(self) -> set[tuple[str, str, str]]:
        """Receiver, alert and environment of all that was told."""
        return {
            (message.body["receiver"], alert["labels"]["alertname"], alert["labels"]["environment"])
            for message in self.told.all
            if "receiver" in message.body
            for alert in message.body["alerts"]
        }

    def told_of(self, receiver: str, *names: str, environment: str, count: int = 1) -> list[Posted]:
        """Messages to the receiver about exactly these alerts, waited for."""

        def wanted(message: Posted) -> bool:
            body = message.body
            return body.get("receiver") == receiver and sorted(
                (alert["labels"]["alertname"], alert["labels"]["environment"]) for alert in body["alerts"]
            ) == sorted((name, environment) for name in names)

        return self.told.several(wanted, count)


@contextlib.contextmanager
def alertmanager(version: str, config: Config, folder: Path, told: Inbox[Posted]) -> Iterator[Alertmanager]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / "paymon.tmpl").write_text(TEMPLATE)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    with servers.alertmanager(find("alertmanager", version), folder / "alertmanager.yml") as url:
        yield Alertmanager(url, told)


@pytest.fixture(scope="module", params=ALERTMANAGER)
def running_alertmanager(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Alertmanager]:
    """One Alertmanager for the tests of this module; each uses an environment of its own."""
    with http_sink() as inbox:
        config = with_webhooks(CONFIG, inbox.port)
        with alertmanager(request.param, config, tmp_path_factory.mktemp("alertmanager"), inbox) as server:
            yield server


def firing(rule: AlertingRule, **more: str) -> dict[str, Any]:
    return {"labels": {**labels_of(rule), **more}, "annotations": annotations_of(rule)}


def key(alert: Mapping[str, Any]) -> LabelSet:
    return label_set(alert["labels"])


def test_each_priority_arrives_at_its_receiver(running_alertmanager: Alertmanager) -> None:
    alerts = {
        "payments-p1": silence.traffic_stopped,
        "payments-stakeholders": silence.traffic_stopped,
        "payments-p2": account.requirements_past_due,
        "payments-p3": disputes.refund_rate_high,
        "payments-p4": health.https_not_enforced,
    }
    running_alertmanager.post(*(firing(rule_for(alert), environment="arrival") for alert in alerts.values()))
    for receiver, alert in alerts.items():
        running_alertmanager.told_of(receiver, alert.name, environment="arrival")
    running_alertmanager.post(firing(rule_for(outcomes.complete_failure, "staging")))
    running_alertmanager.told_of("payments-calm", outcomes.complete_failure.name, environment="staging")


def test_p1s_share_one_message_and_p2s_come_one_by_one(running_alertmanager: Alertmanager) -> None:
    p1s = (silence.traffic_stopped, completion.none_completed)
    p2s = (health.health_down, disputes.dispute_rate_high)
    running_alertmanager.post(*(firing(rule_for(alert), environment="grouping") for alert in p1s))
    running_alertmanager.post(*(firing(rule_for(alert), environment="grouping", priority="P2") for alert in p2s))
    running_alertmanager.told_of("payments-p1", *(alert.name for alert in p1s), environment="grouping")
    for alert in p2s:
        running_alertmanager.told_of("payments-p2", alert.name, environment="grouping")
    together = [
        message
        for message in running_alertmanager.told.all
        if message.body["receiver"] == "payments-p2"
        and len({a["labels"]["alertname"] for a in message.body["alerts"]}) > 1
    ]
    assert together == []


def test_one_method_after_another_shares_a_message_of_the_same_alert(running_alertmanager: Alertmanager) -> None:
    alert = disputes.dispute_rate_high
    running_alertmanager.post(
        *(firing(rule_for(alert), environment="networks", network=network) for network in ("visa", "amex"))
    )
    running_alertmanager.told_of("payments-p3", alert.name, alert.name, environment="networks")


def test_heartbeats_are_repeated_at_every_look_and_end_without_a_word(running_alertmanager: Alertmanager) -> None:
    production, staging = (rule_for(monitoring.watchdog, name) for name in ("production", "staging"))
    running_alertmanager.post(firing(production), firing(staging))
    name = monitoring.watchdog.name
    beats = running_alertmanager.told_of("payments-heartbeat-production", name, environment="production", count=3)
    running_alertmanager.told_of("payments-heartbeat-staging", name, environment="staging")
    running_alertmanager.post(firing(production) | {"endsAt": datetime.now(UTC).isoformat()})
    running_alertmanager.told_of("payments-heartbeat-staging", name, environment="staging", count=len(beats) + 4)
    statuses = {
        message.body["status"]
        for message in running_alertmanager.told.all
        if message.body["receiver"] == "payments-heartbeat-production"
    }
    assert statuses == {"firing"}


# ---- what people read


@pytest.fixture(scope="module", params=ALERTMANAGER)
def delivering(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Alertmanager, Inbox[Mail]]]:
    """An Alertmanager whose Slack, PagerDuty, webhooks and mail server are on the loopback interface."""
    folder = tmp_path_factory.mktemp("delivering")
    with http_sink() as posts, mail_sink() as mails:
        sink = f"http://127.0.0.1:{posts.port}"
        secrets = {
            "slack-payments-oncall": f"{sink}/slack",
            "pagerduty-payments-oncall": "key",
            "mail-password": "pass",
        }
        for name, secret in secrets.items():
            (folder / name).write_text(secret)
        text = FILES["alertmanager/alertmanager.yml"]
        text = text.replace(ORGANISATION.delivery.secrets_folder, str(folder))
        text = text.replace(ORGANISATION.delivery.relay_url, f"{sink}/relay")
        config = yaml.safe_load(text)
        scaled(config["route"])
        config["global"] |= {
            "pagerduty_url": f"{sink}/pagerduty",
            "smtp_smarthost": f"127.0.0.1:{mails.port}",
            "smtp_require_tls": False,
        }
        with alertmanager(request.param, config, folder, posts) as server:
            yield server, mails


P1 = rule_for(outcomes.complete_failure)
TITLE = f"[P1 FIRING] {annotations_of(P1)['summary']} (production, 1 alert)"


def since(alert: dict[str, Any], moment: datetime) -> dict[str, Any]:
    return alert | {"startsAt": moment.isoformat(), "generatorURL": "http://prometheus/graph?g0.expr=a+%3C+1&g0.tab=1"}


def test_a_p1_reaches_slack_pagerduty_and_mailboxes_in_words_that_help(
    delivering: tuple[Alertmanager, Inbox[Mail]],
) -> None:
    server, mails = delivering
    began = datetime.now(UTC) - timedelta(minutes=7)
    alert = firing(P1)
    annotations = annotations_of(P1) | {"because": "fewer than <5 %> & counting"}
    server.post(since(alert | {"annotations": annotations}, began))

    hour_before = (began - timedelta(hours=1) - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
    panel = f"{annotations['dashboard_url']}&from={hour_before}&to=now"

    # Other tests of this Alertmanager post for other environments, whichever runs first.
    slack = server.told.first(
        lambda message: message.path == "/slack" and "(production" in message.body["attachments"][0]["title"]
    ).body
    assert slack["channel"] == "#payments-oncall"
    (attachment,) = slack["attachments"]
    assert attachment["title"] == TITLE
    assert attachment["fallback"] == TITLE
    assert attachment["title_link"] == annotations["runbook_url"]
    assert attachment["color"] == "#D55E00"
    assert attachment["text"].splitlines()[:-2] == [
        "_Firing_",
        "",
        f"*{annotations['summary']}*",
        annotations["description"],
        "Alert: PaymentsCompleteFailure (production)",
        f"Since: {began:%Y-%m-%d %H:%M} UTC",
        "Because: fewer than &lt;5 %&gt; &amp; counting",
        "Response: P1, within 5 minutes",
        f"<{annotations['runbook_url']}|Runbook> · <{html.escape(panel)}|Dashboard> · "
        "<http://prometheus/graph?g0.expr=a+%3C+1&amp;g0.tab=1|Query>",
    ]
    assert "<https://status.stripe.com|Stripe status>" in attachment["text"].splitlines()[-1]

    page = server.told.first(
        lambda message: message.path.startswith("/pagerduty") and "(production" in message.body["payload"]["summary"]
    ).body
    assert page["routing_key"] == "key"
    assert page["payload"]["summary"] == TITLE
    assert page["payload"]["severity"] == "critical"
    assert page["payload"]["class"] == "PaymentsCompleteFailure"
    assert page["payload"]["component"] == "payments"
    assert page["payload"]["group"] == "production"
    assert "Because: fewer than <5 %> & counting" in page["payload"]["custom_details"]["firing"]
    assert page["links"] == [
        {"href": annotations["runbook_url"], "text": "Runbook"},
        {"href": panel, "text": "Dashboard"},
    ]

    sent = mails.several(lambda mail: "(production" in mail.message["Subject"], 3)
    assert {mail.to for mail in sent} == {"payments-lead@gametriq.com", "vp-eng@gametriq.com", "cto@gametriq.com"}
    assert {mail.password for mail in sent} == {"pass"}
    assert sent[0].message["Subject"] == TITLE
    plain, rich = (sent[0].message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert rich is not None
    assert "Because: fewer than <5 %> & counting" in plain.get_content()
    assert "Because: fewer than &lt;5 %&gt; &amp; counting" in rich.get_content()
    assert f'<a href="{annotations["runbook_url"]}">Runbook</a>' in rich.get_content()


def test_a_p1_that_asks_for_another_act_calls_anew_while_another_is_open(
    delivering: tuple[Alertmanager, Inbox[Mail]],
) -> None:
    """PagerDuty adds an event to the open incident of its dedup_key, and calls nobody who has acknowledged that."""
    server, _ = delivering

    def incident(alert: Alert) -> str:
        server.post(firing(rule_for(alert), environment="calls"))
        page = server.told.first(
            lambda message: (
                message.path.startswith("/pagerduty")
                and message.body["payload"]["group"] == "calls"
                and f"Alert: {alert.name}" in message.body["payload"]["custom_details"]["firing"]
            )
        ).body
        summary = annotations_of(rule_for(alert))["summary"]
        assert not alert.own_incident or page["payload"]["summary"] == f"[P1 FIRING] {summary} (calls, 1 alert)"
        return str(page["dedup_key"])

    failing, silent = incident(outcomes.complete_failure), incident(silence.traffic_stopped)
    assert failing == silent
    others = {incident(alert) for alert in (outcomes.kill_switch_ineffective, account.account_disabled)}
    assert len(others - {failing}) == 2


def test_of_several_p1s_in_one_message_each_is_named_in_the_subject_and_told_in_full(
    delivering: tuple[Alertmanager, Inbox[Mail]],
) -> None:
    server, mails = delivering
    rules = [rule_for(one) for one in (outcomes.complete_failure, account.account_disabled, silence.traffic_stopped)]
    texts = [annotations_of(rule) for rule in rules]

    def sent(count: int, *ended: AlertingRule) -> Mail:
        about = [
            firing(rule, environment="several") | ({"endsAt": datetime.now(UTC).isoformat()} if rule in ended else {})
            for rule in rules
        ]
        server.post(*about)
        return mails.first(
            lambda mail: (
                f"(several, {count} alert" in mail.message["Subject"]
                and sum(one["description"] in content(mail, "plain") for one in texts) == len(rules)
            )
        )

    def content(mail: Mail, kind: str) -> str:
        part = mail.message.get_body((kind,))
        assert part is not None
        return html.unescape(str(part.get_content()))

    mail = sent(3)
    subject = mail.message["Subject"]
    assert sorted(subject.find(one["summary"]) for one in texts)[0] == len("[P1 FIRING] ")
    assert subject.endswith(" (several, 3 alerts)")
    for kind in ("plain", "html"):
        for rule, one in zip(rules, texts, strict=True):
            assert f"Alert: {rule.alert.name} (several)" in content(mail, kind)
            assert all(one[name] in content(mail, kind) for name in ("summary", "description", "runbook_url"))

    left = sent(2, rules[0])
    assert texts[0]["summary"] not in left.message["Subject"]
    assert all(one["summary"] in left.message["Subject"] for one in texts[1:])
    assert f"Resolved\n\n{texts[0]['summary']}" in content(left, "plain").replace("\r\n", "\n")


@every_version
def test_hosts_that_share_an_alert_are_named_once_in_the_title(version: str, folder: Path) -> None:
    ends = rule_for(disputes.dispute_rate_high)
    (receiver,) = (one for one in CONFIG["receivers"] if one["name"] == "payments-p1")
    title = receiver["slack_configs"][0]["title"]
    summary = annotations_of(ends)["summary"]
    found = rendered(version, folder, title, message_of((ends, "firing"), (ends, "firing")))
    assert found == f"[{dict(ends.labels)['priority']} FIRING] {summary} (production, 2 alerts)"


def test_the_end_of_an_alert_is_told_with_its_moment(delivering: tuple[Alertmanager, Inbox[Mail]]) -> None:
    server, _ = delivering
    rule = rule_for(health.health_down)
    began = datetime.now(UTC) - timedelta(minutes=7)
    server.post(since(firing(rule, environment="end"), began))
    title = annotations_of(rule)["summary"]

    def about(status: str) -> Any:
        return server.told.first(
            lambda message: message.path == "/slack" and f"{status}] {title}" in message.body["attachments"][0]["title"]
        ).body["attachments"][0]

    assert about("FIRING")["color"] == "#E69F00"
    ended = datetime.now(UTC)
    server.post(since(firing(rule, environment="end"), began) | {"endsAt": ended.isoformat()})
    assert about("RESOLVED")["color"] == "#009E73"
    assert f"Until: {ended:%Y-%m-%d %H:%M} UTC" in about("RESOLVED")["text"]


def test_a_ticket_is_opened_and_closed_at_any_hour(delivering: tuple[Alertmanager, Inbox[Mail]]) -> None:
    """A relay that wants business hours has both; Alertmanager would lose the end of a ticket that ends at night."""
    server, _ = delivering
    ticket = firing(next(rule for rule in RULES if rule.threshold.priority is Priority.P4))

    def told(status: str) -> None:
        name = ticket["labels"]["alertname"]
        server.told.first(
            lambda message: (
                message.path == "/relay/payments"
                and message.body["status"] == status
                and message.body["alerts"][0]["labels"]["alertname"] == name
            )
        )

    server.post(ticket)
    told("firing")
    server.post({**ticket, "endsAt": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()})
    told("resolved")


def data_for_amtool(status: str) -> dict[str, Any]:
    """Every alert of production in one message, as Alertmanager gives it to a template."""
    return message_of(*((rule, status) for rule in RULES if dict(rule.labels)["environment"] == "production"))


def message_of(*alerts: tuple[AlertingRule, str]) -> dict[str, Any]:
    """The alerts with their statuses in one message, as Alertmanager gives it to a template."""
    return {
        "receiver": "payments-p3",
        "status": "firing" if any(status == "firing" for _, status in alerts) else "resolved",
        "alerts": [
            {
                "status": status,
                "labels": labels_of(rule),
                "annotations": annotations_of(rule),
                "startsAt": "2025-08-10T12:00:00Z",
                "endsAt": "2025-08-10T12:34:56Z",
                "generatorURL": "http://prometheus/graph",
            }
            for rule, status in alerts
        ],
        "groupLabels": {},
        "commonLabels": {"environment": "production"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
    }


@every_version
@pytest.mark.parametrize("status", ["firing", "resolved"])
@pytest.mark.parametrize(("name", "kind"), [("slack.text", "text"), ("mail.text", "text"), ("mail.html", "html")])
def test_every_alert_says_what_since_when_why_and_where_to_look(
    version: str, status: str, name: str, kind: str, folder: Path
) -> None:
    text = rendered(version, folder, f'{{{{ template "paymon.{name}" . }}}}', data_for_amtool(status), kind)
    plain = html.unescape(text)
    for rule in RULES:
        if dict(rule.labels)["environment"] == "production":
            for line in annotations_of(rule).values():
                assert line in plain, rule.alert.name
    alerts = len(RULES) // 2
    assert plain.count("Since: 2025-08-10 12:00 UTC") == alerts
    assert plain.count("Until: 2025-08-10 12:34 UTC") == (alerts if status == "resolved" else 0)
    assert "<no value>" not in plain


def rendered(version: str, folder: Path, text: str, data: dict[str, Any], kind: str = "text") -> str:
    """What Alertmanager makes of a setting's text, for that message."""
    (folder / "data.json").write_text(json.dumps(data))
    return amtool(
        version,
        "template",
        "render",
        f"--template.glob={folder / 'templates' / '*.tmpl'}",
        f"--template.text={text}",
        f"--template.type={kind}",
        f"--template.data={folder / 'data.json'}",
    )


@every_version
def test_a_message_in_which_something_has_ended_links_to_what_goes_on(version: str, folder: Path) -> None:
    ended, goes_on = rule_for(account.account_disabled), rule_for(silence.traffic_stopped)
    (receiver,) = (one for one in CONFIG["receivers"] if one["name"] == "payments-p1")
    (slack,), (pager,) = receiver["slack_configs"], receiver["pagerduty_configs"]
    settings = (slack["title_link"], *(link["href"] for link in pager["links"]))

    def links(*alerts: tuple[AlertingRule, str]) -> list[str]:
        return [rendered(version, folder, text, message_of(*alerts)) for text in settings]

    def own(rule: AlertingRule, until: str) -> list[str]:
        """Its runbook twice, and its panel from an hour before 12:00."""
        annotations = annotations_of(rule)
        panel = f"{annotations['dashboard_url']}&from=1754823600000&to={until}"
        return [annotations["runbook_url"], annotations["runbook_url"], panel]

    mixed = ((ended, "resolved"), (goes_on, "firing"))
    assert rendered(version, folder, slack["title"], message_of(*mixed)).startswith(
        f"[P1 FIRING] {annotations_of(goes_on)['summary']}"
    )
    assert links(*mixed) == own(goes_on, "now")
    assert links((ended, "resolved"), (goes_on, "resolved")) == own(ended, "1754829896000")


@every_version
def test_slack_says_what_fires_and_what_has_ended_under_a_heading_each(version: str, folder: Path) -> None:
    ended, goes_on = rule_for(account.account_disabled), rule_for(silence.traffic_stopped)

    def headings(*alerts: tuple[AlertingRule, str]) -> list[str]:
        text = rendered(version, folder, '{{ template "paymon.slack.text" . }}', message_of(*alerts))
        return [line for line in text.splitlines() if line.startswith(("_", "*"))]

    first, second = (f"*{annotations_of(rule)['summary']}*" for rule in (goes_on, ended))
    assert headings((ended, "resolved"), (goes_on, "firing")) == ["_Firing_", first, "_Resolved_", second]
    assert headings((goes_on, "firing")) == ["_Firing_", first]
    assert headings((ended, "resolved")) == ["_Resolved_", second]


# ---- bad input


def with_alert(**changes: object) -> Catalog:
    """The catalog with other thresholds for the alert on old answers of the health endpoint."""
    areas = []
    for area in CATALOG.areas:
        alerts = tuple(
            replace(alert, **changes) if alert.name == health.health_answer_stale.name else alert  # type: ignore[arg-type]
            for alert in area.alerts
        )
        areas.append(replace(area, alerts=alerts))
    return replace(CATALOG, areas=tuple(areas))


def messages(broken: Catalog) -> list[str]:
    return [str(problem) for problem in alertmanager_problems(broken)]


def test_the_catalog_itself_has_no_problem() -> None:
    assert messages(CATALOG) == []


def test_an_alert_that_no_route_catches_is_a_problem() -> None:
    (threshold,) = health.health_answer_stale.thresholds
    unheard = replace(threshold, priority=Priority.NONE, severity=Severity.NONE)
    assert messages(with_alert(thresholds=(unheard,))) == [
        "rules.payments.health: alert PaymentHealthAnswerStale has priority none, which no route catches; "
        "give it a priority from P1 to P4"
    ]


def test_a_heartbeat_that_nobody_waits_for_is_a_problem() -> None:
    contacts = tuple(contact for contact in ORGANISATION.contacts if contact is not DEAD_MAN)
    assert messages(replace(CATALOG, organisation=replace(ORGANISATION, contacts=contacts))) == [
        "rules.payments.monitoring: alert PaymentsWatchdog has priority none, which no route catches; "
        "add a contact with a dead man's switch"
    ]


def with_policy(policy: PriorityPolicy) -> Catalog:
    policies = tuple(policy if one.priority is policy.priority else one for one in ORGANISATION.policies)
    return replace(CATALOG, organisation=replace(ORGANISATION, policies=policies))


def test_a_priority_that_is_told_by_phone_only_is_a_problem() -> None:
    by_phone = replace(ORGANISATION.policy(Priority.P2), notifies=(STRIPE_SUPPORT,))
    assert messages(with_policy(by_phone)) == [
        "organisation: policy P2 notifies nobody whom Alertmanager can reach; "
        "name a contact with PagerDuty, Slack, e-mail or the ticket system"
    ]


def test_an_environment_that_wakes_nobody_needs_another_way_than_a_pager() -> None:
    pager_only = replace(ORGANISATION.policy(Priority.P3), notifies=(ON_CALL,))
    assert messages(with_policy(pager_only)) == [
        "organisation: environment staging wakes nobody, and the policy of P3 notifies a pager only; "
        "let P3 notify Slack or e-mail as well",
        "rules.payments.rollout: alert PaymentsKillSwitchActive is told at once, though it wakes nobody, and the "
        "policy of P3 notifies a pager only; let P3 notify Slack or e-mail as well",
    ]


def test_an_alert_that_a_less_urgent_one_hides_is_a_problem() -> None:
    hidden = with_alert(hidden_by=(monitoring.labels_overflowing,))
    assert messages(hidden) == [
        "rules.payments.health: alert PaymentHealthAnswerStale has priority P3, and PaymentLabelsOverflowing with only "
        "P4 hides it; remove that one from hidden_by, or make it as urgent"
    ]


def test_an_incident_of_its_own_below_p1_is_a_problem() -> None:
    assert messages(with_alert(own_incident=True)) == [
        "rules.payments.health: alert PaymentHealthAnswerStale is an incident of its own, which only a P1 has to be "
        "told to be; leave own_incident out, or override it with own_incident=False"
    ]


def test_an_override_that_makes_an_incident_of_its_own_a_p2_says_that_it_is_none_any_more() -> None:
    """As of one that makes an alert less urgent than those that it hides: what is not overridden stays as it was."""
    name = outcomes.kill_switch_ineffective.name
    less_urgent = PAYMENTS.override(name, priority=Priority.P2, because="the switch is somebody else's")
    assert messages(less_urgent.of(PEOPLE, SERVICE)) == [
        f"rules.payments.outcomes: alert {name} is an incident of its own, which only a P1 has to be told to be; "
        "leave own_incident out, or override it with own_incident=False"
    ]
    said = less_urgent.override(name, own_incident=False, because="the switch is somebody else's")
    assert messages(said.of(PEOPLE, SERVICE)) == []


@pytest.mark.slow
def test_problems_are_told_all_at_once() -> None:
    (threshold,) = health.health_answer_stale.thresholds
    unheard = replace(threshold, priority=Priority.NONE, severity=Severity.NONE)
    contacts = tuple(contact for contact in ORGANISATION.contacts if contact is not DEAD_MAN)
    broken = replace(with_alert(thresholds=(unheard,)), organisation=replace(ORGANISATION, contacts=contacts))
    assert len(messages(broken)) == 2
