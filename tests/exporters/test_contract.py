"""Does the exporter serve exactly what the catalog declares, and do promtool and Prometheus agree?"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporters.configuration.settings import load
from exporters.process.assembly import assemble
from exporters.process.run import Exporter
from exporters.web.page import form_for, help_text
from exporters.web.webconfig import WebConfigFile
from generators.files import environment_files
from paymon.programs import find
from paymon.promtool import Promtool
from rules.catalog import catalog
from rules.payments import monitoring
from rules.vocabulary import Metric
from simulator.surroundings import Surroundings
from tests.scenarios.stepped_time import SteppedLoop
from tests.servers import free_port, prometheus, running, wait_until_ready
from tests.versions import PROMETHEUS

pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).parents[2]
CATALOG = catalog()
EXPORTED = tuple(metric for metric in CATALOG.metrics if metric.source.exported)
CUSTOM = "payments_custom_recent"


@pytest.fixture(scope="module")
def pages(around: Surroundings) -> dict[str, str]:
    """The pages, by Accept header, of the example's exporter once it has sampled every source twice."""
    with psycopg.connect(around.dsn) as database:  # what it asks of its own looks back no more than 5 minutes
        database.execute("UPDATE payments SET created_at = now() WHERE status = 'completed'")
    ahead = 0
    loop = SteppedLoop()

    async def story() -> dict[str, str]:
        nonlocal ahead
        exporter = Exporter(
            lambda: load(ROOT / "examples" / "exporter.yaml", around.environment),
            assemble,
            WebConfigFile(None, lambda _: None),
            metrics=CATALOG.metrics,
            clock=lambda: time.time() + ahead,
            version="1.2.3",
            environment={},
        )
        try:
            await exporter.sample()
            ahead = 60  # whoever found nobody to ask asks again by then
            loop.jump(loop.time() + ahead)
            await exporter.sample()
            forms = ("text/plain", "application/openmetrics-text")
            return {accept: (await exporter.page.render(form_for(accept, ""))).body.decode() for accept in forms}
        finally:
            await exporter.close()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(story())


@pytest.fixture(scope="module")
def families(pages: dict[str, str]) -> dict[str, Family]:
    """The families of the page, by the metric's name."""
    found = parse_text(pages["text/plain"])
    return {f"{one.name}_total" if one.type == "counter" else one.name: one for one in found}


@pytest.mark.slow
def test_nothing_undeclared_is_served(families: dict[str, Family]) -> None:
    assert set(families) - {metric.name for metric in EXPORTED} == {CUSTOM}


def test_families_stand_in_the_order_of_the_catalog(families: dict[str, Family]) -> None:
    assert list(families)[:-1] == [metric.name for metric in EXPORTED if metric.name in families]


@pytest.mark.parametrize("metric", EXPORTED, ids=str)
def test_a_declared_metric_is_served_with_its_type_its_help_and_its_labels(
    metric: Metric, families: dict[str, Family]
) -> None:
    family = families[metric.name]
    assert family.type == metric.kind
    assert family.documentation == help_text(metric)
    assert family.documentation.startswith(metric.help)
    names = {label.name for label in metric.labels}
    for sample in family.samples:
        assert sample.name in metric.series_names
        assert set(sample.labels) - {"le"} == names
        for label in metric.labels:
            assert not label.values or sample.labels[label.name] in label.values


def test_openmetrics_holds_the_same_series(pages: dict[str, str]) -> None:
    def series(found: Any) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        return {(one.name, tuple(sorted(one.labels.items()))) for family in found for one in family.samples}

    parsed = openmetrics.text_string_to_metric_families(pages["application/openmetrics-text"])  # type: ignore[no-untyped-call]
    assert series(parsed) == series(parse_text(pages["text/plain"]))


def test_every_source_was_sampled_without_an_error(families: dict[str, Family]) -> None:
    up = {sample.labels["source"]: sample.value for sample in families[monitoring.source_up.name].samples}
    assert up == dict.fromkeys(monitoring.SOURCE.values, 1.0)


def test_no_secret_is_on_the_page(pages: dict[str, str], around: Surroundings) -> None:
    for name in ("PAYMON_STRIPE__API_KEY", "PAYMON_FLAG__TOKEN", "PAYMON_POSTGRES__DSN"):
        assert around.environment[name] not in pages["text/plain"]
    assert "acct_" not in pages["text/plain"]
    assert "@" not in pages["text/plain"]


def test_promtool_finds_nothing_to_object_to(promtool: Promtool, pages: dict[str, str]) -> None:
    declared = pages["text/plain"].partition(f"# HELP {CUSTOM}")[0]
    assert promtool.check_metrics(declared) == ()


