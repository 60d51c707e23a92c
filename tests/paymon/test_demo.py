import contextlib
import fcntl
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from generators.alertmanager import alertmanager_files
from generators.revision import REVISION_SERIES, revision_files
from generators.rules import rule_file, rule_groups
from paymon import programs
from paymon.demo import backfill, shop
from paymon.demo.command import demo
from paymon.demo.configuration import prometheus_settings
from paymon.demo.grafana import dashboards_in
from paymon.demo.inbox import listening
from paymon.demo.incidents import SHOWN, named, parted
from paymon.demo.play import MEND, QUIT, Play, missing
from paymon.demo.scene import Address, Firing, Key, Notice, Scene
from paymon.demo.shortening import TooFastError, shortened_routing, shortened_rules
from paymon.demo.view import changes, rendered
from paymon.demo.watching import Seen, Watch
from paymon.now.key_metrics import Reading, key_metrics
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments import monitoring
from rules.vocabulary import Jobs
from simulator.conditions import USUAL
from tests.paymon.acme import acme
from tests.servers import prometheus
from tests.versions import PROMETHEUS

CATALOG = catalog()
PRODUCTION = CATALOG.organisation.environment("production")
RULES = {
    f"generated/production/rules/{group.area.name}.yml": rule_file(group) for group in rule_groups(CATALOG, PRODUCTION)
}
RULES |= {
    f"generated/production/{path}": text
    for path, text in revision_files(CATALOG, PRODUCTION).items()
    if path.startswith("rules/")
}
ROUTING = alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"]
PAYMON = (sys.executable, "-c", "from paymon.cli import main; main()", "demo")
LASTS = r"(?:\d+(?:ms|[smhdw]))+"
IN_RULES = re.compile(rf"\[({LASTS})(?::({LASTS}))?\]|offset ({LASTS})")
UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def milliseconds(duration: str) -> int:
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|[smhdw])", duration))


def durations(expr: str) -> list[int]:
    """Of ranges, of the steps of subqueries, and of offsets."""
    return [milliseconds(one) for found in IN_RULES.finditer(expr) for one in found.groups() if one]


def rules_of(text: str) -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


# Shortening


