"""Do two services live in one Prometheus and one Alertmanager, and neither adds to the other's nor hides it?"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from generators.deploy import EXPORTER_LABELS
from generators.files import generated_files
from generators.text import as_yaml
from paymon.programs import find
from rules.catalog import PAYMENTS
from rules.payments.organisation import PEOPLE, SERVICE
from rules.vocabulary import Jobs
from tests.servers import alertmanager, free_port, prometheus, running, wait_until_ready

NAMES = ("shop", "donations")
CATALOGS = tuple(
    PAYMENTS.of(
        PEOPLE,
        replace(SERVICE, service=name, jobs=Jobs(exporter=(f"{name}-exporter",), application=(f"{name}-api",))),
    )
    for name in NAMES
)
TEAM = {"team": PEOPLE.team}
MAY_CHARGE = {"shop": 0, "donations": 1}
HEALTHY = {"shop": 0, "donations": 1}
"""Each names its database as failing, which is told of unless the service itself is down: at the shop."""
HASTE = {"interval: 30s": "interval: 1s", "    for: 2m30s": "    for: 1s", "    for: 5m\n": "    for: 15s\n"}
"""What a rule file says of time, in seconds instead of minutes; a louder alert still speaks first."""


class _Exporters(BaseHTTPRequestHandler):
    """Two exporters, each at its own path: only donations' account may charge, and only the shop is down."""

    def do_GET(self) -> None:
        service = self.path.strip("/")
        page = (
            f'stripe_account_capability{{capability="charges_enabled"}} {MAY_CHARGE[service]}\n'
            f"payments_health_up {HEALTHY[service]}\n"
            'payments_health_check_status{check="database"} 0\n'
            f'payments_exporter_watermark_timestamp_seconds{{source="health"}} {time.time()}\n'
            'payments_exporter_interval_seconds{source="health"} 15\n'
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def exporters() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Exporters)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def until(found: Callable[[], Any], within: float = 60) -> Any:
    """What it finds, once it is something."""
    deadline = time.monotonic() + within
    while not (result := found()):
        assert time.monotonic() < deadline, f"nothing within {within} s"
        time.sleep(0.2)
    return result


@pytest.mark.slow
@pytest.mark.parametrize(("prometheus_version", "alertmanager_version"), [("2.42", "0.25"), ("3.5", "0.33")])
def test_two_services_share_prometheus_and_alertmanager(
    prometheus_version: str, alertmanager_version: str, exporters: int, tmp_path: Path
) -> None:
    for path, written in generated_files(*CATALOGS).items():
        text = written
        if "/production/rules/" in path or "/alertmanager/" in path:
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            for minutes, seconds in HASTE.items() if "/rules/" in path else ():
                text = text.replace(minutes, seconds)
            target.write_text(text)
    port, log = free_port(), tmp_path / "alertmanager.log"
    shutil.copytree(tmp_path / "generated" / "alertmanager", tmp_path / "am")
    command = (
        find("alertmanager", alertmanager_version),
        f"--config.file={tmp_path / 'am' / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'am' / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    config = {
        "global": {"evaluation_interval": "1s", "scrape_interval": "1s"},
        "rule_files": [f"{tmp_path}/generated/{name}/production/rules/*.yml" for name in NAMES],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]},
        "scrape_configs": [
            {
                "job_name": f"{name}-exporter",
                "metrics_path": f"/{name}",
                "static_configs": [
                    {
                        "targets": [f"127.0.0.1:{exporters}"],
                        "labels": {"environment": "production", "service": name},
                    }
                ],
            }
            for name in NAMES
        ],
    }
    with (
        running(command, log) as process,
        prometheus(find("prometheus", prometheus_version), as_yaml(config), tmp_path / "server") as url,
    ):
        wait_until_ready(f"http://127.0.0.1:{port}/-/ready", process, log)

        def recorded() -> dict[str, str]:
            answer = httpx.get(
                f"{url}/api/v1/query", params={"query": "stripe_account:charges_enabled:min"}, timeout=100
            )
            found = answer.json()["data"]["result"]
            values = {one["metric"]["service"]: one["value"][1] for one in found}
            return values if len(values) == len(NAMES) else {}

        assert until(recorded) == {"shop": "0", "donations": "1"}
        groups = httpx.get(f"{url}/api/v1/rules", timeout=100).json()["data"]["groups"]
        assert len({group["name"] for group in groups}) == len(groups)
        assert {group["name"].split(".")[0] for group in groups} == set(NAMES)

        alerts = f"http://127.0.0.1:{port}/api/v2/alerts"

        def beating() -> dict[str, list[str]]:
            found = httpx.get(alerts, params={"filter": 'alertname="PaymentsWatchdog"'}, timeout=100).json()
            told = {one["labels"]["service"]: [by["name"] for by in one["receivers"]] for one in found}
            return told if len(told) == len(NAMES) else {}

        assert until(beating) == {name: [f"payments-heartbeat-{name}-production"] for name in NAMES}

        def firing() -> dict[str, set[str]]:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": 'ALERTS{alertstate="firing"}'}, timeout=100)
            found = [one["metric"] for one in answer.json()["data"]["result"]]
            by_name = {
                name: {one["service"] for one in found if one["alertname"] == name}
                for name in ("PaymentHealthDown", "PaymentHealthCheckFailing")
            }
            return by_name if all(by_name.values()) else {}

        assert until(firing) == {"PaymentHealthDown": {"shop"}, "PaymentHealthCheckFailing": {"donations"}}


