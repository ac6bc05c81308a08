"""The cluster's certificates: one CA, EC keys, one certificate per role. Idempotent; renews what nears its end.

ca                  signs all of these
apiserver           serving (names and addresses of the API)
apiserver-kubelet   the API server as client of kubelets
front-proxy-client  the API server as client of other API servers
admin               people (system:masters)
kubelet-NODE        a node as client (system:node:NODE) and serving
service-account     no certificate: the key that signs Pods' tokens
"""

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from sampan.cluster.config import ClusterConfig

MASTERS = "system:masters"
# The API server as other API servers know it, to whom it passes requests on (API aggregation).
FRONT_PROXY = "front-proxy-client"


class Pair(Struct, frozen=True):
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Pki:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def pair(self, name: str) -> Pair:
        return Pair(self.directory / f"{name}.crt", self.directory / f"{name}.key")

    @property
    def ca(self) -> Pair:
        return self.pair("ca")

    @property
    def service_account_key(self) -> Path:
        return self.directory / "service-account.key"

    def ensure(self, config: ClusterConfig, nodes: Mapping[str, str]) -> None:
        """Everything that one machine needs; `nodes` are its nodes' names and addresses."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        from sampan.cluster import certificates  # takes long to import, and a server that starts reads files only

        certificates.ensure_authority(self.ca, config.name)
        certificates.ensure_key(self.service_account_key)
        self.ensure_pair(self.pair("apiserver"), "kube-apiserver", "", server=api_names(config))
        self.ensure_pair(self.pair("apiserver-kubelet"), "kube-apiserver-kubelet-client", MASTERS)
        self.ensure_pair(self.pair(FRONT_PROXY), FRONT_PROXY, "")
        self.ensure_pair(self.pair("admin"), "kubernetes-admin", MASTERS)
        for node, ip in nodes.items():
            self.ensure_node(self.pair(f"kubelet-{node}"), node, ip)

    def ensure_node(self, pair: Pair, node: str, ip: str) -> None:
        """For a node of the very machine that has the CA's key: as client and as server."""
        names = list(dict.fromkeys([node, ip, *host_names()]))
        self.ensure_pair(pair, f"system:node:{node}", "system:nodes", server=names)

    def ensure_pair(self, pair: Pair, common: str, organisation: str, *, server: Iterable[str] = ()) -> None:
        """A client certificate; with `server` names a serving one as well."""
        from sampan.cluster import certificates

        certificates.ensure(pair, self.ca, common, organisation, names=list(server))


def api_names(config: ClusterConfig) -> list[str]:
    domain = config.cluster_domain
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}"]
    own = [config.host, config.agent_host, config.api_ip, *([config.address] if config.address else [])]
    return list(dict.fromkeys(["localhost", *service, *own, *host_names()]))


def host_names() -> list[str]:
    """This machine's name and addresses."""
    names = ["127.0.0.1", "::1", socket.gethostname()]
    outward = outward_address()
    return [*names, outward] if outward else names


def outward_address() -> str:
    """The address that other machines see; nothing without a default route. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
    return address
