"""What does a server send that keeps to no protocol?"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

__all__ = ["RawServer", "raw_server"]


@dataclass(slots=True)
class RawServer:
    """A server on the loopback interface, and how many bytes it got rid of."""

    port: int
    sent: int = 0


@asynccontextmanager
async def raw_server(
    chunks: Iterable[bytes], *, pause: float = 0, then_hold: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Answer every request with `chunks`, `pause` seconds between them, and then hang up, or wait for the client to."""

    answering: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        answering.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
                server.sent += len(chunk)
                await asyncio.sleep(pause)
            if then_hold:
                await reader.read()
            writer.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a cancellation is ours, below; asyncio's own streams would take it for a fault
        finally:
            answering.discard(task)
            if then_hold or not writer.is_closing():
                writer.transport.abort()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    server = RawServer(listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for task in answering:
            task.cancel()
        while answering:
            await asyncio.wait(set(answering))
