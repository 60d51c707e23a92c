"""What may be set about the probes of the payments service, its front door, its flag and its declared file?

Durations are seconds (`15`) or ISO 8601 (`PT15S`). A URL may hold no user name and no password.
"""

import re
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from exporters.configuration.secrets import Secret, Section, regular
from rules.payments import health

__all__ = [
    "Authorities",
    "DeclaredSettings",
    "Dialect",
    "FlagSettings",
    "HealthSettings",
    "ProbeSettings",
    "ProbedHost",
]

_POINTER = re.compile(r"(/([^~/]|~[01])*)+\Z")
_MOST_HOSTS = 50
_LARGEST_PEM = 4 * 1024 * 1024
_PATH = re.compile(r"/[!-~]*\Z")
_TOKEN = re.compile(r"[!-~]+\Z")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z")


def _without_user(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None:
        raise PydanticCustomError("url_user", "the URL holds a user name or a password; take them out")
    return url


def _protects_a_token(url: HttpUrl) -> HttpUrl:
    if url.scheme != "https" and not _loopback(url.host or ""):
        raise PydanticCustomError("url_plain", "a token would travel in the clear; write https://")
    return url


def _as_stripe_calls_it(url: HttpUrl) -> HttpUrl:
    if url.scheme != "https" and not _loopback(url.host or ""):
        raise PydanticCustomError(
            "webhook_url", "Stripe sends webhooks to https:// alone; write the address that it calls"
        )
    return url


def _loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Authorities:
    """The certificate authorities that a file held when the configuration was read.

    What it holds belongs to the setting: after a renewal the configuration, read again, is another one.
    """

    path: Path
    pem: str = field(repr=False)

    def current(self) -> "Authorities":
        """Those that the file holds now; these, where it holds none that can be read."""
        try:
            pem = _pem(self.path)
        except (OSError, ValueError):
            return self
        return self if pem == self.pem else Authorities(self.path, pem)


def _authorities(path: object) -> object:
    if not isinstance(path, str | Path):
        return path
    try:
        return Authorities(Path(path), _pem(Path(path)))
    except (OSError, ValueError):
        raise PydanticCustomError(
            "ca_file", "{path} holds no certificates that can be read; name a PEM file", {"path": str(path)}
        ) from None


def _pem(path: Path) -> str:
    """The certificates in the file. Raises OSError, ValueError."""
    if not regular(path):
        raise ValueError("no regular file")
    with path.open("rb") as file:
        pem = file.read(_LARGEST_PEM).decode("ascii", "ignore")  # names in comments may be of any alphabet
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    return pem


def _pointer(text: str) -> str:
    if not _POINTER.match(text):
        raise PydanticCustomError("json_pointer", "not a JSON pointer (RFC 6901); write one such as /killed")
    return text


def _host(text: str) -> str:
    name = text.lower().removesuffix(".")
    try:
        return str(ip_address(name))
    except ValueError:
        pass
    if not _HOST.match(name):
        raise PydanticCustomError("host", "not the name of a host; write it without scheme, port and path")
    return name


def _path(text: str) -> str:
    if not _PATH.match(text):
        raise PydanticCustomError("path", "not a path; write one that begins with / and holds no space")
    return text


def _header(text: str) -> str:
    name = text.lower()
    if name not in health.HEADER.values:
        raise PydanticCustomError(
            "header", "no header that is looked for; choose among {known}", {"known": ", ".join(health.HEADER.values)}
        )
    return name


def _check(name: str) -> str:
    known = health.CHECK.values
    if name not in known:
        raise PydanticCustomError(
            "check", "no check that is looked for; choose among {known}", {"known": ", ".join(known)}
        )
    return name


Url = Annotated[HttpUrl, AfterValidator(_without_user)]
Pointer = Annotated[str, AfterValidator(_pointer)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=50)]
Check = Annotated[str, AfterValidator(_check)]
Duration = Annotated[timedelta, Field(gt=timedelta(), le=timedelta(days=1))]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Sampled(Section):
    """How often a source is sampled, how long one sample may take and how old it may grow."""

    model_config = ConfigDict(validate_default=True)
    PACE = frozenset({"timeout", "interval", "max_age"})

    timeout: Duration
    interval: Duration
    max_age: Duration

    @field_validator("interval", "max_age")
    @classmethod
    def _in_order(cls, duration: timedelta, info: ValidationInfo) -> timedelta:
        before = info.data.get("timeout" if info.field_name == "interval" else "interval", timedelta())
        if duration < before:
            raise PydanticCustomError(
                "durations", "timeout, interval and max_age are not in this order; let each be at least the one before"
            )
        return duration


