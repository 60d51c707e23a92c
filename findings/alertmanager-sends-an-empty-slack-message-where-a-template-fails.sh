#!/usr/bin/env bash
# Alertmanager 0.33.1: where a template of `slack_configs` cannot be rendered, the message is sent without it, and without all
# that is rendered after it: channel, text, title, fallback. It counts as delivered, and nothing is logged. `amtool check-config`
# finds nothing wrong with any of the four, not even with an action that is never closed:
#
#     template of the Slack title      amtool   sent               notifications_failed_total  logged
#     {{ .Status                       SUCCESS  an empty message   0                           nothing
#     {{ humanise .Status }}           SUCCESS  an empty message   0                           nothing
#     {{ template "nowhere" . }}       SUCCESS  an empty message   0                           nothing
#     {{ .Summary }}                   SUCCESS  an empty message   0                           nothing
#
#     {{ .Summary }}, of Telegram      SUCCESS  nothing            1                           the template's error
#
# Older versions refused such a Slack message, as Telegram's, PagerDuty's, Opsgenie's and a webhook's still are: they counted a
# failure and logged the template's error (0.25 was run; in the source, 0.31 still looks for it and 0.32 no longer does). So who
# watches `alertmanager_notifications_failed_total` hears of the same mistake elsewhere, and not in Slack.
#
# Fails if one of these changes. Needs Go, which builds Alertmanager and amtool from their module; its web pages are not in there,
# and stay empty.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
export GOPATH="$folder/go" GOFLAGS=-buildvcs=false
go mod download github.com/prometheus/alertmanager@v0.33.1
cp -r "$GOPATH/pkg/mod/github.com/prometheus/alertmanager@v0.33.1" "$folder/source"
chmod -R u+w "$folder/source"
mkdir -p "$folder/source/ui/app/dist"
touch "$folder/source/ui/app/dist/index.html"
(cd "$folder/source" && go build -o "$folder/" ./cmd/alertmanager ./cmd/amtool)
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

TEMPLATES = {
    "unclosed": "{{ .Status",
    "function": "{{ humanise .Status }}",
    "nowhere": '{{ template "nowhere" . }}',
    "field": "{{ .Summary }}",
}
folder = Path(os.environ["FOLDER"])
sent: dict[str, dict[str, object]] = {}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent[self.path.strip("/")] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        pass


receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
receiver.daemon_threads = True
threading.Thread(target=receiver.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{receiver.server_port}"
receivers = [
    {"name": name, "slack_configs": [{"api_url": f"{url}/{name}", "channel": "#payments", "title": template}]}
    for name, template in {**TEMPLATES, "fine": "{{ .Status }}"}.items()
]
telegram = {"bot_token": "1:a", "chat_id": 1, "api_url": f"{url}/telegram", "message": TEMPLATES["field"]}
receivers.append({"name": "telegram", "telegram_configs": [telegram]})
names = [str(one["name"]) for one in receivers]
routes = [{"matchers": [f"to={name}"], "receiver": name, "group_by": ["to"], "group_wait": "0s"} for name in names]
config = folder / "alertmanager.yml"
config.write_text(json.dumps({"route": {"receiver": "fine", "routes": routes}, "receivers": receivers}))
checked = subprocess.run([folder / "amtool", "check-config", config], capture_output=True, text=True)
assert checked.returncode == 0, f"amtool has become stricter: {checked.stdout}{checked.stderr}"
print("amtool check-config: SUCCESS")
log = folder / "log"
with log.open("w") as stream:
    server = subprocess.Popen(
        [folder / "alertmanager", f"--config.file={config}", f"--storage.path={folder}/data"]
        + ["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="],
        stderr=stream,
    )


def until(condition: Callable[[], object], what: str) -> object:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        if found := condition():
            return found
        time.sleep(0.1)
    raise SystemExit(f"it did not happen: {what}\n{log.read_text()}")


def address() -> str | None:
    found = re.search(r"address=(127\.0\.0\.1:[1-9][0-9]*)", log.read_text())
    return found and f"http://{found[1]}"


def failed(integration: str) -> int:
    page = urllib.request.urlopen(f"{where}/metrics").read().decode()
    of_one = rf'^alertmanager_notifications_failed_total{{[^}}]*integration="{integration}"[^}}]*}} (\d+)$'
    return sum(map(int, re.findall(of_one, page, re.M)))


try:
    where = until(address, "Alertmanager listens")
    alerts = json.dumps([{"labels": {"alertname": "One", "to": name}} for name in names]).encode()
    posted = urllib.request.Request(f"{where}/api/v2/alerts", alerts, {"Content-Type": "application/json"})
    urllib.request.urlopen(posted)
    until(lambda: failed("telegram"), "a failure of Telegram is counted")
    until(lambda: sent.keys() >= {*TEMPLATES, "fine"}, f"five messages to Slack, but {sent.keys()}")
    fine = sent["fine"]
    assert (fine["channel"], fine["attachments"][0]["title"]) == ("#payments", "firing")
    for name, template in TEMPLATES.items():
        (attachment,) = sent[name]["attachments"]
        words = {key: value for key, value in attachment.items() if value and key != "mrkdwn_in"}
        print(f"{template:28} channel: {sent[name].get('channel')}, words: {words}")
        assert "channel" not in sent[name] and not words, "the behaviour has changed"
    assert failed("slack") == 0, "the behaviour has changed"
    for name in TEMPLATES:
        assert not re.search(rf'receiver={name}\b|"{name}/slack|={name}/slack', log.read_text()), "the behaviour has changed"
    assert "can't evaluate field Summary" in log.read_text(), "the behaviour has changed"
    print("Slack: 0 failures counted, none logged; Telegram: counted and logged")
finally:
    server.terminate()
    server.wait()
PYTHON
