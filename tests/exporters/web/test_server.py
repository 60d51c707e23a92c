"""Does the server answer those who ask properly, and survive those who do not?"""

import asyncio
import socket
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from exporters.sampling.model import Distribution, Reading, reading
from exporters.web.connections import Limits
from exporters.web.server import listen
from rules.payments import monitoring
from tests.exporters.web.serving import served

pytestmark = pytest.mark.timeout(900)


def test_the_pages_are_where_operators_look_for_them() -> None:
    async def story() -> None:
        async with served() as at, at.client() as client:
            metrics = await client.get("/metrics")
            assert metrics.status_code == 200
            assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert metrics.headers["content-encoding"] == "gzip"
            assert metrics.headers["vary"] == "Accept, Accept-Encoding"
            assert "payments_exporter_leader 1.0\n" in metrics.text
            assert (await client.get("/-/healthy")).status_code == 200
            assert (await client.get("/-/ready")).status_code == 200
            landing = await client.get("/")
            assert landing.headers["content-type"].startswith("text/html")
            assert "Version 1.2.3" in landing.text
            assert 'href="metrics"' in landing.text

    asyncio.run(story())


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready", "/"])
def test_head_is_answered_like_get_without_the_body(path: str) -> None:
    async def story() -> None:
        async with served() as at, at.client() as client:
            head = await client.head(path)
            get = await client.get(path)
            assert head.status_code == 200
            assert head.content == b""
            assert head.headers["content-length"] == get.headers["content-length"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/metrics/", 404), ("GET", "/favicon.ico", 404), ("GET", "/%00", 404), ("POST", "/metrics", 405)],
)
def test_everything_else_is_refused(method: str, path: str, status: int) -> None:
    async def story() -> None:
        async with served() as at, at.client() as client:
            assert (await client.request(method, path)).status_code == status

    asyncio.run(story())


def test_readiness_is_503_until_every_source_was_tried() -> None:
    async def story() -> None:
        ready = False
        async with served(is_ready=lambda: ready) as at, at.client() as client:
            assert (await client.get("/-/ready")).status_code == 503
            assert (await client.get("/-/healthy")).status_code == 200
            ready = True
            assert (await client.get("/-/ready")).status_code == 200

    asyncio.run(story())


@pytest.mark.slow
def test_two_hundred_scrapers_at_once_are_all_answered() -> None:
    async def story() -> None:
        limits = httpx.Limits(max_connections=200)
        async with served() as at, at.client(limits=limits) as client:
            answers = await asyncio.gather(*(client.get("/metrics") for _ in range(200)))
            assert [answer.status_code for answer in answers] == [200] * 200

    asyncio.run(story())


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is a TLS hello\r\n\r\n",
    b"\x00" * 4096,
    b"GET\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: minus one\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000,
    b"GET /" + b"a" * 100_000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_garbage_request_is_refused_and_the_next_scrape_is_answered(garbage: bytes) -> None:
    async def story() -> None:
        async with served() as at, at.client() as client:
            async with at.connection() as (reader, writer):
                writer.write(garbage)
                answer = await asyncio.wait_for(reader.read(), 200)
            assert answer.startswith(b"HTTP/1.1 40")
            assert (await client.get("/metrics")).status_code == 200

    asyncio.run(story())


def test_a_request_that_arrives_drop_by_drop_is_cut_off() -> None:
    async def story() -> None:
        async with served(limits=Limits(exchange_seconds=0.2)) as at, at.client() as client:
            async with at.connection() as (reader, writer):
                writer.write(b"GET /metrics HT")
                assert await _end(reader) == b""
            assert (await client.get("/metrics")).status_code == 200

    asyncio.run(story())


def test_drops_that_keep_coming_buy_no_time() -> None:
    async def story() -> None:
        async with served(limits=Limits(exchange_seconds=0.3)) as at, at.connection() as (reader, writer):
            started = time.monotonic()
            ended = asyncio.create_task(_end(reader))
            while not ended.done() and time.monotonic() - started < 10:
                writer.write(b"a")
                await asyncio.wait({ended}, timeout=0.05)
            assert ended.done()

    asyncio.run(story())