class Dialect(Section):
    """How a health endpoint says what it says; the usual ways of frameworks are known without being set."""

    status_pointer: Pointer = "/status"
    """Where its JSON holds the verdict."""
    well: Annotated[tuple[Word, ...], Field(min_length=1)] = ("healthy", "ok", "up", "pass", "warn")
    """The words, in any case, that mean that it can serve: the runbook's, Spring's, .NET's, and those of RFC drafts."""
    checks: dict[Check, Pointer] = Field(default={})
    """Where its JSON holds each check; else below /checks, Spring's /components, or .NET's /entries and /results."""
    well_checks: tuple[Word, ...] = ("connected", "verified", "enabled")
    """The words, besides those of `well`, that a check says when all is well."""
    response_time_pointer: Pointer = "/metrics/response_time_ms"
    rate_pointer: Pointer = "/metrics/transactions_per_minute"
    success_pointer: Pointer = "/metrics/success_rate"
    timestamp_pointer: Pointer = "/timestamp"


class HealthSettings(_Sampled, Dialect):
    """The payments service's health endpoint. The proxies that the environment names are used."""

    url: Url
    ca_file: Annotated[Authorities, BeforeValidator(_authorities)] | None = None
    interval: Duration = timedelta(seconds=15)
    timeout: Duration = timedelta(seconds=5)
    max_age: Duration = timedelta(minutes=1)


class ProbedHost(Section):
    """A host whose front door is looked at; its name alone means the usual ports and `/`."""

    host: Annotated[str, AfterValidator(_host)]
    https_port: Port = 443
    http_port: Port = 80
    path: Annotated[str, AfterValidator(_path)] = "/"

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return {"host": data} if isinstance(data, str) else data

    def url(self, scheme: Literal["http", "https"]) -> str:
        """Where the host is asked over HTTP or HTTPS."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{name}:{self.https_port if scheme == 'https' else self.http_port}{self.path}"


class ProbeSettings(_Sampled):
    """The front door: certificates, HTTPS, headers and the webhook endpoint, always reached without a proxy."""

    hosts: tuple[ProbedHost, ...]
    headers: tuple[Annotated[str, AfterValidator(_header)], ...] = health.HEADER.values
    ca_file: Annotated[Authorities, BeforeValidator(_authorities)] | None = None
    """The roots that the hosts' clients trust, where they are not the usual ones: to them the chain must lead."""
    webhook_url: Annotated[Url, AfterValidator(_as_stripe_calls_it)] | None = None
    interval: Duration = timedelta(minutes=1)
    timeout: Duration = timedelta(seconds=10)
    max_age: Duration = timedelta(minutes=3)

    @field_validator("hosts", "headers")
    @classmethod
    def _each_once(cls, listed: tuple[ProbedHost | str, ...]) -> tuple[ProbedHost | str, ...]:
        names = {one if isinstance(one, str) else one.host for one in listed}
        if not 0 < len(names) == len(listed) <= _MOST_HOSTS:
            raise PydanticCustomError(
                "listed",
                "no host or header, one twice, or more than {most}; list each once",
                {"most": _MOST_HOSTS},
            )
        return listed


class FlagSettings(_Sampled):
    """The feature flag's own API. The proxies that the environment names are used."""

    url: Annotated[Url, AfterValidator(_protects_a_token)]
    token: Secret
    rollout_pointer: Pointer = "/environments/production/rollout/value"
    """Where the answer holds the rollout in percent."""
    killed_pointer: Pointer = "/killed"
    """Where the answer holds `true` while the kill switch is pulled, `false` otherwise."""
    ca_file: Annotated[Authorities, BeforeValidator(_authorities)] | None = None
    interval: Duration = timedelta(seconds=30)
    timeout: Duration = timedelta(seconds=5)
    max_age: Duration = timedelta(minutes=2)

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: Secret) -> Secret:
        if not _TOKEN.match(token.get_secret_value()):
            raise PydanticCustomError(
                "token", "the token holds a space, a line break or an unusual letter; store the token alone"
            )
        return token.only_if(lambda text: bool(_TOKEN.match(text)))


class DeclaredSettings(_Sampled):
    """The file in which people declare what no machine can measure."""

    file: Path
    interval: Duration = timedelta(minutes=1)
    timeout: Duration = timedelta(seconds=5)
    max_age: Duration = timedelta(minutes=15)
