"""Would an alert reach the people that it is for? Asked of a real Alertmanager whose messages come back to the test."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from generators.alertmanager import alertmanager_files
from generators.alertmanager.routing import Route, routing
from paymon.rehearse import rehearse
from rules.catalog import catalog
from tests.paymon.live.test_drift import alertmanager_with
from tests.paymon.live.test_prometheus import Answer, answering
from tests.versions import ALERTMANAGER

CATALOG = catalog()
PRODUCTION = CATALOG.organisation.environments[0]


@dataclass
class Inbox:
    """What Alertmanager sent, and with which status each is answered: the first ones by `first`, then by `status`."""

    url: str
    told: list[dict[str, Any]]
    first: list[int] = field(default_factory=list)
    status: int = 200
    open: threading.Event = field(default_factory=threading.Event)
    """Nothing is answered before it is set."""


@contextmanager
def inbox() -> Iterator[Inbox]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            seen.open.wait(600)
            status = seen.first.pop() if seen.first else seen.status
            if status == 200:
                seen.told.append(body)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")  # as Slack does

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen = Inbox(f"http://127.0.0.1:{server.server_address[1]}/", [])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    seen.open.set()
    try:
        yield seen
    finally:
        seen.open.set()
        server.shutdown()
        server.server_close()
        thread.join(100)


@contextmanager
def running(folder: Path, version: str = "0.33") -> Iterator[tuple[str, Inbox]]:
    """An Alertmanager with our routes, whose every contact is a webhook of the test's."""
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    with inbox() as seen:
        for receiver in whole["receivers"]:
            contacts = sum(len(those) for kind, those in receiver.items() if kind.endswith("_configs"))
            name = receiver["name"]
            receiver.clear()
            receiver.update(name=name, webhook_configs=[{"url": seen.url}] * contacts)
        with alertmanager_with(yaml.safe_dump({**whole, "templates": []}), folder, version) as url:
            yield url, seen


def run(url: str, *arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(rehearse, [*arguments, "--alertmanager", url])
    return found.exit_code, found.output


@pytest.fixture(autouse=True)
def webhooks_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paymon.rehearse._INTEGRATIONS", {})


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_a_rehearsal_reaches_its_receivers_marked_and_its_end_is_sent(version: str, tmp_path: Path) -> None:
    with running(tmp_path, version) as (url, seen):
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
        assert status == 0, output
        assert "went to payments-p1, payments-stakeholders, as defined" in output
        alerts = [alert for message in seen.told for alert in message["alerts"]]
        assert {alert["labels"]["rehearsal"] for alert in alerts} == {"true"}
        assert all(alert["annotations"]["summary"].startswith("REHEARSAL, nothing is wrong") for alert in alerts)
        (there,) = httpx.get(f"{url}/api/v2/alerts", params={"active": "true"}).json() or [None]
        assert there is None or datetime.fromisoformat(there["endsAt"]) <= datetime.now(UTC)


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_one_alert_of_each_priority_reaches_its_people_before_a_launch(version: str, tmp_path: Path) -> None:
    with running(tmp_path, version) as (url, seen):
        status, output = run(url, "--all-priorities", "--yes", "--json")
        assert status == 0, output
        found = json.loads(output[output.index("{\n") :])["rehearsals"]
        assert [one["priority"] for one in found] == ["P1", "P2", "P3", "P4"]
        assert all(one["delivered"] and one["receivers"] == sorted(one["receivers_defined"]) for one in found), output
        told = {
            (alert["labels"]["priority"], message["receiver"]) for message in seen.told for alert in message["alerts"]
        }
        assert told == {(one["priority"], receiver) for one in found for receiver in one["receivers"]}
        assert {alert["labels"].get("rehearsal") for message in seen.told for alert in message["alerts"]} == {"true"}
        left = httpx.get(f"{url}/api/v2/alerts", params={"active": "true"}).json()
        assert all(datetime.fromisoformat(one["endsAt"]) <= datetime.now(UTC) for one in left)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"a": 1}),
        Answer(200, [1]),
        Answer(200, [{"labels": []}]),
        Answer(200, None),
        Answer(404, "404 page not found"),
        Answer(404, {"status": "error"}),
    ],
)
def test_nothing_is_sent_to_a_server_that_is_no_alertmanager(answer: Answer) -> None:
    with answering(lambda *_: answer) as server:
        status, output = run(server.url, "PaymentsCompleteFailure", "--yes")
        assert [one for one, *_ in server.asked] == ["GET /api/v2/alerts"]
    assert status == 3
    assert f"cannot judge: {server.url} " in output
    assert "See whether the address is Alertmanager's" in output