def _many_series() -> tuple[Reading | Distribution, ...]:
    return tuple(
        Reading(monitoring.errors, (("source", f"{place:05}" + "x" * 2000), ("class", "timeout")), 1)
        for place in range(4000)
    )


def test_a_scraper_that_never_reads_is_cut_off_and_delays_nobody() -> None:
    async def story() -> None:
        limits = Limits(exchange_seconds=0.5)
        async with served(readings=_many_series, limits=limits) as at, at.client() as client:
            stuck = socket.socket()
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.setblocking(False)
            with stuck:
                await asyncio.get_running_loop().sock_connect(stuck, (at.host, at.port))
                stuck.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (await client.get("/-/healthy")).status_code == 200
                while at.server.connections > 1:
                    await asyncio.sleep(0.05)
                assert (await client.get("/-/healthy")).status_code == 200

    asyncio.run(asyncio.wait_for(story(), 200))


HALF = b"GET /-/healthy HTTP/1.1\r\n"
WHOLE = HALF + b"Host: a\r\nConnection: close\r\n\r\n"


def test_beyond_the_limit_the_connection_that_was_idle_for_longest_goes() -> None:
    async def story() -> None:
        async with served(limits=Limits(exchange_seconds=20, connections=5)) as at, AsyncExitStack() as stack:
            kept = [await stack.enter_async_context(at.connection()) for _ in range(5)]
            kept[0][1].write(HALF)
            while at.server.connections < 5:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            async with at.connection() as (reader, writer):
                writer.write(WHOLE)
                assert (await reader.read()).startswith(b"HTTP/1.1 200")
            assert await _end(kept[1][0]) == b"", "the oldest of those that do nothing"
            kept[0][1].write(WHOLE.removeprefix(HALF))
            assert (await kept[0][0].read()).startswith(b"HTTP/1.1 200")

    asyncio.run(story())


def test_where_every_connection_is_busy_the_newest_is_closed() -> None:
    async def story() -> None:
        async with served(limits=Limits(exchange_seconds=20, connections=5)) as at, AsyncExitStack() as stack:
            kept = [await stack.enter_async_context(at.connection()) for _ in range(5)]
            for _, writer in kept:
                writer.write(HALF)
            await asyncio.sleep(0.3)
            async with at.connection() as (reader, _):
                assert await _end(reader) == b""

    asyncio.run(story())


def test_an_idle_connection_outlives_the_time_of_one_exchange() -> None:
    async def story() -> None:
        async with served(limits=Limits(exchange_seconds=0.2)) as at, at.connection() as (reader, writer):
            for _ in range(2):
                writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (await reader.readuntil(b"healthy.\n")).startswith(b"HTTP/1.1 200")
                await asyncio.sleep(0.3)

    asyncio.run(story())


def test_a_page_that_cannot_be_made_is_a_500_and_the_next_one_is_fine() -> None:
    async def story() -> None:
        readings: list[Reading] = [Reading(monitoring.leader, (), "no number")]  # type: ignore[arg-type]
        async with served(readings=lambda: tuple(readings)) as at, at.client() as client:
            assert (await client.get("/metrics")).status_code == 500
            readings[0] = reading(monitoring.leader, 0)
            assert (await client.get("/metrics")).status_code == 200

    asyncio.run(story())


def test_the_server_finishes_what_it_was_asked_before_it_ends() -> None:
    async def story() -> None:
        async with served(readings=_many_series) as at, at.client() as client:
            asked = asyncio.create_task(client.get("/metrics"))
            while at.server.requests == 0:
                await asyncio.sleep(0.01)
            at.server.stop()
            assert len((await asked).text) > 8_000_000

    asyncio.run(story())


def test_an_address_in_use_is_an_error_of_the_system() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", first.getsockname()[1])


def test_no_host_means_every_interface_of_both_families() -> None:
    with listen("", 0) as everywhere, socket.create_connection(("127.0.0.1", everywhere.getsockname()[1]), 5):
        pass


async def _end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), 200)
    except ConnectionError:
        return b""
