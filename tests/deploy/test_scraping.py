"""Does each form of scraping set the labels by which the rules select, in the real program?"""

import subprocess
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from generators.deploy import deploy_files
from generators.text import as_yaml
from paymon.live.access import Access
from paymon.live.prometheus import Prometheus
from paymon.programs import find
from paymon.scraped import scraped
from rules.catalog import catalog
from tests.servers import prometheus
from tests.versions import PROMETHEUS

CATALOG = catalog()
FILES = deploy_files(CATALOG)
OURS = {"job": "payments-exporter", "service": "payments", "environment": "production"}
PAGE = 'payments_exporter_watermark_timestamp_seconds{source="health"} 1\n'


def generated(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILES[f"production/deploy/{name}"])
    return found


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def exporter() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def labels_of(url: str) -> dict[str, str]:
    """The labels of the exporter's series, without the instance, once the server has it."""
    deadline = time.monotonic() + 200
    while True:
        query = {"query": 'payments_exporter_watermark_timestamp_seconds{source="health"}'}
        found = httpx.get(f"{url}/api/v1/query", params=query, timeout=100).json()["data"]["result"]
        if found:
            return {name: value for name, value in found[0]["metric"].items() if name in OURS}
        assert time.monotonic() < deadline, "no series within 200 s"
        time.sleep(0.2)


