"""The feature flag's API is asked over real connections, and believed as a whole or not at all."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.responses import JSONResponse, RedirectResponse, Response

from exporters.configuration.secrets import FromConfigurationFile
from exporters.probes.flag import FlagSampler
from exporters.probes.foreign_json import NotJsonError, number_in, parse, value_at
from exporters.probes.settings import FlagSettings
from exporters.sampling.model import ErrorClass, Reading, SampleError, Snapshot
from rules.payments import rollout
from rules.vocabulary import Source
from simulator.payments_service import PaymentsService
from simulator.raw_server import raw_server
from simulator.serving import serving
from tests.leaks import sockets

NOW = 1_754_827_200.0  # 2025-08-10T12:00:00Z
TOKEN = "a-token-that-nobody-may-see"
PATH = "/v1/flags/payments_live_v1"


def sampled(url: str, **more: object) -> Snapshot:
    async def once() -> Snapshot:
        sampler = FlagSampler(FlagSettings.model_validate({"url": url, "token": TOKEN, "timeout": 0.5, **more}))
        try:
            return await sampler.sample(NOW)
        finally:
            await sampler.close()

    return asyncio.run(once())


def failure(url: str, **more: object) -> SampleError:
    with pytest.raises(SampleError) as caught:
        sampled(url, **more)
    assert TOKEN not in str(caught.value) + repr(caught.value)
    return caught.value


def values(snapshot: Snapshot) -> dict[str, float]:
    return {one.metric.name: one.value for one in snapshot.readings if isinstance(one, Reading)}


@pytest.fixture
def service() -> PaymentsService:
    return PaymentsService(now=lambda: NOW, token=TOKEN)


@pytest.fixture
def url(service: PaymentsService) -> Iterator[str]:
    with serving(service.application()) as port:
        yield f"http://127.0.0.1:{port}{PATH}"


def test_the_rollout_is_a_ratio_and_the_switch_is_not_pulled(url: str) -> None:
    snapshot = sampled(url)
    assert (snapshot.source, snapshot.taken_at, snapshot.complete_until) == (Source.FLAG, NOW, NOW)
    assert values(snapshot) == {"payments_feature_flag_rollout_ratio": 0.1, "payments_feature_flag_killed": 0}
    declared = {metric.name for metric in vars(rollout).values() if getattr(metric, "source", None) is Source.FLAG}
    assert set(values(snapshot)) == declared


def test_a_pulled_switch_is_seen(url: str, service: PaymentsService) -> None:
    service.killed = True
    assert values(sampled(url))["payments_feature_flag_killed"] == 1


def test_another_environment_is_one_pointer_away(url: str, service: PaymentsService) -> None:
    service.rollout["staging"] = 100
    found = values(sampled(url, rollout_pointer="/environments/staging/rollout/value"))
    assert found["payments_feature_flag_rollout_ratio"] == 1


def test_another_flag_service_answers_in_another_shape(url: str, service: PaymentsService) -> None:
    service.flag = JSONResponse({"data": [{"a/b": {"percent": 2.5}}], "off~switch": True})
    found = values(sampled(url, rollout_pointer="/data/0/a~1b/percent", killed_pointer="/off~0switch"))
    assert found == {"payments_feature_flag_rollout_ratio": 0.025, "payments_feature_flag_killed": 1}


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (
            401,
            ErrorClass.NOT_PERMITTED,
            "flag.token: the flag API answered 401; give a token that may read this flag, and nothing else",
        ),
        (
            403,
            ErrorClass.NOT_PERMITTED,
            "flag.token: the flag API answered 403; give a token that may read this flag, and nothing else",
        ),
        (429, ErrorClass.RATE_LIMITED, "flag.interval: the flag API answered 429; ask less often"),
        (
            404,
            ErrorClass.REFUSED,
            "flag.url: the flag API answered 404; name the address of one flag, without redirects",
        ),
        (500, ErrorClass.BAD_ANSWER, "flag.url: the flag API answered 500; see what ails the flag API"),
        (204, ErrorClass.BAD_ANSWER, "flag.url: the flag API answered 204; see what ails the flag API"),
    ],
)
def test_another_status_says_what_to_mend(
    url: str, service: PaymentsService, status: int, kind: ErrorClass, message: str
) -> None:
    service.flag = Response(status_code=status)
    error = failure(url)
    assert (error.kind, str(error)) == (kind, message)


def test_a_wrong_token_is_not_permitted(url: str, service: PaymentsService) -> None:
    service.token = "rotated"
    assert failure(url).kind is ErrorClass.NOT_PERMITTED


def test_a_redirect_is_not_followed_so_that_the_token_stays_here(url: str, service: PaymentsService) -> None:
    service.flag = RedirectResponse("http://localhost:1/")
    assert failure(url).kind is ErrorClass.REFUSED


ROLLOUT_GONE = (
    "flag.rollout_pointer: the answer does not hold a number from 0 to 100 there; "
    "point to where this flag API writes it"
)
KILLED_GONE = (
    "flag.killed_pointer: the answer does not hold true or false there; point to where this flag API writes it"
)


def flag_with(value: str = "10", killed: str = "false") -> Response:
    return Response(f'{{"environments": {{"production": {{"rollout": {{"value": {value}}}}}}}, "killed": {killed}}}')


@pytest.mark.parametrize("value", ["-1", "101", "NaN", "Infinity", "1e999", "null", '"10"', "true", "[10]", "{}"])
def test_a_rollout_that_is_no_percentage_is_an_error(url: str, service: PaymentsService, value: str) -> None:
    service.flag = flag_with(value)
    error = failure(url)
    assert (error.kind, str(error)) == (ErrorClass.BAD_DATA, ROLLOUT_GONE)


@pytest.mark.parametrize("killed", ["0", "1", "null", '"false"', "[]", "{}"])
def test_a_kill_state_that_is_no_truth_value_is_an_error(url: str, service: PaymentsService, killed: str) -> None:
    service.flag = flag_with(killed=killed)
    error = failure(url)
    assert (error.kind, str(error)) == (ErrorClass.BAD_DATA, KILLED_GONE)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"7", b'{"environments": []}', b'{"environments": {"production": 10}}'])
def test_an_answer_of_another_shape_is_an_error(url: str, service: PaymentsService, body: bytes) -> None:
    service.flag = Response(body)
    assert str(failure(url)) == ROLLOUT_GONE


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"killed": fal', b" " * 300_000 + b"{}", b"\xff"])
def test_an_answer_that_is_no_json_or_too_long_is_an_error(url: str, service: PaymentsService, body: bytes) -> None:
    service.flag = Response(body)
    error = failure(url)
    assert (error.kind, str(error)) == (
        ErrorClass.BAD_ANSWER,
        "flag.url: the answer is no JSON of at most 262144 bytes; name the address of one flag",
    )


def test_nobody_listening_is_unreachable(service: PaymentsService) -> None:
    with serving(service.application()) as port:
        pass
    error = failure(f"http://127.0.0.1:{port}{PATH}")
    assert (error.kind, str(error)) == (
        ErrorClass.UNREACHABLE,
        "flag.url: no connection; see whether the flag API runs",
    )


def test_an_api_that_hangs_is_a_timeout() -> None:
    async def ask() -> None:
        async with raw_server((), then_hold=True) as server:
            settings = {"url": f"http://127.0.0.1:{server.port}/", "token": TOKEN, "timeout": 0.2}
            sampler = FlagSampler(FlagSettings.model_validate(settings))
            try:
                await sampler.sample(NOW)
            finally:
                await sampler.close()

    with pytest.raises(SampleError) as caught:
        asyncio.run(ask())
    assert (caught.value.kind, caught.value.what) == (ErrorClass.TIMEOUT, "no whole answer in time")


def test_a_handshake_that_never_ends_is_a_timeout_and_leaves_no_connection_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = sockets()
        error = failure(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout=1)
        assert (error.kind, error.what, sockets()) == (ErrorClass.TIMEOUT, "no connection in time", before)


def test_a_token_is_not_sent_to_whom_nobody_vouches_for(service: PaymentsService, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with serving(service.application(), certificate=tmp_path / "server.pem") as port:
        url = f"https://127.0.0.1:{port}{PATH}"
        error = failure(url)
        assert service.connections == set()
        assert len(sampled(url, ca_file=tmp_path / "ca.pem").readings) == 2
    assert error.kind is ErrorClass.BAD_ANSWER
    assert error.what.startswith("its certificate is not trusted: ")


def test_a_token_comes_from_a_file_and_shows_nowhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    settings = FlagSettings.model_validate({"url": "https://a.com/", "token_file": str(tmp_path / "token")})
    assert settings.token.get_secret_value() == TOKEN
    assert TOKEN not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": "http://a.com/"}, "a token would travel in the clear; write https://"),
        ({"url": "https://x:y@a.com/"}, "the URL holds a user name or a password; take them out"),
        ({"rollout_pointer": "killed"}, "not a JSON pointer (RFC 6901); write one such as /killed"),
        ({"killed_pointer": "/a~2"}, "not a JSON pointer (RFC 6901); write one such as /killed"),
        ({"token": ""}, "the secret is empty or not a text; name a file that holds it"),
        (
            {"token": f"{TOKEN}\nx"},
            "the token holds a space, a line break or an unusual letter; store the token alone",
        ),
        ({"token": f"{TOKEN}€"}, "the token holds a space, a line break or an unusual letter; store the token alone"),
        (
            {"token": FromConfigurationFile(TOKEN)},
            "a secret does not belong in the configuration file; name a file that holds it",
        ),
    ],
)
def test_a_wrong_setting_is_named_without_the_token(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FlagSettings.model_validate({"url": "https://a.com/", "token": TOKEN, **wrong})
    assert [error["msg"] for error in caught.value.errors(include_input=False)] == [why]
    assert TOKEN not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_every_value_of_a_document_is_reached_by_its_pointer(value: object) -> None:
    def pointers(inner: object, here: str) -> Iterator[tuple[str, object]]:
        yield here, inner
        if isinstance(inner, dict):
            for key, child in inner.items():
                yield from pointers(child, f"{here}/{key.replace('~', '~0').replace('/', '~1')}")
        elif isinstance(inner, list):
            for nth, child in enumerate(inner):
                yield from pointers(child, f"{here}/{nth}")

    document = parse(json.dumps(value).encode()).value
    assert all(value_at(document, pointer) == found for pointer, found in pointers(document, ""))


def test_an_escaped_tilde_before_a_one_is_no_slash() -> None:
    assert value_at({"~1": "tilde and one", "/": "slash"}, "/~01") == "tilde and one"


@given(st.binary())
def test_bytes_are_json_or_they_are_not(body: bytes) -> None:
    try:
        expected = json.loads(body.decode())
    except ValueError:
        with pytest.raises(NotJsonError):
            parse(body)
    else:
        assert parse(body).value == expected


@given(st.integers() | st.floats() | st.booleans() | st.text() | st.none(), st.floats(0, 50), st.floats(50, 100))
def test_a_number_is_within_its_bounds_or_none(value: object, lowest: float, highest: float) -> None:
    found = number_in(value, lowest, highest)
    assert found is None or (lowest <= found <= highest and found == value)
