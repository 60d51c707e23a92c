"""From when until when is the certificate valid that a host serves, even where nobody should trust it?"""

import asyncio
import ssl
from dataclasses import dataclass

from cryptography import x509

from exporters.probes.fetch import NoAnswerError, look_up, no_answer
from exporters.sampling.model import ErrorClass

__all__ = ["Validity", "served_validity"]


@dataclass(frozen=True, slots=True)
class Validity:
    """The two ends of a certificate's life, in seconds since 1970."""

    not_before: float
    not_after: float


async def served_validity(host: str, port: int, within: float) -> Validity:
    """The validity of the leaf certificate that is served for the name `host`, read in at most `within` seconds.

    Nothing is verified and nothing is sent: an expired, self-signed or misnamed certificate has its dates too.
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
        served = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return _validity(served)


def _validity(served: bytes | None) -> Validity:
    try:
        certificate = x509.load_der_x509_certificate(served or b"")
    except ValueError:
        raise NoAnswerError(ErrorClass.BAD_ANSWER, "a certificate that cannot be read") from None
    return Validity(certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
