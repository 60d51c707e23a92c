"""Where does a server answer, and how does it know that we may ask?"""

import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import httpx

__all__ = ["Access", "NoAnswerError", "access_from", "access_options", "no_answer", "secret"]

_LARGEST_SECRET = 64 * 1024
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*:\s*([^\r\n]*)\Z")
_NO_TLS = ("WRONG_VERSION_NUMBER", "record layer failure")
"""How OpenSSL calls the answer of a server that does not speak TLS, before and from 3.2 on."""
_Command = TypeVar("_Command", bound=Callable[..., Any])


class NoAnswerError(Exception):
    """A server gave no answer: why, and what to do about it."""

    def __init__(self, cause: str, cure: str) -> None:
        self.cause, self.cure = cause, cure
        super().__init__(f"{cause}. {cure}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The address of a server, and what it asks for before it answers. No secret shows in its text."""

    url: str
    """Without the path of the API; a path below which the server is published stays."""
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    authority: Path | None = None
    """Certificates of those who vouch for the server; None for those that everybody trusts."""
    certificate: Path | None = None
    key: Path | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout_seconds: float = 30.0
    server: str = "prometheus"
    """Whose address it is, as the options are named."""

    def client(self) -> httpx.Client:
        """A client that sends all of that. Raises click.UsageError where a certificate cannot be read."""
        headers = dict(self.headers)
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return httpx.Client(
            base_url=self.url.rstrip("/"),
            headers=headers,
            auth=(self.user, self.password) if self.user else None,
            verify=_trust(self.authority, self.certificate, self.key) if self._shows_or_wants_certificates else False,
            timeout=httpx.Timeout(self.timeout_seconds, connect=min(10.0, self.timeout_seconds)),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    def _shows_or_wants_certificates(self) -> bool:
        return bool(self.url.startswith("https:") or self.authority or self.certificate)


@lru_cache(maxsize=8)
def _trust(authority: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Who is trusted, and what is shown; reading everybody's certificates takes as long as many questions."""
    if authority is None and certificate is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        context = ssl.create_default_context(cafile=str(authority) if authority else None)
    except (OSError, ssl.SSLError) as error:
        raise click.UsageError(
            f"the certificates in {authority} cannot be read: {error}; name a file of PEM certificates"
        ) from error
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise click.UsageError(
                f"the client certificate {certificate} and its key cannot be used: {error}; "
                "name a PEM certificate, and the key that belongs to it"
            ) from error
    return context


def access_options(server: str, *, required: bool = True) -> Callable[[_Command], _Command]:
    """The options by which a command is told where that server is; `access_from` reads them.

    Each also comes from the environment: `--prometheus-user` from PAYMON_PROMETHEUS_USER, the secrets themselves from
    PAYMON_PROMETHEUS_TOKEN and PAYMON_PROMETHEUS_PASSWORD.
    """
    title = server.capitalize()
    path = click.Path(path_type=Path, dir_okay=False)
    prefix = f"PAYMON_{server.upper()}"
    options = (
        click.option(
            f"--{server}",
            required=required,
            metavar="URL",
            envvar=f"{prefix}_URL",
            help=f"{title}'s address [{prefix}_URL]. Secrets come from files, or from {prefix}_TOKEN and "
            f"{prefix}_PASSWORD.",
        ),
        click.option(f"--{server}-token-file", type=path, envvar=f"{prefix}_TOKEN_FILE", help="Holds a bearer token."),
        click.option(f"--{server}-user", metavar="NAME", envvar=f"{prefix}_USER", help="User for basic auth."),
        click.option(f"--{server}-password-file", type=path, envvar=f"{prefix}_PASSWORD_FILE", help="Its password."),
        click.option(f"--{server}-ca", type=path, envvar=f"{prefix}_CA", help="Who vouches for the server, as PEM."),
        click.option(f"--{server}-cert", type=path, envvar=f"{prefix}_CERT", help="Client certificate, as PEM."),
        click.option(f"--{server}-key", type=path, envvar=f"{prefix}_KEY", help="Its key, as PEM."),
        click.option(
            f"--{server}-header", metavar="'NAME: VALUE'", multiple=True, help="Sent along, X-Scope-OrgID for one."
        ),
        click.option(
            f"--{server}-timeout",
            type=click.FloatRange(0.1, 600),
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="Longest wait for one answer.",
        ),
    )

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def access_from(context: click.Context, server: str) -> Access | None:
    """What the options of `access_options` said; None where the server was not named.

    Raises click.UsageError for what cannot be meant.
    """

    def given(name: str) -> Any:
        return context.params.get(f"{server}_{name}" if name else server)

    url = given("")
    if url is None:
        return None
    prefix = f"PAYMON_{server.upper()}"
    token = secret(given("token_file"), f"{prefix}_TOKEN", in_header=True)
    user = given("user") or ""
    password = secret(given("password_file"), f"{prefix}_PASSWORD") if user or given("password_file") else ""
    if user and not password:
        raise click.UsageError(f"user {user} has no password; give --{server}-password-file, or {prefix}_PASSWORD")
    if user and token:
        raise click.UsageError(f"both a token and a user are given for {server}; keep one of them")
    if given("key") and not given("cert"):
        raise click.UsageError(f"--{server}-key needs --{server}-cert beside it")
    return Access(
        url=_address(url, server),
        token=token,
        user=user,
        password=password,
        authority=given("ca"),
        certificate=given("cert"),
        key=given("key"),
        headers=tuple(_header(text, server) for text in given("header") or ()),
        timeout_seconds=given("timeout"),
        server=server,
    )


def _address(text: str, server: str) -> str:
    try:
        parts = urlsplit(text)
        is_read = parts.port is None or parts.port > 0
        httpx.URL(text)
    except (ValueError, httpx.InvalidURL):
        is_read = False
    if not is_read or parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(
            f"--{server} is no address; write it as https://{server}.example.com or http://host:9090"
        )
    if parts.username or parts.password:
        raise click.UsageError(
            f"--{server} has a user or a password in it, which everybody sees in the list of processes; "
            f"give --{server}-user and --{server}-password-file"
        )
    if parts.query or parts.fragment:
        raise click.UsageError(f"--{server} ends in a query; give the address alone")
    return text.rstrip("/").removesuffix("/api/v1").rstrip("/")


def _header(text: str, server: str) -> tuple[str, str]:
    found = _HEADER.match(text)
    if not found or not _fits_a_header(found[2].strip().replace("\t", " ")):
        raise click.UsageError(f"--{server}-header is no header; write 'X-Scope-OrgID: payments'")
    return found[1], found[2].strip()


def _fits_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def secret(path: Path | None, variable: str, *, in_header: bool = False) -> str:
    """The secret in that file, or else in that variable of the environment; "" where neither is given.

    `in_header` says that it is sent as it is. Raises click.UsageError, which does not quote it, for what is no secret.
    """
    if path is None:
        where, text = f"the secret in {variable}", os.environ.get(variable, "")
        if not text:
            return ""
    else:
        where = f"the secret's file {path}"
        try:
            text = path.read_text() if path.stat().st_size <= _LARGEST_SECRET else ""
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise click.UsageError(f"{where} cannot be read: {why}") from None
    text = text.strip()
    if not text or not text.isprintable():
        raise click.UsageError(f"{where} is empty, far too long or no single line; write it alone there")
    if in_header and not _fits_a_header(text):
        raise click.UsageError(f"{where} has a letter that no token has; write it there as it was issued")
    return text


def no_answer(access: Access, error: httpx.HTTPError) -> tuple[str, str]:
    """Why no answer came, and what to do about it, with nothing of what was sent: that may be a secret."""
    if isinstance(error, httpx.TimeoutException):
        return (
            f"{access.url} did not answer within {access.timeout_seconds:g} s",
            f"See whether it is overloaded, or allow it longer with --{access.server}-timeout",
        )
    said = " ".join(str(error).split())[:300] or type(error).__name__
    if "CERTIFICATE" in said.upper():
        return (
            f"{access.url} shows a certificate that nobody here vouches for: {said}",
            f"Name who does with --{access.server}-ca, or correct the host in the address",
        )
    cure = "See whether it runs, and whether the address is right"
    if isinstance(error, httpx.LocalProtocolError):
        said = "what would be sent is no HTTP"
    elif any(sign in said for sign in _NO_TLS):
        said, cure = "it does not speak TLS", "Write http:// in the address if it is meant to, or let it serve TLS"
    return f"{access.url} cannot be reached: {said}", cure
