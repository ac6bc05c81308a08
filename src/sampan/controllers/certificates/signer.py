"""The cluster's CA at work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec import Struct

LIFE = timedelta(days=365)
_CLOCKS_APART = timedelta(minutes=5)
_PURPOSES = {"client auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server auth": ExtendedKeyUsageOID.SERVER_AUTH}
_NAMES = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier)


class Authority(Struct, frozen=True):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @staticmethod
    def load(certificate: str, key: str) -> Authority:
        private = serialization.load_pem_private_key(key.encode(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return Authority(x509.load_pem_x509_certificate(certificate.encode()), private)

    def sign(
        self, request: x509.CertificateSigningRequest, *, usages: Iterable[str], now: float, seconds: int | None
    ) -> bytes:
        """PEM. Subject and names come from the request, what it is good for from what was approved."""
        begin = datetime.fromtimestamp(now, UTC)
        life = min(LIFE, timedelta(seconds=seconds)) if seconds else LIFE
        wanted = set(usages)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin - _CLOCKS_APART)
            .not_valid_after(min(begin + life, self.certificate.not_valid_after_utc))
            .add_extension(_key_usage(wanted), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([_PURPOSES[u] for u in sorted(wanted) if u in _PURPOSES]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        names = _names(request)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(request.subject))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name for name in found if isinstance(name, _NAMES)]


def _key_usage(wanted: set[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital signature" in wanted,
        key_encipherment="key encipherment" in wanted,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
