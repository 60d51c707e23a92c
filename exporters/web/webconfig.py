"""Who may reach the page, over which encryption? Read from exporter-toolkit's web configuration file.

The format is that of prometheus/exporter-toolkit, docs/web-configuration.md. Like there, files are looked for beside
the configuration file, and a change of any of them takes effect without a restart.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from exporters.configuration.configfile import ConfigurationError, Document, Fault, faults_in, read
from exporters.configuration.secrets import Section

__all__ = ["Headers", "HttpConfig", "RateLimit", "TlsConfig", "WebConfig", "WebConfigFile"]

_BCRYPT = re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}\Z")
_GO_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+\Z")
_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _go_duration(value: object) -> object:
    if isinstance(value, str) and _GO_DURATION.match(value):
        parts = re.findall(r"([\d.]+)([a-zµ]+)", value)
        return timedelta(seconds=sum(float(number) * _GO_UNITS[unit] for number, unit in parts))
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and value == 0:
        return timedelta(0)
    raise ValueError("is not a duration; write one like 1s or 500ms")


def _bcrypt_hash(value: str) -> str:
    if not _BCRYPT.match(value):
        raise ValueError("is not a bcrypt hash; make one with `htpasswd -nBC 10 USER`")
    return value


def _header_value(value: str) -> str:
    if not value.isprintable():
        raise ValueError("is not fit for a header; write it on one line")
    return value


GoDuration = Annotated[timedelta, BeforeValidator(_go_duration)]
BcryptHash = Annotated[str, AfterValidator(_bcrypt_hash)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


class TlsConfig(Section):
    """The certificate that the server shows, and what it asks of its clients."""

    cert: str = Field(default="", repr=False)
    key: str = Field(default="", repr=False)
    client_ca: str = Field(default="", repr=False)
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: Literal[
        "",
        "NoClientCert",
        "RequestClientCert",
        "RequireAnyClientCert",
        "VerifyClientCertIfGiven",
        "RequireAndVerifyClientCert",
    ] = ""
    client_allowed_sans: tuple[str, ...] = ()
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[Literal["CurveP256", "CurveP384", "CurveP521", "X25519"], ...] = ()
    _places: dict[str, str] = PrivateAttr(default_factory=dict)

    def place(self, setting: str) -> str:
        """Where that setting is written, with file and line where it was read from one."""
        return self._places.get(setting, f"tls_server_config.{setting}")

    def written_in(self, document: Document) -> None:
        """Remember where each setting is written."""
        for name in type(self).model_fields:
            self._places[name] = document.place(("tls_server_config", name))

    @property
    def wanted(self) -> bool:
        """True where the file asks for TLS."""
        return any((self.cert, self.key, self.client_ca, *self.files, self.client_auth_type))

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are read for it."""
        return tuple(name for name in (self.cert_file, self.key_file, self.client_ca_file) if name)

    @property
    def verifies_clients(self) -> bool:
        """True where a client's certificate is checked."""
        return self.client_auth_type in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")

    @model_validator(mode="after")
    def _complete(self) -> "TlsConfig":
        if not self.wanted:
            return self
        if bool(self.cert) == bool(self.cert_file) or bool(self.key) == bool(self.key_file):
            raise ValueError("lacks a certificate and its key, or has one twice; set cert_file and key_file")
        if self.client_auth_type == "RequireAnyClientCert":
            raise ValueError("asks for certificates that nobody verifies; use RequireAndVerifyClientCert")
        if self.verifies_clients != bool(self.client_ca or self.client_ca_file):
            raise ValueError("has client_auth_type without client_ca_file, or the reverse; set both, or neither")
        if self.client_allowed_sans and self.client_auth_type != "RequireAndVerifyClientCert":
            raise ValueError("has client_allowed_sans; it needs client_auth_type RequireAndVerifyClientCert")
        if self.min_version > self.max_version:
            raise ValueError("has min_version above max_version; swap them")
        return self


_HEADER_NAMES: Mapping[str, str] = {
    "content_security_policy": "Content-Security-Policy",
    "x_frame_options": "X-Frame-Options",
    "x_content_type_options": "X-Content-Type-Options",
    "x_xss_protection": "X-XSS-Protection",
    "strict_transport_security": "Strict-Transport-Security",
}


