"""Making certificates: an authority, and pairs that it signs. What is there and lasts is left alone."""

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sampan.cluster.config import write_atomically
from sampan.cluster.pki import Pair

YEAR = timedelta(days=365)
CA_LIFE = 10 * YEAR
RENEW_BEFORE = timedelta(days=90)


def ensure_authority(pair: Pair, name: str) -> None:
    if _lasts(pair.certificate) and pair.key.exists():
        return
    key = _new_key()
    subject = _subject(f"sampan-ca-{name}", "")
    _write(pair, sign(subject, key.public_key(), subject, key, life=CA_LIFE, is_ca=True), key)


def ensure_key(path: Path) -> None:
    if not path.exists():
        _write_key(path, _new_key())


def ensure(pair: Pair, authority: Pair, common: str, organisation: str, *, names: list[str]) -> None:
    if _lasts(pair.certificate) and belong_together(pair) and _covers(pair.certificate, names):
        return
    key = _new_key()
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes()).subject
    signer = load_key(authority.key)
    subject = _subject(common, organisation)
    _write(pair, sign(subject, key.public_key(), issuer, signer, life=YEAR, names=names), key)


def sign(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    life: timedelta,
    names: Iterable[str] = (),
    is_ca: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # other machines' clocks may be behind
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not is_ca:
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        alternatives = [_general_name(n) for n in names]
        if alternatives:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signer, hashes.SHA256())


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _subject(common: str, organisation: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _lasts(path: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE


def belong_together(pair: Pair) -> bool:
    """Not so where whoever wrote them was killed between the two."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        return bool(key.public_key() == certificate.public_key())
    except (OSError, ValueError):
        return False


def _covers(path: Path, names: Iterable[str]) -> bool:
    wanted = {_general_name(n) for n in names}
    if not wanted:
        return True
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        there = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return wanted <= set(there)


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _write_key(pair.key, key)
    write_atomically(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(path, pem)
