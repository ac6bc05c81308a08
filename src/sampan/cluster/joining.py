"""The joining machine's side: from an address, a token and the CA's hash to certificates, and to an agent's options.

1. The cluster's public facts are read without trust; the CA in them must have the hash that was given.
2. With the token, over TLS that trusts this CA alone, a client certificate is asked for.
3. As the node: its Node with its addresses, then a serving certificate for these.

What was got is kept: a later start needs neither token nor hash, and renews certificates near their end. On a server's
machine, which has the CA's key, nobody is asked for certificates.
"""

import asyncio
import base64
import contextlib
import logging
import secrets
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_address
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.api.errors import AlreadyExists, ApiError
from sampan.api.types import certificates_v1, core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.connection import ConnectionSettings
from sampan.client.failover import addresses
from sampan.client.http import connect
from sampan.client.transport import TransportError
from sampan.cluster.agent import AgentOptions, kubelet_config, run_agent
from sampan.cluster.certificates import belong_together
from sampan.cluster.config import write_atomically
from sampan.cluster.following import Following, read
from sampan.cluster.join_tokens import INFO, PUBLIC, ClusterInfo, ca_hash
from sampan.cluster.paths import RECORD, SERVERS, ClusterPaths
from sampan.cluster.pki import Pair, Pki, outward_address
from sampan.cluster.renewal import renewing
from sampan.network.contract import Overlay

CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"
RENEW_BEFORE = timedelta(days=90)
WITHIN = 60.0  # seconds for one certificate
_LOOK_EVERY = 0.2


log = logging.getLogger(__name__)


class JoinFailed(Exception):
    """The message says what to do."""


class Join(msgspec.Struct, kw_only=True):
    """What the machine was told on the command line."""

    server: str
    node: str
    node_ip: str
    data_dir: Path
    token: str = ""
    ca_hash: str = ""
    kubelet_port: int = 10250
    manifests: Path | None = None
    labels: dict[str, str] = {}
    taints: list[str] = []
    shutdown: tuple[float, float] = (0.0, 0.0)  # grace period in all, and for critical Pods
    netns: str = ""
    overlay: Overlay = "auto"
    authority: Path | None = None  # where this machine has the CA's key, being a server's

    @property
    def client_pair(self) -> Pair:
        return Pair(self.data_dir / "pki" / "client.crt", self.data_dir / "pki" / "client.key")

    @property
    def serving_pair(self) -> Pair:
        return Pair(self.data_dir / "pki" / "serving.crt", self.data_dir / "pki" / "serving.key")

    @property
    def ca(self) -> Path:
        return self.data_dir / "pki" / "ca.crt"


async def join(asked: Join) -> AgentOptions:
    """Raises `JoinFailed`, `ApiError`, `TransportError`."""
    try:
        info = await cluster_info(asked)
    except (ApiError, TransportError) as error:
        known = kept(asked.data_dir)
        if known is None or not (_valid(asked.client_pair) and _valid(asked.serving_pair)):
            raise
        log.warning("%s: %s; going on with what is known of the cluster", asked.server, error)
        return agent_options(asked, known.info)
    write_atomically(asked.ca, info.ca.encode(), mode=0o644)
    keep(asked, info)
    options = agent_options(asked, info)
    await ensure_certificates(asked, info, options)
    return options


async def ensure_certificates(asked: Join, info: ClusterInfo, options: AgentOptions) -> None:
    """What is not there, or near its end."""
    if asked.authority is not None and Pki(asked.authority).ca.certificate.read_text(encoding="ascii") == info.ca:
        for pair in (asked.client_pair, asked.serving_pair):
            Pki(asked.authority).ensure_node(pair, asked.node, asked.node_ip)
    if not lasts(asked.client_pair):
        by = ConnectionSettings(server=asked.server, ca_data=info.ca.encode())
        if _valid(asked.client_pair):
            by = options.api  # a node renews as itself
        elif asked.token:
            by = msgspec.structs.replace(by, token=asked.token)
        else:
            raise JoinFailed("a first join needs --token: sampan token create, on the server's machine, prints it")
        async with _client(by) as client:
            await obtain(client, asked, CLIENT, asked.client_pair)
    if not lasts(asked.serving_pair) or not covers(asked.serving_pair, asked.node_ip):
        async with _client(options.api) as client:
            await show_addresses(client, options)
            await obtain(client, asked, SERVING, asked.serving_pair)


