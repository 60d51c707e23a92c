"""The health endpoint is asked over real connections, and whatever it answers becomes facts or silence."""

import asyncio
import gzip
import itertools
import json
import logging
import socket
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from exporters.probes.fetch import Answer
from exporters.probes.health import HealthSampler, moment, readings
from exporters.probes.settings import HealthSettings
from exporters.sampling.model import ErrorClass, Reading, SampleError, Snapshot
from rules.payments import health
from rules.vocabulary import Source
from simulator.payments_service import PaymentsService
from simulator.raw_server import raw_server
from simulator.serving import serving
from tests.exporters.probes.look_ups import look_ups_that_hang

NOW = 1_754_827_200.0  # 2025-08-10T12:00:00Z
RUNBOOK_ANSWER = {
    "status": "healthy",
    "timestamp": "2025-08-10T12:00:00Z",
    "checks": {
        "stripe_api": "connected",
        "webhook_endpoint": "verified",
        "database": "connected",
        "redis": "connected",
        "feature_flag": "enabled",
    },
    "metrics": {"response_time_ms": 45, "transactions_per_minute": 125, "success_rate": 0.998},
}


@dataclass
class Ticks:
    """A monotonic clock that gains a quarter of a second each time it is read."""

    at: float = 0.0

    def __call__(self) -> float:
        self.at += 0.25
        return self.at


def settings(url: str, **more: object) -> HealthSettings:
    return HealthSettings.model_validate({"url": url, **more})


def sampled(url: str, **more: object) -> Snapshot:
    async def once() -> Snapshot:
        sampler = HealthSampler(settings(url, **more), Ticks())
        try:
            return await sampler.sample(NOW)
        finally:
            await sampler.close()

    return asyncio.run(once())


def values(found: Iterable[object]) -> dict[str, float]:
    """Readings as one reads them on the page."""
    return {
        one.metric.name + "".join(f"[{value}]" for _, value in one.labels): one.value
        for one in found
        if isinstance(one, Reading)
    }


def answered(body: object, status: int = 200) -> dict[str, float]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return values(readings(Answer(status, {}, text), took=0.25))


@pytest.fixture
def service() -> PaymentsService:
    return PaymentsService(now=lambda: NOW)


UNREACHABLE = {"payments_health_up": 0.0}


def test_the_answer_of_the_runbook_becomes_every_metric_of_the_source(service: PaymentsService) -> None:
    with serving(service.application()) as port:
        snapshot = sampled(f"http://127.0.0.1:{port}/health/payments")
    assert (snapshot.source, snapshot.taken_at, snapshot.complete_until) == (Source.HEALTH, NOW, NOW)
    assert values(snapshot.readings) == {
        "payments_health_up": 1,
        "payments_health_check_status[stripe_api]": 1,
        "payments_health_check_status[webhook_endpoint]": 1,
        "payments_health_check_status[database]": 1,
        "payments_health_check_status[redis]": 1,
        "payments_health_check_status[feature_flag]": 1,
        "payments_health_response_seconds": 0.25,
        "payments_health_reported_response_seconds": 0.045,
        "payments_health_reported_transactions_per_minute": 125,
        "payments_health_reported_success_ratio": 0.998,
        "payments_health_reported_timestamp_seconds": NOW,
    }
    declared = {metric.name for metric in vars(health).values() if getattr(metric, "source", None) is Source.HEALTH}
    assert {one.metric.name for one in snapshot.readings} == declared


def test_an_unhealthy_service_is_down_and_its_checks_are_still_told(service: PaymentsService) -> None:
    service.status = "degraded"
    service.checks["redis"] = "disconnected"
    with serving(service.application()) as port:
        found = values(sampled(f"http://127.0.0.1:{port}/health/payments").readings)
    assert found["payments_health_up"] == 0
    assert found["payments_health_check_status[redis]"] == 0
    assert found["payments_health_check_status[database]"] == 1


def test_a_cached_answer_shows_by_its_timestamp(service: PaymentsService) -> None:
    service.frozen_at = NOW - 3600
    with serving(service.application()) as port:
        found = values(sampled(f"http://127.0.0.1:{port}/health/payments").readings)
    assert found["payments_health_up"] == 1
    assert found["payments_health_reported_timestamp_seconds"] == NOW - 3600


