"""Is what runs what is defined? Asked of a Prometheus and an Alertmanager that have the generated files, or nearly."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from generators.alertmanager import alertmanager_files
from generators.dashboards import CLASSIC, dashboard_files
from generators.files import environment_files, generated_files
from generators.revision import revision
from generators.rules import AlertingRule, rule_groups
from paymon.drift.alertmanager import alertmanager
from paymon.drift.command import drift
from paymon.drift.grafana import grafana
from paymon.drift.layers import Layer, Verdict, files
from paymon.drift.presence import presence
from paymon.drift.revision import revision_that_runs
from paymon.drift.routes import takes
from paymon.drift.rules import prometheus_rules
from paymon.live.access import Access
from paymon.live.http import configuration
from paymon.live.prometheus import Prometheus
from paymon.programs import find
from rules.catalog import catalog
from rules.vocabulary import Channel, Contact
from tests import servers
from tests.paymon.live import stories
from tests.paymon.live.conftest import Live
from tests.paymon.live.test_prometheus import Answer, answering
from tests.paymon.live.world import serving
from tests.servers import prometheus
from tests.versions import ALERTMANAGER, PROMETHEUS

CATALOG = catalog()
PRODUCTION = CATALOG.organisation.environments[0]


@contextmanager
def loaded(version: str, folder: Path, change: tuple[str, str] = ("", "")) -> Iterator[Prometheus]:
    """A Prometheus with the rules of production, of which one text was exchanged for another."""
    rules = folder / "rules"
    rules.mkdir(parents=True)
    found = environment_files(CATALOG, PRODUCTION)
    changed = 0
    for path, text in found.items():
        if "/rules/" in path:
            changed += text.count(change[0]) if change[0] else 0
            if path.endswith("definitions-info.yml"):
                text = text.replace("interval: 30s", "interval: 1s")
            (rules / Path(path).name).write_text(text.replace(*change) if change[0] else text)
    assert bool(changed) == bool(change[0])
    config = f'rule_files: ["{rules}/*.yml"]\n'
    with (
        prometheus(find("prometheus", version), config, folder / "server") as url,
        Prometheus(Access(url=url)) as asked,
    ):
        yield asked


@pytest.mark.parametrize("version", PROMETHEUS)
def test_prometheus_with_the_generated_rules_is_as_defined(version: str, tmp_path: Path) -> None:
    with loaded(version, tmp_path) as asked:
        assert prometheus_rules(asked, CATALOG, PRODUCTION) == Layer("prometheus rules", Verdict.SAME)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("< 0.95", "< 0.94"), "PaymentSuccessRateLow is loaded with another expression"),
        (("for: 2m", "for: 3m"), "waits 180"),
        (
            ("record: payments:attempts:absent", "record: payments:attempts:gone"),
            "payments:attempts:absent is not loaded",
        ),
        (("record: payments:attempts:absent", "record: payments:attempts:gone"), "payments:attempts:gone is loaded in"),
        (("priority: P1", "priority: P3"), "is loaded with other labels"),
        (
            ("payments.production.outcomes", "payments.production.other"),
            "group payments.production.outcomes is not loaded",
        ),
        (("payments.production.outcomes", "payments.production.other"), "other is loaded and not defined"),
    ],
)
def test_each_way_to_differ_is_told(change: tuple[str, str], words: str, tmp_path: Path) -> None:
    with loaded("3.5", tmp_path, change) as asked:
        found = prometheus_rules(asked, CATALOG, PRODUCTION)
    assert found.verdict is Verdict.DRIFT
    assert words in "\n".join(found.findings)


@pytest.mark.parametrize("version", PROMETHEUS)
def test_one_query_tells_which_revision_runs(version: str, tmp_path: Path) -> None:
    ours = revision(CATALOG, PRODUCTION)
    with loaded(version, tmp_path) as asked:
        found = when_recorded(asked)
    assert found == Layer("revision", Verdict.SAME)
    with loaded(version, tmp_path / "older", (ours, "r0123456789ab")) as asked:
        found = when_recorded(asked)
        rules = prometheus_rules(asked, CATALOG, PRODUCTION)
    assert found.verdict is Verdict.DRIFT
    assert "r0123456789ab runs" in found.findings[0]
    assert f"where {ours} is defined" in found.findings[0]
    assert rules.findings == (f"paymon_definitions_info is loaded of r0123456789ab, not of {ours}",)


def when_recorded(asked: Prometheus) -> Layer:
    """What is said of the revision once the rules have been evaluated."""
    deadline = time.monotonic() + 600
    while (found := revision_that_runs(asked, CATALOG, PRODUCTION, time.time())).verdict is Verdict.UNKNOWN:
        assert time.monotonic() < deadline, found.findings
        time.sleep(0.5)
    return found


def test_a_server_whose_rules_nobody_evaluates_cannot_tell_which_revision_runs(live: Live) -> None:
    with live.ask() as asked:
        found = revision_that_runs(asked, CATALOG, PRODUCTION, time.time())
    assert found.verdict is Verdict.UNKNOWN
    assert "not evaluated here" in found.findings[0]


def test_a_prometheus_without_our_rules_is_drift_and_not_as_defined(live: Live) -> None:
    with live.ask() as asked:
        found = prometheus_rules(asked, CATALOG, PRODUCTION)
    assert found.verdict is Verdict.DRIFT
    assert "is loaded" in found.findings[0]


def test_metrics_that_are_missing_or_of_another_job_are_told(live: Live) -> None:
    with live.ask() as asked:
        found = presence(asked, CATALOG, stories.PRODUCTION.environment, live.end - 600)
    text = "\n".join(found.findings)
    assert found.verdict is Verdict.DRIFT
    assert "stripe_window_charges is not there" in text
    assert "payment_attempts_total is not there" not in text
    assert "payment_attempts_total is scraped" in text  # the stories have a sample every 30 s


@pytest.mark.parametrize(("version", "of_prometheus"), [("0.25", "2.42"), ("0.33", "3.5")])
def test_labels_that_only_some_versions_and_features_give_are_no_drift(
    version: str, of_prometheus: str, tmp_path: Path
) -> None:
    text = alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"]
    with alertmanager_with(text, tmp_path / "alertmanager", version) as url:
        config = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: alertmanager
  static_configs: [{{targets: ["{url.removeprefix("http://")}"]}}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{url.removeprefix("http://")}"]}}]}}]}}
"""
        folder = tmp_path / "prometheus"
        with prometheus(find("prometheus", of_prometheus), config, folder) as scraping, asked_of(scraping) as asked:
            deadline = time.monotonic() + 300
            name = "alertmanager_notifications_failed_total"
            while not asked.query(f"max(count_over_time({name}[150s])) >= 10", time.time()):
                assert time.monotonic() < deadline
                time.sleep(0.5)
            found = presence(asked, CATALOG, PRODUCTION, time.time())
    assert "payment_attempts_total is not there" in found.findings
    assert not [line for line in found.findings if name in line]


