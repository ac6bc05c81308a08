"""What the controllers are told from outside."""

from pathlib import Path

from msgspec import Struct

MANAGER = "kube-controller-manager"


class ControllersConfig(Struct, kw_only=True):
    """`controllers` is read as Kubernetes' `--controllers`: `*` is all of them, `-name` leaves one out."""

    root_ca: str = ""  # PEM, published in every namespace; empty: nothing is published
    ca_key: str = ""  # PEM, the root CA's: signs nodes' certificates; empty: nothing is signed
    server_names: tuple[str, ...] = ()  # the API server's names and addresses: no node may serve under them
    cluster_cidr: str = "10.244.0.0/16"  # empty: Nodes get no Pod range from here
    node_mask: int = 24
    volumes_dir: Path = Path("/var/lib/sampan/volumes")
    controllers: tuple[str, ...] = ("*",)
    elect: bool = False  # one of several processes leads
    identity: str = ""  # this candidate's name; made up when empty
    node_grace: float = 40.0  # seconds without a renewed Lease until a Node is unknown
    node_startup_grace: float = 60.0
    eviction_rate: float = 0.1  # Nodes a second whose Pods may be evicted
    terminated_pods: int = 12500  # how many finished Pods are kept


def is_enabled(name: str, wanted: tuple[str, ...]) -> bool:
    if f"-{name}" in wanted:
        return False
    return name in wanted or "*" in wanted
