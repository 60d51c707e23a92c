"""How long does a scrape take, how soon is the exporter up, and how much memory does it rest on?

The yardstick is `generate_latest` of prometheus_client, measured anew in each round beside the scrapes, so that both
meet the same load. A busy machine lengthens a single scrape more than the median of twenty pages: where others work
on it, processor time says more than the clock's.
"""

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
from dataclasses import dataclass
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
ROUNDS = 10
SCRAPERS = 8
PACES = (("every 50 ms", 0.05, 160), ("without a pause", 0.0, 600))
"""How often each scraper asks, in words and in seconds between two scrapes, and how many scrapes make a round."""
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
    alone = _alone()
    took = f"{alone.clock * 1000:.1f} ms, {alone.cpu * 1000:.1f} ms of processor time"
    print(f"generate_latest alone, {SERIES} series: {took}")
    rendered = asyncio.run(_seconds_rendered())
    print(f"the page with new readings: {rendered / alone.cpu:.2f} x that, in processor time")
    found, burst = asyncio.run(_scraped())
    for (words, _, number), rounds in zip(PACES, found, strict=True):
        scrapes = sorted(taken for one in rounds for taken in one.scrapes)
        median, p99 = statistics.median(scrapes), scrapes[int(len(scrapes) * 0.99)]
        print(f"scraped by {SCRAPERS} {words} while sources sample: median {median:.2f} x, p99 {p99:.2f} x")
        each = [one.p99 for one in rounds]
        print(f"the p99 of {number} scrapes, {words}: median {statistics.median(each):.2f} x, least {min(each):.2f} x")
        cpu = statistics.median(one.cpu for one in rounds)
        print(f"processor time for each scrape {words}, sampling and all else included: {cpu:.2f} x")
    print(f"{AT_ONCE} scrapers at once: the last is answered after {burst / alone.clock:.1f} x")
    _start_up()


@dataclass(frozen=True, slots=True)
class _Taken:
    """Seconds by the clock, and of the thread's processor time."""

    clock: float
    cpu: float


@dataclass(frozen=True, slots=True)
class _Round:
    """Scrapes as multiples of generate_latest in the same round, and processor time for each of them."""

    scrapes: tuple[float, ...]
    cpu: float

    @property
    def p99(self) -> float:
        return sorted(self.scrapes)[int(len(self.scrapes) * 0.99)]


def _alone() -> _Taken:
    collected = _Families()
    runs = [_timed(lambda: generate_latest(collected)) for _ in range(20)]
    return _Taken(statistics.median(one.clock for one in runs), statistics.median(one.cpu for one in runs))


def _timed(work: object) -> _Taken:
    started, cpu = time.perf_counter(), time.thread_time()
    work()  # type: ignore[operator]
    return _Taken(time.perf_counter() - started, time.thread_time() - cpu)


async def _seconds_rendered() -> float:
    """Processor time, whichever thread of the process takes it."""
    readings = _readings(0)
    page = Page(_METRICS, lambda: readings)
    await page.render(form_for("", ""))
    taken = []
    for number in range(1, 21):
        readings = _readings(number)
        started = time.process_time()
        await page.render(form_for("", ""))
        taken.append(time.process_time() - started)
    page.close()
    return statistics.median(taken)


async def _scraped() -> tuple[list[list[_Round]], float]:
    scheduler = Scheduler((_Busy(),), time.time, lambda: 0.0, FailureLog(logging.getLogger("benchmark")))
    web = WebConfigFile(None, lambda _: None)
    server = Server(application(Page(_METRICS, scheduler.readings), lambda: True, "0"), web)
    sampling = asyncio.create_task(scheduler.run())
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        serving = asyncio.create_task(server.serve([bound]))
        await asyncio.sleep(0.2)
        try:
            found: list[list[_Round]] = [[] for _ in PACES]
            for _ in range(ROUNDS):
                for rounds, (_, pause, scrapes) in zip(found, PACES, strict=True):
                    rounds.append(await asyncio.to_thread(_scrape, port, scrapes, pause))
            return found, await asyncio.to_thread(_burst, port)
        finally:
            sampling.cancel()
            server.stop()
            await serving


def _scrape(port: int, scrapes: int, pause: float) -> _Round:
    """Asked from a process of its own, over connections that are kept."""
    alone = _alone()
    before = time.process_time()
    taken = _client(port, SCRAPERS, scrapes, pause)
    cpu = (time.process_time() - before) / len(taken)
    return _Round(tuple(one / alone.clock for one in taken), cpu / alone.cpu)


def _burst(port: int) -> float:
    return max(_client(port, AT_ONCE, AT_ONCE, 0))


_CLIENT = """
import http.client, sys, threading, time
port, threads, scrapes = map(int, sys.argv[1:4])
pause = float(sys.argv[4])
durations, begin = [], threading.Barrier(threads)
def scrape(number):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin.wait()
    time.sleep(pause * number / threads)
    for _ in range(scrapes // threads):
        started = time.perf_counter()
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        connection.getresponse().read()
        durations.append(time.perf_counter() - started)
        time.sleep(pause)
running = [threading.Thread(target=scrape, args=[number]) for number in range(threads)]
[one.start() for one in running]; [one.join() for one in running]
print(*durations, sep="\\n")
"""


def _client(port: int, threads: int, scrapes: int, pause: float) -> list[float]:
    """Seconds of each scrape."""
    command = [sys.executable, "-c", _CLIENT, str(port), str(threads), str(scrapes), str(pause)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    return [float(line) for line in printed.splitlines()]


def _start_up() -> None:
    """With every source of the example switched on."""
    with tempfile.TemporaryDirectory() as folder, surroundings(Path(folder)) as around:
        waits, used, megabytes = [], [], []
        for _ in range(3):
            with _exporter(around.environment) as (process, port, started):
                waits.append(_until_served(port) - started)
                used.append(_processor_seconds(process.pid))
                time.sleep(5)
                megabytes.append(_resident(process.pid))
    print(f"from start to the first page: {min(waits):.2f} s, {min(used):.2f} s of processor time")
    print(f"resident memory at rest: {statistics.median(megabytes):.1f} MiB")


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


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _resident(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main()
