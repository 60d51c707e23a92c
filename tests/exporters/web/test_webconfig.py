"""Is exporter-toolkit's web configuration file read as it is, and obeyed?"""

import asyncio
import base64
import contextlib
import os
import re
import ssl
import time
from contextlib import AsyncExitStack
from pathlib import Path

import bcrypt
import httpx
import pytest
import trustme

from exporters.configuration.configfile import ConfigurationError
from exporters.process.run import report
from exporters.web.basicauth import BasicAuth
from exporters.web.connections import Limits
from exporters.web.ratelimit import TokenBucket
from exporters.web.tls import context_for
from exporters.web.webconfig import HttpConfig, TlsConfig, WebConfig, WebConfigFile
from tests.exporters.web.serving import served

pytestmark = pytest.mark.timeout(900)

HASH = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certificate_in(folder: Path, authority: trustme.CA, *names: str) -> None:
    leaf = authority.issue_cert(*(names or ("127.0.0.1",)))
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    for place, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=place > 0)


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yaml"
    path.write_text(text)
    return path


def trusting(authority: trustme.CA, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client:
        client.configure_cert(context)
    return context


TLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
MUTUAL = TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


def test_the_page_is_served_over_tls_with_files_beside_the_configuration(tmp_path: Path, authority: trustme.CA) -> None:
    certificate_in(tmp_path, authority)

    async def story() -> None:
        async with served(written(tmp_path, TLS)) as at, at.client("https", trusting(authority)) as client:
            assert (await client.get("/metrics")).status_code == 200

    asyncio.run(story())


def test_neither_silent_nor_idle_connections_of_one_client_keep_prometheus_out(
    tmp_path: Path, authority: trustme.CA
) -> None:
    certificate_in(tmp_path, authority)
    trusted = trusting(authority)

    async def story() -> None:
        limits = Limits(handshake_seconds=1, connections=20)
        async with served(written(tmp_path, TLS), limits=limits) as at, AsyncExitStack() as stack:
            silent = [await stack.enter_async_context(at.connection()) for _ in range(40)]
            for _ in range(40):
                idle = await asyncio.open_connection(at.host, at.port, ssl=trusted, server_hostname=at.host)
                stack.callback(idle[1].close)
            client = await stack.enter_async_context(at.client("https", trusted))
            assert (await client.get("/metrics")).status_code == 200
            for reader, _ in silent:
                assert await asyncio.wait_for(reader.read(), 20) == b"", "a handshake has its deadline"

    asyncio.run(story())


def test_certificate_and_key_may_stand_in_the_file_itself(tmp_path: Path, authority: trustme.CA) -> None:
    leaf = authority.issue_cert("127.0.0.1")

    def indented(pem: bytes) -> str:
        return "".join(f"    {line}\n" for line in pem.decode().splitlines())

    text = (
        f"tls_server_config:\n  cert: |\n{indented(leaf.cert_chain_pems[0].bytes())}"
        f"  key: |\n{indented(leaf.private_key_pem.bytes())}"
    )

    async def story() -> None:
        async with served(written(tmp_path, text)) as at, at.client("https", trusting(authority)) as client:
            assert (await client.get("/metrics")).status_code == 200

    asyncio.run(story())


def test_only_clients_with_a_certificate_of_the_authority_and_an_allowed_name_get_in(
    tmp_path: Path, authority: trustme.CA
) -> None:
    certificate_in(tmp_path, authority)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    prometheus = authority.issue_cert("prometheus.example.com")
    other = authority.issue_cert("other.example.com")
    stranger = trustme.CA().issue_cert("prometheus.example.com")
    config = written(tmp_path, MUTUAL + "  client_allowed_sans: [prometheus.example.com]\n")

    async def story() -> None:
        async with served(config) as at:
            async with at.client("https", trusting(authority, prometheus)) as client:
                assert (await client.get("/metrics")).status_code == 200
            for refused in (None, other, stranger):
                async with at.client("https", trusting(authority, refused)) as client:
                    with pytest.raises(httpx.TransportError):
                        await client.get("/metrics")

    asyncio.run(story())


def test_a_client_without_a_certificate_stays_outside_where_one_is_required(
    tmp_path: Path, authority: trustme.CA
) -> None:
    certificate_in(tmp_path, authority)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    optional = MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")

    async def story() -> None:
        async with served(written(tmp_path, MUTUAL)) as at, at.client("https", trusting(authority)) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/metrics")
        async with served(written(tmp_path, optional)) as at, at.client("https", trusting(authority)) as client:
            assert (await client.get("/metrics")).status_code == 200

    asyncio.run(story())


def test_a_request_notices_that_the_file_has_changed(tmp_path: Path) -> None:
    config = written(tmp_path, "basic_auth_users: {}\n")

    async def story() -> None:
        async with served(config) as at, at.client() as client:
            written(tmp_path, f"basic_auth_users:\n  prometheus: {HASH}\n")
            assert (await client.get("/metrics")).status_code == 401

    asyncio.run(story())


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path, authority: trustme.CA) -> None:
    certificate_in(tmp_path, authority)

    async def story() -> None:
        async with served(written(tmp_path, TLS)) as at:
            async with at.client("https", trusting(authority)) as client:
                await client.get("/-/healthy")
            successor = trustme.CA()
            certificate_in(tmp_path, successor)
            at.web.look(time.monotonic() + 10)
            async with at.client("https", trusting(successor)) as client:
                assert (await client.get("/-/healthy")).status_code == 200
            assert at.reported == []

    asyncio.run(story())