async def run_joined(asked: Join) -> None:
    """Join, then be the node until cancelled."""
    try:
        options = await join(asked)
    except (ApiError, TransportError) as error:
        raise JoinFailed(f"joining {asked.server} failed: {error}") from error
    async with renewing(lambda: join(asked)):
        await run_agent(options)


def told(paths: ClusterPaths, server: str, node: str | None, node_ip: str) -> Join:
    name = node or socket.gethostname().lower()
    learned = read(Following(paths.agent(name) / SERVERS))
    if name == f"{paths.name}-1":
        raise JoinFailed(f"{name!r} is the name of the cluster's own first node; choose another: --node NAME")
    return Join(
        server=",".join(dict.fromkeys([*addresses(server), *learned])),
        node=name,
        node_ip=node_ip or outward_address() or "127.0.0.1",
        data_dir=paths.agent(name),
        authority=paths.pki if Pki(paths.pki).ca.key.exists() else None,
    )


async def cluster_info(asked: Join) -> ClusterInfo:
    """The CA is trusted because of its hash, or because it was trusted before."""
    ca = asked.ca.read_bytes() if asked.ca.exists() else b""
    if not ca and not asked.ca_hash:
        raise JoinFailed("a first join needs --ca-hash: sampan token create, on the server's machine, prints it")
    return await known_cluster(asked.server, asked.ca_hash or ca_hash(ca.decode()), ca)


async def known_cluster(server: str, wanted: str, ca: bytes = b"") -> ClusterInfo:
    """The cluster's public facts. Without its CA they are read without trust, and trusted for the CA's hash."""
    async with _client(ConnectionSettings(server=server, ca_data=ca, insecure=not ca)) as client:
        found = await client.resource(core_v1.ConfigMap).get(INFO, namespace=PUBLIC)
    info = msgspec.json.decode((found.data or {}).get("sampan", "{}"), type=ClusterInfo)
    if ca_hash(info.ca) != wanted:
        raise JoinFailed(f"{server} has another CA than the one that was named ({wanted}): not joining")
    return info


