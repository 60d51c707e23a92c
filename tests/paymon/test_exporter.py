"""Does `paymon exporter` start, reload, refuse and stop as its operators expect?"""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import httpx
import pytest
import trustme
from click.testing import CliRunner, Result

from exporters.configuration.allowlists import AllowLists
from exporters.web.server import listen
from paymon.exporter import exporter
from simulator.serving import serving
from simulator.stripe import FakeStripe, StripeServer

pytestmark = pytest.mark.timeout(900)

PROGRAM = [sys.executable, "-c", "from paymon.exporter import exporter; exporter(prog_name='paymon exporter')"]
DECLARED = "operations:\n  backup_processor: {by: ann, at: 2025-01-01, until: 2099-01-01, value: true}\n"


class Running:
    """An exporter of its own process, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[dict[str, object]] = []
        self._queue: Queue[str] = Queue()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._queue.put(line)

    def said(self, text: str) -> dict[str, object]:
        """The first line, already here or still to come, that contains the text."""
        for line in self._lines:
            if text in str(line["message"]):
                return line
        while True:
            try:
                self._lines.append(json.loads(self._queue.get(timeout=200)))
            except Empty:
                raise AssertionError(f"{text!r} was never said; said was {self._lines}") from None
            if text in str(self._lines[-1]["message"]):
                return self._lines[-1]

    @property
    def url(self) -> str:
        return str(self.said("serving ")["message"]).removeprefix("serving ").removesuffix("/metrics")

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, timeout=100)

    def becomes_ready(self) -> None:
        while self.get("/-/ready").status_code != 200:
            time.sleep(0.05)

    def page_once_sampled(self, source: str, since: float) -> str:
        """The page as soon as a sample of the source that began after `since` has succeeded."""
        success = re.compile(rf'^payments_exporter_last_success_timestamp_seconds{{source="{source}"}} (\S+)$', re.M)
        while True:
            page = self.get("/metrics").text
            if any(float(at) > since for at in success.findall(page)):
                return page
            time.sleep(0.05)

    def ends(self) -> int:
        return self.process.wait(200)


def writes_no_file() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@contextmanager
def running(config: Path, *more: str, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    arguments = ["--config", str(config), "--web.listen-address", "127.0.0.1:0", "--log.format", "json", *more]
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
        preexec_fn=writes_no_file,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "declared.yaml").write_text(DECLARED)
    path = tmp_path / "exporter.yaml"
    path.write_text(f"declared: {{file: {tmp_path / 'declared.yaml'}}}\n")
    return path


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(exporter, list(arguments))


@pytest.mark.slow
def test_it_serves_becomes_ready_and_ends_with_0_on_sigterm_without_writing_a_file(config: Path) -> None:
    with running(config) as at:
        assert at.said("serving http://127.0.0.1:")["sources"] == "declared"
        at.becomes_ready()
        page = at.get("/metrics").text
        assert 'payments_exporter_source_up{source="declared"} 1.0' in page
        assert "payments_exporter_build_info{version=" in page
        at.process.send_signal(signal.SIGTERM)
        assert at.said("stopped")
        assert at.ends() == 0


@pytest.mark.slow
def test_sighup_takes_a_good_configuration_and_keeps_the_old_one_before_a_bad_one(config: Path) -> None:
    with running(config) as at:
        at.becomes_ready()
        good = config.read_text()
        config.write_text("declared: {fil: nowhere}\n")
        at.process.send_signal(signal.SIGHUP)
        line = at.said("declared.fil: is not a setting; did you mean file?")
        assert str(line["message"]).startswith("the configuration stays as it was: ")
        assert 'source="declared"' in at.get("/metrics").text

        config.write_text(good)
        at.process.send_signal(signal.SIGHUP)
        at.said("nothing changed")
        config.write_text(good + "health: {url: 'http://127.0.0.1:9/health/payments'}\n")
        at.process.send_signal(signal.SIGHUP)
        at.said("is in use")
        page = at.get("/metrics").text
        assert 'payments_exporter_source_up{source="health"} 0.0' in page
        assert 'payments_exporter_source_up{source="declared"} 1.0' in page


@pytest.mark.slow
def test_sighup_takes_renewed_authorities_that_the_configuration_names(config: Path, tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authorities)
    config.write_text(f"health: {{url: 'https://127.0.0.1:9/', ca_file: {authorities}}}\n")
    with running(config) as at:
        at.becomes_ready()
        at.process.send_signal(signal.SIGHUP)
        at.said("nothing changed")
        trustme.CA().cert_pem.write_to_path(authorities)
        at.process.send_signal(signal.SIGHUP)
        at.said("is in use")


@pytest.mark.slow
def test_sighup_takes_a_secret_from_the_file_that_is_named_now_though_both_hold_the_same(
    config: Path, tmp_path: Path
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).write_text("token")
    section = f"flag: {{url: 'http://127.0.0.1:9/', token_file: {tmp_path}/%s}}\n"
    config.write_text(section % "old")
    with running(config) as at:
        at.becomes_ready()
        at.process.send_signal(signal.SIGHUP)
        at.said("nothing changed")
        config.write_text(section % "new")
        at.process.send_signal(signal.SIGHUP)
        at.said("is in use")


@pytest.mark.slow
def test_after_sighup_a_source_with_other_settings_has_no_value_before_it_was_sampled_under_them(config: Path) -> None:
    """The second health endpoint takes connections and never answers; the declared file is what it was."""

    async def healthy(scope: Mapping[str, Any], receive: Any, send: Callable[..., Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"status": "healthy"}'})

    def health(port: int) -> str:
        return f"health: {{url: 'http://127.0.0.1:{port}', timeout: 60s, interval: 60s, max_age: 10m}}\n"

    declared = config.read_text()
    with socket.create_server(("127.0.0.1", 0)) as silent, serving(healthy) as port:
        config.write_text(declared + health(port))
        with running(config) as at:
            before = at.page_once_sampled("health", 0)
            at.page_once_sampled("declared", 0)
            config.write_text(declared + health(silent.getsockname()[1]))
            at.process.send_signal(signal.SIGHUP)
            at.said("is in use")
            after = at.get("/metrics").text
    assert "\npayments_health_up 1.0" in before
    assert "\npayments_health_up" not in after
    assert '\npayments_exporter_source_up{source="health"} 0.0' in after
    assert '\npayments_exporter_last_success_timestamp_seconds{source="health"}' not in after
    assert "\npayments_backup_processor_available 1.0" in after
    assert '\npayments_exporter_source_up{source="declared"} 1.0' in after


@pytest.mark.slow
def test_sighup_counts_by_other_allow_lists_as_soon_as_the_page_says_so(config: Path) -> None:
    with serving(StripeServer(FakeStripe(time.time)).app) as stripe:
        asked = f"stripe: {{api_url: 'http://127.0.0.1:{stripe}', state: {{backend: memory}}}}\n"
        sections = asked + "allow_lists: {currencies: %s}\n"
        config.write_text(sections % "[usd, eur]")
        with running(config, environment={"PAYMON_STRIPE__API_KEY": "rk_test_everything"}) as at:
            before = at.page_once_sampled("stripe_account", since=0)
            config.write_text(sections % "[usd, sek]")
            changed = time.time()
            at.process.send_signal(signal.SIGHUP)
            at.said("is in use")
            after = at.page_once_sampled("stripe_account", since=changed)
    lists = AllowLists(currencies=("usd", "eur")), AllowLists(currencies=("usd", "sek"))
    for page, told, known, unknown in ((before, lists[0], "eur", "sek"), (after, lists[1], "sek", "eur")):
        assert f'payments_exporter_allow_lists_info{{hash="{told.hash}"}} 1.0' in page
        assert f'stripe_balance_minor_units{{currency="{known}",state="available"}} 0.0' in page
        assert f'stripe_balance_minor_units{{currency="{unknown}"' not in page


@pytest.mark.slow
def test_a_kubelet_without_a_password_finds_it_healthy_and_ready_while_the_page_asks_for_one(
    config: Path, tmp_path: Path
) -> None:
    """A container whose health page answers 401 is restarted for ever."""
    web = tmp_path / "web.yaml"
    web.write_text((Path(__file__).parents[2] / "examples/web-config.yaml").read_text())
    with running(config, "--web.config.file", str(web)) as at:
        at.becomes_ready()
        assert at.get("/-/healthy").status_code == 200
        assert at.get("/metrics").status_code == 401
        page = httpx.get(f"{at.url}/metrics", auth=("prometheus", "example"), trust_env=False, timeout=100)
        assert 'payments_exporter_source_up{source="declared"} 1.0' in page.text


@pytest.mark.slow
def test_where_clients_need_a_certificate_a_kubelet_can_tell_only_whether_the_port_is_open(
    config: Path, tmp_path: Path
) -> None:
    """It has none to show; a probe of the kind tcpSocket needs none."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = authority.issue_cert("127.0.0.1")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "exporter.pem")
    web = tmp_path / "web.yaml"
    web.write_text(
        "tls_server_config: {cert_file: exporter.pem, key_file: exporter.pem, client_ca_file: ca.pem,"
        " client_auth_type: RequireAndVerifyClientCert}\n"
    )
    with running(config, "--web.config.file", str(web)) as at:
        host, _, port = at.url.removeprefix("https://").partition(":")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{at.url}/-/healthy", verify=False, trust_env=False, timeout=100)
        with socket.create_connection((host, int(port)), timeout=100):
            pass