@contextmanager
def exporting(around: Surroundings, folder: Path) -> Iterator[int]:
    """`paymon exporter` with the example's configuration, as a process; gives its port once it is ready."""
    port = free_port()
    command = (sys.executable, "-c", "from paymon.exporter import exporter; exporter()")
    options = ("--config", str(ROOT / "examples" / "exporter.yaml"), "--web.listen-address", f"127.0.0.1:{port}")
    environment = {**around.environment, "PAYMON_STRIPE__STATE__PATH": str(folder / "state.sqlite3")}
    variables = [f"{name}={value}" for name, value in environment.items()]
    log = folder / "exporter.log"
    with running(("env", *variables, *command, *options), log) as process:
        wait_until_ready(f"http://127.0.0.1:{port}/-/ready", process, log)
        yield port


@pytest.mark.slow
@pytest.mark.parametrize("version", PROMETHEUS)
def test_prometheus_scrapes_it_and_the_generated_rules_evaluate_on_it(
    version: str, around: Surroundings, tmp_path: Path
) -> None:
    environment = CATALOG.organisation.environment("production")
    for path, text in environment_files(CATALOG, environment).items():
        if "/rules/" in path:
            target = tmp_path / "rules" / Path(path).name
            target.parent.mkdir(exist_ok=True)
            target.write_text(text.replace("interval: 30s", "interval: 1s"))
    with exporting(around, tmp_path) as port:
        config = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{}}}}
rule_files: ["{tmp_path}/rules/*.yml"]
scrape_configs:
  - job_name: {CATALOG.organisation.jobs.exporter[0]}
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{environment: production, service: payments}}}}]
"""
        with (
            prometheus(find("prometheus", version), config, tmp_path / "server") as url,
            httpx.Client(base_url=f"{url}/api/v1", timeout=100) as ask,
        ):
            _once(lambda: [one["health"] for one in _targets(ask)] == ["up"], lambda: _targets(ask))
            declared = {(one.name.removesuffix("_total"), one.kind, help_text(one)) for one in EXPORTED}
            _once(lambda: declared <= _metadata(ask), lambda: declared - _metadata(ask))
            left: dict[tuple[str, int], str] = _once(lambda: _rules(ask))

            def all_have_evaluated_well() -> bool:
                for rule, error in _rules(ask).items():
                    assert not error or error == _UNKNOWN or _TWICE in error, (rule, error)
                    if not error:
                        left.pop(rule, None)
                return not left

            _once(all_have_evaluated_well, lambda: left)
            _once(lambda: _recorded(ask) > 30)


def _targets(ask: httpx.Client) -> Any:
    return ask.get("/targets").json()["data"]["activeTargets"]


def _metadata(ask: httpx.Client) -> set[tuple[str, str, str]]:
    found = ask.get("/targets/metadata").json()["data"]
    return {(one["metric"].removesuffix("_total"), one["type"], one["help"]) for one in found}


def _recorded(ask: httpx.Client) -> int:
    """How many signals have a value."""
    query = 'count(count by (__name__) ({__name__=~".+:.+:.+"}))'
    found = ask.get("/query", params={"query": query}).json()["data"]["result"]
    return int(found[0]["value"][1]) if found else 0


_TWICE = "duplicate sample for timestamp"
"""A starved Prometheus evaluates twice at one moment, with a scrape between, and refuses the second values."""
_UNKNOWN = "not evaluated yet"


def _rules(ask: httpx.Client) -> dict[tuple[str, int], str]:
    """Each rule by its group and place there, with what was wrong with its last evaluation, if anything was."""
    return {
        (group["name"], place): {"ok": "", "unknown": _UNKNOWN}.get(rule["health"], rule.get("lastError", "?"))
        for group in ask.get("/rules").json()["data"]["groups"]
        for place, rule in enumerate(group["rules"])
    }


def _once(asked: Callable[[], Any], explain: Callable[[], object] = str) -> Any:
    """The answer, as soon as there is one; where there is none in time, what explains it."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        if found := asked():
            return found
        time.sleep(0.2)
    raise AssertionError(f"no answer in time: {explain()}")


@pytest.mark.slow
def test_the_documented_command_runs_all_of_it(tmp_path: Path) -> None:
    port = free_port()
    shown = (ROOT / "examples" / "exporter.yaml").read_text()
    assert "python -m simulator.surroundings paymon exporter --config examples/exporter.yaml" in shown
    log = tmp_path / "log"
    command = (
        *(sys.executable, "-m", "simulator.surroundings"),
        *(sys.executable, "-c", "from paymon.exporter import exporter; exporter()"),
        *("--config", "examples/exporter.yaml", "--web.listen-address", f"127.0.0.1:{port}"),
    )
    with log.open("wb") as output, subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/-/ready", process, log, within=300)
        finally:
            process.terminate()
            status = process.wait(100)
    assert status == 0
    assert json.loads(log.read_text().splitlines()[0])["sources"].count(",") == len(monitoring.SOURCE.values) - 1