@pytest.mark.slow
def test_how_often_a_metric_that_has_just_come_is_scraped_cannot_be_told_and_is_no_drift(tmp_path: Path) -> None:
    now = float(int(time.time()))
    labels = 'alertname="a",environment="production",service="payments",job="alertmanager",integration="slack"'
    series = f"alertmanager_notifications_failed_total{{{labels}}}"
    for began, verdict in ((now - 10, "told"), (now - 400, "seldom")):
        samples = [(at, 1.0) for at in (began, now - 10)]
        with serving("3.5", [(series, sorted(set(samples)))], tmp_path / verdict) as url, asked_of(url) as asked:
            found = presence(asked, CATALOG, PRODUCTION, now)
        lines = [line for line in found.findings if "alertmanager_notifications_failed_total" in line]
        if verdict == "seldom":
            assert "is scraped 1 times in 150s" in lines[0]
        else:
            assert "began less than 150s ago" in lines[0]
        assert len(lines) == 1


# Alertmanager


def asked_of(url: str) -> Prometheus:
    return Prometheus(Access(url=url))


@contextmanager
def alertmanager_with(text: str, folder: Path, version: str) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (folder / "alertmanager.yml").write_text(text.replace("templates/*.tmpl", str(folder / "none" / "*.tmpl")))
    with servers.alertmanager(find("alertmanager", version), folder / "alertmanager.yml") as url:
        yield url