def test_a_service_that_hangs_up_when_its_connection_is_used_again_is_not_down() -> None:
    body = json.dumps(RUNBOOK_ANSWER).encode()
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    async def thrice() -> list[float]:
        async with raw_server((answer,), then_hold=True) as server:
            sampler = HealthSampler(settings(f"http://127.0.0.1:{server.port}/health/payments"), Ticks())
            found = [values((await sampler.sample(NOW)).readings)["payments_health_up"] for _ in range(3)]
            await sampler.close()
            return found

    assert asyncio.run(thrice()) == [1, 1, 1]


def test_a_cookie_is_not_sent_back_so_that_no_load_balancer_pins_the_probe(service: PaymentsService) -> None:
    async def twice(url: str) -> None:
        sampler = HealthSampler(settings(url), Ticks())
        for _ in range(2):
            await sampler.sample(NOW)
        await sampler.close()

    service.headers["set-cookie"] = "backend=1"
    with serving(service.application()) as port:
        asyncio.run(twice(f"http://127.0.0.1:{port}/health/payments"))
    assert service.cookies == []


def test_nobody_listening_is_down_and_nothing_else_is_known(service: PaymentsService) -> None:
    with serving(service.application()) as port:
        pass
    assert values(sampled(f"http://127.0.0.1:{port}/health/payments").readings) == UNREACHABLE


def test_a_name_that_does_not_exist_is_down() -> None:
    assert values(sampled("http://payments.invalid/health/payments").readings) == UNREACHABLE


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"OK"),
        (200, b"<html>502</html>"),
        (200, b'{"status": "healthy"'),
        (200, b"\xff\xfe"),
        (200, b"null"),
        (200, b'["healthy"]'),
        (200, b"{}"),
        (200, b'{"status": true}'),
        (200, b'{"status": "Degraded"}'),
        (200, b"[" * 60_000),
        (200, b'{"status": ' + b"9" * 5_000 + b"}"),
        (204, b""),
        (500, json.dumps({"status": "healthy"}).encode()),
    ],
)
def test_what_is_not_200_with_json_and_healthy_is_down_but_has_answered(
    service: PaymentsService, status: int, body: bytes
) -> None:
    service.health = Response(body, status)
    with serving(service.application()) as port:
        found = values(sampled(f"http://127.0.0.1:{port}/health/payments").readings)
    assert found == {"payments_health_up": 0, "payments_health_response_seconds": 0.25}


def test_a_redirect_is_not_followed_and_is_down(service: PaymentsService) -> None:
    service.health = RedirectResponse("/")
    with serving(service.application()) as port:
        assert values(sampled(f"http://127.0.0.1:{port}/health/payments").readings)["payments_health_up"] == 0


PLAIN = json.dumps({"status": "healthy"}).encode()
SPRING = {"status": "UP", "components": {"database": {"status": "UP"}, "redis": {"status": "DOWN"}}}
DOT_NET = {"status": "Healthy", "entries": {"database": {"status": "Healthy"}, "redis": {"status": "Unhealthy"}}}
DRAFT = {"status": "pass", "checks": {"database": [{"status": "pass"}], "redis": [{"status": "fail"}]}}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xef\xbb\xbf" + PLAIN, {}),
        (gzip.compress(PLAIN, mtime=0), {"content-encoding": "gzip"}),
        (zlib.compress(PLAIN), {"content-encoding": "deflate"}),
        (b"Healthy", {"content-type": "text/plain; charset=utf-8"}),
    ],
    ids=["byte order mark", "gzip unasked", "deflate unasked", "plain text"],
)
def test_a_service_that_is_well_is_up_however_it_packs_its_words(
    service: PaymentsService, body: bytes, headers: dict[str, str]
) -> None:
    service.health = Response(body, 200, headers)
    with serving(service.application()) as port:
        found = values(sampled(f"http://127.0.0.1:{port}/health/payments").readings)
    assert found["payments_health_up"] == 1


@pytest.mark.parametrize("body", [SPRING, DOT_NET, DRAFT], ids=["Spring", ".NET", "RFC draft"])
def test_the_words_and_places_of_the_common_frameworks_are_known(body: object) -> None:
    found = answered(body)
    assert found["payments_health_up"] == 1
    assert found["payments_health_check_status[database]"] == 1
    assert found["payments_health_check_status[redis]"] == 0


def test_words_and_places_of_ones_own_can_be_set() -> None:
    dialect = settings(
        "http://a.example/", status_pointer="/state/word", well=["Fine"], checks={"database": "/parts/0/said"}
    )
    body = json.dumps({"state": {"word": "FINE"}, "parts": {"0": {"said": "fine"}}, "status": "down"}).encode()
    found = values(readings(Answer(200, {}, body), 0.25, dialect))
    assert found["payments_health_up"] == 1
    assert found["payments_health_check_status[database]"] == 1