@pytest.mark.parametrize("speed", [1, 10, 15])
@pytest.mark.parametrize("path", RULES)
def test_every_duration_of_a_rule_file_is_divided_and_nothing_else_changes(path: str, speed: int) -> None:
    before, after = rules_of(RULES[path]), rules_of(shortened_rules(RULES[path], speed, 1))
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert durations(new["expr"]) == [one // speed for one in durations(old["expr"])]
        assert IN_RULES.sub("", new["expr"]) == IN_RULES.sub("", old["expr"])
        for key in ("for", "keep_firing_for"):
            assert milliseconds(new.get(key, "")) * speed == milliseconds(old.get(key, ""))
        unchanged = ("record", "alert", "labels", "annotations")
        assert {key: new.get(key) for key in unchanged} == {key: old.get(key) for key in unchanged}


def test_a_range_in_a_text_is_no_duration() -> None:
    text = 'groups: [{name: a, interval: 30s, rules: [{record: "a:b:c", expr: \'rate(x{y=~"[5m]"}[20m] offset 1h)\'}]}]'
    assert rules_of(shortened_rules(text, 10, 1)) == [{"record": "a:b:c", "expr": 'rate(x{y=~"[5m]"}[2m] offset 6m)'}]


def test_a_part_of_a_second_is_written_in_milliseconds() -> None:
    text = "groups: [{name: a, interval: 30s, rules: [{alert: A, expr: x > 1, for: 1m30s}]}]"
    assert rules_of(shortened_rules(text, 20, 1))[0]["for"] == "4500ms"


def test_a_window_of_fewer_than_four_scrapes_is_refused() -> None:
    with pytest.raises(TooFastError) as refused:
        shortened_rules(RULES["generated/production/rules/outcomes.yml"], 31, 1)
    assert str(refused.value) == "31 times faster, a window of 2m holds fewer than 4 scrapes"


def test_prometheus_takes_the_shortened_rules(tmp_path: Path) -> None:
    paths = []
    for path, text in RULES.items():
        paths.append(tmp_path / Path(path).name)
        paths[-1].write_text(shortened_rules(text, 10, 1))
    assert Promtool.find().check_rules(paths).findings == ()


def test_routing_keeps_its_routes_and_reaches_only_the_demo() -> None:
    before = yaml.safe_load(ROUTING)
    alerting = shortened_routing(ROUTING, 10, "http://127.0.0.1:1")
    after = yaml.safe_load(alerting.text)
    assert "global" not in after
    assert [receiver["name"] for receiver in after["receivers"]] == [one["name"] for one in before["receivers"]]
    for receiver in after["receivers"]:
        (webhook,) = receiver.pop("webhook_configs")
        assert list(receiver) == ["name"]
        assert webhook["url"] == f"http://127.0.0.1:1/{receiver['name']}"
    assert alerting.channels["payments-p2"] == "PagerDuty, Slack, e-mail"


def test_notifications_wait_a_tenth_as_long() -> None:
    (ours,) = yaml.safe_load(shortened_routing(ROUTING, 10, "http://127.0.0.1:1").text)["route"]["routes"]
    found = {route["receiver"]: route for route in ours["routes"]}["payments-stakeholders"]
    timing = {key: found[key] for key in ("group_wait", "group_interval", "repeat_interval")}
    assert timing == {"group_wait": "0s", "group_interval": "6s", "repeat_interval": "2m59s"}


# The past


PAGE = """
# TYPE payment_attempts_total counter
payment_attempts_total{initiator="api",payment_method="card",result="success"} 7.0
# TYPE payment_duration_seconds histogram
payment_duration_seconds_bucket{payment_method="card",le="30.0"} 9000
payment_duration_seconds_bucket{payment_method="card",le="+Inf"} 10000
payment_duration_seconds_count{payment_method="card"} 10000
payment_duration_seconds_sum{payment_method="card"} 20000.0
# TYPE payments_db_last_completed_timestamp_seconds gauge
payments_db_last_completed_timestamp_seconds 1799999990.0
# TYPE payments_health_up gauge
payments_health_up 1.0
"""
PAST_UNTIL = 1.8e9


def past(page: str = PAGE) -> str:
    pages = {("payments-exporter", "127.0.0.1:9"): page}
    return backfill.openmetrics(CATALOG, PRODUCTION, pages, PAST_UNTIL, 10, 30)


def remembered(name: str, page: str = PAGE) -> list[list[float]]:
    """The value of each sample of each series whose name begins so."""
    series: dict[str, list[float]] = {}
    for line in past(page).splitlines():
        if line.startswith(name):
            which, value, _ = line.rsplit(" ", 2)
            series.setdefault(which, []).append(float(value))
    return list(series.values())


def test_the_past_is_the_same_every_time() -> None:
    assert past() == past()


def test_in_the_past_durations_come_with_the_attempts_and_reach_what_is_there_now() -> None:
    attempts = [sum(values) for values in zip(*remembered("payment_attempts_total"), strict=True)]
    below, everything = remembered("payment_duration_seconds_bucket")
    assert (below[-1], everything[-1]) == (9000, 10000)
    assert everything == sorted(everything)
    assert everything[-1] - everything[0] == pytest.approx(attempts[-1] - attempts[-len(everything)], rel=0.01)
    assert [part / whole for part, whole in zip(below, everything, strict=True)] == pytest.approx(
        [0.9] * len(below), abs=0.001
    )


def test_durations_that_are_few_belong_to_an_exporter_that_has_just_started() -> None:
    (values,) = remembered("payment_duration_seconds_count", PAGE.replace("10000", "10"))
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] == pytest.approx(7200 / 60 * 30, rel=0.1)


def test_in_the_past_moments_are_as_old_as_now_and_all_else_is_what_it_is_now() -> None:
    (completed,) = remembered("payments_db_last_completed")
    assert completed[-2:] == [1799999984, 1799999990]
    assert remembered("payments_health_up") == [[1.0] * len(completed)]
    assert remembered("up{") == [[1.0] * len(completed)]