@pytest.mark.parametrize("what", ["the certificate", "the clients' authority", "the clients' names"])
def test_what_is_renewed_is_used_although_nobody_got_through_before(
    tmp_path: Path, authority: trustme.CA, what: str
) -> None:
    """A certificate that has ended, or an authority that was replaced, lets no request in that could notice it."""
    certificate_in(tmp_path, authority)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    named = MUTUAL + "  client_allowed_sans: [{}.example.com]\n"
    trusted, ours, successor = authority, authority.issue_cert("new.example.com"), trustme.CA()

    async def story() -> None:
        nonlocal trusted, ours
        async with served(written(tmp_path, named.format("old" if "names" in what else "new"))) as at:
            if what == "the certificate":
                certificate_in(tmp_path, successor)
                trusted = successor
            elif what == "the clients' authority":
                successor.cert_pem.write_to_path(tmp_path / "ca.pem")
                ours = successor.issue_cert("new.example.com")
            else:
                written(tmp_path, named.format("new"))
            async with at.client("https", trusting(trusted, ours)) as client:
                assert (await client.get("/metrics")).status_code == 200
            assert at.reported == []

    asyncio.run(story())


def test_a_certificate_that_became_unusable_is_reported_and_the_old_one_stays(
    tmp_path: Path, authority: trustme.CA
) -> None:
    certificate_in(tmp_path, authority)

    async def story() -> None:
        async with served(written(tmp_path, TLS)) as at:
            (tmp_path / "key.pem").write_text("rubbish")
            assert not at.web.reload()
            async with at.client("https", trusting(authority)) as client:
                assert (await client.get("/-/healthy")).status_code == 200
            [error] = at.reported
            assert str(error) == (
                f"{tmp_path / 'cert.pem'}: the certificate and its key cannot be used (not PEM); see that the files "
                "are there, readable by this user, PEM and without a passphrase"
            )

    asyncio.run(story())


def test_basic_authentication_lets_nobody_else_in_but_to_the_health_pages(tmp_path: Path) -> None:
    config = written(tmp_path, f"basic_auth_users:\n  prometheus: {HASH}\n")

    async def story() -> None:
        async with served(config) as at, at.client() as client:
            for auth in (None, ("prometheus", "wrong"), ("nobody", "open sesame"), ("", "")):
                for path in (
                    "/metrics",
                    "/",
                    "/nowhere",
                    "/-/",
                    "/-/healthy/",
                    "/-/healthy/../../metrics",
                    "//metrics",
                ):
                    answer = await client.get(path, auth=auth)
                    assert answer.status_code == 401
                    assert answer.headers["www-authenticate"] == "Basic"
                assert (await client.get("/-/healthy", auth=auth)).text == "The exporter is healthy.\n"
                assert (await client.get("/-/ready", auth=auth)).status_code == 200
            assert (await client.get("/metrics", auth=("prometheus", "open sesame"))).status_code == 200
            for header in ("Basic", "Basic !", "Bearer x", "Basic " + base64.b64encode(b"no colon").decode()):
                assert (await client.get("/metrics", headers={"Authorization": header})).status_code == 401

    asyncio.run(story())


