"""Certificates: to approve and to sign are rights on the signer, and nobody is given an administrator's group."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.apiserver.contracts import AUTHENTICATED, User

from .world import ADMIN, World

BASE = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kube-apiserver-client"
MERGE = "application/merge-patch+json"


def _request(name: str, organisation: str = "sailors") -> dict[str, Any]:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation), x509.NameAttribute(NameOID.COMMON_NAME, "jane")]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = base64.b64encode(asked.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": pem, "signerName": SIGNER, "usages": ["client auth"]}
    return {"metadata": {"name": name}, "spec": spec}


async def _user(world: World, name: str, *rules: dict[str, Any]) -> User:
    """With rights on all requests, and those given besides."""
    own = {
        "apiGroups": ["certificates.k8s.io"],
        "resources": ["certificatesigningrequests", "*/approval", "certificatesigningrequests/status"],
        "verbs": ["get", "update", "patch", "create"],
    }
    group = "rbac.authorization.k8s.io"
    role = {"metadata": {"name": name}, "rules": [own, *rules]}
    await world.make_object(f"/apis/{group}/v1/clusterroles", role)
    binding = {
        "metadata": {"name": name},
        "subjects": [{"kind": "User", "apiGroup": group, "name": name}],
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
    }
    await world.make_object(f"/apis/{group}/v1/clusterrolebindings", binding)
    return User(name=name, groups=(AUTHENTICATED,))


async def test_approving_and_signing_take_rights_on_the_signer() -> None:
    world = await World.make()
    on_signer = {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": ["kubernetes.io/*"]}
    plain = await _user(world, "plain")
    approver = await _user(world, "approver", {**on_signer, "verbs": ["approve"]})
    signer = await _user(world, "signer", {**on_signer, "verbs": ["sign"], "resourceNames": [SIGNER]})
    await world.make_object(BASE, _request("jane"))
    approval = {"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "x", "message": "y"}]}}
    for user in (plain, signer):
        refused = await world.ask(user, "PATCH", f"{BASE}/jane/approval", approval, content=MERGE)
        assert refused.code == 403
        assert f'user not permitted to approve requests with signerName "{SIGNER}"' in refused.message
    assert (await world.ask(approver, "PATCH", f"{BASE}/jane/approval", approval, content=MERGE)).code == 200
    failed = {"type": "Failed", "status": "True", "reason": "x", "message": "y"}
    current = (await world.ask(ADMIN, "GET", f"{BASE}/jane")).body
    current["status"]["conditions"].append(failed)
    for user in (plain, approver):
        refused = await world.ask(user, "PUT", f"{BASE}/jane/status", current)
        assert refused.code == 403
        assert "user not permitted to sign" in refused.message
    assert (await world.ask(signer, "PUT", f"{BASE}/jane/status", current)).code == 200


async def test_nobody_asks_for_an_administrators_group() -> None:
    world = await World.make()
    plain = await _user(world, "plain")
    refused = await world.ask(plain, "POST", BASE, _request("root", "system:masters"))
    assert refused.code == 403
    assert f"use of {SIGNER} signer with system:masters group is not allowed" in refused.message
    assert (await world.ask(plain, "POST", BASE, _request("jane"))).code == 201
