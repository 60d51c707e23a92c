"""Does a watch go on until there is a decision? Of a Prometheus that scrapes a rollout while it takes place."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from paymon.programs import find
from tests.paymon.live.world import EVERY, Story, at_stage, serving
from tests.servers import prometheus

HOURS_BEFORE = 3 * 3600
"""So long has the flag stood where it stands, on the last scrape before the server starts."""
WAIT = 60
"""Seconds from the beginning of the watch to the first moment at which there can be a decision."""

HEALTHY = at_stage(1, name="production", per_minute=60, begins_before_end=HOURS_BEFORE, before=3600)


# So few attempts that a few minutes of them do not pass the stage; all fail from half a minute after the start on.
BREAKING = replace(HEALTHY, name="staging", per_minute=5, fails=lambda since: float(since >= HOURS_BEFORE + EVERY))


@contextmanager
def taking_place(stories: Sequence[Story], begins: float) -> Iterator[str]:
    """The address of a target that says what the stories' metrics are at this moment."""
    values = [pair for story in stories for pair in story.values(begins)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            at = (time.time() - begins) // EVERY * EVERY
            with lock:
                found = [(series, value(at)) for series, value in values]
            body = "".join(f"{series} {value:.15g}\n" for series, value in found if value is not None).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(100)


@contextmanager
def live(version: str, folder: Path) -> Iterator[str]:
    """A Prometheus that knows the hours before, and scrapes from now on."""
    now = time.time() // EVERY * EVERY
    begins = now - HOURS_BEFORE
    stories = (HEALTHY, BREAKING)
    past = [pair for story in stories for pair in story.series(now)]
    with serving(version, past, folder):
        pass  # its blocks are on disk now
    with taking_place(stories, begins) as target:
        config = f"""
scrape_configs:
- {{job_name: world, honor_labels: true, scrape_interval: 5s, static_configs: [{{targets: ["{target}"]}}]}}
"""
        with prometheus(find("prometheus", version), config, folder / "server") as url:
            yield url


@contextmanager
def watching(url: str, environment: str, baseline: str, since: float, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
    command = (sys.executable, "-m", "paymon", "gate", "1", "--watch", "--since", moment, "--baseline", baseline)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            (*command, "--environment", environment, "--prometheus", url), stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_watch_ends_with_a_decision_when_there_is_one(tmp_path: Path) -> None:
    with live("3.5", tmp_path) as url:
        begun = time.time()
        whole_hour, ten_minutes = begun + WAIT - 3600, begun + WAIT - 600
        with (
            watching(url, "production", "6000", whole_hour, tmp_path / "healthy.log") as healthy,
            watching(url, "staging", "500", ten_minutes, tmp_path / "breaking.log") as breaks,
        ):
            assert healthy.wait(600) == 0, (tmp_path / "healthy.log").read_text()
            assert breaks.wait(600) == 1, (tmp_path / "breaking.log").read_text()
            assert time.time() - begun >= WAIT
    for name, word in (("healthy", "PASS"), ("breaking", "FAIL")):
        looks = [line for line in (tmp_path / f"{name}.log").read_text().splitlines() if line.startswith(_DECISIONS)]
        assert looks[0].startswith("INCONCLUSIVE"), looks
        assert looks[-1].startswith(word), looks
        assert not [line for line in looks[:-1] if line.startswith(word)], looks


_DECISIONS = ("PASS", "FAIL", "INCONCLUSIVE", "CANNOT JUDGE")