def test_only_the_attempts_of_a_page_are_replaced_by_steady_shares() -> None:
    assert max(map(max, remembered("payment_attempts_total"))) > 100_000
    assert 7.0 not in [value for values in remembered("payment_attempts_total") for value in values[-1:]]


def told(rule: dict[str, Any]) -> dict[str, Any]:
    """The rule with every duration in milliseconds: what they last, however they are spelled."""
    return rule | {"expr": IN_RULES.sub(lambda found: f"{durations(found[0])}", rule["expr"])}


def read(rule: dict[str, Any]) -> set[str]:
    """The names with colons in its expression, as recorded series have them."""
    return set(re.findall(r"\w+(?::\w+)+", rule["expr"]))


@pytest.mark.slow
def test_what_records_the_past_says_what_the_rules_say() -> None:
    rules = {rule["record"]: rule for text in RULES.values() for rule in rules_of(text) if "record" in rule}
    found = {rule["record"]: rule for rule in rules_of(backfill.recordings(CATALOG, PRODUCTION, 1, 1))}
    of_everyone = {
        signal.name for signal in CATALOG.signals if signal.of_everyone
    }  # about all that is scraped, at any time
    of_the_rules = {REVISION_SERIES, monitoring.expected_source.name}  # no loaded rules made the past
    assert found.keys() == rules.keys() - of_everyone - of_the_rules
    different = {name for name, rule in found.items() if told(rule) != told(rules[name])}
    of_one_series = {name for name, rule in found.items() if read(rule) & rules.keys()}
    assert of_one_series == {
        "payments_db:since_completed_unseen:seconds",
        "payments_exporter:events_age:intervals",
        "payments_exporter:other_source_age:intervals",
        "stripe_network:dispute_activity:ratio_month",
    }  # they read series of a signal by a label, which no expression stands for: they begin with the demo
    assert different - of_one_series == {name for name in found if read(rules[name]) & rules.keys()} - of_one_series
    assert "payments:technical_success:ratio_rate5m" in different


@pytest.mark.parametrize("version", PROMETHEUS)
def test_prometheus_remembers_what_its_rules_would_have_recorded(version: str, tmp_path: Path) -> None:
    now = time.time() // 60 * 60
    data, promtool, server = tmp_path / "data", programs.find("promtool", version), programs.find("prometheus", version)
    pages = {("payments-exporter", "127.0.0.1:9"): PAGE}
    backfill.import_past(promtool, backfill.openmetrics(CATALOG, PRODUCTION, pages, now, 10, 30), data)
    assert not list(tmp_path.glob("*.openmetrics"))
    with prometheus(server, "global: {}", tmp_path) as url:
        recordings = backfill.recordings(CATALOG, PRODUCTION, 10, 1)
        backfill.record_past(promtool, recordings, url, data, now, 10)
    with prometheus(server, "global: {}", tmp_path) as url:
        span = f"start={now - 600}&end={now}&step=6"
        query = f"{url}/api/v1/query_range?query=payments:technical_success:ratio_rate5m&{span}"
        (series,) = httpx.get(query).json()["data"]["result"]
        assert len(series["values"]) == 101
        assert all(0.98 < float(value) <= 1 for _, value in series["values"])


def test_what_an_environment_calls_its_own_jobs_is_scraped_with_the_labels_that_its_rules_read() -> None:
    named_otherwise = replace(PRODUCTION, jobs=Jobs(exporter=("eu-exporter",), application=("shop",)))
    targets = {"eu-exporter": "127.0.0.1:1", "shop": "127.0.0.1:2", "alertmanager": "127.0.0.1:3"}

    said = yaml.safe_load(prometheus_settings(CATALOG.organisation, named_otherwise, Path("rules"), 10, targets))

    labels = {one["job_name"]: one["static_configs"][0]["labels"] for one in said["scrape_configs"]}
    ours = {"environment": "production", "service": "payments"}
    assert labels == {"eu-exporter": ours, "shop": ours, "alertmanager": {}}


# Incidents


def test_every_key_does_one_thing() -> None:
    keys = [one.key for one in SHOWN]
    assert len({*keys, MEND, QUIT}) == len(keys) + 2


