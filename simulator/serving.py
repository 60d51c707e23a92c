"""How does a simulated service answer on a port of its own?"""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import uvicorn
from starlette.types import ASGIApp

__all__ = ["serving"]


class _Server(uvicorn.Server):
    """A server that tells when it is ready, and ends as soon as it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()
        """Set once it serves, or never will."""
        self.failure: Exception | None = None
        self._over = asyncio.Event()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        except Exception as error:
            self.failure = error
        finally:
            self.ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.ready.set()

    async def main_loop(self) -> None:
        await self._over.wait()

    def stop(self) -> None:
        """End it, from another thread."""
        self._loop.call_soon_threadsafe(self._over.set)


@contextmanager
def serving(application: ASGIApp, port: int = 0, certificate: Path | None = None) -> Iterator[int]:
    """Serve on the loopback interface, on a free port unless one is given, in a thread; gives the port.

    `certificate` is a PEM file with the private key and the chain; with it, HTTPS is served. No answer has a `Date`
    header but one that the application sets. Raises OSError where the port is taken, RuntimeError where the server does
    not start.
    """
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        # Connections inherit it; a second part of an answer would otherwise wait 40 ms for the first one's receipt.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = _Server(
            uvicorn.Config(
                application,
                log_config=None,
                log_level="critical",
                access_log=False,
                date_header=False,
                server_header=False,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                ssl_certfile=certificate,
                ssl_cert_reqs=ssl.CERT_NONE,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=75,  # more than clients keep one (httpx: 5 s), or both let go at the same moment
            )
        )
        thread = Thread(target=server.run, args=([listener],), name="simulated service", daemon=True)
        thread.start()
        if not server.ready.wait(100) or server.failure:
            why = server.failure or "it took more than 100 s"
            raise RuntimeError(f"a simulated service did not start: {why}; see whether its certificate can be read")
        try:
            yield listener.getsockname()[1]
        finally:
            server.stop()
            thread.join(100)