@pytest.mark.parametrize(
    ("status", "body", "headers", "why"),
    [
        (503, PLAIN, {}, "it answered 503"),
        (200, b"\x1f\x8b" + PLAIN, {"content-encoding": "gzip"}, "its body is not gzip, as its header says"),
        (200, gzip.compress(PLAIN, mtime=0)[:-6], {"content-encoding": "gzip"}, "its body is not gzip to its end"),
        (200, PLAIN, {"content-encoding": "br"}, "its body is compressed with 'br', which nobody asked for"),
        (
            200,
            gzip.compress(b" " * 50_000_000, mtime=0),
            {"content-encoding": "gzip"},
            "its body is longer than 65536 bytes",
        ),
        (200, b" " * 70_000, {}, "its body is longer than 65536 bytes"),
        (200, b"<html>", {}, "its body is not JSON"),
        (200, b"tired", {"content-type": "text/plain"}, "it says 'tired', which is not among health.well"),
        (200, b'{"status": "healthy", "rate": NaN}', {}, "its JSON holds NaN or Infinity, which JSON does not have"),
        (200, b'{"state": "healthy"}', {}, "its JSON holds no word at /status (health.status_pointer)"),
        (200, b'{"status": "degraded"}', {}, "its /status says 'degraded', which is not among health.well"),
    ],
)
def test_which_of_the_causes_it_was_is_said(
    service: PaymentsService,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: bytes,
    headers: dict[str, str],
    why: str,
) -> None:
    service.health = Response(body, status, headers)
    caplog.set_level(logging.WARNING, "paymon.exporter")
    with serving(service.application()) as port:
        found = values(sampled(f"http://127.0.0.1:{port}/health/payments").readings)
    assert found == {"payments_health_up": 0, "payments_health_response_seconds": 0.25}
    assert f"health.url: the payments service is not well: {why}" in caplog.messages


def test_of_an_answer_of_a_gigabyte_only_the_beginning_is_read() -> None:
    async def ask() -> tuple[dict[str, float], int]:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"
        async with raw_server(itertools.chain([head], itertools.repeat(b" " * 65536, 15_000))) as server:
            sampler = HealthSampler(settings(f"http://127.0.0.1:{server.port}/"), Ticks())
            found = values((await sampler.sample(NOW)).readings)
            await sampler.close()
            return found, server.sent

    found, sent = asyncio.run(ask())
    assert found == {"payments_health_up": 0, "payments_health_response_seconds": 0.25}
    assert sent < 20_000_000  # what the kernel's buffers take


@pytest.mark.parametrize(
    "chunks",
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + b'{"status": "healthy"}',),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",),
        (b"\x15\x03\x01\x00\x02\x02\x50",),
        (b"HTTP/1.1 200 OK\r\n", *itertools.repeat(b"x-more: " + b"y" * 1000 + b"\r\n", 1000)),
        (),
    ],
    ids=["truncated", "bad chunk", "no HTTP", "headers without end", "hangs up"],
)
def test_a_broken_answer_is_down(chunks: tuple[bytes, ...]) -> None:
    async def ask() -> dict[str, float]:
        async with raw_server(chunks) as server:
            sampler = HealthSampler(settings(f"http://127.0.0.1:{server.port}/"), Ticks())
            try:
                return values((await sampler.sample(NOW)).readings)
            finally:
                await sampler.close()

    assert asyncio.run(ask()) == UNREACHABLE