def test_a_declared_file_that_is_missing_or_wrong_is_found_by_the_check(config: Path, tmp_path: Path) -> None:
    declared = tmp_path / "declared.yaml"
    declared.write_text("backup: {\n")
    wrong = invoked("--config", str(config), "--check-config")
    assert wrong.exit_code == 1
    assert "; write valid YAML" in wrong.output
    declared.unlink()
    missing = invoked("--config", str(config), "--check-config")
    assert missing.exit_code == 1
    assert missing.output == f"{config}:1: declared.file: No such file or directory; put it there ({declared})\n"


@pytest.mark.slow
def test_systemd_is_told_when_it_is_ready_reloads_and_stops(config: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        with running(config, environment={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as at:
            assert systemd.recv(100) == b"READY=1"
            at.process.send_signal(signal.SIGHUP)
            assert systemd.recv(100).startswith(b"RELOADING=1")
            assert systemd.recv(100) == b"READY=1"
            at.process.send_signal(signal.SIGTERM)
            assert systemd.recv(100) == b"STOPPING=1"
            assert at.ends() == 0


@pytest.mark.slow
def test_an_address_in_use_ends_it_with_1_and_one_sentence(config: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*PROGRAM, "--config", str(config), "--web.listen-address", f"127.0.0.1:{port}"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"127.0.0.1:{port}: cannot listen (Address already in use); choose another --web.listen-address\n"
    )


@pytest.mark.slow
def test_a_wrong_configuration_ends_it_with_1_and_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("stripe: {}\nhealt: {}\n")
    ended = subprocess.run(
        [*PROGRAM, "--config", str(tmp_path / "bad.yaml")], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 2
    assert "Traceback" not in ended.stderr


def test_everything_that_is_wrong_is_told_at_once(config: Path, tmp_path: Path) -> None:
    config.write_text(f"allow_lists: {{file: {tmp_path}/none.yaml}}\ndeclared: {{file: {tmp_path}/gone.yaml}}\n")
    wrong = invoked("--config", str(config), "--check-config")
    assert wrong.exit_code == 1
    assert [line.split(": ")[:2] for line in wrong.output.splitlines()] == [
        [f"{config}:1", "allow_lists"],
        [f"{config}:2", "declared.file"],
    ]


def test_a_configuration_can_be_checked_without_being_used(config: Path, tmp_path: Path) -> None:
    fine = invoked("--config", str(config), "--check-config")
    assert (fine.exit_code, fine.output) == (0, f"{config}: nothing wrong\n")
    web = tmp_path / "web.yaml"
    web.write_text("tls_server_config: {cert_file: none.pem, key_file: none.pem}\n")
    config.write_text("declared: {}\n")
    wrong = invoked("--config", str(config), "--web.config.file", str(web), "--check-config")
    assert wrong.exit_code == 1
    assert wrong.output.splitlines() == [
        f"{config}:1: declared.file: is missing; set file",
        f"{tmp_path / 'none.pem'}: the certificate and its key cannot be used (No such file or directory); "
        "see that the files are there, readable by this user, PEM and without a passphrase",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--config",),
        ("--config", "x", "--log.level", "loud"),
        ("--config", "x", "--web.listen-address", "here"),
        ("--config", "x", "--web.listen-address", "127.0.0.1:99999"),
        ("--config", "x", "--nonsense"),
    ],
)
def test_wrong_use_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert invoked(*arguments).exit_code == 2


def test_help_teaches_and_shows_no_value_of_the_environment() -> None:
    shown = CliRunner().invoke(exporter, ["--help"], env={"PAYMON_STRIPE__API_KEY": "rk_live_secret"})
    assert shown.exit_code == 0
    assert "127.0.0.1:9877" in shown.output
    assert "SIGHUP" in shown.output
    assert "rk_live" not in shown.output


EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_example_is_a_configuration_without_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMON_STRIPE__API_KEY", "rk_test_example")
    monkeypatch.setenv("PAYMON_POSTGRES__DSN", "postgresql://127.0.0.1/payments")
    monkeypatch.setenv("PAYMON_FLAG__TOKEN", "example")
    monkeypatch.setenv("PAYMON_DECLARED__FILE", str(EXAMPLES / "declared.yaml"))
    checked = invoked("--config", str(EXAMPLES / "exporter.yaml"), "--check-config")
    assert checked.output == f"{EXAMPLES / 'exporter.yaml'}: nothing wrong\n"


def test_the_example_of_a_web_configuration_is_one_without_a_mistake(config: Path) -> None:
    checked = invoked("--config", str(config), "--web.config.file", str(EXAMPLES / "web-config.yaml"), "--check-config")
    assert checked.output == f"{config}: nothing wrong\n"