def test_an_incident_does_not_mend_itself() -> None:
    for one in SHOWN:
        assert all(one.conditions(timedelta(minutes=minute)) != USUAL for minute in range(0, 600, 5)), one.incident.name


def test_an_unknown_incident_is_told_with_what_there_is() -> None:
    result = CliRunner().invoke(demo, ["--incident", "complete-failur"])
    assert result.exit_code == 2
    assert "there is no incident 'complete-failur'. Did you mean complete-failure? There are" in result.output
    assert all(one.incident.name in result.output for one in SHOWN)


@pytest.mark.slow
def test_an_incident_whose_alert_a_project_has_left_out_is_not_shown_and_named(tmp_path: Path) -> None:
    left_out = "payments-hang: PaymentTimeouts"
    ran = subprocess.run(
        (*PAYMON, "--once", "--incident", "payments-hang"),
        cwd=acme(tmp_path / "acme"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert ran.returncode == 2, ran.stderr
    assert "Not shown, because this project has left their alerts out:\n" in ran.stdout
    assert f"  {left_out}\n" in ran.stdout
    assert "payments-hang is told by PaymentTimeouts, which this project has left out. With --incident" in ran.stderr
    assert "complete-failure, 20-percent-fail," in ran.stderr
    assert "payments-hang" not in ran.stderr.partition("With --incident")[2]


def test_every_incident_is_shown_where_no_alert_is_left_out_and_none_where_all_are() -> None:
    assert parted(CATALOG) == (SHOWN, ())
    assert parted(replace(CATALOG, areas=())) == ((), SHOWN)


def test_a_key_of_an_incident_that_is_not_shown_begins_nothing() -> None:
    stack: Any = SimpleNamespace(shop=SimpleNamespace(meet=lambda wanted: None), exporter_runs=lambda runs: None)
    watch: Any = None
    shown, other = SHOWN[:2]
    play = Play(stack, watch, 10, (shown,))

    play.press(other.key)
    assert play.shown is None
    play.press(shown.key)
    assert play.shown is shown


def test_what_is_missing_is_the_alert_and_then_its_notification() -> None:
    shown = named("complete-failure")
    assert shown
    name = shown.alert.name
    firing = Firing(name, "P1", True, 100, "")
    early = Notice(99, "Slack", False, (name,), "")
    seen = Seen((), (), (), None)
    assert missing(shown, seen, 100) == (f"{name} does not fire",)
    assert missing(shown, replace(seen, alerts=(replace(firing, fires=False),)), 100) == (f"{name} does not fire",)
    lacking = (f"{name} fires, and no notification of it has arrived",)
    assert missing(shown, replace(seen, alerts=(firing,), notices=(early,)), 100) == lacking
    resolved = replace(early, at=101, resolved=True)
    assert missing(shown, replace(seen, alerts=(firing,), notices=(resolved,)), 100) == lacking
    assert missing(shown, replace(seen, alerts=(firing,), notices=(replace(early, at=101),)), 100) == ()
    another = replace(early, at=101, names=("Another",))
    assert missing(shown, replace(seen, alerts=(firing,), notices=(another,)), 100) == lacking


# What is to be seen


def scene() -> Scene:
    readings = []
    for number, metric in enumerate(key_metrics(CATALOG)):
        comparison, bound = metric.bound(PRODUCTION)
        value = (0.12, 0.02, 431.0, 0.001, 0.0, None, 0.012, 3.0)[number]
        readings.append(Reading(metric, comparison, bound, value, (1.0,) * 200))
    names = ("PaymentsCompleteFailure", "PaymentErrorBudgetBurnFast", "PaymentsDegraded", "PaymentSuccessRateLow")
    return Scene(
        now=1e9 + 20,
        speed=10,
        happening="BROKEN: Every payment fails",
        since=1e9,
        readings=tuple(readings),
        alerts=(
            Firing(names[0], "P1", True, 1e9 + 5, "Fewer than 5 % of payment attempts succeed."),
            Firing(names[1], "P2", True, 1e9 + 5, "Burns."),
            Firing(names[2], "P2", False, 1e9 + 10, "More than 10 % fail."),
            *(Firing(f"Alert{number}", "P3", True, 1e9, "One more.") for number in range(20)),
        ),
        notices=tuple(Notice(1e9 + number, "PagerDuty, Slack", False, (names[0],), "") for number in range(30)),
        heartbeat=1e9 + 17,
        addresses=tuple(Address(what, "http://127.0.0.1:54321") for what in ("Prometheus", "Alertmanager", "exporter")),
        keys=(*(Key(one.key, one.words) for one in SHOWN), Key(MEND, "mend"), Key(QUIT, "quit")),
    )


def on_screen(shown: Scene, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, record=True, file=io.StringIO(), force_terminal=True)
    console.print(rendered(shown, width, height))
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (200, 60)])
def test_everything_fits_on_the_screen(width: int, height: int) -> None:
    lines = on_screen(scene(), width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for one in (
        "Every payment fails, 20 s",
        "10 x faster",
        "Every bound is as reviewed",
        "Payment success rate         12.0 %  < 95 %      BREACH",
        "Failed payments an hour         431  > 50        BREACH",
        "Dispute rate                      -  > 1 %       no data",
        "Since the last payment          3 s  > 300 s     ok",
        "P1 PaymentsCompleteFailure        FIRES      15 s",
        "more",
        "heard us 3 s ago",
        "to PagerDuty, Slack: FIRING PaymentsCompleteFailure",
        "54321",
        "1 all fail",
        "q quit",
    ):
        assert one in text, one


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ((), "no alert; nothing is broken"),
        ((Firing("A", "P2", False, 1e9, "a"),), "P2 pending; nothing is broken"),
        ((Firing("A", "P1", True, 1e9, "a"), Firing("B", "P0", False, 1e9, "b")), "P1 fires; nothing is broken"),
        ((Firing("A", "P3", True, 1e9, "a"), Firing("B", "P1", True, 1e9, "b")), "P1 fires; nothing is broken"),
        (
            (Firing("A", "P1", True, 1e9, "a", kept_until=1e9 + 40),),
            f"P1 kept until {datetime.fromtimestamp(1e9 + 40):%H:%M:%S}; nothing is broken",
        ),
        (
            (Firing("A", "P1", True, 1e9, "a", kept_until=1e9 + 40), Firing("B", "P1", True, 1e9, "b")),
            "P1 fires; nothing is broken",
        ),
    ],
)
def test_the_headline_is_what_the_alerts_say_whoever_caused_it(alerts: tuple[Firing, ...], says: str) -> None:
    shown = replace(scene(), alerts=alerts, happening="nothing is broken", since=0)
    assert shown.headline == says
    assert on_screen(shown, 100, 30)[0].startswith(f" paymon demo  {says}")
    assert replace(shown, trouble="Postgres has gone").headline == "Postgres has gone"