@pytest.mark.slow
@pytest.mark.parametrize(
    "chunks",
    [(), (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{",)],
    ids=["silent", "stops in the middle"],
)
def test_an_endpoint_that_hangs_is_down_after_the_timeout_and_blocks_nobody(chunks: tuple[bytes, ...]) -> None:
    async def ask() -> tuple[dict[str, float], int]:
        async with raw_server(chunks, then_hold=True) as server:
            sampler = HealthSampler(settings(f"http://127.0.0.1:{server.port}/", timeout=2), Ticks())
            asked = asyncio.create_task(sampler.sample(NOW))
            turns = 0
            while not asked.done():
                await asyncio.sleep(0)
                turns += 1
            await sampler.close()
            return values((await asked).readings), turns

    found, turns = asyncio.run(ask())
    assert found == UNREACHABLE
    assert turns > 100


def test_a_name_server_that_hangs_is_no_sample_rather_than_a_service_that_is_down(service: PaymentsService) -> None:
    async def ask(port: int) -> None:
        sampler = HealthSampler(settings(f"http://localhost:{port}/health/payments", timeout=2), Ticks())
        async with look_ups_that_hang():
            await sampler.sample(NOW)

    with serving(service.application()) as port, pytest.raises(SampleError) as caught:
        asyncio.run(ask(port))
    assert str(caught.value) == (
        "health.url: this machine's name server does not answer; mend this machine's name server, proxy or limits"
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_host_that_lets_nobody_connect_is_down_though_its_name_is_known(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        found = values(sampled(f"http://{host}:{full.getsockname()[1]}/", timeout=0.4).readings)
    assert found == UNREACHABLE


def test_an_endpoint_that_drips_does_not_outlast_the_timeout() -> None:
    async def ask() -> dict[str, float]:
        drips = itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b" ", 50))
        async with raw_server(drips, pause=0.02) as server:
            sampler = HealthSampler(settings(f"http://127.0.0.1:{server.port}/", timeout=0.2), Ticks())
            try:
                return values((await sampler.sample(NOW)).readings)
            finally:
                await sampler.close()

    assert asyncio.run(ask()) == UNREACHABLE


def test_a_certificate_that_nobody_trusts_is_down_and_one_of_the_named_authority_is_up(
    service: PaymentsService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with serving(service.application(), certificate=tmp_path / "server.pem") as port:
        url = f"https://127.0.0.1:{port}/health/payments"
        assert values(sampled(url).readings) == UNREACHABLE
        assert "certificate is not trusted" in caplog.text
        assert values(sampled(url, ca_file=tmp_path / "ca.pem").readings)["payments_health_up"] == 1


def test_renewed_authorities_are_another_setting(tmp_path: Path) -> None:
    before, after = trustme.CA(), trustme.CA()
    before.cert_pem.write_to_path(tmp_path / "ca.pem")
    first = settings("https://api.example.com/", ca_file=tmp_path / "ca.pem")
    assert settings("https://api.example.com/", ca_file=tmp_path / "ca.pem") == first
    (tmp_path / "ca.pem").write_bytes("# Autorité\n".encode() + after.cert_pem.bytes())
    assert settings("https://api.example.com/", ca_file=tmp_path / "ca.pem") != first
    assert "CERTIFICATE" not in repr(first)


def test_a_proxy_that_refuses_is_no_sample_rather_than_a_service_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        async with raw_server([b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"]) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@127.0.0.1:{proxy.port}")
            sampler = HealthSampler(settings("https://payments.invalid/health/payments"), Ticks())
            try:
                await sampler.sample(NOW)
            finally:
                await sampler.close()

    with pytest.raises(SampleError) as caught:
        asyncio.run(ask())
    assert caught.value.kind is ErrorClass.UNREACHABLE
    assert str(caught.value) == (
        "health.url: the proxy that the environment names refuses; mend this machine's name server, proxy or limits"
    )


def test_a_proxy_that_is_none_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://user:hunter2@127.0.0.1")
    with pytest.raises(SampleError) as caught:
        sampled("https://payments.invalid/health/payments")
    assert caught.value.kind is ErrorClass.INTERNAL
    assert "hunter2" not in str(caught.value)


def test_each_reason_for_being_down_is_said_once(service: PaymentsService, caplog: pytest.LogCaptureFixture) -> None:
    async def four_times(url: str) -> None:
        sampler = HealthSampler(settings(url), Ticks())
        service.status = "degraded"
        for _ in range(2):
            await sampler.sample(NOW)
        service.status = "healthy"
        for _ in range(2):
            await sampler.sample(NOW)
        await sampler.close()

    caplog.set_level(logging.INFO, "paymon.exporter")
    with serving(service.application()) as port:
        asyncio.run(four_times(f"http://127.0.0.1:{port}/health/payments"))
    assert [record.getMessage() for record in caplog.records if record.name == "paymon.exporter"] == [
        "health.url: the payments service is not well: it answered 503",
        "health.url: the payments service is well again",
    ]


def without(path: str) -> object:
    answer = json.loads(json.dumps(RUNBOOK_ANSWER))
    *parents, last = path.split("/")
    place = answer
    for parent in parents:
        place = place[parent]
    del place[last]
    return answer


def holding(path: str, value: str) -> bytes:
    answer = json.loads(json.dumps(RUNBOOK_ANSWER))
    *parents, last = path.split("/")
    place = answer
    for parent in parents:
        place = place[parent]
    place[last] = "HERE"
    return json.dumps(answer).replace('"HERE"', value).encode()


EVERYTHING = answered(RUNBOOK_ANSWER)
SERIES_OF = {
    "metrics/response_time_ms": "payments_health_reported_response_seconds",
    "metrics/transactions_per_minute": "payments_health_reported_transactions_per_minute",
    "metrics/success_rate": "payments_health_reported_success_ratio",
    "timestamp": "payments_health_reported_timestamp_seconds",
}


@pytest.mark.parametrize("path", [*SERIES_OF, "checks/redis"])
def test_a_missing_field_is_absent_and_the_rest_is_told(path: str) -> None:
    gone = SERIES_OF.get(path, "payments_health_check_status[redis]")
    assert answered(without(path)) == {name: value for name, value in EVERYTHING.items() if name != gone}


@pytest.mark.parametrize("path", SERIES_OF)
@pytest.mark.parametrize("value", ["-1", '"45"', "true", "null", "[]", "{}", "1e999", "-1e999", "9" * 400])
def test_a_field_of_another_kind_or_out_of_range_is_absent_and_the_rest_is_told(path: str, value: str) -> None:
    assert answered(holding(path, value)) == {
        name: found for name, found in EVERYTHING.items() if name != SERIES_OF[path]
    }


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_nan_is_no_json_so_the_service_is_down_and_what_can_be_read_is_told(value: str) -> None:
    found = answered(holding("metrics/success_rate", value))
    expected = {name: told for name, told in EVERYTHING.items() if name != SERIES_OF["metrics/success_rate"]}
    assert found == {**expected, "payments_health_up": 0}


def test_a_success_rate_in_percent_is_not_believed() -> None:
    assert "payments_health_reported_success_ratio" not in answered(holding("metrics/success_rate", "99.8"))


@pytest.mark.parametrize("value", ['"down"', '""', "true", "null", "1", "{}"])
def test_a_check_that_says_anything_else_is_not_well(value: str) -> None:
    assert answered(holding("checks/database", value))["payments_health_check_status[database]"] == 0


def test_checks_that_the_runbook_does_not_name_are_passed_over() -> None:
    checks = {f"check-{number}": "connected" for number in range(10_000)}
    assert not [name for name in answered({"status": "healthy", "checks": checks}) if "check_status" in name]


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["status", "checks", "metrics", "redis"]), inner)
        ),
    )
)
def test_whatever_json_says_there_is_a_verdict_and_no_exception(body: object) -> None:
    assert answered(body)["payments_health_up"] in (0, 1)