def told_by(url: str) -> Layer:
    access = Access(url=url)
    with access.client() as client:
        return alertmanager(configuration(client, access), CATALOG)


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_an_alertmanager_with_the_generated_configuration_is_as_defined(version: str, tmp_path: Path) -> None:
    text = alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"]
    with alertmanager_with(text, tmp_path, version) as url:
        assert told_by(url) == Layer("alertmanager", Verdict.SAME)


def test_the_fragment_in_somebody_elses_configuration_is_as_defined(tmp_path: Path) -> None:
    ours = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    other = {
        "receiver": "theirs",
        "routes": [{"matchers": ['team="web"'], "receiver": "theirs"}, *ours["route"]["routes"]],
    }
    templates = [f"{tmp_path}/theirs.tmpl", f"{tmp_path}/paymon.tmpl"]
    whole = {**ours, "route": other, "receivers": [{"name": "theirs"}, *ours["receivers"]], "templates": templates}
    with alertmanager_with(yaml.safe_dump(whole), tmp_path, "0.33") as url:
        assert told_by(url) == Layer("alertmanager", Verdict.SAME)


@pytest.mark.parametrize(
    ("templates", "verdict", "said"),
    [
        ([], Verdict.DRIFT, "it has no templates, where ours need paymon.tmpl; list it: without it messages fail"),
        (
            ["none/theirs.tmpl", "none/*.txt"],
            Verdict.UNKNOWN,
            "have another name than paymon.tmpl; see that one has what",
        ),
        (["none/pay*.tmpl"], Verdict.SAME, ""),
    ],
)
def test_that_messages_would_arrive_without_words_is_told(
    templates: list[str], verdict: Verdict, said: str, tmp_path: Path
) -> None:
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    with alertmanager_with(yaml.safe_dump({**whole, "templates": templates}), tmp_path, "0.33") as url:
        layer = told_by(url)
    assert (layer.verdict, len(layer.findings)) == (verdict, 1 if said else 0)
    assert said in "".join(layer.findings)


def test_who_is_told_by_webhooks_alone_needs_no_templates() -> None:
    def by_webhook(contacts: tuple[Contact, ...]) -> tuple[Contact, ...]:
        words = (Channel.PAGERDUTY, Channel.SLACK, Channel.EMAIL)
        return tuple(replace(one, channel=Channel.TICKET) if one.channel in words else one for one in contacts)

    organisation = CATALOG.organisation
    policies = tuple(
        replace(one, notifies=by_webhook(one.notifies), escalates_to=by_webhook(one.escalates_to))
        for one in organisation.policies
    )
    contacts = by_webhook(organisation.contacts)
    ours = replace(CATALOG, organisation=replace(organisation, contacts=contacts, policies=policies))
    whole = yaml.safe_load(alertmanager_files(ours)["alertmanager/alertmanager.yml"])
    assert {kind for one in whole["receivers"] for kind in one} == {"name", "webhook_configs"}
    status = {"config": {"original": yaml.safe_dump({**whole, "templates": []})}}
    assert alertmanager(status, ours) == Layer("alertmanager", Verdict.SAME)


Configuration = dict[str, Any]


def _muted(whole: Configuration) -> None:
    ours = whole["route"]["routes"][0]
    for route in (ours, *ours["routes"]):
        route["mute_time_intervals"] = ["nights"]
    whole["time_intervals"] = [
        {"name": "nights", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]}
    ]


