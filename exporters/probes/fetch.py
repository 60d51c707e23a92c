"""What does a URL answer, read only so far and waited for only so long?"""

import asyncio
import errno
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

from exporters.configuration.secrets import stamp_of
from exporters.libraries import httpx, whole_within
from exporters.probes.settings import Authorities
from exporters.sampling.model import ErrorClass

__all__ = ["Answer", "Fetcher", "NoAnswerError", "look_up", "no_answer"]

_UNPACKED: Mapping[str, int | None] = {"identity": None, "": None, "gzip": 31, "x-gzip": 31, "deflate": 15}
"""The compressions that are unpacked, with zlib's number for the container of each."""

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers, and the body; None where that was not read, for the reason that `unread` gives."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    unread: str = ""


class NoAnswerError(Exception):
    """No whole HTTP answer came: why, in words without the address.

    `connected` is False where no connection came about. `ours` is True where this machine is at fault (its resolver,
    its proxy, its limits), so that nothing is known about the other side.
    """

    def __init__(self, kind: ErrorClass, what: str, *, connected: bool = True, ours: bool = False) -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.connected = connected
        self.ours = ours


class Fetcher:
    """An HTTP client that follows no redirect, keeps no cookie and reads no answer past its limits.

    `authorities` are the certificate authorities that are trusted, None the usual ones; `verify` False trusts anybody.
    With `proxies_of_environment`, httpx' `trust_env` is on: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY count, and
    SSL_CERT_FILE and SSL_CERT_DIR name the usual authorities. No `.netrc` is read either way. Each request has a
    connection of its own: one that is kept may be closed by the other side just as it is used again, which would look
    like a service that is down.
    """

    def __init__(
        self,
        *,
        authorities: Authorities | None = None,
        verify: bool = True,
        proxies_of_environment: bool,
    ) -> None:
        self._authorities = authorities
        self._verify = verify
        self._trust_env = proxies_of_environment
        self._client: httpx.AsyncClient | None = None
        self._stamp = stamp_of(authorities.path) if authorities else None

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        within: float,
        largest: int,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """The answer, whole within `within` seconds, its body up to `largest`.

        Raises NoAnswerError. Where no connection came about in time, it is found out whether that was for want of an
        address, within half as long again: then it is not the other side that fails.
        """
        await self._renew()
        client = self._client = self._client or self._connect()
        try:
            async with (
                asyncio.timeout(within),
                client.stream(method, url, headers=headers, content=content, timeout=whole_within(within)) as response,
            ):
                body = await _body(response, largest)
                return Answer(response.status_code, response.headers, *body)
        except httpx.ConnectTimeout as error:
            await look_up(self._connected_to(httpx.URL(url)), within / 2)
            raise no_answer(error) from None
        except (TimeoutError, httpx.HTTPError) as error:
            raise no_answer(error) from None

    async def _renew(self) -> None:
        """Connect anew where the file of the authorities was renewed."""
        if self._authorities is None:
            return
        stamp = stamp_of(self._authorities.path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        renewed = self._authorities.current()
        if renewed is not self._authorities:
            self._authorities = renewed
            await self.close()
            self._client = None

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._client is not None:
            await self._client.aclose()

    def _connected_to(self, url: httpx.URL) -> str:
        """The host with which a connection is made: the proxy's, where one is used."""
        proxies = getproxies() if self._trust_env and not proxy_bypass(url.host) else {}
        proxy = proxies.get(url.scheme) or proxies.get("all")
        peer = httpx.URL(proxy if "://" in proxy else f"http://{proxy}") if proxy else url
        return peer.raw_host.decode("ascii")

    def _connect(self) -> httpx.AsyncClient:
        try:
            return httpx.AsyncClient(
                verify=ssl.create_default_context(cadata=self._authorities.pem) if self._authorities else self._verify,
                trust_env=self._trust_env,
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                limits=httpx.Limits(max_keepalive_connections=0),
                headers={"user-agent": "payments-exporter", "accept-encoding": "identity"},
            )
        except (OSError, ValueError, httpx.InvalidURL):
            raise NoAnswerError(
                ErrorClass.INTERNAL,
                "the certificate authorities, or the proxy that the environment names, cannot be used",
                connected=False,
                ours=True,
            ) from None


async def look_up(host: str, within: float) -> None:
    """Raises NoAnswerError where the name server does not say in time which addresses the host has, if any."""
    with suppress(ValueError):
        ip_address(host)
        return
    try:
        async with asyncio.timeout(within):
            await asyncio.get_running_loop().getaddrinfo(host, None)
    except TimeoutError:
        raise _no_name_server() from None
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise _no_name_server() from None


async def _body(response: httpx.Response, largest: int) -> tuple[bytes | None, str]:
    """The body, unpacked where it was compressed unasked, or why it was not read."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _UNPACKED:
        return None, f"its body is compressed with {encoding[:20]!r}, which nobody asked for"
    bits = _UNPACKED[encoding]
    unpacking = zlib.decompressobj(bits) if bits is not None else None
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += unpacking.decompress(chunk, largest + 1 - len(body)) if unpacking else chunk
            if len(body) > largest:
                return None, f"its body is longer than {largest} bytes"
    except zlib.error:
        return None, f"its body is not {encoding}, as its header says"
    if unpacking and not unpacking.eof:
        return None, f"its body is not {encoding} to its end"
    return bytes(body), ""


def no_answer(error: BaseException) -> NoAnswerError:
    """What an exception of httpx, asyncio or the operating system says about the other side."""
    for cause in _causes(error):
        match cause:
            case socket.gaierror(errno=socket.EAI_AGAIN):
                return _no_name_server()
            case OSError(errno=number) if number in _OURS:
                return NoAnswerError(
                    ErrorClass.INTERNAL, "this process has no file or memory left", connected=False, ours=True
                )
            case ssl.SSLCertVerificationError():
                return NoAnswerError(ErrorClass.BAD_ANSWER, f"its certificate is not trusted: {cause.verify_message}")
            case httpx.ProxyError():
                return NoAnswerError(
                    ErrorClass.UNREACHABLE, "the proxy that the environment names refuses", connected=False, ours=True
                )
    match error:
        case httpx.ConnectTimeout():
            return NoAnswerError(ErrorClass.TIMEOUT, "no connection in time", connected=False)
        case TimeoutError() | httpx.TimeoutException():
            return NoAnswerError(ErrorClass.TIMEOUT, "no whole answer in time")
        case httpx.ConnectError() | OSError():
            return NoAnswerError(ErrorClass.UNREACHABLE, "no connection", connected=False)
    return NoAnswerError(ErrorClass.BAD_ANSWER, "the connection broke off, or what came was not HTTP")


def _no_name_server() -> NoAnswerError:
    return NoAnswerError(
        ErrorClass.UNREACHABLE, "this machine's name server does not answer", connected=False, ours=True
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _causes(part)
        error = error.__cause__ or error.__context__
