"""How is a web configuration's TLS section turned into encryption?"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from exporters.configuration.configfile import ConfigurationError, Fault
from exporters.web.webconfig import TlsConfig, WebConfig

__all__ = ["ReloadableContext", "client_is_allowed", "context_for"]

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_SUITES = {
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
_OF_TLS_13 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})


class ReloadableContext(ssl.SSLContext):
    """A TLS context whose settings can be replaced while the server runs; new connections have the new ones."""

    current: ssl.SSLContext

    @classmethod
    def following(cls, config: TlsConfig) -> "ReloadableContext":
        """A context with the settings of `config`. Raises ConfigurationError."""
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context.current = context_for(config)
        return context

    def apply(self, config: WebConfig) -> None:
        """Use other settings from now on. Raises ConfigurationError, and then keeps the ones before."""
        self.current = context_for(config.tls_server_config)

    def wrap_bio(self, *args: Any, **keywords: Any) -> ssl.SSLObject:
        """What asyncio calls for every new connection."""
        return self.current.wrap_bio(*args, **keywords)


def context_for(config: TlsConfig) -> ssl.SSLContext:
    """The server's context. Raises ConfigurationError where a file or a name in `config` cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.maximum_version = _VERSIONS[config.max_version]
    context.set_alpn_protocols(["http/1.1"])
    if config.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    suites = _cipher_suites(config)
    if suites:
        context.set_ciphers(suites)
    if len(config.curve_preferences) == 1:
        context.set_ecdh_curve(_CURVES[config.curve_preferences[0]])
    with (
        _usable(config.cert_file or "cert", "the certificate and its key"),
        _as_file(config.cert, config.cert_file) as cert,
        _as_file(config.key, config.key_file) as key,
    ):
        context.load_cert_chain(cert, key, password=_no_password)
    if config.verifies_clients:
        with _usable(config.client_ca_file or "client_ca", "the clients' certificate authority"):
            context.load_verify_locations(config.client_ca_file or None, cadata=config.client_ca or None)
        required = config.client_auth_type == "RequireAndVerifyClientCert"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def client_is_allowed(certificate: dict[str, Any] | None, allowed: tuple[str, ...]) -> bool:
    """Whether one of the certificate's subject alternative names is among `allowed`, where that names any.

    `certificate` is what SSLSocket.getpeercert gives.
    """
    if not allowed:
        return True
    names = {value for _, value in (certificate or {}).get("subjectAltName", ())}
    return not names.isdisjoint(allowed)


def _cipher_suites(config: TlsConfig) -> str:
    known = ", ".join(_SUITES)
    faults = tuple(
        Fault("tls_server_config.cipher_suites", f"{name} is not supported", f"use some of {known}")
        for name in config.cipher_suites
        if name not in _SUITES and name not in _OF_TLS_13
    )
    if faults:
        raise ConfigurationError(faults)
    return ":".join(_SUITES[name] for name in config.cipher_suites if name in _SUITES)


@contextmanager
def _usable(place: str, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else "not PEM"
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            reason = "the key belongs to another certificate"
        how_to_fix = "see that the files are there, readable by this user, PEM and without a passphrase"
        raise ConfigurationError((Fault(place, f"{what} cannot be used ({reason})", how_to_fix),)) from None


def _no_password() -> str:
    raise ValueError("encrypted key")


@contextmanager
def _as_file(text: str, path: str) -> Iterator[str]:
    """A path for OpenSSL, which reads certificates from files only: the text is kept in memory behind one."""
    if path:
        yield path
        return
    memory = os.memfd_create("pem")
    try:
        os.write(memory, text.encode())
        yield f"/proc/self/fd/{memory}"
    finally:
        os.close(memory)