def _after(route: Configuration) -> Callable[[Configuration], None]:
    """That route comes before ours."""

    def change(whole: Configuration) -> None:
        whole["route"]["routes"].insert(0, route)
        whole["receivers"].append({"name": "nobody"})

    return change


def _below(matcher: str, **more: object) -> Callable[[Configuration], None]:
    """Ours are below a route with that matcher."""

    def change(whole: Configuration) -> None:
        whole["route"]["routes"] = [{"matchers": [matcher], "routes": whole["route"]["routes"], **more}]

    return change


@pytest.mark.parametrize(
    "change",
    [
        _after({"matchers": ['severity=~".+"'], "receiver": "nobody", "continue": True}),
        _after({"matchers": ['team="web"', 'severity="critical"'], "receiver": "nobody"}),
        _after({"match_re": {"team": "web|search"}, "receiver": "nobody"}),
        _after({"matchers": ['alertname="Payments"'], "receiver": "nobody"}),
        _after({"matchers": ['team=~"pay"'], "receiver": "nobody"}),
        _below('team=~"payments|web"'),
        _below('service!="shop"'),
    ],
)
def test_what_stands_beside_ours_and_takes_none_of_our_alerts_is_no_drift(
    change: Callable[[Configuration], None], tmp_path: Path
) -> None:
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    change(whole)
    with alertmanager_with(yaml.safe_dump(whole), tmp_path, "0.33") as url:
        assert told_by(url) == Layer("alertmanager", Verdict.SAME)


@pytest.mark.parametrize(
    ("route", "taken"),
    [
        ({}, True),
        ({"matchers": ['team="payments"', 'tier!="slow"']}, True),
        ({"matchers": ["team = payments", "tier != slow"]}, True),
        ({"matchers": ['team=~"pay|web"']}, False),
        ({"matchers": ['team=~"pay.*|web"']}, True),
        ({"matchers": ['team!~"pay"']}, True),
        ({"matchers": ['team!~"payments|web"']}, False),
        ({"matchers": ['note="a \\"b\\"\\nc"']}, True),
        ({"match": {"team": "payments"}, "match_re": {"tier": "f.*"}}, True),
        ({"match": {"team": "payments"}, "match_re": {"tier": "s.*"}}, False),
        ({"matchers": ['cluster="eu"']}, None),
        ({"matchers": ['cluster!="eu"', 'team="payments"']}, None),
        ({"matchers": ['cluster="eu"', 'team="web"']}, False),
        ({"matchers": ['team=~"("']}, None),
        ({"matchers": ["{nobody can read this}"]}, None),
    ],
)
def test_a_route_takes_an_alert_as_alertmanager_decides(route: Configuration, taken: bool | None) -> None:
    assert takes(route, {"team": "payments", "tier": "fast", "note": 'a "b"\nc'}) is taken


