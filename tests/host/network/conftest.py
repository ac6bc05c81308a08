"""A network namespace of its own for every test: what it makes cannot meet the machine's, or another test's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from sampan.network import links, namespaces
from sampan.network.contract import NetworkConfig, Overlay
from sampan.network.pod_network import LocalNetwork


@pytest.fixture(autouse=True)
def own_namespace(tmp_path: Path) -> Iterator[Path]:
    """The test runs inside a fresh namespace, with loopback up; it is "the host" to what is tested."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    path = tmp_path / "host-ns"
    namespaces.create(path)
    home = os.open(namespaces.own_namespace(), os.O_RDONLY | os.O_CLOEXEC)
    namespaces.enter(path)
    with links.open_rtnl() as rtnl:
        rtnl.call(links.set_up(1))
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")  # a new namespace takes the machine's value
    try:
        yield path
    finally:
        namespaces.enter(f"/proc/self/fd/{home}")
        os.close(home)
        for line in Path("/proc/self/mounts").read_text().splitlines():  # also what a failing test left
            mounted = line.split()[1]
            if mounted.startswith(str(tmp_path)):
                namespaces.remove(Path(mounted))


def make_network(
    tmp_path: Path, name: str = "t", number: int = 0, *, netns: str | None = None, overlay: Overlay = "auto"
) -> LocalNetwork:
    """Node `number` of a cluster."""
    config = NetworkConfig(
        name=name,
        node_range=IPv4Network(f"10.244.{number}.0/24"),
        cluster_range=IPv4Network("10.244.0.0/16"),
        service_range=IPv4Network("10.96.0.0/16"),
        local_addresses=("10.96.0.10",),
        run_dir=tmp_path / f"{name}-{number}" / "run",
        state_dir=tmp_path / f"{name}-{number}" / "state",
        overlay=overlay,
    )
    return LocalNetwork(config, netns=netns or namespaces.PROCESS, register=tmp_path / "sysctls")


@pytest.fixture
def network(tmp_path: Path) -> LocalNetwork:
    return make_network(tmp_path)
