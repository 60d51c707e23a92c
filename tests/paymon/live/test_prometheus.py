"""What does the client make of a Prometheus, and of what is none?"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import click
import pytest
from click.testing import CliRunner

from paymon.live.access import Access, NoAnswerError, access_from, access_options
from paymon.live.http import asked_for, sent
from paymon.live.prometheus import Prometheus, PrometheusError, TooLargeError
from tests.paymon.live.conftest import Live

VECTOR = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}}


@dataclass
class Answer:
    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    url: str
    asked: list[tuple[str, dict[str, list[str]], dict[str, str]]]


@contextmanager
def answering(answer: Callable[[int, str, dict[str, list[str]]], Answer]) -> Iterator[Server]:
    """A server that says what the function makes of how many questions came before, their path and their form."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = parse_qs(body or query)
            seen.asked.append((f"{self.command} {path}", form, dict(self.headers)))
            said = answer(len(seen.asked), path, form)
            text = said.body if isinstance(said.body, str) else json.dumps(said.body)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _reply  # noqa: N815 - the library's names

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen = Server(f"http://127.0.0.1:{server.server_address[1]}", [])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(100)


def asking(url: str, **access: object) -> Prometheus:
    return Prometheus(Access(url=url, **access), pause=lambda seconds: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(302, "", {"Location": "https://login.example.com/start?state=s3cret"}), "redirects to https://login"),
        (Answer(401, "no"), "does not know who asks (401)"),
        (Answer(403, "no"), "forbids it (403)"),
        (Answer(404, "<html>not found</html>"), "has no /api/v1/query (404)"),
        (Answer(200, "<html>Grafana</html>"), "no JSON of Prometheus'"),
        (Answer(200, {"status": "success", "data": {"resultType": "vector"}}), "in a form that Prometheus never does"),
        (Answer(200, []), "no JSON of Prometheus'"),
        (Answer(503, "overloaded"), "is too busy (503)"),
        (Answer(400, {"status": "error", "errorType": "bad_data", "error": "parse error"}), "bad_data: parse error"),
    ],
)
def test_what_is_no_answer_says_so_with_cause_and_cure(answer: Answer, words: str) -> None:
    with answering(lambda *_: answer) as server, asking(server.url) as prometheus:
        with pytest.raises(PrometheusError) as caught:
            prometheus.query("up", 1)
        assert words in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert caught.value.cure


def test_a_server_that_is_busy_for_a_moment_is_asked_again() -> None:
    def twice_busy(count: int, _path: str, _form: object) -> Answer:
        return Answer(200, VECTOR) if count > 2 else Answer(503, "", {"Retry-After": "1"})

    with answering(twice_busy) as server, asking(server.url) as prometheus:
        assert [sample.value for sample in prometheus.query("up", 1)] == [2.0]
        assert len(server.asked) == 3


def test_a_server_that_never_answers_is_given_up_at_the_deadline() -> None:
    stop = threading.Event()

    def hang(*_: object) -> Answer:
        stop.wait(30)
        return Answer(200, VECTOR)

    with answering(hang) as server, asking(server.url, timeout_seconds=0.3) as prometheus:
        with pytest.raises(TooLargeError, match=r"did not answer within 0.3 s"):
            prometheus.query("up", 1)
        with pytest.raises(TooLargeError):
            prometheus.range("up", 0, 1e6, 1)
        stop.set()
        assert len(server.asked) <= 6


def test_a_gateway_that_lets_only_get_through_is_asked_so() -> None:
    def only_get(count: int, _path: str, _form: object) -> Answer:
        return Answer(405 if count == 1 else 200, VECTOR)

    with answering(only_get) as server, asking(server.url) as prometheus:
        assert prometheus.one("up", 1) == 2.0
        assert prometheus.one("up", 1) == 2.0
        assert [path for path, _, _ in server.asked] == [
            "POST /api/v1/query",
            "GET /api/v1/query",
            "GET /api/v1/query",
        ]


@pytest.mark.parametrize(
    ("extra", "doubts", "notes"),
    [
        ({"warnings": ["store 10.0.0.3 did not answer"]}, ["store 10.0.0.3 did not answer"], []),
        ({"isPartial": True}, ["the answer is partial: some storage did not reply"], []),
        ({"infos": ["metric might not be a counter"]}, [], ["metric might not be a counter"]),
        (
            {"warnings": ["PromQL info: metric might not be a counter"]},
            [],
            ["PromQL info: metric might not be a counter"],
        ),
    ],
)
def test_warnings_and_partial_answers_are_doubts_and_remarks_are_not(
    extra: dict[str, object], doubts: list[str], notes: list[str]
) -> None:
    with answering(lambda *_: Answer(200, {**VECTOR, **extra})) as server, asking(server.url) as prometheus:
        prometheus.query("up", 1)
        prometheus.query("up", 1)
        assert (prometheus.doubts, prometheus.notes) == (doubts, notes)