@pytest.mark.slow
def test_where_it_turns_on_labels_that_no_rule_gives_that_is_told(tmp_path: Path) -> None:
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    _below('cluster="eu"')(whole)
    with alertmanager_with(yaml.safe_dump(whole), tmp_path, "0.33") as url:
        found = told_by(url)
    assert (found.verdict, 'our route is below one for cluster="eu"' in found.findings[0]) == (Verdict.UNKNOWN, True)
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    _after({"matchers": ['namespace="theirs"'], "receiver": "nobody"})(whole)
    with alertmanager_with(yaml.safe_dump(whole), tmp_path, "0.33") as url:
        found = told_by(url)
    assert (found.verdict, 'the route for namespace="theirs" comes before ours' in found.notes[0]) == (
        Verdict.SAME,
        True,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one["route"]["routes"][0].update(repeat_interval="9h"), "repeat_interval is 9h"),
        (lambda one: one["route"]["routes"][0]["routes"].reverse(), "in another order"),
        (lambda one: one["route"].update(routes=[]), "no route has the matchers"),
        (_muted, "mute_time_intervals is ['nights'], not None"),
        (
            _after({"matchers": ['severity=~".+"'], "receiver": "nobody"}),
            'the route for severity=~".+" comes before ours, has no continue, and takes every alert of ours',
        ),
        (
            _after({"match": {"alertname": "PaymentsCompleteFailure"}, "receiver": "nobody"}),
            'the route for alertname="PaymentsCompleteFailure" comes before ours, has no continue, and takes PaymentsC',
        ),
        (_below('team="web"'), 'our route is below one for team="web", which leaves out every alert of ours'),
        (_below('priority!~"P[34]"'), 'our route is below one for priority!~"P[34]", which leaves out '),
    ],
)
def test_each_way_in_which_alertmanager_differs_is_told(change: object, words: str, tmp_path: Path) -> None:
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    change(whole)  # type: ignore[operator]
    with alertmanager_with(yaml.safe_dump(whole), tmp_path, "0.33") as url:
        found = told_by(url)
    assert found.verdict is Verdict.DRIFT
    assert words in "\n".join(found.findings)


@pytest.mark.parametrize(
    "change",
    [_below('environment="production"'), _after({"matchers": ['environment="staging"'], "receiver": "nobody"})],
)
def test_alerts_of_other_environments_may_go_elsewhere(change: Callable[[Configuration], None]) -> None:
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    change(whole)
    status = {"config": {"original": yaml.safe_dump(whole)}}
    assert alertmanager(status, CATALOG, environment="production").verdict is Verdict.SAME
    assert alertmanager(status, CATALOG, environment="staging").verdict is Verdict.DRIFT


COMPLETE_FAILURE = next(
    {**dict(rule.labels), "alertname": rule.alert.name}
    for group in rule_groups(CATALOG, PRODUCTION)
    for rule in group.rules
    if isinstance(rule, AlertingRule) and rule.alert.name == "PaymentsCompleteFailure"
)


def _ours_besides(**labels: str) -> dict[str, str]:
    return {**COMPLETE_FAILURE, **labels}


NODE_DOWN = {"alertname": "NodeDown", "severity": "critical", "node": "a"}
CRITICAL = ['severity="critical"']


@pytest.mark.parametrize(
    ("rule", "source", "hidden"),
    [
        ({"source_matchers": ['alertname="NodeDown"'], "target_matchers": CRITICAL}, NODE_DOWN, True),
        ({"source_match": {"alertname": "NodeDown"}, "target_match_re": {"team": "pay.*|web"}}, NODE_DOWN, True),
        ({"source_matchers": ['alertname="NodeDown"'], "target_matchers": ['team!="payments"']}, NODE_DOWN, False),
        (
            {"source_matchers": ['alertname="NodeDown"'], "target_matchers": CRITICAL, "equal": ["node"]},
            NODE_DOWN,
            False,
        ),
        (
            {"source_matchers": ['team="web"'], "target_matchers": CRITICAL, "equal": ["team"]},
            {"alertname": "WebDown", "team": "web"},
            False,
        ),
        (
            {"source_matchers": CRITICAL, "target_matchers": ['severity=~"critical|warning"'], "equal": ["service"]},
            _ours_besides(alertname="PaymentsTrafficStopped"),
            False,
        ),
        (
            {"source_matchers": CRITICAL, "target_matchers": ['severity=~"warning|info"'], "equal": ["alertname"]},
            _ours_besides(severity="warning"),
            False,
        ),
        (
            {
                "source_matchers": ['environment="staging"'],
                "target_matchers": ['priority="P1"'],
                "equal": ["alertname"],
            },
            _ours_besides(environment="staging", priority="P3", severity="warning"),
            True,
        ),
        (
            {"source_matchers": ['alertname="PaymentsKillSwitchActive"'], "target_matchers": ['team="payments"']},
            {**COMPLETE_FAILURE, "alertname": "PaymentsKillSwitchActive", "priority": "P4", "severity": "info"},
            True,
        ),
        (
            {"source_matchers": ['environment="staging"'], "target_matchers": ['environment="staging"']},
            _ours_besides(environment="staging"),
            False,
        ),
    ],
)
def test_an_inhibition_of_others_that_hides_a_p1_is_told_and_no_other(
    rule: Configuration, source: Mapping[str, str], hidden: bool, tmp_path: Path
) -> None:
    """Whether it hides one, Alertmanager itself says of the alert that fires beside one of the others."""
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    with alertmanager_with(yaml.safe_dump({**whole, "inhibit_rules": [rule]}), tmp_path, "0.33") as url:
        found = told_by(url)
        access = Access(url=url)
        with access.client() as client:
            alerts = [{"labels": labels} for labels in (source, COMPLETE_FAILURE)]
            client.post("/api/v2/alerts", json=alerts).raise_for_status()
            for _ in range(100 if hidden else 20):
                listed = [one for one in client.get("/api/v2/alerts").json() if one["labels"] == COMPLETE_FAILURE]
                inhibited = [one["status"]["inhibitedBy"] for one in listed]
                if inhibited and inhibited[0]:
                    break
                time.sleep(0.1)
    assert len(inhibited) == 1
    assert bool(inhibited[0]) == hidden
    assert (found.verdict is Verdict.DRIFT) == hidden, found
    assert bool(found.findings) == hidden
    if hidden:
        [line] = found.findings
        assert "PaymentsCompleteFailure" in line or "every P1 of ours" in line


