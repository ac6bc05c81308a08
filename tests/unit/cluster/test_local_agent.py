"""Which servers an agent on a server's own machine knows."""

from __future__ import annotations

from pathlib import Path

from sampan.cluster.config import ClusterConfig, write_if_new
from sampan.cluster.local_agent import servers
from sampan.cluster.paths import SERVERS, ClusterPaths

THREE = b"https://10.0.0.1:6443\nhttps://10.0.0.2:6443\nhttps://10.0.0.3:6443"


def test_its_own_first_then_the_others(tmp_path: Path) -> None:
    paths = ClusterPaths("c", tmp_path)
    alone = ClusterConfig(name="c", address="10.0.0.2")
    assert servers(paths, alone) == "https://127.0.0.1:6443"
    write_if_new(paths.server / SERVERS, THREE)
    assert servers(paths, alone) == "https://127.0.0.1:6443"  # back on SQLite
    shared = ClusterConfig(name="c", address="10.0.0.2", datastore="etcd://e")
    assert servers(paths, shared) == "https://127.0.0.1:6443,https://10.0.0.1:6443,https://10.0.0.3:6443"
