"""What does the exporter make of each way in which Stripe can fail?"""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import stripe
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from exporters.sampling.model import ErrorClass, SampleError
from rules.payments import account, webhooks
from rules.vocabulary import Metric, Source
from simulator.serving import serving
from simulator.stripe import (
    PERMISSIONS,
    RATE_LIMIT_REASONS,
    CutOff,
    Fault,
    NotJson,
    Slow,
    Wrong,
    rate_limited,
    server_error,
)
from tests.exporters.stripe.shop import KEY, Watched, counters, watched
from tests.leaks import sockets

SECRETS = (KEY, "acct_", "jenny.rosen@example.com", "owner@example.com", "rk_test_e")


def failure(world: Watched, source: Source = Source.STRIPE_EVENTS) -> SampleError:
    """The error of a sample that fails."""
    with pytest.raises(SampleError) as found:
        world.sample(source)
    for secret in SECRETS:
        assert secret not in str(found.value)
        assert secret not in repr(found.value)
    return found.value


@pytest.mark.parametrize(
    ("fault", "kind", "what", "code"),
    [
        (server_error(500), ErrorClass.BAD_ANSWER, "Stripe answers 500", "5xx"),
        (server_error(503), ErrorClass.BAD_ANSWER, "Stripe answers 503", "5xx"),
        (CutOff(), ErrorClass.UNREACHABLE, "the connection failed (RemoteProtocolError)", "0"),
        (NotJson(), ErrorClass.BAD_ANSWER, "the answer is no JSON object", "200"),
        (NotJson(502), ErrorClass.BAD_ANSWER, "Stripe answers 502", "5xx"),
        (NotJson(407), ErrorClass.BAD_ANSWER, "an unexpected answer 407", "4xx"),
        (Wrong([1, 2]), ErrorClass.BAD_ANSWER, "the answer is no JSON object", "200"),
        (Wrong({"data": 7, "has_more": False}), ErrorClass.BAD_ANSWER, "the answer is no list", "200"),
        (Wrong({"data": [7], "has_more": True}), ErrorClass.BAD_ANSWER, "a page without a single id", "200"),
        *(
            (rate_limited(reason), ErrorClass.RATE_LIMITED, f"too many requests ({reason})", "429")
            for reason in RATE_LIMIT_REASONS
        ),
        (rate_limited(None), ErrorClass.RATE_LIMITED, "too many requests (lock_timeout)", "429"),
    ],
)
def test_a_failed_request_is_told_counted_and_made_up_for(
    world: Watched, fault: Fault, kind: ErrorClass, what: str, code: str
) -> None:
    world.begun().shop.pay()
    world.server.faults.next(fault, endpoint="events")
    error = failure(world)
    assert error.kind is kind
    assert what in str(error)
    assert world.about()["payments_exporter_stripe_requests_total", "events", code] >= 1
    world.clock.on(10)
    assert counters(world.rest()) == world.shop.truth()


def test_a_slow_answer_is_given_up(tmp_path: Path) -> None:
    with watched(tmp_path, timeout="PT0.2S") as world:
        world.server.faults.next(Slow(0.6))
        error = failure(world)
        assert error.kind is ErrorClass.TIMEOUT
        assert str(error).startswith("Stripe, events: no complete answer within 0.2 s; see https://status.stripe.com")


def test_a_handshake_that_never_ends_is_given_up_and_leaves_no_connection_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with watched(tmp_path, timeout="PT1S", api_url=url) as world:
            before = sockets()
            error = failure(world)
            assert (error.kind, sockets()) == (ErrorClass.TIMEOUT, before)


def test_a_refused_key_stops_every_endpoint_for_a_quarter_of_an_hour(world: Watched) -> None:
    del world.server.keys[KEY]
    error = failure(world)
    assert error.kind is ErrorClass.REFUSED
    assert "the key was refused (request req_" in str(error)
    for source in (Source.STRIPE_EVENTS, Source.STRIPE_ACCOUNT, Source.STRIPE_WEBHOOKS, Source.STRIPE_DISPUTES):
        world.clock.on(200)
        assert failure(world, source) is error
    assert sum(world.server.reads.values()) == 1
    assert world.sampler(Source.STRIPE_EVENTS).interval.total_seconds() == 100
    world.server.keys[KEY] = None
    world.clock.on(101)
    assert world.sample().readings


def test_what_one_source_has_met_leaves_the_usual_interval_of_every_other_as_it_was(world: Watched) -> None:
    samplers = [world.sampler(one) for one in (Source.STRIPE_EVENTS, Source.STRIPE_ACCOUNT, Source.STRIPE_WEBHOOKS)]
    usual = [one.usual_interval for one in samplers]
    del world.server.keys[KEY]
    failure(world)
    assert {one.interval.total_seconds() for one in samplers} == {900}
    assert [one.usual_interval for one in samplers] == usual


