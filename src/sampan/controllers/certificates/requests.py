"""What may be asked for. Pure: a node's request is looked at before approval and again before signing; anybody else's
was approved by somebody, and has to be in order all the same."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from sampan.api.types.certificates_v1 import CertificateSigningRequest
from sampan.api.types.core_v1 import Endpoints, Node

CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"
USERS = "kubernetes.io/kube-apiserver-client"
SIGNERS = (CLIENT, SERVING, USERS)
PREFIX = "system:node:"
NODES = "system:nodes"
_PURPOSE = {CLIENT: "client auth", SERVING: "server auth"}
_ALSO = {"digital signature", "key encipherment"}


class NodeRequest(Struct, frozen=True):
    """A request that is in order for its signer."""

    node: str
    request: x509.CertificateSigningRequest
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()


def read(csr: CertificateSigningRequest) -> NodeRequest | None:
    """None for what is not in order, or somebody else's to decide."""
    spec = csr.spec
    purpose = _PURPOSE.get(spec.signerName)
    usages = set(spec.usages or ())
    if purpose is None or purpose not in usages or usages - _ALSO - {purpose}:
        return None
    try:
        request = parse(csr)
        if not request.is_signature_valid:
            return None
        names = _alternatives(request)
    except ValueError:
        return None
    commons = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if len(commons) != 1 or not commons[0].removeprefix(PREFIX) or not commons[0].startswith(PREFIX):
        return None
    if groups != [NODES] or len(list(request.subject)) != 2:
        return None
    node = commons[0].removeprefix(PREFIX)
    dns = tuple(str(n.value) for n in names if isinstance(n, x509.DNSName))
    ips = tuple(str(n.value) for n in names if isinstance(n, x509.IPAddress))
    if len(dns) + len(ips) != len(names) or bool(names) != (spec.signerName == SERVING):
        return None
    if spec.signerName == SERVING and spec.username != commons[0]:
        return None
    return NodeRequest(node, request, dns, ips)


def objection(csr: CertificateSigningRequest) -> str:
    """Why an approved request cannot be signed; empty when it can."""
    if csr.spec.signerName != USERS:
        return "" if read(csr) is not None else f"no node may have this signed by {csr.spec.signerName}"
    usages = set(csr.spec.usages or ())
    if "client auth" not in usages or usages - _ALSO - {"client auth"}:
        return "usages: client auth is needed, with digital signature and key encipherment at most"
    try:
        valid = parse(csr).is_signature_valid
    except ValueError:
        valid = False
    return "" if valid else "the request cannot be read, or is not signed by its own key"


def parse(csr: CertificateSigningRequest) -> x509.CertificateSigningRequest:
    """Raises `ValueError`."""
    return x509.load_pem_x509_csr(base64.b64decode(csr.spec.request))


def _alternatives(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def server_addresses(servers: Iterable[Endpoints]) -> set[str]:
    """Of all API servers there are, as they say themselves."""
    return {address.ip for one in servers for subset in one.subsets or () for address in subset.addresses or ()}


def may_serve(asked: NodeRequest, nodes: Iterable[Node], server_names: Iterable[str] = ()) -> bool:
    """The names are the node's own: its name, and addresses that its Node shows, but no other Node and not the API
    server has: what a Node shows is the node's own word."""
    own: set[str] = set()
    others = {_plain(name) for name in server_names}
    for node in nodes:
        addresses = {_plain(a.address) for a in node.status.addresses or ()}
        if node.metadata.name == asked.node:
            own = addresses
        else:
            others |= {node.metadata.name or "", *addresses}
    names = {*asked.dns, *map(_plain, asked.ips)}
    return names <= own | {asked.node} and not names & others


def subresource(csr: CertificateSigningRequest, asked: NodeRequest) -> str:
    """What the asker must be allowed to create, of certificatesigningrequests, to get a client certificate."""
    return "selfnodeclient" if csr.spec.username == PREFIX + asked.node else "nodeclient"


def decided(csr: CertificateSigningRequest) -> str:
    """Approved, Denied, or empty."""
    return next((c.type for c in csr.status.conditions or () if c.type in ("Approved", "Denied")), "")


def failed(csr: CertificateSigningRequest) -> bool:
    return any(c.type == "Failed" for c in csr.status.conditions or ())


def _plain(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text
