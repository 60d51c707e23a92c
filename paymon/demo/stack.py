"""How does everything that the demo needs start, in which order, and where is it then to be reached?"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from generators.alertmanager import alertmanager_files
from generators.rules import rule_file, rule_groups
from paymon.demo import backfill
from paymon.demo.configuration import SCRAPE_SECONDS, exporter_settings, prometheus_settings
from paymon.demo.inbox import Inbox, listening
from paymon.demo.processes import Process, fetched, free_port, started
from paymon.demo.shop import PER_MINUTE, LiveShop, opened
from paymon.demo.shortening import shortened_routing, shortened_rules
from rules.payments import monitoring, outcomes
from rules.vocabulary import Catalog, Environment

__all__ = ["Programs", "Stack", "running"]

_LATE_SOURCES = 1
"""A reconciliation has to wait for the first answers of both sides, and then for its next turn."""

_COUNTS_WITHIN = 120.0
_SETTLES_WITHIN = 15.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of others that the demo runs."""

    prometheus: Path
    promtool: Path
    alertmanager: Path


@dataclass(slots=True)
class Stack:
    """Everything that runs, by its addresses."""

    shop: LiveShop
    inbox: Inbox
    channels: Mapping[str, str]
    prometheus: str
    alertmanager: str
    exporter: str
    _processes: tuple[Process, ...]
    _exporter: Process
    _start_exporter: Callable[[], Process]
    _exporter_wanted: bool = True

    @property
    def fallen(self) -> tuple[str, ...]:
        """The names of the programs that have ended although nobody asked them to."""
        wanted = (*self._processes, self._exporter) if self._exporter_wanted else self._processes
        return tuple(process.name for process in wanted if not process.runs)

    def exporter_runs(self, wanted: bool) -> None:
        """Kill the exporter, or start it again, where it is not as wanted. To be called from the main thread."""
        self._exporter_wanted = wanted
        if not wanted:
            self._exporter.kill()
        elif not self._exporter.runs:
            self._exporter = self._start_exporter()


@contextmanager
def running(
    folder: Path, catalog: Catalog, environment: Environment, programs: Programs, speed: int, say: Say
) -> Iterator[Stack]:
    """Start everything in `folder`, and end it with the block; `say` is told of each step.

    To be called from the main thread. Raises NotStartedError, OSError where the folder has no room, and TooFastError.
    """
    rules = folder / "rules"
    rules.mkdir()
    for group in rule_groups(catalog, environment):
        text = shortened_rules(rule_file(group), speed, SCRAPE_SECONDS)
        (rules / f"{group.area.name}.yml").write_text(text)
    organisation = catalog.organisation
    jobs = organisation.jobs_in(environment)
    exporter_job, application_job = jobs.exporter[0], jobs.application[0]
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "exporter")}
    targets = {
        exporter_job: f"127.0.0.1:{ports['exporter']}",
        "alertmanager": f"127.0.0.1:{ports['alertmanager']}",
        "prometheus": f"127.0.0.1:{ports['prometheus']}",
    }
    addresses = {name: f"http://{targets[name]}" for name in ("prometheus", "alertmanager")}
    with ExitStack() as stack:
        inbox, sink = stack.enter_context(listening())
        say("Postgres, the payments service and a fake Stripe")
        shop = stack.enter_context(opened(folder, speed))
        targets[application_job] = shop.metrics_target
        say("Alertmanager")
        alerting = shortened_routing(alertmanager_files(catalog)["alertmanager/alertmanager.yml"], speed, sink)
        alertmanager = stack.enter_context(
            _alertmanager(programs, catalog, alerting.text, folder, ports["alertmanager"])
        )
        say("the exporter, until it counts payments")
        (folder / "exporter.yaml").write_text(exporter_settings(speed))
        own = _without_ours(os.environ) | dict(shop.environment) | {"NO_PROXY": "127.0.0.1"}
        command = _exporter(folder / "exporter.yaml", targets[exporter_job])

        def start_exporter() -> Process:
            return stack.enter_context(started("Exporter", command, folder, own))

        exporter = start_exporter()
        exporter.wait_until(lambda: _counts(_page(targets[exporter_job])), _COUNTS_WITHIN)
        shop.keep_pace()
        say(f"{backfill.HOURS} simulated hours for Prometheus to remember")
        seen = {(job, targets[job]): _page(targets[job]) for job in (exporter_job, application_job)}
        now = time.time() - 1
        data = folder / "prometheus"
        backfill.import_past(
            programs.promtool, backfill.openmetrics(catalog, environment, seen, now, speed, PER_MINUTE), data
        )
        with _prometheus(programs, "global: {}", folder, targets["prometheus"]):
            recordings = backfill.recordings(catalog, environment, speed, SCRAPE_SECONDS)
            backfill.record_past(programs.promtool, recordings, addresses["prometheus"], data, now, speed)
        say("Prometheus, until its rules have settled")
        settings = prometheus_settings(organisation, environment, rules, speed, targets)
        prometheus = stack.enter_context(_prometheus(programs, settings, folder, targets["prometheus"]))
        alertmanager.wait_until_answers(f"{addresses['alertmanager']}/-/ready")
        prometheus.wait_until(lambda: _settled(addresses["prometheus"], catalog), _SETTLES_WITHIN, or_else_go_on=True)
        yield Stack(
            shop=shop,
            inbox=inbox,
            channels=alerting.channels,
            prometheus=addresses["prometheus"],
            alertmanager=addresses["alertmanager"],
            exporter=f"http://{targets[exporter_job]}",
            _processes=(alertmanager, prometheus),
            _exporter=exporter,
            _start_exporter=start_exporter,
        )


