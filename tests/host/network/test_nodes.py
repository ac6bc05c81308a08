"""Three nodes on one machine, each a namespace with a LocalNetwork of its own, joined by a bridge (A7, J2, G4)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import pytest_asyncio

from sampan.network.contract import Attachment
from sampan.network.nodes import NodeSpace, NodeSpaces
from sampan.network.pod_network import LocalNetwork

from .cluster import RunningProxy, endpoint, endpoint_slice, new_api, service
from .conftest import make_network
from .traffic import ask, connect_outside, everything, serve, shell

pytestmark = pytest.mark.root
HOST = "/proc/self/ns/net"
VIP = "10.96.5.5"


class Nodes:
    def __init__(self, tmp_path: Path) -> None:
        self._tmp = tmp_path
        addresses = IPv4Network("172.31.7.0/24")
        self.spaces = NodeSpaces("t", addresses, run_dir=tmp_path / "t", register=tmp_path / "sysctls")
        self.space: list[NodeSpace] = []
        self.network: list[LocalNetwork] = []

    async def start(self, count: int) -> None:
        self.spaces.start()
        for number in range(count):
            space = self.spaces.add(f"node-{number}")
            network = make_network(self._tmp, "t", number, netns=space.netns_path)
            await network.start()
            self.space.append(space)
            self.network.append(network)
        ranges = {number: IPv4Network(f"10.244.{number}.0/24") for number in range(count)}
        for number, network in enumerate(self.network):
            await network.set_peers({ranges[n]: self.space[n].ip for n in ranges if n != number})

    async def pod(self, node: int, name: str) -> Attachment:
        return await self.network[node].attach(name)

    async def stop(self) -> None:
        for network in self.network:
            await network.teardown()
            await network.close()
        self.spaces.teardown()


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    made = Nodes(tmp_path)
    try:
        yield made
    finally:
        await made.stop()


async def test_pods_of_different_nodes_see_each_others_addresses(nodes: Nodes) -> None:
    await nodes.start(3)
    pods = [await nodes.pod(n, f"pod-{n}") for n in range(3)]
    servers = [await serve(pod.netns_path, 80, pod.id) for pod in pods]
    for client in pods:
        for server in pods:
            if client is not server:
                assert await ask(client.netns_path, server.ip, 80) == (server.id, client.ip)
    servers.append(await serve(nodes.space[2].netns_path, 10250, "kubelet-2"))
    assert await ask(pods[0].netns_path, nodes.space[2].ip, 10250) == ("kubelet-2", pods[0].ip)
    assert await ask(nodes.space[0].netns_path, pods[1].ip, 80) == ("pod-1", nodes.space[0].ip)
    servers.append(await serve(HOST, 6443, "api"))
    assert (await ask(pods[0].netns_path, nodes.spaces.host_address, 6443))[0] == "api"
    for each in servers:
        each.close()


async def test_pods_of_nodes_reach_what_is_outside_through_the_host(nodes: Nodes, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    await nodes.start(2)
    pod = await nodes.pod(1, "pod")
    server = await serve(outside, 80, "outside")
    assert await ask(pod.netns_path, "192.0.2.2", 80) == ("outside", "192.0.2.1")
    server.close()
    shell(f"umount -l {outside}; rm {outside}")


async def test_a_cut_cable_cuts_only_that_node(nodes: Nodes) -> None:
    await nodes.start(3)
    pods = [await nodes.pod(n, f"pod-{n}") for n in range(3)]
    servers = [await serve(pod.netns_path, 80, pod.id) for pod in pods]
    shell("ip link set eth0 down", netns=nodes.space[2].netns_path)
    with pytest.raises((TimeoutError, OSError)):
        await ask(pods[0].netns_path, pods[2].ip, 80, timeout=0.5)
    assert (await ask(pods[0].netns_path, pods[1].ip, 80))[0] == "pod-1"
    # The cable is back. Its routes went with it; the agent's next look at the nodes makes them again.
    shell("ip link set eth0 up", netns=nodes.space[2].netns_path)
    nodes.spaces.add("node-2")
    others = {IPv4Network(f"10.244.{n}.0/24"): nodes.space[n].ip for n in (0, 1)}
    await nodes.network[2].set_peers(others)
    assert (await ask(pods[0].netns_path, pods[2].ip, 80))[0] == "pod-2"
    for each in servers:
        each.close()


async def test_services_over_nodes(nodes: Nodes) -> None:
    await nodes.start(3)
    pods = [await nodes.pod(n, f"pod-{n}") for n in range(3)]
    servers = [await serve(pod.netns_path, 8080, pod.id) for pod in pods]
    api = new_api()
    backends = [endpoint(pod.ip, node=f"node-{n}") for n, pod in enumerate(pods)]
    api.add(service("web", VIP, type="NodePort", node_port=30080), endpoint_slice("web", *backends, port=8080))
    only_two = service("two", "10.96.5.6", type="NodePort", node_port=30081, externalTrafficPolicy="Local")
    api.add(only_two, endpoint_slice("two", backends[2], port=8080))
    async with AsyncExitStack() as stack:
        for n, space in enumerate(nodes.space):
            await stack.enter_async_context(RunningProxy(api, node=f"node-{n}", netns=space.netns_path))
        for client in pods:
            seen = [await ask(client.netns_path, VIP, 80) for _ in range(40)]
            assert set(Counter(name for name, _ in seen)) == {"pod-0", "pod-1", "pod-2"}
            assert {source for name, source in seen if name != client.id} == {client.ip}
        for space in nodes.space:  # from the machine outside, at every node
            assert {(await ask(HOST, space.ip, 30080))[0] for _ in range(30)} == {"pod-0", "pod-1", "pod-2"}
            assert {(await ask(space.netns_path, VIP, 80))[0] for _ in range(30)} == {"pod-0", "pod-1", "pod-2"}
        assert await ask(HOST, nodes.space[2].ip, 30081) == ("pod-2", nodes.spaces.host_address)
        with pytest.raises(TimeoutError):
            await ask(HOST, nodes.space[0].ip, 30081, timeout=0.3)
    for each in servers:
        each.close()


async def test_beside_a_firewall_on_the_host(nodes: Nodes, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    shell("iptables -P FORWARD DROP; iptables -P INPUT DROP")
    await nodes.start(2)
    pods = [await nodes.pod(n, f"pod-{n}") for n in range(2)]
    servers = [await serve(pods[1].netns_path, 80, "pod-1"), await serve(outside, 80, "outside")]
    servers.append(await serve(HOST, 6443, "api"))
    assert await ask(pods[0].netns_path, pods[1].ip, 80) == ("pod-1", pods[0].ip)
    assert (await ask(pods[0].netns_path, "192.0.2.2", 80))[0] == "outside"
    assert (await ask(pods[0].netns_path, nodes.spaces.host_address, 6443))[0] == "api"
    for each in servers:
        each.close()
    shell(f"umount -l {outside}; rm {outside}")


async def test_nothing_is_left_on_the_host(tmp_path: Path) -> None:
    before = everything()
    nodes = Nodes(tmp_path)
    await nodes.start(3)
    await nodes.pod(0, "pod")
    assert [each.name for each in nodes.spaces.nodes()] == ["node-0", "node-1", "node-2"]
    await nodes.stop()
    assert everything() == before
    assert not os.path.exists(tmp_path / "t")
