"""How long does a backtest of the whole catalog take, and how much longer would it take evaluation by evaluation?

Prints, for so many days of samples every 15 s (the first argument; 1 by default): the time of a replay where nothing is
recorded, where everything is, and of asking for each rule at each interval, of which a sample is taken and scaled up.
"""

import contextlib
import itertools
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
    r"|catching_up|undelivered|missing|duplicate|pending|unfinished|backlog|skew|due|lag|drift"
)
_DUE = re.compile("not_after|expiry|due")
_STEADY = {Unit.RATIO: 0.001, Unit.SECONDS: 30}
_JOBS = ("payments", "payments-exporter")


def main() -> None:
    """Print the figures."""
    days = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
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
        with _serving(folder) as url:

            def client() -> Prometheus:
                return Prometheus(Access(url=url, timeout_seconds=600))

            began = time.monotonic()
            Replay(client, rules, history).run()
            expanded = time.monotonic() - began
            print(f"expanded: {expanded:.1f} s, which is {expanded / days * 30:.0f} s for 30 days")
            began = time.monotonic()
            asked, evaluations = 0, history.evaluations[:: max(len(history.evaluations) // 20, 1)]
            with client() as prometheus:
                for moment in evaluations:
                    for rule in rules.alerts:
                        for branch in rule.branches:
                            prometheus.query(rules.branch_text(branch, ()), moment)
                            asked += 1
            each = (time.monotonic() - began) / asked * (asked / len(evaluations)) * len(history.evaluations)
            print(f"evaluation by evaluation, expanded: {each:.0f} s, {each / expanded:.0f} times as long")
            file = folder / "rules.yml"
            file.write_text(recordings(definitions, production, 1, EVERY).replace("interval: 1m", "interval: 30s"))
            span = (f"--start={start}", f"--end={end}", "--eval-interval=30s", f"--output-dir={folder / 'data'}")
            command = (find("promtool"), "tsdb", "create-blocks-from", "rules", f"--url={url}", *span, file)
            subprocess.run(command, check=True, capture_output=True)
        with _serving(folder) as url:
            replay = Replay(lambda: Prometheus(Access(url=url, timeout_seconds=600)), rules, history)
            began = time.monotonic()
            replay.run()
            took = time.monotonic() - began
            print(f"recorded ({len(replay.recorded())} signals): {took:.1f} s, {took / days * 30:.0f} s for 30 days")


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
            file.write("# EOF\n")
        command = (find("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=54h", "openmetrics", source)
        subprocess.run((*command, folder / "data"), check=True, capture_output=True)
        source.unlink()
    return count


@dataclass
class _Course:
    """One series of a shop that is well, but for an hour in every three days."""

    series: str
    metric: Metric
    value: float = 0

    def lines(self, moments: range, start: int) -> Iterator[str]:
        """Its samples at those moments as OpenMetrics text. A counter goes on from the last call."""
        series, bad = self.series, bool(_BAD.search(self.series))
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
def _serving(folder: Path) -> Iterator[str]:
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
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