async def obtain(client: Client, asked: Join, signer: str, pair: Pair) -> None:
    """Ask for a certificate and wait until it is there; the key never leaves this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    purpose = "client auth" if signer == CLIENT else "server auth"
    meta = meta_v1.ObjectMeta(name=f"node-csr-{asked.node}-{secrets.token_hex(4)}")
    pem = request(asked, key, serving=signer == SERVING)
    csr = certificates_v1.CertificateSigningRequest(
        metadata=meta,
        spec=certificates_v1.CertificateSigningRequestSpec(
            request=base64.b64encode(pem).decode(),
            signerName=signer,
            usages=["digital signature", purpose],
        ),
    )
    requests = client.resource(certificates_v1.CertificateSigningRequest)
    name = (await requests.create(csr)).metadata.name or ""
    for _ in range(int(WITHIN / _LOOK_EVERY)):
        status = (await requests.get(name)).status
        if status.certificate:
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_atomically(pair.key, private)
            write_atomically(pair.certificate, base64.b64decode(status.certificate), mode=0o644)
            return
        if any(c.type in ("Denied", "Failed") for c in status.conditions or ()):
            raise JoinFailed(f"the request {name} was refused: kubectl describe csr {name}")
        await asyncio.sleep(_LOOK_EVERY)
    raise JoinFailed(f"the request {name} was not approved within {WITHIN:.0f} s: kubectl describe csr {name}")


def request(asked: Join, key: ec.EllipticCurvePrivateKey, *, serving: bool) -> bytes:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{asked.node}"),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if serving:
        names = [x509.DNSName(asked.node), x509.IPAddress(ip_address(asked.node_ip))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


async def show_addresses(client: Client, options: AgentOptions) -> None:
    """The Node with its addresses, before the kubelet runs: the approval of its serving certificate looks at them."""
    from sampan.kubelet.node.facts import read_machine
    from sampan.kubelet.node.status import labels

    config = kubelet_config(options)
    nodes = client.resource(core_v1.Node)
    meta = meta_v1.ObjectMeta(name=options.node_name, labels=labels(read_machine(config.root_dir), config))
    with contextlib.suppress(AlreadyExists):
        await nodes.create(core_v1.Node(kind="Node", apiVersion="v1", metadata=meta))
    addresses = [
        {"type": "InternalIP", "address": options.node_ip},
        {"type": "Hostname", "address": options.node_name},
    ]
    await nodes.patch(options.node_name, {"status": {"addresses": addresses}}, subresource="status")


def agent_options(asked: Join, info: ClusterInfo) -> AgentOptions:
    return AgentOptions(
        cluster=info.name,
        node_name=asked.node,
        node_ip=asked.node_ip,
        data_dir=asked.data_dir,
        api=ConnectionSettings(
            server=asked.server,
            ca_file=str(asked.ca),
            cert_file=str(asked.client_pair.certificate),
            key_file=str(asked.client_pair.key),
        ),
        following=Following(asked.data_dir / SERVERS),
        cluster_range=IPv4Network(info.pod_cidr),
        service_range=IPv4Network(info.service_cidr),
        dns_ip=info.dns_ip,
        cluster_domain=info.cluster_domain,
        manifests=asked.manifests or asked.data_dir / "manifests",
        kubelet_port=asked.kubelet_port,
        serving_cert=asked.serving_pair.certificate,
        serving_key=asked.serving_pair.key,
        client_ca=asked.ca,
        node_labels=asked.labels,
        taints=asked.taints,
        overlay=asked.overlay,
        shutdown_grace_period=asked.shutdown[0],
        shutdown_grace_period_critical_pods=asked.shutdown[1],
    )


class Record(msgspec.Struct, kw_only=True):
    """What `sampan down` needs to know of a node that joined."""

    asked: Join
    info: ClusterInfo


def keep(asked: Join, info: ClusterInfo) -> None:
    lasting = msgspec.structs.replace(asked, token="")
    content = msgspec.json.encode(Record(asked=lasting, info=info), enc_hook=str)
    write_atomically(asked.data_dir / RECORD, content)


def kept(data_dir: Path) -> Record | None:
    try:
        content = (data_dir / RECORD).read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(content, type=Record, dec_hook=lambda kind, value: kind(value))


def record(paths: ClusterPaths, node: str) -> AgentOptions | None:
    """The options of a node that has joined from here; None when it has not."""
    found = kept(paths.agent(node))
    return None if found is None else agent_options(found.asked, found.info)


def netns_of(paths: ClusterPaths, node: str) -> str:
    found = kept(paths.agent(node))
    return "" if found is None else found.asked.netns


def lasts(pair: Pair) -> bool:
    return _valid(pair, RENEW_BEFORE)


def _valid(pair: Pair, longer_than: timedelta = timedelta()) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.not_valid_after_utc - datetime.now(UTC) > longer_than and belong_together(pair)


def covers(pair: Pair, ip: str) -> bool:
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return ip_address(ip) in names.get_values_for_type(x509.IPAddress)


@contextlib.asynccontextmanager
async def _client(settings: ConnectionSettings) -> AsyncIterator[Client]:
    client = connect(settings, user_agent="sampan-join")
    try:
        yield client
    finally:
        await client.close()
