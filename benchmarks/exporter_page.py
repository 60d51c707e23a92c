"""How long does a scrape take, how soon is the exporter up, and how much memory does it rest on?"""

import asyncio
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from exporters.process.logs import FailureLog
from exporters.sampling.model import Distribution, Reading, Sampler, Snapshot, reading
from exporters.sampling.scheduler import Scheduler
from exporters.web.page import Page, families, form_for
from exporters.web.server import Server, application, listen
from exporters.web.webconfig import WebConfigFile
from rules.vocabulary import Counter, Label, Source, Unit
from simulator.surroundings import surroundings

SERIES = 1500
SCRAPES = 600
SCRAPERS = 8
AT_ONCE = 200

_METRICS = tuple(
    Counter(
        f"payments_benchmark_{number}_total",
        "Something that is counted for a benchmark",
        Unit.COUNT,
        Source.POSTGRES,
        labels=(Label("result", ("success", "failed")), Label("method", tuple(f"method{m}" for m in range(15)))),
    )
    for number in range(SERIES // 30)
)


def _readings(value: float) -> tuple[Reading | Distribution, ...]:
    return tuple(
        reading(metric, value, result=result, method=method)
        for metric in _METRICS
        for result in metric.label("result").values
        for method in metric.label("method").values
    )


class _Busy(Sampler):
    """A source that has 1,500 new readings every second, the least interval that there is."""

    source = Source.POSTGRES
    interval = timedelta(seconds=1)
    max_age = timedelta(minutes=1)

    def __init__(self) -> None:
        self._samples = 0

    async def sample(self, now: float) -> Snapshot:
        self._samples += 1
        return Snapshot(self.source, now, now, _readings(self._samples))

    async def close(self) -> None:
        return


class _Families(Collector):
    def __init__(self) -> None:
        self._families = tuple(families(_readings(1), _METRICS))

    def collect(self) -> Iterator[object]:  # type: ignore[override]
        return iter(self._families)


def main() -> None:
    """Print the figures."""
    alone = _seconds_alone()
    print(f"generate_latest alone, {SERIES} series: {alone * 1000:.1f} ms")
    rendered = asyncio.run(_seconds_rendered())
    print(f"the page with new readings: {rendered / alone:.2f} x that")
    durations, burst = asyncio.run(_scraped())
    median, p99 = statistics.median(durations), sorted(durations)[int(len(durations) * 0.99)]
    print(f"a scrape while sources sample, {SCRAPERS} scrapers: median {median / alone:.2f} x, p99 {p99 / alone:.2f} x")
    print(f"{AT_ONCE} scrapers at once: the last is answered after {burst / alone:.1f} x")
    _start_up()


def _seconds_alone() -> float:
    collected = _Families()
    return min(_timed(lambda: generate_latest(collected)) for _ in range(20))


def _timed(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


async def _seconds_rendered() -> float:
    best = float("inf")
    for number in range(20):
        readings = _readings(number)
        page = Page(_METRICS, lambda readings=readings: readings)  # type: ignore[misc]
        started = time.perf_counter()
        await page.render(form_for("", ""))
        best = min(best, time.perf_counter() - started)
    return best


async def _scraped() -> tuple[list[float], float]:
    scheduler = Scheduler((_Busy(),), time.time, lambda: 0.0, FailureLog(logging.getLogger("benchmark")))
    web = WebConfigFile(None, lambda _: None)
    server = Server(application(Page(_METRICS, scheduler.readings), lambda: True, "0"), web)
    sampling = asyncio.create_task(scheduler.run())
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        serving = asyncio.create_task(server.serve([bound]))
        await asyncio.sleep(0.2)
        try:
            return await asyncio.to_thread(_scrape, port), await asyncio.to_thread(_burst, port)
        finally:
            sampling.cancel()
            server.stop()
            await serving


def _scrape(port: int) -> list[float]:
    """Seconds of each scrape, asked from a process of its own, over connections that are kept."""
    asked = _client(port, SCRAPERS, SCRAPES)
    return [float(line) for line in asked.splitlines()]


def _burst(port: int) -> float:
    return sum(sorted(float(line) for line in _client(port, AT_ONCE, AT_ONCE).splitlines())[-1:])


_CLIENT = """
import http.client, sys, threading, time
port, threads, scrapes = map(int, sys.argv[1:])
durations, begin = [], threading.Barrier(threads)
def scrape():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin.wait()
    for _ in range(scrapes // threads):
        started = time.perf_counter()
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        connection.getresponse().read()
        durations.append(time.perf_counter() - started)
running = [threading.Thread(target=scrape) for _ in range(threads)]
[one.start() for one in running]; [one.join() for one in running]
print(*durations, sep="\\n")
"""


def _client(port: int, threads: int, scrapes: int) -> str:
    command = [sys.executable, "-c", _CLIENT, str(port), str(threads), str(scrapes)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def _start_up() -> None:
    """With every source of the example switched on."""
    bare = min(_timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)) for _ in range(3))
    with tempfile.TemporaryDirectory() as folder, surroundings(Path(folder)) as around:
        waits, megabytes = [], 0.0
        for _ in range(3):
            with _exporter(around.environment) as (process, port, started):
                waits.append(_until_served(port) - started)
                time.sleep(5)
                megabytes = _resident(process.pid)
    print(f"from start to the first page: {min(waits):.2f} s, {min(waits) / bare:.0f} x a bare interpreter's start")
    print(f"resident memory at rest: {megabytes:.0f} MiB, {megabytes / 100:.2f} x the aim of 100 MiB")


@contextmanager
def _exporter(environment: object) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    example = Path(__file__).parents[1] / "examples" / "exporter.yaml"
    code = "from paymon.exporter import exporter; exporter()"
    command = [sys.executable, "-c", code, "--config", str(example), "--web.listen-address", f"127.0.0.1:{port}"]
    started = time.perf_counter()
    variables = {**os.environ, **environment}  # type: ignore[dict-item]
    with subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL) as process:
        try:
            yield process, port, started
        finally:
            process.terminate()
            process.wait(30)


def _until_served(port: int) -> float:
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).status_code == 200:
                return time.perf_counter()
        except httpx.TransportError:
            time.sleep(0.01)


def _resident(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main()
