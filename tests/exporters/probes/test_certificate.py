"""Are a certificate's dates read from its DER as they were put in, and is everything else refused?"""

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

from exporters.probes.certificate import Validity, _validity
from exporters.probes.fetch import NoAnswerError

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

    assert _validity(certificate(begin, end, serial, names)) == Validity(begin.timestamp(), end.timestamp())


DAY = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(0, 400), st.binary(max_size=8))
def test_what_is_cut_off_or_changed_is_read_or_refused_and_never_anything_else(at: int, put: bytes) -> None:
    good = certificate(DAY, DAY + timedelta(days=90))

    for damaged in (good[:at], good[:at] + put + good[at + len(put) :], put):
        with suppress(NoAnswerError):
            assert isinstance(_validity(damaged), Validity)


@pytest.mark.parametrize("cut", [0, 1, 2, 40, -1])
def test_a_certificate_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(NoAnswerError, match="a certificate that cannot be read"):
        _validity(certificate(DAY, DAY + timedelta(days=90))[:cut])
