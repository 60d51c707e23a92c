"""The front door is tried from outside: real certificates, real ports, real answers."""

import asyncio
import itertools
import ssl
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exporters.probes.probe import ProbeSampler
from exporters.probes.settings import ProbedHost, ProbeSettings
from exporters.sampling.model import Distribution, ErrorClass, Reading, SampleError, Snapshot, reading
from rules.payments import health, webhooks
from rules.vocabulary import Source
from simulator.payments_service import PaymentsService, redirect_to_https
from simulator.raw_server import raw_server
from simulator.serving import serving
from tests.exporters.probes.look_ups import look_ups_that_hang

NOW = 1_754_827_200.0  # 2025-08-10T12:00:00Z
BEGIN = datetime(2025, 6, 1, tzinfo=UTC)
END = datetime(2025, 12, 1, tzinfo=UTC)
HOST = "127.0.0.1"


def sampled(**settings: object) -> Snapshot:
    async def once() -> Snapshot:
        sampler = ProbeSampler(ProbeSettings.model_validate({"timeout": 5, **settings}))
        try:
            return await sampler.sample(NOW)
        finally:
            await sampler.close()

    return asyncio.run(once())


def values(snapshot: Snapshot) -> dict[str, float]:
    """Readings as one reads them on the page, without the host."""
    return {
        one.metric.name + "".join(f"[{value}]" for name, value in one.labels if name != "host"): one.value
        for one in snapshot.readings
        if isinstance(one, Reading)
    }


def door(https_port: int, http_port: int = 1, path: str = "/", host: str = HOST) -> dict[str, object]:
    return {"host": host, "https_port": https_port, "http_port": http_port, "path": path}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> Path:
    """A certificate for this host, valid from BEGIN to END."""
    path = tmp_path / "server.pem"
    issued = authority.issue_cert(HOST, not_before=BEGIN, not_after=END)
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


@pytest.fixture
def service() -> PaymentsService:
    return PaymentsService(now=lambda: NOW)


@contextmanager
def front_door(service: PaymentsService, certificate: Path) -> Iterator[tuple[int, int]]:
    """The service behind HTTPS, and a plain port that redirects to it."""
    with ExitStack() as stack:
        https = stack.enter_context(serving(service.application(), certificate=certificate))
        http = stack.enter_context(serving(redirect_to_https(https)))
        yield https, http


def self_signed(path: Path, name: str, begin: datetime, end: datetime) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    unlocked = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(unlocked + made.public_bytes(pem))
    return path


SOUND = {
    "payments_tls_not_before_timestamp_seconds[leaf]": BEGIN.timestamp(),
    "payments_tls_not_after_timestamp_seconds[leaf]": END.timestamp(),
    "payments_https_enforced": 1,
    "payments_security_header_present[strict-transport-security]": 1,
    "payments_security_header_present[content-security-policy]": 1,
    "payments_security_header_present[x-content-type-options]": 1,
    "payments_security_header_present[x-frame-options]": 1,
    "payments_security_header_present[referrer-policy]": 1,
    "payments_webhook_rejects_unsigned": 1,
}