KEPT = """
groups:
- name: g
  interval: 1s
  rules:
  - alert: Kept
    expr: vector(time()) < UNTIL
    keep_firing_for: 200s
    labels: {priority: P1}
    annotations: {summary: s}
"""


@contextlib.contextmanager
def watched(folder: Path, rules: str, version: str) -> Iterator[Watch]:
    """A Watch of a real Prometheus with these rules, which scrapes itself, and of an Alertmanager that has no alert."""
    (folder / "rules.yml").write_text(rules)

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server, listening() as (inbox, _):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        config = f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{folder / 'rules.yml'}]\n"
        with prometheus(programs.find("prometheus", version), config, folder) as url:
            watch = Watch(url, f"http://127.0.0.1:{server.server_address[1]}", inbox, {}, CATALOG, PRODUCTION)
            yield watch
            watch.close()
        server.shutdown()


@pytest.mark.parametrize("version", PROMETHEUS)
def test_an_alert_that_is_only_kept_is_told_from_one_that_fires(version: str, tmp_path: Path) -> None:
    until = time.time() + 20
    with watched(tmp_path, KEPT.replace("UNTIL", f"{until:.0f}"), version) as watch:
        deadline = time.monotonic() + 250
        seen = watch.look()
        while time.monotonic() < deadline and not any(one.kept_until for one in seen.alerts):
            time.sleep(0.2)
            seen = watch.look()
    (kept,) = seen.alerts
    assert kept.fires
    assert until - 2 < kept.kept_until - 200 < time.time()