def test_a_question_over_the_servers_limit_is_split_until_it_fits() -> None:
    def limited(_count: int, _path: str, form: dict[str, list[str]]) -> Answer:
        start, end, step = (float(form[name][0]) for name in ("start", "end", "step"))
        moments = [start + step * index for index in range(round((end - start) / step) + 1)]
        if len(moments) > 7:
            said = "query processing would load too many samples into memory in query execution"
            return Answer(422, {"status": "error", "errorType": "execution", "error": said})
        values = [[moment, f"{moment:g}"] for moment in moments]
        return Answer(200, {"status": "success", "data": {"result": [{"metric": {"a": "b"}, "values": values}]}})

    with answering(limited) as server, asking(server.url) as prometheus:
        (course,) = prometheus.range("x", 100, 400, 10)
        assert course.moments == tuple(range(100, 401, 10))
        assert course.values == course.moments


def test_what_a_server_cannot_do_at_all_is_not_split_for_ever() -> None:
    said = {"status": "error", "errorType": "execution", "error": "too many samples"}
    with answering(lambda *_: Answer(422, said)) as server, asking(server.url) as prometheus:
        with pytest.raises(TooLargeError):
            prometheus.range("x", 0, 1000, 10)
        assert len(server.asked) < 12


def test_every_server_gives_the_same_values_in_pieces_and_at_once(live: Live) -> None:
    expr, start = 'sum(payment_attempts_total{environment="production"})', live.end - 7200
    with live.ask() as prometheus:
        (whole,) = prometheus.range(expr, start, live.end - 600, 30)
        asked = prometheus.requests
        (piecewise,) = prometheus.range(expr, start, start + 30 * 100, 0.25)
        assert prometheus.requests - asked == 2  # 12,001 points, more than one answer may have
    assert len(whole.values) == 221
    by_moment = dict(zip(piecewise.moments, piecewise.values, strict=True))
    assert all(
        by_moment[moment] == value
        for moment, value in zip(whole.moments, whole.values, strict=True)
        if moment in by_moment
    )


# Access


@click.command()
@access_options("prometheus")
@click.pass_context
def shows(context: click.Context, /, **_: object) -> None:
    access = access_from(context, "prometheus")
    assert access is not None
    click.echo(repr(access))
    with Prometheus(access) as prometheus:
        click.echo(prometheus.one("up", 1))


