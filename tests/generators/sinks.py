"""Where does it end up what a program sends to a webhook or to a mail server?"""

import base64
import contextlib
import email
import email.policy
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar

__all__ = ["Inbox", "Mail", "Posted", "http_sink", "mail_sink"]

Message = TypeVar("Message")


@dataclass(frozen=True)
class Posted:
    """A JSON document that was posted to `path`."""

    path: str
    body: Any


@dataclass(frozen=True)
class Mail:
    """A message to `to`, and the user and password with which its sender introduced itself."""

    to: str
    password: str
    message: EmailMessage
    user: str = ""


@dataclass
class Inbox(Generic[Message]):
    """What has arrived, in order; whoever waits is told of every arrival."""

    port: int = 0
    _arrived: list[Message] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, message: Message) -> None:
        with self._changed:
            self._arrived.append(message)
            self._changed.notify_all()

    @property
    def all(self) -> list[Message]:
        with self._changed:
            return list(self._arrived)

    def first(self, wanted: Callable[[Message], bool]) -> Message:
        """The first message of that kind, waited for."""
        return self.several(wanted, 1)[0]

    def several(self, wanted: Callable[[Message], bool], count: int, within: float = 200) -> list[Message]:
        """The first `count` messages of that kind, waited for; fails with all that has arrived instead."""
        deadline = time.monotonic() + within
        with self._changed:
            while len(found := [one for one in self._arrived if wanted(one)]) < count:
                if not self._changed.wait(max(0, deadline - time.monotonic())):
                    raise AssertionError(f"{len(found)} of {count} within {within} s; all that came: {self._arrived}")
            return found[:count]


@contextlib.contextmanager
def http_sink() -> Iterator[Inbox[Posted]]:
    """A server on the loopback interface that accepts every POST of JSON."""
    inbox = Inbox[Posted]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.put(Posted(self.path, json.loads(body)))
            with contextlib.suppress(ConnectionError):
                self.send_response(202 if "pagerduty" in self.path else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' signature
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), inbox):
        yield inbox


@contextlib.contextmanager
def mail_sink() -> Iterator[Inbox[Mail]]:
    """A mail server on the loopback interface that accepts every sender with AUTH PLAIN and every message."""
    inbox = Inbox[Mail]()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                self._converse()

        def _converse(self) -> None:
            self._say("220 sink")
            user = password = to = ""
            for line in iter(lambda: self.rfile.readline().decode().strip(), ""):
                match line.split(" ")[0].upper():
                    case "EHLO":
                        self._say("250-sink", "250 AUTH PLAIN")
                    case "AUTH":
                        _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
                        self._say("235 welcome")
                    case "RCPT":
                        to = line.partition(":")[2].strip("<> ")
                        self._say("250 ok")
                    case "DATA":
                        self._say("354 go on")
                        text = b"".join(self._lines())
                        message = email.message_from_bytes(text, policy=email.policy.default)
                        inbox.put(Mail(to, password, message, user))
                        self._say("250 ok")
                    case "QUIT":
                        self._say("221 bye")
                        return
                    case _:
                        self._say("250 ok")

        def _lines(self) -> Iterator[bytes]:
            """To the line that is a dot; whoever hangs up before has sent no message."""
            for line in iter(self.rfile.readline, b".\r\n"):
                if not line:
                    raise ConnectionAbortedError
                yield line

        def _say(self, *lines: str) -> None:
            self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), inbox):
        yield inbox


@contextlib.contextmanager
def _serving(server: ThreadingHTTPServer | socketserver.ThreadingTCPServer, inbox: Inbox[Message]) -> Iterator[None]:
    server.daemon_threads = True
    inbox.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(100)
