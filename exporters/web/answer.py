"""What is asked of the web server, and what does it answer? (ASGI, "HTTP Connection Scope")"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ASGIApp", "Answer", "Message", "Receive", "Scope", "Send", "header"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Scope, name: str) -> str:
    """What the request says under that name, given in lower case; several values as one list, empty where none is."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return ",".join(value.decode("latin-1") for key, value in headers if key == name.encode())


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is known whole; an ASGI application that gives it."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        own = (("content-length", str(len(self.body))), ("content-type", self.content_type), *self.headers)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in own]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
