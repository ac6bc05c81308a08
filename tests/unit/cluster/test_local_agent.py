"""Whether an agent on a server's own machine looks out for other servers."""

from __future__ import annotations

from pathlib import Path

from sampan.cluster.config import ClusterConfig
from sampan.cluster.following import Following
from sampan.cluster.local_agent import following


def test_only_where_servers_share_a_store(tmp_path: Path) -> None:
    assert following(ClusterConfig(name="c", address="10.0.0.2"), tmp_path) is None
    shared = ClusterConfig(name="c", address="10.0.0.2", datastore="etcd://e")
    assert following(shared, tmp_path) == Following(tmp_path / "servers", known_as="https://10.0.0.2:6443")