def test_a_sound_front_door_shows_every_metric_of_the_source(service: PaymentsService, certificate: Path) -> None:
    with front_door(service, certificate) as (https, http):
        snapshot = sampled(hosts=[door(https, http)], webhook_url=f"https://{HOST}:{https}/api/webhooks/stripe")
    assert (snapshot.source, snapshot.taken_at, snapshot.complete_until) == (Source.PROBE, NOW, NOW)
    assert values(snapshot) == SOUND
    declared = {
        metric.name
        for area in (health, webhooks)
        for metric in vars(area).values()
        if getattr(metric, "source", None) is Source.PROBE
    }
    assert {one.metric.name for one in snapshot.readings} == declared
    assert service.webhooks_accepted == 0


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC)),
        (datetime(2090, 1, 1, tzinfo=UTC), datetime(2090, 4, 1, tzinfo=UTC)),
        (datetime(2025, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
    ids=["expired", "not yet valid", "without end"],
)
def test_a_certificate_has_its_dates_whenever_it_is_valid(
    service: PaymentsService, authority: trustme.CA, tmp_path: Path, begin: datetime, end: datetime
) -> None:
    issued = authority.issue_cert(HOST, not_before=begin, not_after=end)
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with serving(service.application(), certificate=tmp_path / "server.pem") as https:
        found = values(sampled(hosts=[door(https)]))
    assert found["payments_tls_not_before_timestamp_seconds[leaf]"] == begin.timestamp()
    assert found["payments_tls_not_after_timestamp_seconds[leaf]"] == end.timestamp()
    assert found["payments_security_header_present[referrer-policy]"] == 1


def test_a_self_signed_certificate_of_another_name_has_its_dates(service: PaymentsService, tmp_path: Path) -> None:
    pem = self_signed(tmp_path / "server.pem", "somebody-else.example", BEGIN, END)
    with serving(service.application(), certificate=pem) as https:
        found = values(sampled(hosts=[door(https)]))
    assert found["payments_tls_not_after_timestamp_seconds[leaf]"] == END.timestamp()


def test_a_renewed_certificate_is_seen_by_the_next_sample(
    service: PaymentsService, authority: trustme.CA, tmp_path: Path
) -> None:
    found = []
    for end in (END, END + timedelta(days=90)):
        pem = tmp_path / f"{end.timestamp()}.pem"
        issued = authority.issue_cert(HOST, not_before=BEGIN, not_after=end)
        issued.private_key_and_cert_chain_pem.write_to_path(pem)
        with serving(service.application(), certificate=pem) as https:
            found.append(values(sampled(hosts=[door(https)]))["payments_tls_not_after_timestamp_seconds[leaf]"])
    assert found == [END.timestamp(), (END + timedelta(days=90)).timestamp()]


@pytest.mark.parametrize(
    ("answer", "enforced"),
    [
        (RedirectResponse("https://api.example.com/", 301), 1),
        (RedirectResponse("https://api.example.com/", 302), 1),
        (RedirectResponse("HTTPS://api.example.com/", 307), 1),
        (RedirectResponse("https://api.example.com/", 308), 1),
        (RedirectResponse("https://api.example.com/", 303), 0),
        (RedirectResponse("http://api.example.com/", 301), 0),
        (RedirectResponse("//api.example.com/", 301), 0),
        (RedirectResponse("/elsewhere", 301), 0),
        (Response(status_code=301), 0),
        (Response(status_code=301, headers={"location": "http://["}), 0),
        (Response("payments"), 0),
        (Response("upgrade", 426), 0),
        (Response("busy", 503), 0),
    ],
)
def test_plain_http_must_be_redirected_to_https(
    service: PaymentsService, certificate: Path, answer: Response, enforced: float
) -> None:
    async def plain(_: object) -> Response:
        return answer

    with (
        serving(service.application(), certificate=certificate) as https,
        serving(Starlette(routes=[Route("/", plain)])) as http,
    ):
        assert values(sampled(hosts=[door(https, http)]))["payments_https_enforced"] == enforced


def test_a_closed_plain_port_beside_open_https_is_enforcement(service: PaymentsService, certificate: Path) -> None:
    with serving(service.application()) as closed:
        pass
    with serving(service.application(), certificate=certificate) as https:
        assert values(sampled(hosts=[door(https, closed)]))["payments_https_enforced"] == 1


def test_a_plain_port_that_accepts_and_says_nothing_sensible_is_not_judged(
    service: PaymentsService, certificate: Path
) -> None:
    async def ask(https: int) -> Snapshot:
        async with raw_server([b"\x15\x03\x01\x00\x02\x02\x50"]) as plain:
            sampler = ProbeSampler(ProbeSettings.model_validate({"hosts": [door(https, plain.port)]}))
            try:
                return await sampler.sample(NOW)
            finally:
                await sampler.close()

    with serving(service.application(), certificate=certificate) as https:
        found = values(asyncio.run(ask(https)))
    assert "payments_https_enforced" not in found
    assert "payments_tls_not_after_timestamp_seconds[leaf]" in found


def test_each_missing_or_empty_header_is_a_series_of_its_own(service: PaymentsService, certificate: Path) -> None:
    del service.headers["content-security-policy"]
    service.headers["x-frame-options"] = ""
    with serving(service.application(), certificate=certificate) as https:
        found = values(sampled(hosts=[door(https)]))
    present = {name: value for name, value in found.items() if "header" in name}
    assert present == {
        "payments_security_header_present[strict-transport-security]": 1,
        "payments_security_header_present[content-security-policy]": 0,
        "payments_security_header_present[x-content-type-options]": 1,
        "payments_security_header_present[x-frame-options]": 0,
        "payments_security_header_present[referrer-policy]": 1,
    }


def test_only_the_headers_that_are_set_are_looked_for(service: PaymentsService, certificate: Path) -> None:
    with serving(service.application(), certificate=certificate) as https:
        found = values(sampled(hosts=[door(https)], headers=["Strict-Transport-Security"]))
    assert [name for name in found if "header" in name] == [
        "payments_security_header_present[strict-transport-security]"
    ]


def test_headers_of_a_not_found_count_and_those_of_a_server_error_do_not(
    service: PaymentsService, certificate: Path
) -> None:
    service.status = "degraded"
    with serving(service.application(), certificate=certificate) as https:
        lost = values(sampled(hosts=[door(https, path="/nowhere")]))
        broken = values(sampled(hosts=[door(https, path="/health/payments")]))
    assert lost["payments_security_header_present[referrer-policy]"] == 0
    assert not [name for name in broken if "header" in name]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(400, 1), (401, 1), (403, 1), (422, 1), (200, 0), (204, 0)]
    + [(status, None) for status in (301, 404, 405, 429, 500, 503)],
)
def test_an_unsigned_webhook_must_be_refused_for_what_it_is(
    service: PaymentsService, certificate: Path, status: int, verdict: float | None
) -> None:
    service.webhook_status = status
    with serving(service.application(), certificate=certificate) as https:
        found = values(sampled(hosts=[door(https)], webhook_url=f"https://{HOST}:{https}/api/webhooks/stripe"))
    assert found.get("payments_webhook_rejects_unsigned") == verdict


