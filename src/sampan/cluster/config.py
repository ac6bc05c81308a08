"""What a cluster was made with; kept in `cluster.json`, so that every later start is the same cluster."""

import json
import os
import socket
import tempfile
from pathlib import Path

import msgspec

from sampan.cluster.paths import BadConfig, ClusterPaths, all_clusters

FIRST_PORT = 6443
FIRST_KUBELET_PORT = 10250


class ClusterConfig(msgspec.Struct, kw_only=True):
    name: str
    index: int = 0  # clusters of one host differ in it: their address ranges follow
    host: str = "127.0.0.1"  # where people reach the API
    agent_host: str = "127.0.0.1"  # where this machine's agents reach it
    port: int = FIRST_PORT
    kubelet_port: int = FIRST_KUBELET_PORT
    nodes: int = 1
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    cluster_domain: str = "cluster.local"
    datastore: str = ""  # empty: SQLite
    address: str = ""  # where other machines reach this server; empty: where the default route leads out
    node_grace: float = 40.0  # seconds without a word until a node counts as lost

    @property
    def dns_ip(self) -> str:
        return self.service_cidr.partition("/")[0].rsplit(".", 1)[0] + ".10"

    @property
    def api_ip(self) -> str:
        """The address of the `kubernetes` Service."""
        return self.service_cidr.partition("/")[0].rsplit(".", 1)[0] + ".1"

    @property
    def node_names(self) -> list[str]:
        return [f"{self.name}-{i}" for i in range(1, self.nodes + 1)]

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"


def load(paths: ClusterPaths) -> ClusterConfig | None:
    try:
        return msgspec.json.decode(paths.config.read_bytes(), type=ClusterConfig)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise BadConfig(f"{paths.config} cannot be read: it is another user's cluster (with sudo, perhaps)") from None
    except msgspec.DecodeError as error:
        mend = f"put it back from a backup, or remove the cluster: rm -r {paths.root}"
        raise BadConfig(f"{paths.config} cannot be understood ({error}); {mend}") from None


def save(paths: ClusterPaths, config: ClusterConfig) -> None:
    write_atomically(paths.config, json.dumps(msgspec.to_builtins(config), indent=2).encode() + b"\n")


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_if_new(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)


def new_config(paths: ClusterPaths, *, nodes: int, port: int | None) -> ClusterConfig:
    """A cluster that gets along with the others of this host: ranges and ports of its own."""
    others = [c for c in map(load, all_clusters()) if c is not None and c.name != paths.name]
    index = next(i for i in range(96) if i not in {c.index for c in others} and not ranges_in_use(i))
    taken = {p for c in others for p in (c.port, c.kubelet_port)}
    return ClusterConfig(
        name=paths.name,
        index=index,
        port=port or free_port(FIRST_PORT, taken),
        kubelet_port=free_port(FIRST_KUBELET_PORT, taken),
        nodes=nodes,
        pod_cidr=pod_cidr(index),
        service_cidr=service_cidr(index),
    )


def pod_cidr(index: int) -> str:
    return f"10.{244 + index if index < 12 else 120 + index}.0.0/16"


def service_cidr(index: int) -> str:
    return f"10.{96 + index}.0.0/16" if index < 20 else f"10.{index}.0.0/16"


def ranges_in_use(index: int) -> bool:
    """By a cluster of another home, or of anything else on this host: its address for DNS is this host's already."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((service_cidr(index).replace("0.0/16", "0.10"), 0))
        except OSError:
            return False
    return True


def free_port(first: int, taken: set[int]) -> int:
    return next(p for p in range(first, first + 1000) if p not in taken and port_is_free(p))


def port_is_free(port: int, host: str = "0.0.0.0") -> bool:  # noqa: S104 - probing, not serving
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
