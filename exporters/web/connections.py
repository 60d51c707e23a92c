"""How long may a client take, and how many of them may there be?

uvicorn bounds how long an idle connection is kept. It has no bound for a client that sends its request slowly, or that
never reads its answer; both would keep memory and a file descriptor for good.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Limits", "connections_within"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may use up: seconds from a request's first byte to its answer's last one, connections together."""

    exchange_seconds: float = 30.0
    handshake_seconds: float = 10.0
    """From a connection to the end of its TLS handshake."""
    connections: int = 512
    """Where there are more, the one goes that has been idle for longest: no client can keep another one out by them."""


def connections_within(limits: Limits, admits: Callable[[asyncio.BaseTransport], bool]) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1 protocol with these limits, for clients whom `admits` lets in once TLS is agreed."""

    class Connection(_Connection):
        """A connection within the server's limits."""

        bounds = limits
        is_admitted = staticmethod(admits)

    return Connection


class _Connection(H11Protocol):
    """A connection that is cut off when an exchange takes too long, or when there are too many already."""

    bounds: Limits
    is_admitted: Callable[[asyncio.BaseTransport], bool]

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._deadline: asyncio.TimerHandle | None = None
        self._rests_since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self.is_admitted(transport) or not self._has_room():
            transport.abort()
        else:
            self._start_deadline()

    def _has_room(self) -> bool:
        """Whether there is a place for it, made by ending the one that has been idle for longest where need be."""
        if len(self.connections) <= self.bounds.connections:
            return True
        others = (one for one in self.connections if isinstance(one, _Connection) and one is not self)
        idle = [one for one in others if one._at_rest() and not one.transport.is_closing()]
        if idle:
            min(idle, key=lambda one: one._rests_since).transport.abort()
        return bool(idle)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None or self._at_rest():
            self._start_deadline()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._at_rest():
            self._rests_since = self.loop.time()
            self._stop_deadline()

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(self.bounds.exchange_seconds, self._too_late)

    def _stop_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self.cycle is None or not self._at_rest():
            self.transport.abort()

    def _at_rest(self) -> bool:
        """True between two exchanges: nothing half received, nothing left to send."""
        return (
            self.conn.their_state in (h11.IDLE, h11.CLOSED, h11.DONE)
            and not self.conn.trailing_data[0]
            and (self.cycle is None or self.cycle.response_complete)
            and self.transport.get_write_buffer_size() == 0
        )