def _exporter(settings: Path, address: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "paymon", "exporter", f"--config={settings}", f"--web.listen-address={address}")


def _page(address: str) -> str:
    """What is scraped there; nothing where nobody answers."""
    answer = fetched(f"http://{address}/metrics")
    return answer.text if answer else ""


def _counts(page: str) -> bool:
    """Whether the sources were sampled, and payments are being counted."""
    samples = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    counted = sum(float(value) for series, _, value in samples if series.startswith(outcomes.attempts.name))
    ups = [float(value) for series, _, value in samples if series.startswith(monitoring.source_up.name)]
    return counted > 0 and sum(ups) >= len(ups) - _LATE_SOURCES


def _settled(prometheus: str, catalog: Catalog) -> bool:
    """Whether the heartbeat fires, and nothing else."""
    answer = fetched(f"{prometheus}/api/v1/alerts")
    alerts = answer.json()["data"]["alerts"] if answer else []
    always = sorted(alert.name for alert in catalog.alerts if alert.always)
    return sorted(one["labels"]["alertname"] for one in alerts) == always


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """Nobody's real key or database may get into the demo."""
    return {name: value for name, value in environment.items() if not name.startswith("PAYMON_")}


@contextmanager
def _prometheus(programs: Programs, settings: str, folder: Path, address: str) -> Iterator[Process]:
    """A Prometheus that is ready, with what others before it have left behind."""
    (folder / "prometheus.yml").write_text(settings)
    command = (
        programs.prometheus,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
    )
    with started("Prometheus", command, folder) as process:
        process.wait_until_answers(f"http://{address}/-/ready")
        yield process


@contextmanager
def _alertmanager(programs: Programs, catalog: Catalog, text: str, folder: Path, port: int) -> Iterator[Process]:
    home = folder / "alertmanager"
    (home / "templates").mkdir(parents=True)
    (home / "alertmanager.yml").write_text(text)
    for path, template in alertmanager_files(catalog).items():
        if path.endswith(".tmpl"):
            (home / "templates" / Path(path).name).write_text(template)
    command = (
        programs.alertmanager,
        f"--config.file={home / 'alertmanager.yml'}",
        f"--storage.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    with started("Alertmanager", command, folder) as process:
        yield process