def inhibiting(rule: Configuration, environment: str | None = None) -> Layer:
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    status = {"config": {"original": yaml.safe_dump({**whole, "inhibit_rules": [rule]})}}
    return alertmanager(status, CATALOG, environment=environment)


def test_an_inhibition_is_named_by_whom_it_hides_and_behind_what() -> None:
    found = inhibiting({"source_matchers": ['alertname="NodeDown"'], "target_matchers": ['priority="P1"']})
    assert found.findings == (
        'an inhibition hides every P1 of ours (priority="P1") while an alert with alertname="NodeDown" fires',
    )
    one = {"source_match": {"a": "b"}, "target_match": {"alertname": "PaymentsTrafficStopped"}, "equal": ["service"]}
    assert inhibiting(one).findings == (
        'an inhibition hides PaymentsTrafficStopped (alertname="PaymentsTrafficStopped") while an alert with a="b" and'
        " the same service fires",
    )


def test_an_inhibition_of_another_environment_is_none_of_this_one_s() -> None:
    rule = {"source_matchers": ["alertname=NodeDown"], "target_matchers": ["environment=staging"]}
    assert inhibiting(rule, "production") == Layer("alertmanager", Verdict.SAME)


def test_an_inhibition_that_turns_on_labels_that_no_rule_gives_is_told_as_such() -> None:
    same_node = {"source_matchers": ["alertname=NodeDown"], "target_matchers": CRITICAL, "equal": ["node"]}
    found = inhibiting(same_node)
    assert found.verdict is Verdict.SAME
    assert found.notes == (
        'an inhibition hides every P1 of ours (severity="critical") while an alert with alertname="NodeDown" and the'
        " same node fires; no rule of ours gives node, and something may",
    )
    of_theirs = {"source_matchers": ["alertname=NodeDown"], "target_matchers": ['namespace="web"']}
    found = inhibiting(of_theirs)
    assert found.verdict is Verdict.SAME
    assert found.notes[0].endswith("no rule of ours gives namespace, and something may")
    not_theirs = {"source_matchers": ["alertname=NodeDown"], "target_matchers": ['namespace!="web"']}
    found = inhibiting(not_theirs)
    assert found.verdict is Verdict.UNKNOWN
    assert 'an inhibition hides every P1 of ours (namespace!="web")' in found.findings[0]


