"""What a node may have signed, and what it gets."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sampan.api.types.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestSpec
from sampan.api.types.core_v1 import EndpointAddress, Endpoints, EndpointSubset, Node, NodeAddress, NodeStatus
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.controllers.certificates.requests import (
    CLIENT,
    SERVING,
    USERS,
    may_serve,
    objection,
    read,
    server_addresses,
    subresource,
)
from sampan.controllers.certificates.signer import Authority

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def csr(
    common: str = "system:node:n1",
    groups: Sequence[str] = ("system:nodes",),
    names: Sequence[str] = (),
    signer: str = CLIENT,
    usages: Sequence[str] = ("digital signature", "client auth"),
    username: str = "system:bootstrap:abcdef",
    **spec: Any,
) -> CertificateSigningRequest:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(n) for n in names]), critical=False)
    # What is asked for beside the names is never signed.
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )
    return CertificateSigningRequest(
        metadata=ObjectMeta(name="r"),
        spec=CertificateSigningRequestSpec(
            request=base64.b64encode(pem).decode(),
            signerName=signer,
            usages=list(usages),
            username=username,
            **spec,
        ),
    )


def serving(names: Sequence[str] = ("n1", "10.0.0.1"), **changes: Any) -> CertificateSigningRequest:
    usages = ("digital signature", "server auth")
    return csr(**{"names": names, "signer": SERVING, "usages": usages, "username": "system:node:n1", **changes})


def _name(text: str) -> x509.GeneralName:
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    return x509.IPAddress(ip_address(text)) if text[0].isdigit() else x509.DNSName(text)


def node(name: str, *addresses: str) -> Node:
    shown = [NodeAddress(type="InternalIP", address=address) for address in addresses]
    return Node(metadata=ObjectMeta(name=name), status=NodeStatus(addresses=shown))


def test_a_node_is_read() -> None:
    asked = read(csr())
    assert asked is not None
    assert (asked.node, asked.dns, asked.ips) == ("n1", (), ())
    assert subresource(csr(), asked) == "nodeclient"
    assert subresource(csr(username="system:node:n1"), asked) == "selfnodeclient"


@pytest.mark.parametrize(
    "changes",
    [
        {"common": "kubernetes-admin"},
        {"common": "system:node:"},
        {"groups": ("system:masters",)},
        {"groups": ("system:nodes", "system:masters")},
        {"groups": ()},
        {"names": ("kubernetes",)},
        {"usages": ("digital signature", "server auth")},
        {"usages": ("client auth", "cert sign")},
        {"signer": "kubernetes.io/kube-apiserver-client"},
    ],
)
def test_what_no_node_asks_for(changes: dict[str, Any]) -> None:
    assert read(csr(**changes)) is None


@pytest.mark.parametrize(
    "changes",
    [{"username": "system:node:n2"}, {"names": ()}, {"names": ("https://a",)}, {"usages": ("client auth",)}],
)
def test_what_no_node_serves_with(changes: dict[str, Any]) -> None:
    assert read(serving(**changes)) is None


@pytest.mark.parametrize(
    ("names", "nodes", "allowed"),
    [
        (("n1", "10.0.0.1"), [node("n1", "10.0.0.1"), node("n2", "10.0.0.2")], True),
        (("n1", "10.0.0.1"), [], False),  # not shown yet
        (("n1", "10.0.0.2"), [node("n1", "10.0.0.1")], False),
        (("n1", "10.0.0.2"), [node("n1", "10.0.0.1", "10.0.0.2"), node("n2", "10.0.0.2")], False),
        (("kubernetes.default.svc", "10.0.0.1"), [node("n1", "10.0.0.1")], False),
        (("n1", "n2"), [node("n1", "n2"), node("n2")], False),
    ],
)
def test_names_must_be_the_nodes_own(names: Sequence[str], nodes: list[Node], allowed: bool) -> None:
    asked = read(serving(names))
    assert asked is not None
    assert may_serve(asked, nodes) is allowed


@pytest.mark.parametrize("name", ["n1", "10.0.0.1"])
def test_nobody_poses_as_the_api_server(name: str) -> None:
    asked = read(serving())
    assert asked is not None
    assert not may_serve(asked, [node("n1", "10.0.0.1")], [name])


def test_nor_as_another_server() -> None:
    there = [EndpointAddress(ip="10.0.0.8"), EndpointAddress(ip="10.0.0.1")]
    servers = server_addresses([Endpoints(subsets=[EndpointSubset(addresses=there)]), Endpoints()])
    asked = read(serving())
    assert asked is not None
    assert not may_serve(asked, [node("n1", "10.0.0.1")], [*servers])
    assert may_serve(asked, [node("n1", "10.0.0.1")], [*servers - {"10.0.0.1"}])


def authority() -> tuple[Authority, ec.EllipticCurvePublicKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    ca = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1000))
        .sign(key, hashes.SHA256())
    )
    return Authority(ca, key), key.public_key()


def test_what_is_signed_is_what_was_checked() -> None:
    ca, public = authority()
    request = serving()
    asked = read(request)
    assert asked is not None
    made = x509.load_pem_x509_certificate(
        ca.sign(asked.request, now=NOW.timestamp(), seconds=None, usages=("server auth",))
    )
    assert made.signature_hash_algorithm is not None
    public.verify(made.signature, made.tbs_certificate_bytes, ec.ECDSA(made.signature_hash_algorithm))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["n1"]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert made.not_valid_after_utc == NOW + timedelta(days=365)


def test_a_shorter_life_is_given_a_longer_one_is_not() -> None:
    ca, _ = authority()
    asked = read(csr())
    assert asked is not None
    for seconds, days in ((86400, 1), (86400 * 900, 365)):
        pem = ca.sign(asked.request, now=NOW.timestamp(), seconds=seconds, usages=("client auth",))
        made = x509.load_pem_x509_certificate(pem)
        assert made.not_valid_after_utc == NOW + timedelta(days=days)


def test_a_user_gets_what_a_client_needs_and_no_more() -> None:
    def user(*usages: str) -> str:
        return objection(csr("jane", groups=("devs",), signer=USERS, usages=usages))

    assert user("client auth") == user("client auth", "digital signature", "key encipherment") == ""
    assert "client auth is needed" in user("digital signature")
    assert "at most" in user("client auth", "server auth")
    assert "no node may have this" in objection(csr("jane", groups=("devs",)))


def test_usages_and_names_are_those_that_were_asked_for() -> None:
    ca, _ = authority()
    request = x509.load_pem_x509_csr(
        base64.b64decode(csr("jane", names=("jane.example.com",), signer=USERS).spec.request)
    )
    pem = ca.sign(request, usages=("client auth", "digital signature"), now=NOW.timestamp(), seconds=3600)
    made = x509.load_pem_x509_certificate(pem)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_encipherment
    assert not usage.key_cert_sign
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["jane.example.com"]
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(minutes=65)