def led_to(config: dict[str, Any], port: int) -> str:
    """The configuration with the exporter's, or the other Prometheus', real port, every second."""
    (job, *_) = config["scrape_configs"]
    job["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    return as_yaml({"global": {"scrape_interval": "1s"}, "scrape_configs": [{**job, "scrape_interval": "1s"}]})


@pytest.mark.parametrize("version", PROMETHEUS)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("prometheus.yml", ()),
        ("scrape-annotated-pods.yml", ()),
        ("scrape-agent.yml", ("--agent",)),
        ("scrape-federation.yml", ()),
    ],
)
def test_prometheus_accepts_every_scrape_configuration(
    version: str, name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    text = FILES[f"production/deploy/{name}"]
    if version == "2.42":  # Debian's build of it knows no Kubernetes
        text = text.replace("kubernetes_sd_configs:\n  - role: pod\n", "static_configs: []\n")
    (tmp_path / name).write_text(text)
    promtool = str(find("promtool", version))
    command: list[str] = [promtool, "check", "config", "--syntax-only", *options, str(tmp_path / name)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert said.returncode == 0, said.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prometheus.yml", "scrape-agent.yml"])
def test_what_is_scraped_has_the_labels_that_the_rules_select(name: str, exporter: int, tmp_path: Path) -> None:
    with prometheus(find("prometheus", "3.5"), led_to(generated(name), exporter), tmp_path) as url:
        assert labels_of(url) == OURS


@pytest.mark.slow
def test_what_is_federated_keeps_the_labels_that_it_has(exporter: int, tmp_path: Path) -> None:
    below, above = led_to(generated("prometheus.yml"), exporter), generated("scrape-federation.yml")
    program = find("prometheus", "3.5")
    with prometheus(program, below, tmp_path / "below") as scraping:
        labels_of(scraping)
        port = int(scraping.rsplit(":", 1)[1])
        with prometheus(program, led_to(above, port), tmp_path / "above") as federating:
            assert labels_of(federating) == OURS


def pod(namespace: str, address: str, port: str, *, app: str = "", annotated: str = "") -> dict[str, Any]:
    """A port of a pod that carries the exporter, as Prometheus discovers it; with `app`, beside the application."""
    labels = {
        "__meta_kubernetes_namespace": namespace,
        "__meta_kubernetes_pod_name": f"{namespace}-0",
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": "paymon",
        "__meta_kubernetes_pod_container_port_name": port,
        **({"__meta_kubernetes_pod_label_app": app} if app else {}),
    }
    if annotated:
        labels |= {
            "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
            "__meta_kubernetes_pod_annotation_prometheus_io_port": annotated,
        }
    return {"targets": [address], "labels": labels}


PODS = (
    pod("payments-production", "127.0.0.1:9877", "paymon"),
    pod("payments-production", "127.0.0.2:8080", "http", app="payments", annotated="8080"),
    pod("payments-production", "127.0.0.2:9877", "paymon", app="payments", annotated="8080"),
    pod("payments-production", "127.0.0.3:8080", "http", app="payments", annotated="9877"),
    pod("payments-production", "127.0.0.3:9877", "paymon", app="payments", annotated="9877"),
    pod("payments-staging", "127.0.0.4:8080", "http", app="payments", annotated="8080"),
    pod("payments-staging", "127.0.0.4:9877", "paymon", app="payments", annotated="8080"),
    pod("orders-production", "127.0.0.5:9877", "paymon", annotated="9877"),
)


def discovered(url: str, jobs: int) -> list[dict[str, Any]]:
    """Every target of the server, once each of so many jobs has some."""
    deadline = time.monotonic() + 200
    while True:
        targets: list[dict[str, Any]] = httpx.get(f"{url}/api/v1/targets", timeout=100).json()["data"]["activeTargets"]
        if len({one["scrapePool"] for one in targets}) == jobs:
            return targets
        assert time.monotonic() < deadline, "not every job has a target within 200 s"
        time.sleep(0.2)


@pytest.mark.slow
def test_pods_are_scraped_under_the_job_and_environment_that_is_theirs(tmp_path: Path) -> None:
    """A sidecar's pod has two ports and one annotation; staging and another service live in the same cluster."""
    jobs = [
        {key: value for key, value in job.items() if key != "kubernetes_sd_configs"} | {"static_configs": list(PODS)}
        for environment in ("production", "staging")
        for job in yaml.safe_load(FILES[f"{environment}/deploy/scrape-annotated-pods.yml"])["scrape_configs"]
    ]
    with prometheus(find("prometheus", "3.5"), as_yaml({"scrape_configs": jobs}), tmp_path) as url:
        targets = discovered(url, len(jobs))

    assert {(one["labels"]["environment"], one["labels"]["job"], one["labels"]["instance"]) for one in targets} == {
        ("production", "payments-exporter", "127.0.0.1:9877"),
        ("production", "payments-exporter", "127.0.0.2:9877"),
        ("production", "payments-exporter", "127.0.0.3:9877"),
        ("production", "payments", "127.0.0.2:8080"),
        ("staging", "payments-exporter", "127.0.0.4:9877"),
        ("staging", "payments", "127.0.0.4:8080"),
    }
    assert {one["labels"]["service"] for one in targets} == {"payments"}


def found(labels: dict[str, str], page: str, folder: Path) -> list[str]:
    """What the doctor says of a Prometheus that scrapes a page under these labels, each second."""

    class Page(_Page):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    targets = {"targets": [f"127.0.0.1:{server.server_port}"], "labels": labels}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [{"job_name": "x", "static_configs": [targets]}]}
    with prometheus(find("prometheus", "3.5"), as_yaml(config), folder) as url:
        labels_of(url)
        with Prometheus(Access(url=url)) as asked:
            said = [f"{one.verdict.value}  {one}" for one in scraped(asked, (CATALOG,), time.time())]
    server.shutdown()
    server.server_close()
    return said


@pytest.mark.slow
def test_the_doctor_names_the_labels_that_no_rule_reads_and_those_that_they_read(tmp_path: Path) -> None:
    (line,) = found({**OURS, "job": "default/paymon"}, PAGE, tmp_path)

    assert line == (
        "mend  the scrape: an exporter's series are read by no rule of these definitions: job default/paymon, "
        "service payments, environment production; let scraping set job payments-exporter, service payments, "
        "environment production or job payments-exporter, service payments, environment staging, as the files in "
        "deploy/ do"
    )


@pytest.mark.slow
def test_the_doctor_says_who_else_exports_our_names_and_mends_nothing(tmp_path: Path) -> None:
    here = {**OURS, "job": "payments-exporter"}
    twin = 'payment_attempts_total{status="failed"} 1\n'

    assert found(here, PAGE, tmp_path / "alone") == [
        "fine  the scrape: the exporter's series are read: "
        "job payments-exporter, service payments, environment production"
    ]
    (_, line) = found({**OURS, "job": "payments"}, PAGE + twin, tmp_path / "twin")
    assert line == (
        "note  the scrape: job payments exports payment_attempts_total too, which no rule reads: job payments, "
        "service payments, environment production"
    )
