"""From when until when is the certificate valid that a host serves, even where nobody should trust it?"""

import asyncio
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

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


_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_TIME = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z")


def _validity(served: bytes | None) -> Validity:
    """The dates of a certificate in DER: after its serial number, its algorithm and its issuer (RFC 5280, 4.1)."""
    try:
        [(_, certificate)] = _elements(served or b"")
        (_, signed), *_ = _elements(certificate)
        fields = [content for tag, content in _elements(signed) if tag != _VERSION]
        not_before, not_after = (_moment(tag, content) for tag, content in _elements(fields[3]))
    except (ValueError, IndexError):
        raise NoAnswerError(ErrorClass.BAD_ANSWER, "a certificate that cannot be read") from None
    return Validity(not_before, not_after)


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in a row. Raises IndexError or ValueError for what is cut off."""
    at = 0
    while at < len(content):
        tag, size, at = content[at], content[at + 1], at + 2
        if size & 0x80:  # so many bytes hold the size
            begin, at = at, at + (size & 0x7F)
            size = int.from_bytes(content[begin:at])
        if at + size > len(content):
            raise ValueError
        yield tag, content[at : at + size]
        at += size


def _moment(tag: int, content: bytes) -> float:
    """Seconds since 1970 (RFC 5280, 4.1.2.5: always with seconds, always Z; two digits are a year from 1950 on)."""
    if tag == _UTC_TIME:
        content = (b"19" if content[:2] >= b"50" else b"20") + content
    elif tag != _GENERALIZED_TIME:
        raise ValueError
    found = _TIME.fullmatch(content)
    if found is None:
        raise ValueError
    year, month, day, hour, minute, second = map(int, found.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
