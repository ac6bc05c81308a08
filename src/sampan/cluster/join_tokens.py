"""The server's side of joining: tokens, what their bearers may do, and what they are told about the cluster.

The bearer of a token may ask for the client certificate of a node, nothing else. What it is told is public (the
ConfigMap `cluster-info` of kube-public, as with kubeadm): the CA, which the joining machine checks by its hash, and
the cluster's address ranges.
"""

import base64
import hashlib
import secrets
import string
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sampan.api import times
from sampan.api.errors import AlreadyExists
from sampan.api.types import core_v1, meta_v1, rbac_v1
from sampan.client.api import Client
from sampan.cluster.config import ClusterConfig

NAMESPACE = "kube-system"
PUBLIC = "kube-public"
INFO = "cluster-info"
GROUP = "system:bootstrappers:sampan:nodes"
TYPE = "bootstrap.kubernetes.io/token"
SECRET = "bootstrap-token-"  # noqa: S105 - a name's beginning
_RBAC = "rbac.authorization.k8s.io"
_CSR = "system:certificates.k8s.io:certificatesigningrequests"
_LETTERS = string.ascii_lowercase + string.digits


class ClusterInfo(msgspec.Struct, kw_only=True):
    """What a machine must know to be a node."""

    name: str
    ca: str
    pod_cidr: str
    service_cidr: str
    dns_ip: str
    cluster_domain: str


def ca_hash(pem: str) -> str:
    """As kubeadm's `--discovery-token-ca-cert-hash`: of the CA's public key."""
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def info_of(config: ClusterConfig, ca: Path) -> ClusterInfo:
    return ClusterInfo(
        name=config.name,
        ca=ca.read_text(encoding="ascii"),
        pod_cidr=config.pod_cidr,
        service_cidr=config.service_cidr,
        dns_ip=config.dns_ip,
        cluster_domain=config.cluster_domain,
    )


async def prepare(client: Client, info: ClusterInfo) -> None:
    """Idempotent: what lets the bearers of tokens in, and no further."""
    for name, role, group in (
        ("sampan:node-bootstrapper", "system:node-bootstrapper", GROUP),
        ("sampan:node-certificates", f"{_CSR}:nodeclient", GROUP),
        ("sampan:node-certificate-renewal", f"{_CSR}:selfnodeclient", "system:nodes"),
    ):
        binding = rbac_v1.ClusterRoleBinding(
            metadata=meta_v1.ObjectMeta(name=name),
            roleRef=rbac_v1.RoleRef(apiGroup=_RBAC, kind="ClusterRole", name=role),
            subjects=[rbac_v1.Subject(apiGroup=_RBAC, kind="Group", name=group)],
        )
        await _ensure(client, rbac_v1.ClusterRoleBinding, binding)
    data = {"sampan": msgspec.json.encode(info).decode()}
    about = core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=INFO, namespace=PUBLIC), data=data)
    await _ensure(client, core_v1.ConfigMap, about)
    meta = meta_v1.ObjectMeta(name="sampan:cluster-info", namespace=PUBLIC)
    rule = rbac_v1.PolicyRule(apiGroups=[""], resources=["configmaps"], resourceNames=[INFO], verbs=["get"])
    await _ensure(client, rbac_v1.Role, rbac_v1.Role(metadata=meta, rules=[rule]))
    everybody = rbac_v1.RoleBinding(
        metadata=meta,
        roleRef=rbac_v1.RoleRef(apiGroup=_RBAC, kind="Role", name="sampan:cluster-info"),
        subjects=[
            rbac_v1.Subject(apiGroup=_RBAC, kind="Group", name=group)
            for group in ("system:unauthenticated", "system:authenticated")
        ],
    )
    await _ensure(client, rbac_v1.RoleBinding, everybody)


async def _ensure(client: Client, kind: type[Any], obj: Any) -> None:
    try:
        await client.resource(kind).create(obj)
    except AlreadyExists:
        await client.resource(kind).patch(obj.metadata.name, obj, namespace=obj.metadata.namespace or "")


async def create_token(
    client: Client, *, ttl: timedelta | None, description: str = "", joins_nodes: bool = True
) -> str:
    identity, secret = (_random(length) for length in (6, 16))
    data = {
        "token-id": identity,
        "token-secret": secret,
        "usage-bootstrap-authentication": "true",
        **({"auth-extra-groups": GROUP} if joins_nodes else {}),
        **({"description": description} if description else {}),
        **({"expiration": times.format((datetime.now(UTC) + ttl).timestamp())} if ttl else {}),
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = meta_v1.ObjectMeta(name=SECRET + identity, namespace=NAMESPACE)
    await client.resource(core_v1.Secret).create(core_v1.Secret(metadata=meta, type=TYPE, data=encoded))
    return f"{identity}.{secret}"


async def server_addresses(client: Client) -> list[str]:
    """Where the cluster's servers are, as they say themselves."""
    found = await client.resource(core_v1.Endpoints).get("kubernetes", namespace="default")
    return [
        f"https://{address.ip}:{port.port}"
        for subset in found.subsets or ()
        for port in subset.ports or ()
        for address in subset.addresses or ()
    ]


async def list_tokens(client: Client) -> Sequence[dict[str, Any]]:
    """Without their secrets."""
    found = await client.resource(core_v1.Secret).list(namespace=NAMESPACE, field_selector=f"type={TYPE}")
    plain = [
        {key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.data or {}).items()}
        for secret in found.items
    ]
    return [{k: v for k, v in one.items() if k != "token-secret"} for one in plain]


async def delete_token(client: Client, token: str) -> None:
    """By the token or its first part. Raises `NotFound`."""
    await client.resource(core_v1.Secret).delete(SECRET + token.partition(".")[0], namespace=NAMESPACE)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