def test_an_inhibition_of_what_wakes_people_after_a_p1_is_a_note() -> None:
    found = inhibiting({"source_matchers": ["priority=P1"], "target_matchers": ["priority=P2"], "equal": ["service"]})
    assert (found.verdict, found.findings) == (Verdict.SAME, ())
    assert found.notes[0].startswith('an inhibition hides every P2 of ours (priority="P2") while an alert with')


@pytest.mark.parametrize("original", ["", "a word", "[a, list]", "receivers: []", "route: a word", "a: [", 7])
def test_an_alertmanager_that_tells_nothing_cannot_be_told(original: object) -> None:
    assert alertmanager({}, CATALOG).verdict is Verdict.UNKNOWN
    assert alertmanager({"config": {"original": original}}, CATALOG).verdict is Verdict.UNKNOWN


def test_answers_in_part_are_told_beside_what_was_made_of_them(tmp_path: Path) -> None:
    def answer(_count: int, path: str, _form: object) -> Answer:
        nothing: object = {"groups": []} if path.endswith("/rules") else {"resultType": "vector", "result": []}
        return Answer(200, {"status": "success", "data": nothing, "isPartial": True})

    with answering(answer) as server:
        found = CliRunner().invoke(drift, ["--files", str(tmp_path), "--prometheus", server.url])
    assert "CANNOT TELL prometheus' answers\n  the answer is partial: some storage did not reply" in found.output


# Grafana, files and the command


def test_dashboards_that_are_missing_or_changed_are_told() -> None:
    models = {
        Path(path).stem: json.loads(text) for path, text in dashboard_files(CATALOG).items() if path.startswith(CLASSIC)
    }
    served = {uid: {**model, "id": 7, "version": 3} for uid, model in models.items()}
    assert grafana(CATALOG, served).verdict is Verdict.SAME
    first, second, *_ = served
    served[first]["title"] = "mine"
    del served[second]
    assert sorted(grafana(CATALOG, served).findings) == sorted(
        [f"dashboard {first} differs in title", f"dashboard {second} is not there"]
    )