def test_it_is_refused_while_anything_real_of_the_team_fires(tmp_path: Path) -> None:
    with running(tmp_path) as (url, seen):
        real = {"alertname": "PaymentsDegraded", "team": "payments", "environment": "production", "priority": "P2"}
        httpx.post(f"{url}/api/v2/alerts", json=[{"labels": real}]).raise_for_status()
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
        assert (status, "refused: PaymentsDegraded fires" in output) == (1, True), output
        assert not [message for message in seen.told if "rehearsal" in message["commonLabels"]]


def test_the_heartbeat_of_monitoring_refuses_nothing_and_is_not_rehearsed(tmp_path: Path) -> None:
    with running(tmp_path) as (url, _):
        beat = {"alertname": "PaymentsWatchdog", "team": "payments", "environment": "production", "priority": "none"}
        httpx.post(f"{url}/api/v2/alerts", json=[{"labels": beat}]).raise_for_status()
        assert run(url, "PaymentsCompleteFailure", "--yes")[0] == 0
    status, output = run("http://127.0.0.1:1", "PaymentsWatchdog", "--yes")
    assert (status, "needs no rehearsal" in output) == (2, True)


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_a_message_that_is_refused_for_good_is_told(version: str, tmp_path: Path) -> None:
    with running(tmp_path, version) as (url, seen):
        seen.status = 400
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
    assert (status, "0 of 5 messages taken; attempts that failed: 5; given up: 5" in output) == (1, True), output


def test_one_refusal_among_messages_that_arrive_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as (url, seen):
        seen.first = [400]
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
    assert (status, "4 of 5 messages taken; attempts that failed: 1; given up: 1" in output) == (1, True), output


