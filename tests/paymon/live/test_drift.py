"""Is what runs what is defined? Asked of a Prometheus and an Alertmanager that have the generated files, or nearly."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from generators.alertmanager import alertmanager_files
from generators.dashboards import CLASSIC, dashboard_files
from generators.files import environment_files, generated_files
from paymon.drift.alertmanager import alertmanager
from paymon.drift.command import drift
from paymon.drift.grafana import grafana
from paymon.drift.layers import Layer, Verdict, files
from paymon.drift.presence import presence
from paymon.drift.rules import prometheus_rules
from paymon.live.access import Access
from paymon.live.http import asked_for
from paymon.live.prometheus import Prometheus
from paymon.programs import find
from rules.catalog import catalog
from tests.paymon.live import stories
from tests.paymon.live.conftest import Live
from tests.servers import free_port, prometheus, running, wait_until_ready
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


# Alertmanager


@contextmanager
def alertmanager_with(text: str, folder: Path, version: str) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    port = free_port()
    (folder / "alertmanager.yml").write_text(text.replace("templates/*.tmpl", str(folder / "none" / "*.tmpl")))
    log = folder / "alertmanager.log"
    command = (
        find("alertmanager", version),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    with running(command, log) as process:
        wait_until_ready(f"http://127.0.0.1:{port}/-/ready", process, log)
        yield f"http://127.0.0.1:{port}"


def told_by(url: str) -> Layer:
    access = Access(url=url)
    with access.client() as client:
        return alertmanager(CATALOG, asked_for(client, access, "/api/v2/status"))


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
    whole = {**ours, "route": other, "receivers": [{"name": "theirs"}, *ours["receivers"]], "templates": []}
    with alertmanager_with(yaml.safe_dump(whole), tmp_path, "0.33") as url:
        assert told_by(url) == Layer("alertmanager", Verdict.SAME)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one["route"]["routes"][0].update(repeat_interval="9h"), "repeat_interval is 9h"),
        (lambda one: one["route"]["routes"][0]["routes"].reverse(), "in another order"),
        (lambda one: one["route"].update(routes=[]), "no route has the matchers"),
    ],
)
def test_each_way_in_which_alertmanager_differs_is_told(change: object, words: str, tmp_path: Path) -> None:
    whole = yaml.safe_load(alertmanager_files(CATALOG)["alertmanager/alertmanager.yml"])
    change(whole)  # type: ignore[operator]
    with alertmanager_with(yaml.safe_dump(whole), tmp_path, "0.33") as url:
        found = told_by(url)
    assert found.verdict is Verdict.DRIFT
    assert words in "\n".join(found.findings)


def test_an_alertmanager_that_tells_nothing_cannot_be_told() -> None:
    assert alertmanager(CATALOG, {}).verdict is Verdict.UNKNOWN


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


def test_files_that_do_not_follow_from_the_definitions_are_drift(tmp_path: Path) -> None:
    assert files(CATALOG, tmp_path).verdict is Verdict.UNKNOWN
    for path, text in generated_files(CATALOG).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert files(CATALOG, tmp_path).verdict is Verdict.SAME
    (tmp_path / "generated/production/rules/outcomes.yml").write_text("groups: []\n")
    assert "outcomes.yml differs" in files(CATALOG, tmp_path).findings[0]


def test_the_command_ends_with_what_it_found_and_says_what_it_did_not_look_at(live: Live) -> None:
    found = CliRunner().invoke(drift, ["--prometheus", live.url, "--json"])
    assert found.exit_code == 1, found.output
    assert {one["layer"] for one in json.loads(found.stdout)["layers"]} == {"files", "prometheus rules", "metrics"}
    found = CliRunner().invoke(drift, ["--prometheus", "http://127.0.0.1:1"])
    assert found.exit_code == 3, found.output
    assert "not looked at: grafana" in found.output
