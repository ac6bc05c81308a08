"""The cluster's CA at work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec import Struct

from sampan.controllers.certificates.requests import NodeRequest

LIFE = timedelta(days=365)
_CLOCKS_APART = timedelta(minutes=5)


class Authority(Struct, frozen=True):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @staticmethod
    def load(certificate: str, key: str) -> Authority:
        private = serialization.load_pem_private_key(key.encode(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return Authority(x509.load_pem_x509_certificate(certificate.encode()), private)

    def sign(self, asked: NodeRequest, *, now: float, seconds: int | None, serving: bool) -> bytes:
        """PEM. What goes into it is what was checked, never the request's own extensions."""
        begin = datetime.fromtimestamp(now, UTC)
        life = min(LIFE, timedelta(seconds=seconds)) if seconds else LIFE
        usage = ExtendedKeyUsageOID.SERVER_AUTH if serving else ExtendedKeyUsageOID.CLIENT_AUTH
        public = asked.request.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        builder = (
            x509.CertificateBuilder()
            .subject_name(asked.request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin - _CLOCKS_APART)
            .not_valid_after(min(begin + life, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if serving:
            names = asked.request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