@given(st.binary())
def test_whatever_the_bytes_are_there_is_a_verdict(body: bytes) -> None:
    assert answered(body)["payments_health_up"] == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-08-10T12:00:00Z", NOW),
        ("2025-08-10t12:00:00z", NOW),
        ("2025-08-10T14:00:00+02:00", NOW),
        ("2025-08-10T12:00:00.500Z", NOW + 0.5),
        ("2025-08-10T12:00:00.123456789Z", NOW + 0.123456),
        ("2025-08-10T12:00:00", None),
        ("2025-08-10", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        (1_754_827_200, None),
        (None, None),
    ],
)
def test_a_moment_needs_its_offset_from_utc(text: object, seconds: float | None) -> None:
    assert moment(text) == seconds


@given(st.text() | st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat()))
def test_no_text_breaks_the_reading_of_a_moment(text: str) -> None:
    found = moment(text)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": "https://user:hunter2@api.example.com/"}, "the URL holds a user name or a password; take them out"),
        ({"url": "https://:hunter2@api.example.com/"}, "the URL holds a user name or a password; take them out"),
        ({"url": "ftp://api.example.com/"}, "URL scheme should be 'http' or 'https'"),
        ({"ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem holds no certificates that can be read; name a PEM file"),
        ({"timeout": 20}, "timeout, interval and max_age are not in this order; let each be at least the one before"),
        ({"timeout": 0}, "Input should be greater than 0 seconds"),
        ({"urls": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_is_named_without_its_secret(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HealthSettings.model_validate({"url": "https://api.example.com/health/payments", **wrong})
    assert [error["msg"] for error in caught.value.errors(include_input=False)] == [why]
    assert "hunter2" not in str(caught.value)


def test_an_empty_authorities_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(ValidationError, match="holds no certificates"):
        settings("https://api.example.com/", ca_file=tmp_path / "ca.pem")