@pytest.mark.parametrize(
    ("endpoint", "source"), [("events", Source.STRIPE_EVENTS), ("disputes", Source.STRIPE_DISPUTES)]
)
def test_a_missing_permission_is_named_and_stops_only_its_own_endpoint(
    world: Watched, endpoint: str, source: Source
) -> None:
    world.server.keys[KEY] = frozenset(PERMISSIONS.values()) - {PERMISSIONS[endpoint]}
    error = failure(world, source)
    assert error.kind is ErrorClass.NOT_PERMITTED
    assert f"Stripe, {endpoint}: the key lacks {PERMISSIONS[endpoint]} (request req_" in str(error)
    assert failure(world, source) is error
    assert world.server.reads[endpoint] == 1
    others = {Source.STRIPE_ACCOUNT, Source.STRIPE_DISPUTES} - {source}
    for other in others:
        assert world.sample(other).readings


@pytest.mark.parametrize(
    ("endpoint", "source", "left"),
    [
        ("account", Source.STRIPE_ACCOUNT, account.balance),
        ("balance", Source.STRIPE_ACCOUNT, account.capability),
        ("webhook_endpoints", Source.STRIPE_WEBHOOKS, webhooks.undelivered),
        ("events", Source.STRIPE_WEBHOOKS, webhooks.endpoints),
    ],
)
def test_a_missing_permission_takes_only_its_own_series_away(
    world: Watched, endpoint: str, source: Source, left: Metric
) -> None:
    world.server.keys[KEY] = frozenset(PERMISSIONS.values()) - {PERMISSIONS[endpoint]}
    for _ in range(2):
        snapshot = world.sample(source)
        assert snapshot.problem
        assert f"Stripe, {endpoint}: the key lacks {PERMISSIONS[endpoint]} (request req_" in str(snapshot.problem)
        assert left in {one.metric for one in snapshot.readings}
    assert world.server.reads[endpoint] == 1
    assert world.sampler(source).interval < world.sampler(source).max_age
    world.server.keys[KEY] = frozenset(PERMISSIONS.values())
    world.clock.on(901)
    assert world.sample(source).problem is None


def test_a_key_that_may_nothing_fails_every_source(world: Watched) -> None:
    world.server.keys[KEY] = frozenset()
    for source in (Source.STRIPE_EVENTS, Source.STRIPE_ACCOUNT, Source.STRIPE_WEBHOOKS, Source.STRIPE_DISPUTES):
        assert failure(world, source).kind is ErrorClass.NOT_PERMITTED


def test_nothing_listens(tmp_path: Path) -> None:
    with watched(tmp_path, state={"backend": "memory"}) as world:
        world.restart(api_url="http://127.0.0.1:1/")
        error = failure(world)
        assert error.kind is ErrorClass.UNREACHABLE
        assert "the connection failed (ConnectError)" in str(error)


def test_secrets_and_customers_data_never_reach_a_log(
    world: Watched, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    world.begun().shop.pay()
    world.sample()
    world.server.keys[KEY] = frozenset()
    for source in (Source.STRIPE_ACCOUNT, Source.STRIPE_DISPUTES):
        failure(world, source)
    del world.server.keys[KEY]
    failure(world, Source.STRIPE_WEBHOOKS)
    said = caplog.text + "".join(capsys.readouterr())
    for secret in SECRETS:
        assert secret not in said
    assert KEY not in repr(world.settings)
    assert KEY not in repr(world.stripe)


@pytest.mark.slow
def test_not_even_the_stripe_packages_own_debug_variable_has_answers_printed(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from exporters.sampling.model import SampleError\n"
        "from rules.vocabulary import Source\n"
        "from tests.exporters.stripe.shop import KEY, watched\n"
        "with watched(Path(sys.argv[1])) as world:\n"
        "    world.server.keys[KEY] = frozenset()\n"
        "    try:\n"
        "        world.sample(Source.STRIPE_ACCOUNT)\n"
        "    except SampleError as error:\n"
        "        print(error.kind.value)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "STRIPE_LOG": "debug"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=Path.cwd(),
    )
    assert (told.stdout, told.stderr) == ("not_permitted\n", "")


def test_an_answer_that_does_not_end_is_cut_off(world: Watched) -> None:
    async def long() -> AsyncIterator[bytes]:
        for _ in range(512):
            yield b"x" * 2**20

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(long())(scope, receive, send)

    with serving(answer) as port:
        world.restart(api_url=f"http://127.0.0.1:{port}")
        error = failure(world, Source.STRIPE_ACCOUNT)
    assert error.kind is ErrorClass.BAD_ANSWER
    assert "Stripe, account: the answer is larger than 32 MiB; see whether a proxy answers for Stripe" in str(error)


def test_stripe_hears_who_asks_and_nothing_about_this_machine(world: Watched) -> None:
    world.sample()
    assert stripe.enable_telemetry is False
    assert stripe.app_info is not None
    assert stripe.app_info["name"] == "paymon"
