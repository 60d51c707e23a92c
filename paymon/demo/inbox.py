"""Where do the notifications arrive that would have reached PagerDuty, Slack and a mailbox?"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

__all__ = ["Inbox", "Notification", "listening"]

_LARGEST = 1024 * 1024
_KEPT = 500


@dataclass(frozen=True, slots=True)
class Notification:
    """One message of Alertmanager to one receiver: the alerts of one group."""

    at: float
    """Seconds since 1970."""
    receiver: str
    resolved: bool
    """True where nothing of the group fires any more."""
    firing: tuple[str, ...]
    """The names of the alerts that fire, each once."""
    ended: tuple[str, ...]
    """The names of those that have ended since the last message."""
    summary: str


@dataclass(slots=True)
class Inbox:
    """What has arrived, oldest first; the latest 500 are kept."""

    _arrived: list[Notification] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def put(self, notification: Notification) -> None:
        """Add one."""
        with self._lock:
            self._arrived = [*self._arrived[-_KEPT + 1 :], notification]

    @property
    def all(self) -> tuple[Notification, ...]:
        """Everything so far."""
        with self._lock:
            return tuple(self._arrived)


class _Alert(BaseModel):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


class _Message(BaseModel):
    """Alertmanager's webhook format, version 4 (its documentation, "webhook_config")."""

    status: str
    alerts: Annotated[list[_Alert], Field(min_length=1)]


@contextmanager
def listening(clock: Callable[[], float] = time.time) -> Iterator[tuple[Inbox, str]]:
    """An inbox and the address under which each receiver has a path of its own, on a free port of the loopback."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                body = self.rfile.read(min(int(self.headers["Content-Length"]), _LARGEST))
                inbox.put(_read(self.path.removeprefix("/"), _Message.model_validate(json.loads(body)), clock()))
                status = 200
            except (ValidationError, ValueError, TypeError):
                status = 400
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' signature
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="inbox", daemon=True)
    thread.start()
    try:
        yield inbox, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _read(receiver: str, message: _Message, at: float) -> Notification:
    def names(status: str) -> tuple[str, ...]:
        found = (one.labels.get("alertname", "") for one in message.alerts if one.status == status)
        return tuple(dict.fromkeys(found))

    return Notification(
        at=at,
        receiver=receiver,
        resolved=message.status == "resolved",
        firing=names("firing"),
        ended=names("resolved"),
        summary=message.alerts[0].annotations.get("summary", ""),
    )