def test_a_password_that_changed_in_the_file_holds_at_once(tmp_path: Path) -> None:
    config = written(tmp_path, f"basic_auth_users:\n  prometheus: {HASH}\n")

    async def story() -> None:
        async with served(config) as at, at.client() as client:
            assert (await client.get("/", auth=("prometheus", "open sesame"))).status_code == 200
            other = bcrypt.hashpw(b"another", bcrypt.gensalt(4)).decode()
            written(tmp_path, f"basic_auth_users:\n  prometheus: {other}\n")
            at.web.look(time.monotonic() + 10)
            assert (await client.get("/", auth=("prometheus", "open sesame"))).status_code == 401
            assert (await client.get("/", auth=("prometheus", "another"))).status_code == 200

    asyncio.run(story())


def test_an_answer_is_remembered_so_that_a_scrape_costs_no_hashing() -> None:
    right = "Basic " + base64.b64encode(b"prometheus:open sesame").decode()
    wrong = "Basic " + base64.b64encode(b"prometheus:sesame").decode()

    async def story() -> None:
        auth = BasicAuth()
        assert await auth.allows({"prometheus": HASH}, right)
        assert not await auth.allows({"prometheus": HASH}, wrong)
        auth.close()
        assert await auth.allows({"prometheus": HASH}, right)
        assert not await auth.allows({"prometheus": HASH}, wrong)
        with pytest.raises(RuntimeError):
            await auth.allows({"prometheus": HASH}, wrong[:-4])

    asyncio.run(story())


def test_an_unknown_user_never_gets_in_even_with_a_known_users_password() -> None:
    async def story() -> None:
        auth = BasicAuth()
        assert not await auth.allows({"a": HASH}, "Basic " + base64.b64encode(b"b:open sesame").decode())
        assert not await auth.allows({}, "Basic " + base64.b64encode(b"b:open sesame").decode())

    asyncio.run(story())


def test_a_password_beyond_what_bcrypt_reads_works_as_hashing_tools_made_it() -> None:
    users = {"a": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()}

    async def story() -> bool:
        return await BasicAuth().allows(users, "Basic " + base64.b64encode(b"a:" + b"x" * 90).decode())

    assert asyncio.run(story())


def test_the_headers_of_the_file_are_added_to_every_answer(tmp_path: Path) -> None:
    text = "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: '0'\n"

    async def story() -> None:
        async with served(written(tmp_path, text)) as at, at.client() as client:
            for path in ("/metrics", "/nowhere"):
                headers = (await client.get(path)).headers
                assert (headers["x-frame-options"], headers["x-xss-protection"]) == ("deny", "0")

    asyncio.run(story())


def test_requests_beyond_the_rate_limit_are_refused_but_never_a_kubelets(tmp_path: Path) -> None:
    """Whoever asks too often, with or without a password, must not have the container restarted."""

    async def story() -> None:
        config = written(tmp_path, "rate_limit:\n  interval: 1h\n  burst: 2\n")
        async with served(config) as at, at.client() as client:
            for path in ("/-/healthy", "/-/ready"):
                assert [(await client.get(path)).status_code for _ in range(5)] == [200] * 5
            answers = [(await client.get("/metrics")).status_code for _ in range(3)]
            assert answers == [200, 200, 429]
            assert (await client.get("/-/healthy")).status_code == 200
            assert (await client.get("/")).status_code == 429

    asyncio.run(story())