@cache
def written_files() -> Mapping[str, str]:
    return generated_files(*CATALOGS)


@pytest.mark.parametrize("version", ["0.25", "0.33"])
def test_no_message_is_of_two_services(version: str, tmp_path: Path) -> None:
    """Nor does a ticket of one stay open because of the other's."""
    for path, written in written_files().items():
        if path.startswith("generated/alertmanager/"):
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(written)
    config = tmp_path / "generated/alertmanager/alertmanager.yml"
    alerts = [
        {"labels": {"alertname": "Any", "environment": "production", "priority": priority, "service": name} | TEAM}
        for priority in ("P1", "P2", "P3", "P4")
        for name in NAMES
    ]
    with alertmanager(find("alertmanager", version), config) as url:
        httpx.post(f"{url}/api/v2/alerts", json=alerts, timeout=100).raise_for_status()

        def grouped() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = httpx.get(f"{url}/api/v2/alerts/groups", timeout=100).json()
            return found if sum(len(one["alerts"]) for one in found) >= len(alerts) else []

        for group in until(grouped):
            assert len({alert["labels"]["service"] for alert in group["alerts"]}) == 1, group["labels"]


@pytest.mark.parametrize("kind", ["podmonitor", "servicemonitor"])
def test_in_one_namespace_each_monitor_selects_the_exporter_of_its_own_service_alone(kind: str) -> None:
    files = written_files()
    pods = {name: {**EXPORTER_LABELS, "app.kubernetes.io/part-of": name} for name in NAMES}
    selected = {
        name: [
            [
                whose
                for whose, labels in pods.items()
                if monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
            ]
            for monitor in yaml.safe_load_all(files[f"generated/{name}/production/deploy/{kind}.yaml"])
        ]
        for name in NAMES
    }
    assert selected == {name: [[name], []] for name in NAMES}, "that of the exporter, and that of the application"


def test_in_one_namespace_annotated_pods_of_an_exporter_are_kept_for_its_own_service_alone() -> None:
    files = written_files()
    for name in NAMES:
        written = yaml.safe_load(files[f"generated/{name}/production/deploy/scrape-annotated-pods.yml"])
        (of_exporter,) = (one for one in written["scrape_configs"] if one["job_name"].endswith("-exporter"))
        kept = {
            one["source_labels"][0]: one["regex"] for one in of_exporter["relabel_configs"] if one["action"] == "keep"
        }
        assert kept["__meta_kubernetes_pod_label_app_kubernetes_io_part_of"] == name
