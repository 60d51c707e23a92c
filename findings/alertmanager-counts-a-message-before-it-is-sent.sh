#!/usr/bin/env bash
# Alertmanager 0.28.1: `alertmanager_notifications_total` ("The total number of attempted notifications") rises before the
# first attempt, and `alertmanager_notifications_failed_total` only when a message is given up. So their difference is not what
# was delivered: while the other side has not answered yet, or refuses with 503 and is asked again for minutes, it reads one
# message more than anybody has got, and a ratio of the two reads no failure. What tells them apart counts attempts:
# `alertmanager_notification_requests_total` and `..._requests_failed_total`, which rise when an attempt has ended.
#
#     the other side           notifications  failed  requests  requests failed
#     has not answered yet     1              0       0         0
#     has refused twice (503)  1              0       2         2
#     has taken it             1              0       3         2
#
# Fails if one of these changes. Needs Go, which builds Alertmanager from its module.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
GOPATH="$folder/go" GOBIN="$folder" GOFLAGS=-buildvcs=false go install github.com/prometheus/alertmanager/cmd/alertmanager@v0.28.1
FOLDER="$folder" python3 - <<'PYTHON'
import json
import os
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

folder = Path(os.environ["FOLDER"])
answers = [503, 503, 200]
may_answer = threading.Semaphore(0)
asked = threading.Semaphore(0)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        asked.release()
        may_answer.acquire()
        self.send_response(answers.pop(0))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
receiver.daemon_threads = True
threading.Thread(target=receiver.serve_forever, daemon=True).start()
(folder / "alertmanager.yml").write_text(
    f"""
route: {{receiver: one, group_wait: 0s, group_interval: 5m}}
receivers:
  - name: one
    webhook_configs: [{{url: "http://127.0.0.1:{receiver.server_port}/"}}]
"""
)
with (folder / "log").open("w") as log:
    server = subprocess.Popen(
        [folder / "alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data"]
        + ["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="],
        stderr=log,
    )


def until(condition: Callable[[], object], what: str) -> object:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        if found := condition():
            return found
        time.sleep(0.1)
    raise SystemExit(f"it did not happen: {what}\n{(folder / 'log').read_text()}")


def address() -> str | None:
    found = re.search(r'address=(127\.0\.0\.1:[1-9][0-9]*)', (folder / "log").read_text())
    return found and f"http://{found[1]}"


def counted() -> tuple[int, ...]:
    page = urllib.request.urlopen(f"{where}/metrics").read().decode()
    names = ("notifications_total", "notifications_failed_total", "notification_requests_total", "notification_requests_failed_total")

    def total(name: str) -> int:
        return sum(int(found) for found in re.findall(rf'^alertmanager_{name}{{[^}}]*integration="webhook"[^}}]*}} (\d+)$', page, re.M))

    return tuple(total(name) for name in names)


def seen(who: str, expected: tuple[int, ...]) -> None:
    until(lambda: counted()[2:] == expected[2:], f"{who}: {expected}, but {counted()}")
    print(f"{who:24}", *(f"{one:<8}" for one in counted()))
    assert counted() == expected, "the behaviour has changed"


try:
    where = until(address, "Alertmanager listens")
    alert = json.dumps([{"labels": {"alertname": "One"}}]).encode()
    urllib.request.urlopen(
        urllib.request.Request(f"{where}/api/v2/alerts", alert, {"Content-Type": "application/json"})
    )
    until(lambda: asked.acquire(blocking=False), "the receiver is asked")
    seen("has not answered yet", (1, 0, 0, 0))
    may_answer.release(2)
    seen("has refused twice (503)", (1, 0, 2, 2))
    may_answer.release()
    seen("has taken it", (1, 0, 3, 2))
finally:
    server.terminate()
    server.wait()
PYTHON