def test_a_message_that_arrives_at_a_second_attempt_is_delivered(tmp_path: Path) -> None:
    with running(tmp_path) as (url, seen):
        seen.first = [503]
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
    assert (status, "5 of 5 messages taken; attempts that failed: 1; given up: 0" in output) == (0, True), output


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_messages_that_are_refused_until_the_end_are_not_delivered(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paymon.rehearse._LONGEST_WAIT", 5.0)
    with running(tmp_path, version) as (url, seen):
        seen.status = 503
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
    assert (status, "0 of 5 messages taken" in output, "given up: 0" in output) == (1, True, True), output


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_messages_without_an_answer_yet_do_not_read_as_delivered(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paymon.rehearse._LONGEST_WAIT", 5.0)
    with running(tmp_path, version) as (url, seen):
        seen.open.clear()
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
    assert (status, "0 of 5 messages taken; attempts that failed: 0" in output) == (3, True), output


@pytest.mark.parametrize("version", ALERTMANAGER)
def test_that_a_slack_message_may_have_no_words_is_told(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its template is missing: older versions give it up, newer ones send it empty, and count it as delivered."""
    monkeypatch.setattr("paymon.rehearse._INTEGRATIONS", dict.fromkeys(("PagerDuty", "Slack", "e-mail"), "slack"))
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    words = next(slack for one in whole["receivers"] for slack in one.get("slack_configs", ()))
    with inbox() as seen:
        for receiver in whole["receivers"]:
            contacts = sum(len(those) for kind, those in receiver.items() if kind.endswith("_configs"))
            name = receiver["name"]
            receiver.clear()
            slack = {key: value for key, value in words.items() if key != "api_url_file"} | {"api_url": seen.url}
            receiver.update(name=name, slack_configs=[slack] * contacts)
        with alertmanager_with(yaml.safe_dump({**whole, "templates": []}), tmp_path, version) as url:
            status, output = run(url, "PaymentsCompleteFailure", "--yes")
    if version < "0.32":
        assert (status, "given up: 5" in output, seen.told) == (1, True, []), output
    else:
        assert (status, "see that Slack's has words" in output) == (0, True), output
        said = [said for one in seen.told for attachment in one["attachments"] for said in attachment.values()]
        assert {text for text in said if isinstance(text, str)} == {""}


def test_another_route_than_defined_is_told(tmp_path: Path) -> None:
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    whole["route"]["routes"] = []
    with alertmanager_with(yaml.safe_dump({**whole, "templates": []}), tmp_path, "0.33") as url:
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
    assert (status, "went to payments-fallback, where" in output) == (1, True), output


def test_a_silence_holds_it_back_and_nothing_reads_as_delivered(tmp_path: Path) -> None:
    with running(tmp_path) as (url, _):
        now = time.time()
        silence = {
            "matchers": [{"name": "team", "value": "payments", "isRegex": False, "isEqual": True}],
            "startsAt": datetime.fromtimestamp(now - 60, UTC).isoformat(),
            "endsAt": datetime.fromtimestamp(now + 3600, UTC).isoformat(),
            "createdBy": "a test",
            "comment": "a test",
        }
        httpx.post(f"{url}/api/v2/silences", json=silence).raise_for_status()
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
    assert (status, "a silence holds it back" in output) == (3, True), output


def test_a_rehearsal_of_another_service_at_the_same_time_is_not_taken_for_this_one(tmp_path: Path) -> None:
    with running(tmp_path) as (url, _):
        now = time.time()
        silence = {
            "matchers": [{"name": "service", "value": "other.*", "isRegex": True, "isEqual": True}],
            "startsAt": datetime.fromtimestamp(now - 60, UTC).isoformat(),
            "endsAt": datetime.fromtimestamp(now + 3600, UTC).isoformat(),
            "createdBy": "a test",
            "comment": "a test",
        }
        httpx.post(f"{url}/api/v2/silences", json=silence).raise_for_status()
        labels = {"alertname": "PaymentsCompleteFailure", "team": "payments", "priority": "P1", "rehearsal": "true"}
        others = [{"labels": {**labels, "service": f"other-{number}"}} for number in range(8)]
        httpx.post(f"{url}/api/v2/alerts", json=others).raise_for_status()
        status, output = run(url, "PaymentsCompleteFailure", "--yes")
    assert (status, "a silence holds it back" in output) == (0, False), output


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "name the ALERT"),
        (["Nonsense", "--yes"], 2, "there is no alert 'Nonsense'"),
        (["PaymentsDegraded"], 2, "give --yes"),
        (["PaymentsDegraded", "--yes"], 3, "cannot be reached"),
    ],
)
def test_what_cannot_be_rehearsed_says_why(arguments: list[str], status: int, words: str) -> None:
    found = run("http://127.0.0.1:1", *arguments)
    assert (found[0], words in found[1]) == (status, True), found[1]


def test_a_rehearsal_is_in_every_group_key() -> None:
    def all_routes(route: Route) -> Iterator[Route]:
        yield route
        for below in route.routes:
            yield from all_routes(below)

    heartbeats = {alert.name for alert in CATALOG.alerts if alert.always}
    for route in all_routes(routing(CATALOG).route):
        if not any(matcher.label == "alertname" and set(matcher.values) & heartbeats for matcher in route.matchers):
            assert "rehearsal" in route.timing.together, route.receiver.name