def test_a_token_bucket_fills_up_again_but_never_over_its_burst() -> None:
    bucket = TokenBucket()
    assert [bucket.takes(1, 2, now) for now in (100, 100, 100, 101, 101, 200, 200, 200)] == [
        True, True, False, True, False, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tls_server_confg: {}", ":1: tls_server_confg: is not a setting; did you mean tls_server_config?"),
        (
            "http_server_config:\n  headers:\n    X-Powered-By: us",
            ":3: http_server_config.headers.X-Powered-By: is not a setting; there is Content-Security-Policy, "
            "X-Frame-Options, X-Content-Type-Options, X-XSS-Protection, Strict-Transport-Security",
        ),
        (
            "basic_auth_users:\n  joe: hunter2",
            ":2: basic_auth_users.joe: is not a bcrypt hash; make one with `htpasswd -nBC 10 USER`",
        ),
        (
            "tls_server_config:\n  cert_file: cert.pem",
            ":1: tls_server_config: lacks a certificate and its key, or has one twice; set cert_file and key_file",
        ),
        (
            TLS + "  client_auth_type: RequireAnyClientCert",
            ":1: tls_server_config: asks for certificates that nobody verifies; use RequireAndVerifyClientCert",
        ),
        (
            TLS + "  client_ca_file: ca.pem",
            ":1: tls_server_config: has client_auth_type without client_ca_file, or the reverse; set both, or neither",
        ),
        (
            TLS + "  min_version: TLS13\n  max_version: TLS12",
            ":1: tls_server_config: has min_version above max_version; swap them",
        ),
        ("rate_limit: {interval: soon}", ":1: rate_limit.interval: is not a duration; write one like 1s or 500ms"),
        ("- a list", ":1: is not a mapping of settings; write `name: value` lines"),
        ("a: [", ":1: is not YAML (expected the node content, but found '<stream end>'); mend the syntax"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_its_cure(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        WebConfigFile(path, lambda _: None)
    assert str(caught.value) == f"{path}{message}"
    assert "hunter2" not in str(caught.value)


def test_a_setting_that_is_left_empty_is_at_its_default_as_in_go(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(
        "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options:\n"
        "tls_server_config:\n  client_ca_file:\n  cipher_suites:\nbasic_auth_users:\nrate_limit:\n"
    )
    assert WebConfigFile(file, report).config == WebConfig(http_server_config=HttpConfig(http2=False))
    file.write_text("http_server_config: {headers: }\n")
    assert WebConfigFile(file, report).config == WebConfig()


def test_a_user_without_a_hash_is_refused_and_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text("basic_auth_users:\n  prometheus:\n")
    with pytest.raises(ConfigurationError, match=r"basic_auth_users\.prometheus"):
        WebConfigFile(tmp_path / "web.yaml", report)


def test_an_unknown_cipher_suite_is_refused_and_gos_names_are_understood(tmp_path: Path, authority: trustme.CA) -> None:
    certificate_in(tmp_path, authority)
    files = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    suites = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256")
    context = context_for(TlsConfig.model_validate({**files, "cipher_suites": suites}))
    assert [one["name"] for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"] == [
        "ECDHE-ECDSA-AES128-GCM-SHA256"
    ]
    with pytest.raises(ConfigurationError, match="TLS_RSA_WITH_RC4_128_SHA is not supported"):
        context_for(TlsConfig.model_validate({**files, "cipher_suites": ["TLS_RSA_WITH_RC4_128_SHA"]}))


CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}


@pytest.mark.parametrize("curve", CURVES)
def test_a_curve_is_used_or_refused_with_its_line_but_never_ends_in_a_traceback(
    curve: str, tmp_path: Path, authority: trustme.CA
) -> None:
    certificate_in(tmp_path, authority)
    config = WebConfigFile(
        written(tmp_path, TLS + f"  curve_preferences: [{curve}]\n"), report
    ).config.tls_server_config
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(CURVES[curve])
    except (ValueError, ssl.SSLError):  # as Python 3.11.2 does for X25519
        with pytest.raises(ConfigurationError) as refused:
            context_for(config)
        assert re.fullmatch(
            rf"{tmp_path}/web.yaml:4: tls_server_config.curve_preferences: Python [\d.]+ cannot be told {curve} alone; "
            r"write one of CurveP256, CurveP384, CurveP521, or leave it out for all that OpenSSL has, X25519 among "
            r"them; 3\.11\.5 can",
            str(refused.value),
        )
    else:
        assert shaken_hands(context_for(config), curves=CURVES[curve]) == "TLSv1.3"


def shaken_hands(server: ssl.SSLContext, *, curves: str = "") -> str:
    """The version on which that server and a client agree; the client may be bound to a curve."""
    willing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    willing.check_hostname, willing.verify_mode = False, ssl.CERT_NONE
    if curves:
        willing.set_ecdh_curve(curves)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, served = willing.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
    for end in (client, served, client, served):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return client.version() or "none"


def test_all_curves_are_what_openssl_does_anyway(tmp_path: Path, authority: trustme.CA) -> None:
    certificate_in(tmp_path, authority)
    files = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    context = context_for(TlsConfig.model_validate({**files, "curve_preferences": [*CURVES]}))
    assert shaken_hands(context, curves="secp521r1") == "TLSv1.3"


@pytest.mark.parametrize(
    ("written_there", "message"),
    [
        (
            "curve_preferences: [CurveP256, CurveP384]",
            ":4: tls_server_config.curve_preferences: names several, and Python can be told one or all; write one of ",
        ),
        (
            "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
            ":4: tls_server_config.cipher_suites: has none with which a client could speak TLS12 to this certificate "
            "(no shared cipher); add one that has the kind of its key, RSA or ECDSA, in the name, or write "
            "min_version: TLS13",
        ),
        (
            "max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]",
            ":5: tls_server_config.cipher_suites: has suites of TLS 1.3 alone, and max_version is TLS12; add some of ",
        ),
        (
            "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]",
            ":4: tls_server_config.cipher_suites: TLS_RSA_WITH_RC4_128_SHA is not supported; use some of ",
        ),
    ],
)
def test_what_openssl_does_not_do_is_told_before_a_client_finds_out(
    written_there: str, message: str, tmp_path: Path, authority: trustme.CA
) -> None:
    certificate_in(tmp_path, authority)
    path = written(tmp_path, f"{TLS}  {written_there}\n")
    with pytest.raises(ConfigurationError) as refused:
        context_for(WebConfigFile(path, report).config.tls_server_config)
    assert str(refused.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("written_there", "version"),
    [("min_version: TLS10", "TLS10"), ("min_version: TLS11\n  max_version: TLS11", "TLS11")],
)
def test_a_version_that_openssl_does_not_speak_is_told_in_its_own_words(
    written_there: str, version: str, tmp_path: Path, authority: trustme.CA
) -> None:
    certificate_in(tmp_path, authority)
    path = written(tmp_path, f"{TLS}  {written_there}\n")
    with pytest.raises(ConfigurationError) as refused:
        context_for(WebConfigFile(path, report).config.tls_server_config)
    before, why, after = re.split(r" \((.+), OpenSSL [^)]+\)", str(refused.value))
    assert before == f"{path}:4: tls_server_config.min_version: {version} cannot be spoken here"
    assert re.fullmatch("[a-z ]+", why)
    assert after == "; write TLS12 or TLS13"


def test_suites_of_tls_13_alone_mean_tls_13_alone_as_in_go(tmp_path: Path, authority: trustme.CA) -> None:
    certificate_in(tmp_path, authority)
    files = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    context = context_for(TlsConfig.model_validate({**files, "cipher_suites": ["TLS_AES_128_GCM_SHA256"]}))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert shaken_hands(context) == "TLSv1.3"


def test_tls_cannot_be_switched_off_while_the_server_runs(tmp_path: Path, authority: trustme.CA) -> None:
    certificate_in(tmp_path, authority)
    reported: list[ConfigurationError] = []
    web = WebConfigFile(written(tmp_path, TLS), reported.append)
    written(tmp_path, "tls_server_config: {}\n")
    assert not web.reload()
    assert web.config.tls_server_config.wanted
    assert "switches TLS on or off" in str(reported[0])


def test_files_are_looked_at_once_in_a_second_at_most(tmp_path: Path) -> None:
    path = written(tmp_path, "rate_limit: {interval: 1s, burst: 1}")
    web = WebConfigFile(path, lambda _: None)
    web.look(100)
    path.write_text("rate_limit: {interval: 1s, burst: 2}")
    os.utime(path, ns=(1, 1))
    web.look(100.5)
    assert web.config.rate_limit.burst == 1
    web.look(101)
    assert web.config.rate_limit.burst == 2