def test_a_demo_that_cannot_keep_pace_says_that_it_is_starved(tmp_path: Path) -> None:
    now = [time.time()]
    with watched(tmp_path, KEPT.replace("UNTIL", "0"), "3.5") as watch:
        watch.clock = lambda: now[0]
        assert not watch.look().starved
        now[0] += 1
        assert not watch.look().starved
        now[0] += 13
        starved = watch.look()
        assert starved.starved
        assert starved.trouble.startswith("STARVED: 12 s late.")
        for _ in range(31):
            now[0] += 1
            last = watch.look()
        assert (last.starved, last.trouble) == (False, "")


def test_without_a_terminal_each_change_is_told_once() -> None:
    after = replace(scene(), alerts=scene().alerts[:2], notices=scene().notices[:1])
    before = replace(after, alerts=(), notices=(), happening="nothing is broken")
    told = [line.partition("  ")[2] for line in changes(before, after)]
    assert told == [
        "BROKEN: Every payment fails",
        "P1  PaymentsCompleteFailure fires: Fewer than 5 % of payment attempts succeed.",
        "P2  PaymentErrorBudgetBurnFast fires: Burns.",
        "to PagerDuty, Slack: FIRING PaymentsCompleteFailure",
    ]
    assert list(changes(after, replace(after, now=after.now + 1))) == []
    (resolved, _) = changes(after, replace(after, alerts=()))
    assert resolved.endswith("P1  PaymentsCompleteFailure has resolved")


# Grafana


@contextlib.contextmanager
def grafana(status: int) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """Something that answers as Grafana's API does, its address with a password, and what it was asked for."""
    asked: list[tuple[str, str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, json.loads(body or b"null")))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_DELETE = answer  # noqa: N815 - the base class' names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://admin:secret@127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_dashboards_come_into_grafana_under_names_of_their_own_and_go_again() -> None:
    gone = [("DELETE", "/api/folders/paymon-demo", None), ("DELETE", "/api/datasources/uid/paymon-demo", None)]
    with grafana(200) as (url, asked):
        with dashboards_in(url, None, CATALOG, "http://127.0.0.1:1") as (told, address):
            assert told == f"{len(CATALOG.dashboards)} dashboards are in Grafana."
            assert address.endswith("/dashboards/f/paymon-demo")
            assert "secret" not in address
            came = asked[2:]
        assert asked[:2] == asked[-2:] == gone
    assert [path for _, path, _ in came[:2]] == ["/api/datasources", "/api/folders"]
    assert came[0][2]["url"] == "http://127.0.0.1:1"
    assert [body["dashboard"]["uid"] for _, _, body in came[2:]] == [f"{one.uid}-demo" for one in CATALOG.dashboards]


def test_a_grafana_that_refuses_does_not_stop_the_demo() -> None:
    with grafana(401) as (url, _), dashboards_in(url, "token", CATALOG, "http://127.0.0.1:1") as (told, address):
        assert told == "Grafana did not take the dashboards (401); see GRAFANA_URL and GRAFANA_TOKEN."
        assert address == ""


