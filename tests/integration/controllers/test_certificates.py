"""A user's certificate: asked for, approved by somebody, signed by the cluster; with the time of each step."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sampan.api.types import certificates_v1, meta_v1
from sampan.controllers.certificates.requests import USERS
from tests.integration.controllers.world import World

SIGNING = "certificatesigningrequest-signing-controller"
Csr = certificates_v1.CertificateSigningRequest


def authority() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def request(name: str, *usages: str, rsa_key: bool = False) -> Csr:
    key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    pem = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    spec = certificates_v1.CertificateSigningRequestSpec(
        request=base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode(),
        signerName=USERS,
        usages=[*usages],
        expirationSeconds=3600,
    )
    return Csr(metadata=meta_v1.ObjectMeta(name=name), spec=spec)


async def decide(cluster: World, csr: Csr) -> Csr:
    requests = cluster.admin.resource(Csr)
    made = await requests.create(csr)
    said = certificates_v1.CertificateSigningRequestCondition(type="Approved", status="True", reason="Known")
    made.status.conditions = [said]
    return await requests.update(made, subresource="approval")


@pytest.mark.parametrize("rsa_key", [True, False])
async def test_what_is_approved_is_signed(cluster: World, rsa_key: bool) -> None:
    ca, key = authority()
    cluster.start(SIGNING, root_ca=ca, ca_key=key)
    approved = await decide(cluster, request("jane", "client auth", "digital signature", rsa_key=rsa_key))
    (condition,) = approved.status.conditions or ()
    assert condition.lastUpdateTime == condition.lastTransitionTime
    assert condition.lastUpdateTime

    async def signed() -> str | None:
        return (await cluster.admin.resource(Csr).get("jane")).status.certificate

    certificate = x509.load_pem_x509_certificate(base64.b64decode(await cluster.until(signed)))
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.encode()))
    assert certificate.subject.rfc4514_string() == "CN=jane"


async def test_what_cannot_be_signed_is_told(cluster: World) -> None:
    ca, key = authority()
    cluster.start(SIGNING, root_ca=ca, ca_key=key)
    await decide(cluster, request("jane", "client auth", "cert sign"))

    async def failed() -> list[str]:
        found = (await cluster.admin.resource(Csr).get("jane")).status
        assert not found.certificate
        return [c.reason or "" for c in found.conditions or () if c.type == "Failed"]

    assert await cluster.until(failed) == ["SignerValidationFailure"]
