"""Which certificate of a chain ends first for the clients that rely on it?"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette

from exporters.probes.chain import Certificate, Ending, ending
from simulator.serving import serving
from tests.exporters.probes.test_probe import HOST, door, sampled, values

NOW = datetime.now(UTC).replace(microsecond=0)
PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Authority:
    """A name with a key, which signs certificates."""

    name: str
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def called(cls, name: str) -> "Authority":
        return cls(name, ec.generate_private_key(ec.SECP256R1()))

    def sign(self, other: "Authority", days: int, *, authority: bool = True) -> x509.Certificate:
        """A certificate of `other` that ends after so many days."""
        return (
            x509.CertificateBuilder()
            .subject_name(_named(other.name))
            .issuer_name(_named(self.name))
            .public_key(other.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=400))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(other.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


OLD, NEW, MIDDLE, SHOP = (Authority.called(name) for name in ("Old root", "New root", "Middle", HOST))
OLD_ROOT, NEW_ROOT = OLD.sign(OLD, 1000), NEW.sign(NEW, 2000)
CROSS_SIGNED = OLD.sign(NEW, -30)
LEAF, OF_MIDDLE = MIDDLE.sign(SHOP, 60, authority=False), NEW.sign(MIDDLE, 900)
SHORT_MIDDLE = NEW.sign(MIDDLE, 3)


def days(certificate: Certificate) -> int:
    return round((certificate.not_after - NOW.timestamp()) / 86_400)


def read(certificate: x509.Certificate) -> Certificate:
    return Certificate.read(certificate.public_bytes(serialization.Encoding.DER))


def ended(served: list[x509.Certificate], roots: list[x509.Certificate]) -> Ending:
    return ending([read(one) for one in served], [read(one) for one in roots])


@pytest.mark.parametrize(
    ("served", "roots", "which", "ends_in", "verified"),
    [
        ([LEAF, OF_MIDDLE], [NEW_ROOT], "leaf", 60, True),
        ([LEAF, SHORT_MIDDLE], [NEW_ROOT], "intermediate", 3, True),
        ([LEAF, SHORT_MIDDLE], [], "intermediate", 3, False),
        ([LEAF], [], "leaf", 60, False),
        ([LEAF, OF_MIDDLE], [NEW.sign(NEW, 20)], "root", 20, True),
        ([LEAF, OF_MIDDLE, CROSS_SIGNED], [NEW_ROOT, OLD_ROOT], "leaf", 60, True),
        ([LEAF, OF_MIDDLE, CROSS_SIGNED], [OLD_ROOT], "intermediate", -30, True),
        ([LEAF, SHORT_MIDDLE, OF_MIDDLE], [NEW_ROOT], "leaf", 60, True),
        ([LEAF, OLD.sign(OLD, 1), OF_MIDDLE], [NEW_ROOT], "leaf", 60, True),
        ([NEW_ROOT], [NEW_ROOT], "leaf", 2000, True),
        ([LEAF, NEW.sign(Authority.called("Middle"), 900), SHORT_MIDDLE], [NEW_ROOT], "intermediate", 3, True),
    ],
    ids=[
        "leaf", "intermediate", "nobody trusts it", "incomplete", "root", "old cross-signed root beside",
        "old root alone is trusted", "two intermediates, one renewed", "a stranger beside", "self-signed",
        "another key of the same name",
    ],
)  # fmt: skip
def test_the_soonest_end_on_the_best_path_counts(
    served: list[x509.Certificate], roots: list[x509.Certificate], which: str, ends_in: int, verified: bool
) -> None:
    found = ended(served, roots)
    assert (found.which, days(found.certificate), found.trusted) == (which, ends_in, verified)


def test_what_is_served_beside_the_best_path_is_told_apart() -> None:
    [beside] = ended([LEAF, OF_MIDDLE, CROSS_SIGNED], [NEW_ROOT, OLD_ROOT]).beside
    assert (beside.name, days(beside)) == ("New root", -30)
    assert ended([LEAF, OF_MIDDLE], [NEW_ROOT]).beside == ()


def test_authorities_that_sign_each_other_are_no_endless_path() -> None:
    a, b = Authority.called("a"), Authority.called("b")
    found = ended([a.sign(SHOP, 9, authority=False), b.sign(a, 8), a.sign(b, 7)], [])
    assert (found.which, days(found.certificate)) == ("intermediate", 7)


def test_an_intermediate_that_ends_before_the_leaf_is_on_the_page(tmp_path: Path) -> None:
    served, roots = tmp_path / "served.pem", tmp_path / "roots.pem"
    key = SHOP.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    served.write_bytes(key + LEAF.public_bytes(PEM) + SHORT_MIDDLE.public_bytes(PEM))
    roots.write_bytes(NEW_ROOT.public_bytes(PEM))
    with serving(Starlette(), certificate=served) as port:
        found = values(sampled(hosts=[door(port)], ca_file=str(roots)))
    assert found["payments_tls_not_after_timestamp_seconds[intermediate]"] == (NOW + timedelta(days=3)).timestamp()
    assert "payments_tls_not_after_timestamp_seconds[leaf]" not in found
