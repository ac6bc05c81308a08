"""Which nodes are routed to and which are reached through the tunnel."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from sampan.network.contract import Overlay
from sampan.network.overlay import Ways, ways

NEAR, FAR = IPv4Network("10.244.1.0/24"), IPv4Network("10.244.2.0/24")
PEERS = {NEAR: "192.168.1.7", FAR: "192.168.2.7"}
NETWORKS = [IPv4Network("192.168.1.0/24"), IPv4Network("10.9.0.0/30")]


@pytest.mark.parametrize(("overlay", "tunnelled"), [("auto", {FAR}), ("always", {NEAR, FAR}), ("never", set())])
def test_ways(overlay: Overlay, tunnelled: set[IPv4Network]) -> None:
    found = ways(PEERS, NETWORKS, overlay)
    assert set(found.tunnelled) == tunnelled
    assert found.routed | found.tunnelled == PEERS
    assert not found.routed.keys() & found.tunnelled.keys()


def test_alone() -> None:
    assert ways({}, NETWORKS, "auto") == Ways({}, {})
