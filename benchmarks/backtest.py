"""How long does a backtest of the whole catalog take, and how much longer would it take evaluation by evaluation?

Prints, for so many days of samples every 15 s (the first argument; 3 by default): the time of a replay where nothing is
recorded, where everything is, and for both of asking for each rule at each interval.
"""

import contextlib
import itertools
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from generators.rules import Expressions
from paymon.backtest.as_data import as_data
from paymon.backtest.replay import History, Replay
from paymon.backtest.ruleset import Ruleset
from paymon.demo.backfill import recordings
from paymon.live.access import Access
from paymon.live.prometheus import Prometheus
from paymon.programs import find
from rules.catalog import catalog
from rules.vocabulary import Histogram, Metric, Unit, plain

EVERY = 15
_MOST_SERIES = 24
"""Series of one metric, however many its labels allow."""
_BLOCK, _RHYTHM, _FAR = 54 * 3600, 3 * 86400, 400 * 86400
_BAD = re.compile(
    r'result="(?!success|paid|created)|outcome="(?!succeeded|processed|won)|status_class="(?!2xx)|code="(?!200)'
    r"|fail|error|dropped|late_|doubled|overflow|missed|limited|declines|warnings|disputes|killed|open|maintenance"
    r"|catching_up|undelivered|missing|duplicate|pending|unfinished|backlog|skew|due|_lag|drift"
)
_DUE = re.compile("not_after|expiry|due")
_STEADY = {Unit.RATIO: 0.001, Unit.SECONDS: 30}
_SAMPLED = 20
_JOBS = ("payments", "payments-exporter")


def main() -> None:
    """Print the figures."""
    days = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    definitions = catalog()
    production = definitions.organisation.environments[0]
    rules = Ruleset.from_data(as_data(definitions, production))
    end = int(time.time()) // 3600 * 3600 - 3 * 3600
    start = end - int(days * 86400)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        began = time.monotonic()
        count = _import(folder, start - 3600, end)
        print(f"{count} samples of {days:g} days written and imported in {time.monotonic() - began:.0f} s")
        history = History(start, end, rules.interval)
        with _serving(folder) as server:
            _tell("expanded", server, rules, history, days)
            with server.client() as prometheus:
                _record(prometheus, recordings(definitions, production, 1, EVERY), folder, start, end)
        with _serving(folder) as server:
            _tell("recorded", server, rules, history, days)


@dataclass(frozen=True)
class _Server:
    """A Prometheus of ours, and the process that it is."""

    url: str
    process: int

    def client(self) -> Prometheus:
        return Prometheus(Access(url=self.url, timeout_seconds=600))

    @property
    def spent(self) -> float:
        """Seconds of processor time that it and we have used."""
        used = Path(f"/proc/{self.process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK") + time.process_time()


