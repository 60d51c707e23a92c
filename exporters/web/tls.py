"""How is a web configuration's TLS section turned into encryption?"""

import os
import ssl
import sys
import warnings
from collections.abc import Callable, Iterator
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
_TURNS = 4
"""Of a handshake: the longest, with TLS 1.2, takes two of each side."""
_OF_TLS_13 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})


class ReloadableContext(ssl.SSLContext):
    """A TLS context whose settings can be replaced while the server runs; new connections have the new ones."""

    current: ssl.SSLContext
    look: Callable[[], None]

    @classmethod
    def following(cls, config: TlsConfig, look: Callable[[], None]) -> "ReloadableContext":
        """A context with the settings of `config`. Raises ConfigurationError.

        `look` is called before each handshake, to apply what has changed: where the certificate has ended, or the
        clients' authority is another one by now, no request gets through that could notice it.
        """
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context.current = context_for(config)
        context.look = look
        return context

    def apply(self, config: WebConfig) -> None:
        """Use other settings from now on. Raises ConfigurationError, and then keeps the ones before."""
        self.current = context_for(config.tls_server_config)

    def wrap_bio(self, *args: Any, **keywords: Any) -> ssl.SSLObject:
        """What asyncio calls for every new connection."""
        self.look()
        return self.current.wrap_bio(*args, **keywords)


def context_for(config: TlsConfig) -> ssl.SSLContext:
    """The server's context, tried out with a client of our own.

    Raises ConfigurationError where a file in `config` cannot be used, or where this Python or its OpenSSL does not do
    what is written there.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    if config.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    _set_cipher_suites(context, config)
    _set_curve(context, config)
    with (
        _usable(config.cert_file or config.place("cert"), "the certificate and its key"),
        _as_file(config.cert, config.cert_file) as cert,
        _as_file(config.key, config.key_file) as key,
    ):
        context.load_cert_chain(cert, key, password=_no_password)
    _set_versions(context, config)
    if config.verifies_clients:
        with _usable(config.client_ca_file or config.place("client_ca"), "the clients' certificate authority"):
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


def _refusal(config: TlsConfig, setting: str, what: str, how_to_fix: str) -> ConfigurationError:
    return ConfigurationError((Fault(config.place(setting), what, how_to_fix),))


def _set_cipher_suites(context: ssl.SSLContext, config: TlsConfig) -> None:
    """Those of TLS up to 1.2; as in Go, those of TLS 1.3 are all there whatever is written."""
    wanted = [name for name in config.cipher_suites if name not in _OF_TLS_13]
    unknown = [name for name in wanted if name not in _SUITES]
    if not unknown and wanted:
        try:
            context.set_ciphers(":".join(_SUITES[name] for name in wanted))
            taken = {str(one["name"]) for one in context.get_ciphers()}
        except ssl.SSLError:
            taken = set()
        unknown = [name for name in wanted if _SUITES[name] not in taken]
    if unknown:
        raise _refusal(
            config, "cipher_suites", f"{', '.join(unknown)} is not supported", f"use some of {', '.join(_SUITES)}"
        )


def _set_curve(context: ssl.SSLContext, config: TlsConfig) -> None:
    """The one curve that is wanted; all of them are OpenSSL's default."""
    wanted = set(config.curve_preferences)
    if not wanted or wanted == _CURVES.keys():
        return
    known = [name for name in _CURVES if _takes_curve(_CURVES[name])]
    of_these = f"write one of {', '.join(known)}, or leave it out for all that OpenSSL has, X25519 among them"
    if len(wanted) > 1:
        raise _refusal(config, "curve_preferences", "names several, and Python can be told one or all", of_these)
    (curve,) = wanted
    if curve not in known:
        version = ".".join(map(str, sys.version_info[:3]))
        raise _refusal(
            config, "curve_preferences", f"Python {version} cannot be told {curve} alone", f"{of_these}; 3.11.5 can"
        )
    context.set_ecdh_curve(_CURVES[curve])


def _takes_curve(name: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(name)
    except (ValueError, ssl.SSLError):
        return False
    return True


def _set_versions(context: ssl.SSLContext, config: TlsConfig) -> None:
    """From the least to the greatest version, each of which some client must be able to speak."""
    least = config.min_version
    if config.cipher_suites and not set(config.cipher_suites) - _OF_TLS_13:
        least = max(least, "TLS13")  # as in Go, where no older version then finds a suite
    if least > config.max_version:
        raise _refusal(
            config,
            "cipher_suites",
            f"has suites of TLS 1.3 alone, and max_version is {config.max_version}",
            f"add some of {', '.join(_SUITES)}, or leave max_version out",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TLS before 1.2, which is judged right here
        context.minimum_version, context.maximum_version = _VERSIONS[least], _VERSIONS[config.max_version]
        for setting, version in (("min_version", least), ("max_version", config.max_version)):
            cause = _why_not(context, _VERSIONS[version])
            if cause and version == "TLS12" and config.cipher_suites:
                raise _refusal(
                    config,
                    "cipher_suites",
                    f"has none with which a client could speak TLS12 to this certificate ({cause})",
                    "add one that has the kind of its key, RSA or ECDSA, in the name, or write min_version: TLS13",
                )
            if cause:
                raise _refusal(
                    config,
                    setting,
                    f"{version} cannot be spoken here ({cause}, {ssl.OPENSSL_VERSION})",
                    "write TLS12 or TLS13",
                )


def _why_not(context: ssl.SSLContext, version: ssl.TLSVersion) -> str:
    """Why a client that takes whatever it can get, in that version, does not get through; nothing where it does."""
    willing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    willing.check_hostname, willing.verify_mode = False, ssl.CERT_NONE
    willing.set_ciphers("ALL:@SECLEVEL=0")
    willing.minimum_version = willing.maximum_version = version
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [context.wrap_bio(there, back, server_side=True), willing.wrap_bio(back, there)]
    for _ in range(_TURNS):
        for end in reversed(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                return str(error.reason or "refused").replace("_", " ").lower()
    return "no agreement" if ends else ""


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
