"""When does the chain of certificates end on which clients will rely?

A client builds a path from the served certificate to a root that it trusts, out of what is served; where several are
possible, one that is valid is enough. So the path counts whose soonest end is the latest, and of that path the
certificate that ends first. What is served besides, such as an old cross-signed root, harms nobody. Who issued whom is
told by names and key identifiers (RFC 5280, 4.2.1.1): a signature that is false is a forgery, not a matter of dates.
"""

import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

__all__ = ["Certificate", "Ending", "ending", "trusted_roots"]

_LONGEST_PATH = 8
_VERSION, _UTC_TIME, _GENERALIZED_TIME, _EXTENSIONS, _KEY_ID = 0xA0, 0x17, 0x18, 0xA3, 0x80
_SUBJECT_KEY, _AUTHORITY_KEY, _COMMON_NAME = b"\x55\x1d\x0e", b"\x55\x1d\x23", b"\x55\x04\x03"
_TIME = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What of a certificate tells its dates and its place in a chain; moments in seconds since 1970."""

    der: bytes
    issuer: bytes
    subject: bytes
    not_before: float
    not_after: float
    key: bytes | None
    key_above: bytes | None

    @classmethod
    def read(cls, der: bytes) -> "Certificate":
        """A certificate in DER (RFC 5280, 4.1). Raises ValueError for what is none."""
        try:
            [(_, certificate)] = _elements(der)
            (_, signed), *_ = _elements(certificate)
            fields = [(tag, content) for tag, content in _elements(signed) if tag != _VERSION]
            (_, issuer), (_, validity), (_, subject) = fields[2:5]
            not_before, not_after = (_moment(tag, content) for tag, content in _elements(validity))
            extensions = dict(_extensions(content for tag, content in fields[5:] if tag == _EXTENSIONS))
            above = dict(_elements(_inner(extensions.get(_AUTHORITY_KEY)))).get(_KEY_ID)
            key = _inner(extensions.get(_SUBJECT_KEY)) or None
        except IndexError:
            raise ValueError("cut off") from None
        return cls(der, issuer, subject, not_before, not_after, key, above)

    @property
    def name(self) -> str:
        """The common name, as people call it."""
        for _, part in _elements(self.subject):
            for _, pair in _elements(part):
                [(_, kind), (_, text)] = _elements(pair)
                if kind == _COMMON_NAME:
                    return text.decode("utf-8", "replace")
        return "a certificate without a name"

    def is_issued_by(self, other: "Certificate") -> bool:
        """Whether that is the issuer, by its name and the identifier of its key where both say one."""
        same_key = self.key_above is None or other.key is None or self.key_above == other.key
        return self.issuer == other.subject and same_key


@dataclass(frozen=True, slots=True)
class Ending:
    """The certificate that ends first on the best path, which of them it is, and what is served beside the path."""

    certificate: Certificate
    which: str
    """leaf, intermediate or root."""
    trusted: bool
    """Whether the path leads to a root that is trusted."""
    beside: tuple[Certificate, ...]


def ending(served: Sequence[Certificate], roots: Sequence[Certificate]) -> Ending:
    """What ends first of the best path from `served[0]`, through the others, to one of the `roots` if possible."""
    leaf, others = served[0], [one for one in served[1:] if one != served[0]]
    paths = list(_paths((leaf,), others, roots))
    trusted = [path for path in paths if path[-1] in roots]
    longest = max(len(path) for path in paths)
    candidates = trusted or [path for path in paths if len(path) == longest]
    best = max(candidates, key=lambda path: _first_end(path).not_after)
    first = _first_end(best)
    which = "leaf" if first == leaf else "root" if first.is_issued_by(first) else "intermediate"
    return Ending(first, which, bool(trusted), tuple(one for one in served if one not in best))


@cache
def trusted_roots(pem: str | None = None) -> tuple[Certificate, ...]:
    """The roots in `pem`, or those that this machine trusts; what cannot be read of them is left out."""
    if pem is None:
        found = ssl.create_default_context().get_ca_certs(binary_form=True)
    else:
        found = [ssl.PEM_cert_to_DER_cert(one) for one in _PEM.findall(pem)]
    return tuple(_readable(found))


def _readable(found: Sequence[bytes]) -> Iterator[Certificate]:
    for der in found:
        try:
            yield Certificate.read(der)
        except ValueError:
            continue


def _first_end(path: Sequence[Certificate]) -> Certificate:
    return min(path, key=lambda one: one.not_after)


def _paths(
    path: tuple[Certificate, ...], others: Sequence[Certificate], roots: Sequence[Certificate]
) -> Iterator[tuple[Certificate, ...]]:
    """Every path that cannot be made longer, or has reached a root that is trusted."""
    last = path[-1]
    above = [one for one in dict.fromkeys((*others, *roots)) if one not in path and last.is_issued_by(one)]
    if last in roots or not above or len(path) == _LONGEST_PATH:
        yield path
        return
    for issuer in above:
        yield from _paths((*path, issuer), others, roots)


def _extensions(found: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each extension's identifier and what its octet string holds."""
    for content in found:
        [(_, listed)] = _elements(content)
        for _, extension in _elements(listed):
            parts = [part for _, part in _elements(extension)]
            yield parts[0], parts[-1]


def _inner(content: bytes | None) -> bytes:
    """What the only element holds."""
    if content is None:
        return b""
    [(_, inner)] = _elements(content)
    return inner


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in a row. Raises IndexError or ValueError for what is cut off."""
    at = 0
    while at < len(content):
        tag, size, at = content[at], content[at + 1], at + 2
        if size & 0x80:  # so many bytes hold the size
            begin, at = at, at + (size & 0x7F)
            size = int.from_bytes(content[begin:at])
        if at + size > len(content):
            raise ValueError("cut off")
        yield tag, content[at : at + size]
        at += size


def _moment(tag: int, content: bytes) -> float:
    """Seconds since 1970 (RFC 5280, 4.1.2.5: always with seconds, always Z; two digits are a year from 1950 on)."""
    if tag == _UTC_TIME:
        content = (b"19" if content[:2] >= b"50" else b"20") + content
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    found = _TIME.fullmatch(content)
    if found is None:
        raise ValueError("no time")
    year, month, day, hour, minute, second = map(int, found.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