def _tell(what: str, server: _Server, rules: Ruleset, history: History, days: float) -> None:
    """Print how long a replay takes, and how long asking for each rule at each interval: of that, a sample is taken."""
    replay = Replay(server.client, rules, history)
    began, spent = time.monotonic(), server.spent
    replay.run()
    took, spent = time.monotonic() - began, server.spent - spent
    print(
        f"{what}, {len(replay.recorded())} signals recorded: {took:.1f} s, {spent:.1f} s of processor time; "
        f"{took / days * 30:.0f} s and {spent / days * 30:.0f} s for 30 days"
    )
    evaluations = history.evaluations[:: len(history.evaluations) // _SAMPLED]
    began, before = time.monotonic(), server.spent
    with server.client() as prometheus:
        for moment in evaluations:
            for rule in rules.alerts:
                for branch in rule.branches:
                    prometheus.query(rules.branch_text(branch, replay.recorded()), moment)
    of_all = len(history.evaluations) / len(evaluations)
    naive, used = (time.monotonic() - began) * of_all, (server.spent - before) * of_all
    print(
        f"{what}, evaluation by evaluation: {naive:.0f} s, {used:.0f} s of processor time; "
        f"{naive / took:.0f} and {used / spent:.0f} times as long"
    )


def _import(folder: Path, start: int, end: int) -> int:
    """Make blocks of samples from `start` to `end`, a few days of text at a time; how many samples there are."""
    definitions = catalog()
    expressions = Expressions(definitions, definitions.organisation.environments[0])
    read = {one.name for signal in definitions.signals for one in expressions.index.reads(signal)}
    courses = [
        _Course(series, metric)
        for metric in definitions.metrics
        for series in _series(metric, expressions)
        if series.split("{")[0] in read
    ]
    source, count = folder / "past.openmetrics", 0
    for first in range(start, end, _BLOCK):
        moments = range(first, min(first + _BLOCK, end), EVERY)
        with source.open("w") as file:
            for course in courses:
                file.writelines(course.lines(moments, start))
                count += len(moments)
        _make_blocks(source, folder)
    return count


def _record(prometheus: Prometheus, rules: str, folder: Path, start: int, end: int) -> None:
    """Make blocks of records: each with the value that its rule has where all is well, and in bad hours with another.

    How many samples there are is what costs; what the rules themselves cost is seen where nothing is recorded.
    """
    well, ill = start + 43_200, start + _RHYTHM - 3600 - 1800
    courses: dict[str, tuple[float, float]] = {}
    for rule in yaml.safe_load(rules)["groups"][0]["rules"]:
        found: dict[str, dict[int, float]] = {}
        for at in (well, ill):
            for one in prometheus.query(rule["expr"], at):
                labels = {**one.labels, **rule["labels"]}
                text = ",".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
                found.setdefault(f"{rule['record']}{{{text}}}", {})[at] = one.value
        for series, values in found.items():
            some = next(iter(values.values()))
            courses[series] = (values.get(well, some), values.get(ill, some))
    source, step = folder / "recorded.openmetrics", 30
    for first in range(start, end, _BLOCK):
        with source.open("w") as file:
            for series, (good, bad) in courses.items():
                for at in range(first, min(first + _BLOCK, end), step):
                    is_ill = (at - start + 3600) % _RHYTHM >= _RHYTHM - 3600
                    file.write(f"{series} {bad if is_ill else good:.12g} {at}\n")
        _make_blocks(source, folder)


def _make_blocks(source: Path, folder: Path) -> None:
    with source.open("a") as file:
        file.write("# EOF\n")
    command = (find("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=54h", "openmetrics", source)
    subprocess.run((*command, folder / "data"), check=True, capture_output=True)
    source.unlink()


@dataclass
class _Course:
    """One series of a shop that is well, but for an hour in every three days."""

    series: str
    metric: Metric
    value: float = 0

    def lines(self, moments: range, start: int) -> Iterator[str]:
        """Its samples at those moments as OpenMetrics text. A counter goes on from the last call."""
        series = self.series
        bad = bool(_BAD.search(self.metric.name if self.metric.kind == "gauge" else series))
        if self.metric.kind == "gauge" and self.metric.unit is Unit.TIMESTAMP:
            due = bool(_DUE.search(series))
            for at in moments:
                yield f"{series} {start + _FAR if due else at - 20} {at}\n"
        elif self.metric.kind == "gauge":
            steady = 0 if bad else _STEADY.get(self.metric.unit, 1)
            for at in moments:
                yield f"{series} {steady} {at}\n"
        else:
            value = int(self.value)
            for at in moments:
                value += not bad or (at - start) % _RHYTHM >= _RHYTHM - 3600
                yield f"{series} {value} {at}\n"
            self.value = value


def _series(metric: Metric, expressions: Expressions) -> Iterator[str]:
    names = [label.name for label in metric.labels]
    # A host has one certificate that ends first.
    labelled = [("leaf",) if label.name == "certificate" else label.values or ("example",) for label in metric.labels]
    products = list(itertools.product(*labelled))
    some = sorted(random.Random(metric.name).sample(products[1:], min(_MOST_SERIES, len(products)) - 1))
    for values in (products[0], *some):
        for name in metric.series_names:
            scraped = dict(expressions.scraped_labels(name))
            for job in _JOBS if name == "up" else (scraped.pop("job", "prometheus"),):
                labels = {**dict(zip(names, values, strict=True)), **scraped, "job": job, "instance": "a"}
                bounds = [*map(plain, metric.bounds), "+Inf"] if isinstance(metric, Histogram) else []
                for bound in bounds if name.endswith("_bucket") else [""]:
                    shown = {**labels, "le": bound} if bound else labels
                    yield name + "{" + ",".join(f'{key}="{value}"' for key, value in shown.items()) + "}"


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[_Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "prometheus.yml").write_text("global: {}\n")
    command = (
        find("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=10y",
        "--query.timeout=20m",
        "--query.max-samples=200000000",
    )
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"http://127.0.0.1:{port}/-/ready", timeout=1).status_code == 200:
                        break
                time.sleep(0.2)
            yield _Server(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