class _Grafana(BaseHTTPRequestHandler):
    """Grafana's own "get dashboard by uid", as its documentation shows it, below a path and behind a token."""

    models: Mapping[str, Mapping[str, object]] = {}

    def do_GET(self) -> None:
        prefix, uid = "/grafana/api/dashboards/uid/", self.path.rsplit("/", 1)[-1]
        if self.headers.get("Authorization") != "Bearer glsa_right":
            self._answer(401, {"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401})
        elif self.path != prefix + uid or uid not in self.models:
            self._answer(404, {"accessErrorId": "", "message": "Dashboard not found", "status": "not-found"})
        else:
            meta = {"isStarred": False, "url": f"/d/{uid}/a", "slug": "a", "provisioned": True, "folderId": 0}
            self._answer(200, {"dashboard": {"id": 1, "version": 4, **self.models[uid]}, "meta": meta})

    def _answer(self, status: int, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def grafana_url() -> Iterator[str]:
    _Grafana.models = {
        Path(path).stem: json.loads(text) for path, text in dashboard_files(CATALOG).items() if path.startswith(CLASSIC)
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Grafana)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/grafana"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(100)


def grafana_layer(url: str, folder: Path, token: str) -> dict[str, object]:
    (folder / "token").write_text(f"{token}\n")
    asked = ["--grafana", url, "--grafana-token-file", str(folder / "token"), "--json", "--files", str(folder)]
    found = CliRunner().invoke(drift, asked)
    assert token not in found.output
    [layer] = [one for one in json.loads(found.stdout)["layers"] if one["layer"] == "grafana"]
    return layer  # type: ignore[no-any-return]


def test_grafana_is_asked_for_each_dashboard(grafana_url: str, tmp_path: Path) -> None:
    assert grafana_layer(grafana_url, tmp_path, "glsa_right")["verdict"] == "as defined"
    first, second, *_ = _Grafana.models
    _Grafana.models = {
        uid: {**model, "panels": []} if uid == first else model
        for uid, model in _Grafana.models.items()
        if uid != second
    }
    found = grafana_layer(grafana_url, tmp_path, "glsa_right")
    assert found["verdict"] == "DRIFT"
    assert sorted(map(str, found["findings"])) == sorted(  # type: ignore[call-overload]
        [f"dashboard {first} differs in panels", f"dashboard {second} is not there"]
    )


def test_a_grafana_that_does_not_know_who_asks_cannot_be_told(grafana_url: str, tmp_path: Path) -> None:
    found = grafana_layer(grafana_url, tmp_path, "glsa_wrong")
    assert found["verdict"] == "CANNOT TELL"
    assert "forbids it (401)" in str(found["findings"])


def test_where_no_dashboard_of_ours_is_the_address_may_be_wrong(grafana_url: str, tmp_path: Path) -> None:
    found = grafana_layer(grafana_url.removesuffix("/grafana"), tmp_path, "glsa_right")
    assert found["verdict"] == "DRIFT"
    assert "none of the" in str(found["findings"])


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, "<html>404</html>"),
        Answer(404, {"hello": "world"}),
        Answer(404, {"message": "Not found"}),
        Answer(404, ["dashboard"]),
        Answer(200, {"hello": "world"}),
        Answer(200, []),
        Answer(200, {"dashboard": 7}),
        Answer(200, None),
        Answer(404, {"status": "error", "errorType": "not_found", "error": "page not found"}),
    ],
)
def test_a_server_that_is_no_grafana_cannot_be_told(answer: Answer, tmp_path: Path) -> None:
    with answering(lambda *_: answer) as server:
        found = CliRunner().invoke(drift, ["--grafana", server.url, "--json", "--files", str(tmp_path)])
    [layer] = [one for one in json.loads(found.stdout)["layers"] if one["layer"] == "grafana"]
    assert layer["verdict"] == "CANNOT TELL"
    assert server.url in layer["findings"][0]
    assert "See whether the address is Grafana's" in layer["findings"][0]
    assert found.exit_code == 3


@pytest.mark.parametrize("answer", [Answer(200, {"a": 1}), Answer(200, []), Answer(200, None), Answer(404, {})])
def test_a_server_that_is_no_alertmanager_cannot_be_told(answer: Answer, tmp_path: Path) -> None:
    with answering(lambda *_: answer) as server:
        found = CliRunner().invoke(drift, ["--alertmanager", server.url, "--json", "--files", str(tmp_path)])
    [layer] = [one for one in json.loads(found.stdout)["layers"] if one["layer"] == "alertmanager"]
    assert layer["verdict"] == "CANNOT TELL"
    assert server.url in layer["findings"][0]
    assert "See whether the address is Alertmanager's" in layer["findings"][0]


@pytest.mark.slow
def test_files_that_do_not_follow_from_the_definitions_are_drift(tmp_path: Path) -> None:
    assert files(tmp_path, CATALOG).verdict is Verdict.UNKNOWN
    for path, text in generated_files(CATALOG).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert files(tmp_path, CATALOG).verdict is Verdict.SAME
    (tmp_path / "generated/production/rules/outcomes.yml").write_text("groups: []\n")
    assert "outcomes.yml differs" in files(tmp_path, CATALOG).findings[0]


@pytest.mark.slow
def test_the_command_ends_with_what_it_found_and_says_what_it_did_not_look_at(live: Live) -> None:
    found = CliRunner().invoke(drift, ["--prometheus", live.url, "--json"])
    assert found.exit_code == 1, found.output
    assert {one["layer"] for one in json.loads(found.stdout)["layers"]} == {
        "files",
        "revision",
        "prometheus rules",
        "metrics",
    }
    found = CliRunner().invoke(drift, ["--prometheus", "http://127.0.0.1:1"])
    assert found.exit_code == 3, found.output
    assert "not looked at: grafana" in found.output