def test_secrets_come_from_files_or_the_environment_and_never_show(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0p-s3cret\n")
    with answering(lambda *_: Answer(200, VECTOR)) as server:
        result = CliRunner().invoke(
            shows,
            [
                "--prometheus",
                server.url,
                "--prometheus-token-file",
                str(token),
                "--prometheus-header",
                "X-Scope-OrgID: p1",
            ],
        )
        assert result.exit_code == 0, result.output
        headers = {name.lower(): value for name, value in server.asked[-1][2].items()}
        assert (headers["authorization"], headers["x-scope-orgid"]) == ("Bearer t0p-s3cret", "p1")
        assert "s3cret" not in result.output
        environment = {"PAYMON_PROMETHEUS_URL": server.url, "PAYMON_PROMETHEUS_PASSWORD": "s3cret"}
        result = CliRunner().invoke(shows, ["--prometheus-user", "ann"], env=environment)
        assert result.exit_code == 0, result.output
        assert server.asked[-1][2]["Authorization"].startswith("Basic ")
        assert "s3cret" not in result.output
        environment = {"PAYMON_PROMETHEUS_URL": server.url, "PAYMON_PROMETHEUS_TOKEN": "t0p-s3cret\n"}
        result = CliRunner().invoke(shows, [], env=environment)
        assert result.exit_code == 0, result.output
        assert server.asked[-1][2]["Authorization"] == "Bearer t0p-s3cret"
        assert "s3cret" not in result.output


@pytest.mark.parametrize("given", ["s3cret\nand more", "s3cret\x01", "s3cr\u00e9t and s3cret", "s3cret\u00a0too", " "])
@pytest.mark.parametrize("by", ["variable", "file"])
def test_a_token_that_no_header_can_carry_is_wrong_use_and_never_shows(tmp_path: Path, given: str, by: str) -> None:
    file = tmp_path / "token"
    file.write_text(given)
    name, value = ("_TOKEN", given) if by == "variable" else ("_TOKEN_FILE", str(file))
    environment = {f"PAYMON_PROMETHEUS{name}": value}
    with answering(lambda *_: Answer(200, VECTOR)) as server:
        result = CliRunner().invoke(shows, ["--prometheus", server.url], env=environment)
        assert not server.asked
    assert result.exit_code == 2, result.output
    assert (str(file) if by == "file" else "PAYMON_PROMETHEUS_TOKEN") in result.output
    assert "s3cr" not in result.output


def _by_prometheus(access: Access) -> None:
    with Prometheus(access, pause=lambda _: None) as prometheus:
        prometheus.query("up", 1)


def _by_http(access: Access) -> None:
    with access.client() as client:
        asked_for(client, access, "/api/v2/status")


def _by_sending(access: Access) -> None:
    with access.client() as client:
        sent(client, access, "/api/v2/alerts", [])


@pytest.mark.parametrize("ask", [_by_prometheus, _by_http, _by_sending])
def test_a_server_that_hangs_is_not_called_unreachable(ask: Callable[[Access], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        access = Access(url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_seconds=0.5)
        server = "prometheus" if ask is _by_prometheus else "alertmanager"
        with pytest.raises(NoAnswerError, match=rf"did not answer within 0.5 s\. See .* with --{server}-timeout"):
            ask(replace(access, server=server))


@pytest.mark.parametrize("ask", [_by_prometheus, _by_http, _by_sending])
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_too_busy_is_told_as_such(ask: Callable[[Access], None], status: int) -> None:
    with answering(lambda *_: Answer(status, "busy")) as server, pytest.raises(NoAnswerError) as told:
        ask(Access(url=server.url))
    assert str(told.value) == f"{server.url} is too busy ({status}). Try again in a while"


@pytest.mark.parametrize("ask", [_by_prometheus, _by_http, _by_sending])
def test_an_address_with_https_of_a_server_without_names_http(ask: Callable[[Access], None]) -> None:
    with answering(lambda *_: Answer(200, VECTOR)) as server, pytest.raises(NoAnswerError) as told:
        ask(Access(url=server.url.replace("http:", "https:")))
    assert "it does not speak TLS. Write http:// in the address" in str(told.value)


@pytest.mark.parametrize("ask", [_by_prometheus, _by_http])
def test_what_cannot_be_sent_is_told_without_it(ask: Callable[[Access], None]) -> None:
    with answering(lambda *_: Answer(200, VECTOR)) as server:
        access = Access(url=server.url, headers=(("X-Key", "s3cret\n"),))
        with pytest.raises(NoAnswerError, match="cannot be reached: what would be sent is no HTTP") as told:
            ask(access)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prometheus", "prometheus:9090"], "is no address"),
        (["--prometheus", "http://ann:pw@host"], "has a user or a password in it"),
        (["--prometheus", "http://host:99999"], "is no address"),
        (["--prometheus", "http://münchen-:9090"], "is no address"),
        (["--prometheus", "http://host", "--prometheus-user", "ann"], "user ann has no password"),
        (["--prometheus", "http://host", "--prometheus-header", "nonsense"], "is no header"),
        (["--prometheus", "http://host", "--prometheus-header", "X-Key: pw\x01"], "is no header"),
        (["--prometheus", "http://host", "--prometheus-token-file", "/nowhere"], "cannot be read"),
        (["--prometheus", "http://host", "--prometheus-ca", "/nowhere"], "cannot be read"),
        (["--prometheus", "http://host", "--prometheus-key", "/nowhere"], "needs --prometheus-cert"),
        ([], "Missing option '--prometheus'"),
    ],
)
def test_access_that_cannot_be_meant_is_wrong_use(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(shows, arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "pw" not in result.output


def test_a_client_certificate_and_an_authority_of_ones_own_are_used(tmp_path: Path) -> None:
    import ssl

    import trustme

    authority = trustme.CA()
    ours, theirs = authority.issue_cert("client.example.com"), authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps(VECTOR).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.server_address[1]}"
        with asking(url, authority=tmp_path / "ca.pem", certificate=tmp_path / "client.pem") as prometheus:
            assert prometheus.one("up", 1) == 2.0
        with asking(url) as stranger, pytest.raises(PrometheusError, match="nobody here vouches for"):
            stranger.one("up", 1)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(100)
