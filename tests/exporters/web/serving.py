"""How does a test get a real server with a page of its own?"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from exporters.configuration.configfile import ConfigurationError
from exporters.sampling.model import Distribution, Reading, reading
from exporters.web.connections import Limits
from exporters.web.page import Page
from exporters.web.server import Server, application, listen
from exporters.web.webconfig import WebConfigFile
from rules.payments import database, monitoring

SERIES = tuple(
    reading(database.query_duration, place / 1000, query=name)
    for place, name in enumerate(database.query_duration.label("query").values or ("example",))
)
READINGS = (reading(monitoring.leader, 1), *SERIES)
METRICS = (monitoring.leader, database.query_duration)


@dataclass
class Served:
    """A running server, and how to reach it."""

    server: Server
    web: WebConfigFile
    host: str
    port: int
    reported: list[ConfigurationError]

    def client(self, scheme: str = "http", verify: ssl.SSLContext | bool = False, **more: object) -> httpx.AsyncClient:
        base = f"{scheme}://{self.host}:{self.port}"
        return httpx.AsyncClient(base_url=base, verify=verify, trust_env=False, timeout=100, **more)  # type: ignore[arg-type]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@asynccontextmanager
async def served(
    web_config: Path | None = None,
    *,
    readings: Callable[[], tuple[Reading | Distribution, ...]] = lambda: READINGS,
    is_ready: Callable[[], bool] = lambda: True,
    limits: Limits | None = None,
) -> AsyncIterator[Served]:
    """A server on a free port of the loopback interface."""
    reported: list[ConfigurationError] = []
    web = WebConfigFile(web_config, reported.append)
    server = Server(application(Page(METRICS, readings), is_ready, "1.2.3"), web, limits)
    with listen("127.0.0.1", 0) as bound:
        host, port = bound.getsockname()
        task = asyncio.create_task(server.serve([bound]))
        try:
            yield Served(server, web, host, port, reported)
        finally:
            server.stop()
            await asyncio.wait_for(task, 200)
