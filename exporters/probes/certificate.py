"""Until when will clients accept the certificates that a host serves, even where nobody should trust them?"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exporters.probes.chain import Certificate, ending, trusted_roots
from exporters.probes.fetch import NoAnswerError, look_up, no_answer
from exporters.sampling.model import ErrorClass

__all__ = ["Validity", "served_validity"]

_MOST = 20
"""So many certificates of an answer are looked at; a chain has three or four."""


@dataclass(frozen=True, slots=True)
class Validity:
    """The certificate that ends first on the best path: its dates in seconds since 1970, and which of them it is."""

    not_before: float
    not_after: float
    which: str
    """leaf, intermediate or root."""
    beside: tuple[tuple[str, float], ...] = ()
    """The names and ends of certificates that are served and on which nobody needs to rely."""


async def served_validity(host: str, port: int, within: float, authorities: str | None = None) -> Validity:
    """The validity of the chain that is served for the name `host`, read in at most `within` seconds.

    Nothing is verified and nothing is sent: an expired, self-signed or misnamed certificate has its dates too.
    `authorities` is the PEM of the roots that clients trust, None for those that this machine trusts.
    Raises NoAnswerError.
    """
    try:
        async with asyncio.timeout(within):
            await look_up(host, within / 2)
            _, writer = await asyncio.open_connection(host, port, ssl=_trusting_anybody(), server_hostname=host)
    except ssl.SSLError:
        raise NoAnswerError(ErrorClass.BAD_ANSWER, "no TLS that this machine speaks") from None
    except (TimeoutError, OSError) as error:
        raise no_answer(error) from None
    try:
        served = _chain(writer.get_extra_info("ssl_object"))
    finally:
        writer.transport.abort()
    return _validity(served, trusted_roots(authorities))


def _chain(session: Any) -> Sequence[bytes]:
    """What was served, the host's own certificate first; Python before 3.13 gives it by an inner object alone."""
    if hasattr(session, "get_unverified_chain"):
        return tuple(session.get_unverified_chain())
    inner = getattr(session, "_sslobj", None)
    if inner is not None and hasattr(inner, "get_unverified_chain"):
        return tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in inner.get_unverified_chain() or ())
    return (session.getpeercert(binary_form=True),)


def _validity(served: Sequence[bytes], roots: Sequence[Certificate]) -> Validity:
    try:
        found = ending([Certificate.read(one) for one in served[:_MOST]], roots)
    except (ValueError, IndexError):
        raise NoAnswerError(ErrorClass.BAD_ANSWER, "a certificate that cannot be read") from None
    return Validity(
        found.certificate.not_before,
        found.certificate.not_after,
        found.which,
        tuple((one.name, one.not_after) for one in found.beside),
    )


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