# From the command to the end


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder through which Postgres can pass, whoever runs it."""
    with tempfile.TemporaryDirectory(prefix="paymon-test-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), **more}


@contextlib.contextmanager
def running_demo(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A demo without a terminal that is ready, and the ports that it told."""
    with subprocess.Popen(
        (*PAYMON, *options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(folder),
    ) as process:
        try:
            assert process.stdout
            said = ""
            for line in process.stdout:
                said += line
                if line.startswith("No terminal"):
                    break
            else:
                pytest.fail(said)
            yield process, [int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", said)]
        finally:
            process.kill()
            process.wait(100)


def processes_of(folder: Path) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_text(errors="replace").replace("\0", " ")
            if str(folder) in words:
                found.append(words)
    return found


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def assert_nothing_is_left(folder: Path, ports: list[int]) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and (processes_of(folder) or any(folder.iterdir())):
        time.sleep(0.1)
    assert processes_of(folder) == []
    assert not any(folder.iterdir())
    assert [port for port in ports if is_open(port)] == []


def after_naming_the_project(said: str) -> str:
    """What a command says on standard error after the line that tells whose definitions it reads."""
    first, _, rest = said.partition("\n")
    assert re.fullmatch(rf"paymon \S+ reads rules\.catalog:catalog of {re.escape(str(Path.cwd()))}", first)
    return rest


@pytest.mark.slow
def test_the_service_counts_payments_by_the_minutes_that_the_rules_count_by(folder: Path) -> None:
    """Those of the shop, which are a fifteenth of ours: or an alert says that the two disagree, with nothing broken."""
    with shop.opened(folder, 15) as live, httpx.Client(trust_env=False, timeout=100) as client:

        def told() -> float:
            answer = client.get(live.environment["PAYMON_HEALTH__URL"]).json()
            return float(answer["metrics"]["transactions_per_minute"])

        first = told()  # perhaps from before the shop was at work
        while (now := told()) == first:
            time.sleep(0.05)
    assert now == pytest.approx(shop.PER_MINUTE, rel=0.2)


@pytest.mark.slow
def test_once_sees_the_right_alert_fire_and_leaves_nothing_behind(folder: Path) -> None:
    ran = subprocess.run(
        (*PAYMON, "--once"), capture_output=True, text=True, env=environment(folder), timeout=800, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "P1  PaymentsCompleteFailure fires: Fewer than 5 % of payment attempts succeed." in ran.stdout
    assert "to PagerDuty, Slack: FIRING PaymentsCompleteFailure" in ran.stdout
    assert re.search(r"As expected, after \d+ s: PaymentsCompleteFailure\.\n\Z", ran.stdout)
    assert_nothing_is_left(folder, [])


@pytest.mark.slow
def test_once_says_what_was_missing(folder: Path) -> None:
    command = (*PAYMON, "--once", "--incident", "flag-drift", "--seconds", "2")
    ran = subprocess.run(command, capture_output=True, text=True, env=environment(folder), timeout=800, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert after_naming_the_project(ran.stderr) == "After 2 s: PaymentRolloutDrift does not fire.\n"


@pytest.mark.slow
def test_ctrl_c_twice_leaves_nothing_behind(folder: Path) -> None:
    with running_demo(folder) as (process, ports):
        assert len(ports) == 3
        assert all(map(is_open, ports))
        assert len(processes_of(folder)) > 4
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(100) == 0
        assert_nothing_is_left(folder, ports)


@pytest.mark.slow
def test_a_demo_that_is_killed_without_warning_leaves_nothing_behind(folder: Path) -> None:
    with running_demo(folder) as (process, ports):
        process.kill()
        process.wait(100)
        assert_nothing_is_left(folder, ports)


def without_prometheus(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*PAYMON, "--once"),
        capture_output=True,
        text=True,
        env=environment(folder, PROMETHEUS="/nowhere/prometheus"),
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_what_killed_demos_have_left_is_cleared_away_by_the_next_one(folder: Path) -> None:
    for name in ("paymon-demo-killed", "paymon-demo-starting", "another"):
        (folder / name).mkdir()
    (folder / "paymon-demo-killed" / "alive").touch()
    assert without_prometheus(folder).stdout == "Cleared away what 1 killed demo has left.\n"
    assert sorted(path.name for path in folder.iterdir()) == ["another", "paymon-demo-starting"]


@pytest.mark.slow
def test_a_demo_that_runs_is_not_cleared_away(folder: Path) -> None:
    (folder / "paymon-demo-running").mkdir()
    with (folder / "paymon-demo-running" / "alive").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert without_prometheus(folder).stdout == ""
        assert (folder / "paymon-demo-running").exists()


@pytest.mark.slow
def test_without_prometheus_it_says_how_to_get_it(folder: Path) -> None:
    ran = without_prometheus(folder)
    assert ran.returncode == 1
    assert after_naming_the_project(ran.stderr) == (
        "prometheus could not be fetched: PROMETHEUS=/nowhere/prometheus names no program. "
        "Correct PROMETHEUS, or unset it.\n"
    )
    assert not any(folder.iterdir())