class Headers(Section):
    """The headers that may be added to every answer."""

    model_config = ConfigDict(alias_generator=lambda name: _HEADER_NAMES[name])

    content_security_policy: HeaderValue = ""
    x_frame_options: Literal["", "deny", "sameorigin"] = ""
    x_content_type_options: Literal["", "nosniff"] = ""
    x_xss_protection: HeaderValue = ""
    strict_transport_security: HeaderValue = ""

    @property
    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """Name and value of each that is set."""
        set_to = ((_HEADER_NAMES[name].lower(), getattr(self, name)) for name in type(self).model_fields)
        return tuple((name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in set_to if value)


class HttpConfig(Section):
    """How answers look; `http2` is accepted, and HTTP/1.1 is spoken, which every scraper understands."""

    http2: bool = True
    headers: Headers = Headers()


class RateLimit(Section):
    """A token bucket before every request."""

    interval: GoDuration = timedelta(0)
    burst: int = Field(default=0, ge=0)


class WebConfig(Section):
    """The whole file."""

    tls_server_config: TlsConfig = TlsConfig()
    http_server_config: HttpConfig = HttpConfig()
    basic_auth_users: dict[str, BcryptHash] = Field(default_factory=dict, repr=False)
    rate_limit: RateLimit = RateLimit()


class WebConfigFile:
    """The web configuration as it is on disk now; a file that cannot be used leaves the one before in place."""

    def __init__(self, path: Path | None, report: Callable[[ConfigurationError], None]) -> None:
        """Raises ConfigurationError. Without a path everything is at its default: no TLS, nobody is asked who they are.

        `report` hears of a file that changed for the worse.
        """
        self._path = path
        self._report = report
        self._listeners: list[Callable[[WebConfig], None]] = []
        self._looked_at = float("-inf")
        self.config = _read(path) if path else WebConfig()
        self._state = self._state_of_files()

    def on_change(self, apply: Callable[[WebConfig], None]) -> None:
        """Call `apply` now and whenever the configuration has changed; it refuses one by a ConfigurationError."""
        apply(self.config)
        self._listeners.append(apply)

    def look(self, now: float) -> None:
        """Read it again if a file of it has changed; looks at most once in a second of `now`."""
        if self._path and now - self._looked_at >= 1:
            self._looked_at = now
            if self._state_of_files() != self._state:
                self.reload()

    def reload(self) -> bool:
        """Read it again; False where it cannot be used, which is reported."""
        if not self._path:
            return True
        self._state = self._state_of_files()
        try:
            config = self._successor(_read(self._path))
            for apply in self._listeners:
                apply(config)
        except ConfigurationError as error:
            self._report(error)
            return False
        self.config = config
        self._state = self._state_of_files()
        return True

    def _successor(self, config: WebConfig) -> WebConfig:
        if config.tls_server_config.wanted != self.config.tls_server_config.wanted:
            what = "switches TLS on or off"
            raise ConfigurationError((Fault(str(self._path), what, "restart the exporter for that"),))
        return config

    def _state_of_files(self) -> tuple[object, ...]:
        paths = [self._path, *map(Path, self.config.tls_server_config.files)] if self._path else []
        return tuple(_state(path) for path in paths if path)


def _without_empty(written: Any, section: type[Section]) -> Any:
    """The section without the settings that are left empty: in Go, whose YAML this is, they are at their default."""
    if not isinstance(written, dict):
        return written
    inner = {field.alias or name: field.annotation for name, field in section.model_fields.items()}
    return {
        name: _without_empty(value, kind)
        if isinstance(kind := inner.get(name), type) and issubclass(kind, Section)
        else value
        for name, value in written.items()
        if value is not None
    }


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> WebConfig:
    document = read(path)
    tls = document.settings.get("tls_server_config")
    if isinstance(tls, dict):
        for name in ("cert_file", "key_file", "client_ca_file"):
            if isinstance(tls.get(name), str) and tls[name]:
                tls[name] = str(path.parent / tls[name])
    try:
        config = WebConfig.model_validate(_without_empty(document.settings, WebConfig))
    except ValidationError as error:
        raise ConfigurationError(tuple(faults_in(error, WebConfig, document.place))) from None
    if config.tls_server_config.wanted:
        config.tls_server_config.written_in(document)
    return config
