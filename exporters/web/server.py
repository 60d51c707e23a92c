"""Who answers the scrapes, and how?"""

import asyncio
import contextlib
import html
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence

from exporters.libraries import uvicorn
from exporters.web.answer import Answer, ASGIApp, Message, Receive, Scope, Send, header
from exporters.web.basicauth import BasicAuth
from exporters.web.connections import Limits, connections_within
from exporters.web.page import Page, form_for
from exporters.web.ratelimit import TokenBucket
from exporters.web.tls import ReloadableContext, client_is_allowed
from exporters.web.webconfig import WebConfigFile

__all__ = ["Server", "application", "listen"]

HEADER_BYTES = 16 * 1024
IDLE_SECONDS = 120
DRAIN_SECONDS = 5
BACKLOG = 1024
_METHODS = ("GET", "HEAD")
_HEALTHY, _READY = _HEALTH = ("/-/healthy", "/-/ready")
"""What a kubelet asks, which has no password and restarts what refuses it: the answers say nothing else."""

_LANDING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Payments exporter</title></head>
<body><h1>Payments exporter</h1><p>Version {version}</p>
<ul>
<li><a href="metrics">Metrics</a></li>
<li><a href="-/healthy">Healthy</a></li>
<li><a href="-/ready">Ready</a></li>
</ul></body></html>
"""


def application(page: Page, is_ready: Callable[[], bool], version: str) -> ASGIApp:
    """The exporter's pages; `is_ready` says whether every source was tried."""

    async def metrics(scope: Scope) -> Answer:
        rendered = await page.render(form_for(header(scope, "accept"), header(scope, "accept-encoding")))
        compressed = (("content-encoding", "gzip"),) if rendered.form.compressed else ()
        headers = (("vary", "Accept, Accept-Encoding"), *compressed)
        return Answer(rendered.body, content_type=rendered.form.content_type, headers=headers)

    async def healthy(_: Scope) -> Answer:
        return Answer(b"The exporter is healthy.\n")

    async def ready(_: Scope) -> Answer:
        if is_ready():
            return Answer(b"The exporter is ready.\n")
        return Answer(b"The exporter has not tried every source yet.\n", 503)

    async def landing(_: Scope) -> Answer:
        text = _LANDING.format(version=html.escape(version))
        return Answer(text.encode(), content_type="text/html; charset=utf-8")

    pages = {"/": landing, "/metrics": metrics, _HEALTHY: healthy, _READY: ready}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked = pages.get(scope["path"])
        if asked is None:
            found = Answer(b"Not Found", 404)
        elif scope["method"] not in _METHODS:
            found = Answer(b"Method Not Allowed", 405, headers=(("allow", ", ".join(_METHODS)),))
        else:
            found = await asked(scope)
        await found(scope, receive, send)

    return answer


class _Gate:
    """What a request passes first, but for the health pages: rate limit and authentication. It adds the headers too."""

    def __init__(self, app: ASGIApp, web: WebConfigFile) -> None:
        self._app = app
        self._web = web
        self._auth = BasicAuth()
        self._bucket = TokenBucket()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = asyncio.get_running_loop().time()
        self._web.look(now)
        config = self._web.config
        added = config.http_server_config.headers.pairs

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        app = self._app
        if scope["path"] in _HEALTH:
            pass
        elif not self._bucket.takes(config.rate_limit.interval.total_seconds(), config.rate_limit.burst, now):
            app = Answer(b"Too many requests.\n", 429)
        elif config.basic_auth_users and not await self._auth.allows(
            config.basic_auth_users, header(scope, "authorization")
        ):
            app = Answer(b"Unauthorized\n", 401, headers=(("www-authenticate", "Basic"),))
        await app(scope, receive, send_with_headers)


def _admits(web: WebConfigFile) -> Callable[[asyncio.BaseTransport], bool]:
    def admits(transport: asyncio.BaseTransport) -> bool:
        allowed = web.config.tls_server_config.client_allowed_sans
        return client_is_allowed(transport.get_extra_info("peercert"), allowed)

    return admits


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers, and with a deadline for TLS handshakes, for which it has no setting.

    Whoever runs the exporter decides what a signal means.
    """

    def __init__(self, config: uvicorn.Config, handshake_seconds: float) -> None:
        super().__init__(config)
        self._handshake_seconds = handshake_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on sockets that are bound already."""
        await self.lifespan.startup()
        config, loop = self.config, asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        deadline = self._handshake_seconds if config.ssl else None
        self.servers = [
            await loop.create_server(
                protocol, sock=one, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=deadline
            )
            for one in sockets or ()
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; an empty host means every interface, port 0 any free one. Raises OSError.

    The kernel sends each part of an answer at once, and drops a client that has not read for as long as an exchange may
    take, however the answer is encrypted; connections inherit both from here.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = next((one for one in found if one[0] == socket.AF_INET6 and not host), found[0])
    every_family = family == socket.AF_INET6 and not host and socket.has_dualstack_ipv6()
    bound = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=every_family)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(Limits().exchange_seconds * 1000))
    return bound


class Server:
    """The exporter's HTTP server on sockets that are bound already."""

    def __init__(self, app: ASGIApp, web: WebConfigFile, limits: Limits | None = None) -> None:
        """Raises ConfigurationError where the web configuration's TLS section cannot be used."""
        limits = limits or Limits()
        tls = web.config.tls_server_config
        self._context: ReloadableContext | None = None
        if tls.wanted:
            self._context = ReloadableContext.following(tls, lambda: web.look(asyncio.get_running_loop().time()))
            web.on_change(self._context.apply)
        config = uvicorn.Config(
            _Gate(app, web),
            http=connections_within(limits, _admits(web)),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            h11_max_incomplete_event_size=HEADER_BYTES,
            ssl_context_factory=self._tls if tls.wanted else None,
        )
        self._server = _Uvicorn(config, limits.handshake_seconds)

    def _tls(self, _: uvicorn.Config, __: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        assert self._context
        return self._context

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Answer until stop(), then finish what was begun."""
        await self._server.serve(sockets=list(sockets))

    def stop(self) -> None:
        """Accept nothing more; serve() returns once the requests at hand are answered."""
        self._server.should_exit = True

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._server.server_state.connections)

    @property
    def requests(self) -> int:
        """How many are being answered."""
        return len(self._server.server_state.tasks)
