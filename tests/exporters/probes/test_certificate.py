"""Are a certificate's dates and keys read from its DER as they were put in, and is everything else refused?"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.probes.chain import Certificate

MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31)).map(lambda moment: moment.replace(microsecond=0))


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(begin: datetime, end: datetime, serial: int = 7, names: int = 1) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 40)] * names)
    builder = x509.CertificateBuilder(name, name, key().public_key(), serial, begin, end)
    return builder.sign(key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@settings(deadline=None)
@given(st.tuples(MOMENTS, MOMENTS).map(sorted), st.integers(1, 2**158), st.integers(0, 9))
def test_both_dates_are_those_that_were_put_in(ends: list[datetime], serial: int, names: int) -> None:
    begin, end = (moment.replace(tzinfo=UTC) for moment in ends)

    found = Certificate.read(certificate(begin, end, serial, names))
    assert (found.not_before, found.not_after) == (begin.timestamp(), end.timestamp())


DAY = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(0, 400), st.binary(max_size=8))
def test_what_is_cut_off_or_changed_is_read_or_refused_and_never_anything_else(at: int, put: bytes) -> None:
    good = certificate(DAY, DAY + timedelta(days=90))

    for damaged in (good[:at], good[:at] + put + good[at + len(put) :], put):
        with suppress(ValueError):
            assert isinstance(Certificate.read(damaged), Certificate)


@pytest.mark.parametrize("cut", [0, 1, 2, 40, -1])
def test_a_certificate_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(ValueError):
        Certificate.read(certificate(DAY, DAY + timedelta(days=90))[:cut])


def test_the_identifiers_of_the_keys_are_those_that_were_put_in() -> None:
    own = x509.SubjectKeyIdentifier.from_public_key(key().public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The shop")])
    builder = x509.CertificateBuilder(name, name, key().public_key(), 7, DAY, DAY + timedelta(days=1))
    for extension in (x509.BasicConstraints(True, None), own, above):
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    found = Certificate.read(builder.sign(key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    assert (found.key, found.key_above, found.name) == (own.digest, own.digest, "The shop")