def test_an_endpoint_that_verifies_nothing_is_found_out(service: PaymentsService, certificate: Path) -> None:
    service.verifies_signatures = False
    with serving(service.application(), certificate=certificate) as https:
        found = values(sampled(hosts=[door(https)], webhook_url=f"https://{HOST}:{https}/api/webhooks/stripe"))
    assert found["payments_webhook_rejects_unsigned"] == 0
    assert service.webhooks_accepted == 1


def test_an_unreachable_webhook_endpoint_is_absent(
    service: PaymentsService, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(service.application(), certificate=certificate) as https:
        found = values(sampled(hosts=[door(https)], webhook_url=f"https://{HOST}:1/api/webhooks/stripe"))
    assert "payments_webhook_rejects_unsigned" not in found
    assert "probe.webhook_url: not known: no connection" in caplog.messages


def test_each_unsigned_request_that_went_out_is_counted_and_one_that_found_nobody_is_not(
    service: PaymentsService, certificate: Path
) -> None:
    async def counts(https: int) -> list[tuple[Reading | Distribution, ...]]:
        found = []
        for port in (https, 1):
            url = f"https://{HOST}:{port}/api/webhooks/stripe"
            sampler = ProbeSampler(ProbeSettings.model_validate({"hosts": [door(https)], "webhook_url": url}))
            found.append(sampler.about())
            for service.webhook_status in (None, 500):
                await sampler.sample(NOW)
                found.append(sampler.about())
            await sampler.close()
        return found

    with serving(service.application(), certificate=certificate) as https:
        found = asyncio.run(counts(https))
    assert found == [(reading(webhooks.unsigned_sent, sent),) for sent in (0, 1, 2, 0, 0, 0)]


def test_where_no_webhook_is_asked_none_is_counted() -> None:
    assert ProbeSampler(ProbeSettings.model_validate({"hosts": [HOST]})).about() == ()


def test_one_host_that_is_down_takes_nothing_from_the_others(service: PaymentsService, certificate: Path) -> None:
    with front_door(service, certificate) as (https, http):
        snapshot = sampled(hosts=[door(1, 1, host="localhost"), door(https, http)])
    assert {dict(one.labels)["host"] for one in snapshot.readings} == {HOST}
    assert len(snapshot.readings) == len(SOUND) - 1


def test_a_name_server_that_hangs_is_named_as_the_cause() -> None:
    async def ask() -> None:
        sampler = ProbeSampler(ProbeSettings.model_validate({"hosts": ["localhost"], "timeout": 0.4}))
        async with look_ups_that_hang():
            await sampler.sample(NOW)

    with pytest.raises(SampleError, match=r"^the certificate of localhost: this machine's name server does not answer"):
        asyncio.run(ask())


def test_where_nothing_was_found_out_there_is_no_sample() -> None:
    with pytest.raises(SampleError) as caught:
        sampled(hosts=[door(1)])
    assert caught.value.kind is ErrorClass.UNREACHABLE
    assert str(caught.value) == (
        "the certificate of 127.0.0.1: no connection; see whether this machine can reach what probe.hosts names"
    )


def hanging(tls: ssl.SSLContext | None, chunks: Iterable[bytes]) -> tuple[ErrorClass, int]:
    """How a sample ends whose every port accepts and then does not go on, and how often others had their turn."""

    async def ask() -> tuple[ErrorClass, int]:
        async with raw_server(chunks, then_hold=True, tls=tls) as server:
            hosts = [door(server.port, server.port)]
            sampler = ProbeSampler(ProbeSettings.model_validate({"hosts": hosts, "timeout": 1}))
            asked = asyncio.create_task(sampler.sample(NOW))
            turns = 0
            while not asked.done():
                await asyncio.sleep(0)
                turns += 1
            await sampler.close()
            failure = asked.exception()
            assert isinstance(failure, SampleError)
            return failure.kind, turns

    return asyncio.run(ask())


@pytest.mark.slow
def test_a_handshake_that_hangs_ends_with_the_timeout_and_blocks_nobody() -> None:
    kind, turns = hanging(None, ())
    assert kind is ErrorClass.TIMEOUT
    assert turns > 100


def test_a_port_that_speaks_no_tls_has_no_certificate(service: PaymentsService) -> None:
    with serving(service.application()) as plain:
        found = values(sampled(hosts=[door(plain, plain)]))
    assert found == {"payments_https_enforced": 0}


def test_a_certificate_is_read_even_where_http_then_hangs(certificate: Path) -> None:
    async def ask() -> Snapshot:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        async with raw_server((), then_hold=True, tls=tls) as server:
            settings = {"hosts": [door(server.port)], "timeout": 0.5}
            sampler = ProbeSampler(ProbeSettings.model_validate(settings))
            try:
                return await sampler.sample(NOW)
            finally:
                await sampler.close()

    found = values(asyncio.run(ask()))
    assert found["payments_tls_not_after_timestamp_seconds[leaf]"] == END.timestamp()
    assert not [name for name in found if "header" in name]


def test_an_endless_page_is_not_read_to_its_end(certificate: Path) -> None:
    async def ask() -> tuple[Snapshot, int]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        head = b"HTTP/1.1 200 OK\r\nreferrer-policy: no-referrer\r\ncontent-length: 1000000000\r\n\r\n"
        page = itertools.chain([head], itertools.repeat(b" " * 65536, 15_000))
        async with raw_server(page, tls=tls) as server:
            sampler = ProbeSampler(ProbeSettings.model_validate({"hosts": [door(server.port)]}))
            try:
                return await sampler.sample(NOW), server.sent
            finally:
                await sampler.close()

    snapshot, sent = asyncio.run(ask())
    assert values(snapshot)["payments_security_header_present[referrer-policy]"] == 1
    assert sent < 20_000_000  # what the kernel's buffers take


def test_a_gap_is_said_once_while_it_lasts(
    service: PaymentsService, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def thrice(https: int) -> None:
        settings = {"hosts": [door(https)], "webhook_url": f"https://{HOST}:{https}/api/webhooks/stripe"}
        sampler = ProbeSampler(ProbeSettings.model_validate(settings))
        for _ in range(3):
            await sampler.sample(NOW)
        await sampler.close()

    service.webhook_status = 404
    with serving(service.application(), certificate=certificate) as https:
        asyncio.run(thrice(https))
    assert [message for message in caplog.messages if message.startswith("probe.")] == [
        "probe.webhook_url: not known: it answered 404, which says nothing about signatures"
    ]


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("api.gametriq.com", "https://api.gametriq.com:443/"),
        ("API.Gametriq.com.", "https://api.gametriq.com:443/"),
        ({"host": "::1", "https_port": 8443, "path": "/login"}, "https://[::1]:8443/login"),
    ],
)
def test_a_host_is_a_name_or_has_ports_and_a_path(given: object, understood: str) -> None:
    assert ProbedHost.model_validate(given).url("https") == understood


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"hosts": []}, "no host or header, one twice, or more than 50; list each once"),
        ({"hosts": ["https://api.gametriq.com"]}, "not the name of a host; write it without scheme, port and path"),
        ({"hosts": ["user:hunter2@api"]}, "not the name of a host; write it without scheme, port and path"),
        ({"hosts": ["a" * 64 + ".com"]}, "not the name of a host; write it without scheme, port and path"),
        ({"headers": []}, "no host or header, one twice, or more than 50; list each once"),
        ({"hosts": [f"{n}.com" for n in range(51)]}, "no host or header, one twice, or more than 50; list each once"),
        ({"hosts": ["a.com", "A.com"]}, "no host or header, one twice, or more than 50; list each once"),
        ({"hosts": [door(1, path="/a b")]}, "not a path; write one that begins with / and holds no space"),
        ({"hosts": [door(0)]}, "Input should be greater than or equal to 1"),
        ({"webhook_url": "https://x:hunter2@a.com/"}, "the URL holds a user name or a password; take them out"),
        (
            {"headers": ["server"]},
            "no header that is looked for; choose among strict-transport-security, content-security-policy, "
            "x-content-type-options, x-frame-options, referrer-policy",
        ),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ProbeSettings.model_validate({"hosts": ["api.gametriq.com"], **wrong})
    assert [error["msg"] for error in caught.value.errors(include_input=False)] == [why]
    assert "hunter2" not in str(caught.value)
