"""Nodes of two networks with a router between that knows nothing of Pods: they reach each other through a tunnel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import pytest_asyncio

from sampan.network import names, namespaces
from sampan.network.contract import Overlay
from sampan.network.pod_network import LocalNetwork

from .conftest import make_network
from .traffic import ask, serve, shell, socket_in

pytestmark = pytest.mark.root
RANGES = [IPv4Network(f"10.244.{number}.0/24") for number in range(3)]
NODES = ["172.31.1.2", "172.31.1.3", "172.31.2.2"]  # two on one network, one on another


class Site:
    """The test's own namespace is the router, with a bridge for each network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.netns: list[str] = []
        self.network: list[LocalNetwork] = []

    async def start(self, overlay: Overlay = "auto") -> None:
        for site in (1, 2):
            shell(f"ip link add br{site} type bridge")
            shell(f"ip addr add 172.31.{site}.1/24 dev br{site}")
            shell(f"ip link set br{site} up")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        for number, ip in enumerate(NODES):
            path = self._folder / f"node-{number}"
            namespaces.create(path)
            site = int(ip.split(".")[2])
            shell(f"ip link add n{number} type veth peer name p{number}")
            shell(f"ip link set n{number} master br{site} up")
            shell(f"ip link set p{number} netns {path} name eth0")
            for line in (
                f"addr add {ip}/24 dev eth0",
                "link set eth0 up",
                "link set lo up",
                f"route add default via 172.31.{site}.1",
            ):
                shell(f"ip {line}", netns=str(path))
            network = make_network(self._folder, "t", number, netns=str(path), overlay=overlay)
            await network.start()
            self.netns.append(str(path))
            self.network.append(network)
        await self.meet()

    async def meet(self, *without: int) -> None:
        there = [n for n in range(3) if n not in without]
        for number in there:
            await self.network[number].set_peers({RANGES[n]: NODES[n] for n in there if n != number})

    async def stop(self) -> None:
        for network in self.network:
            await network.teardown()
            await network.close()

    def links(self, number: int) -> str:
        return shell("ip -br link", netns=self.netns[number])


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    try:
        yield made
    finally:
        await made.stop()


@pytest.mark.parametrize("overlay", ["auto", "always"])
async def test_pods_see_each_others_addresses(site: Site, overlay: Overlay) -> None:
    await site.start(overlay)
    pods = [await site.network[n].attach(f"pod-{n}") for n in range(3)]
    servers = [await serve(pod.netns_path, 80, pod.id) for pod in pods]
    for client in pods:
        for server in pods:
            if client is not server:
                assert await ask(client.netns_path, server.ip, 80) == (server.id, client.ip)
    for number in range(3):  # and a node the Pods of the others: probes, the API server's proxy
        for server in pods:
            assert (await ask(site.netns[number], server.ip, 80))[0] == server.id
    servers.append(await serve(site.netns[2], 10250, "kubelet-2"))
    assert (await ask(pods[0].netns_path, NODES[2], 10250))[0] == "kubelet-2"
    tunnel = names.tunnel("t")
    routes = shell("ip route", netns=site.netns[0])
    assert f"10.244.2.0/24 via 10.244.2.0 dev {tunnel}" in routes
    assert (f"10.244.1.0/24 via {NODES[1]} dev eth0" in routes) is (overlay == "auto")
    for each in servers:
        each.close()


async def test_large_answers_pass(site: Site) -> None:
    """A tunnel's packets are smaller than the wire's."""
    await site.start()
    pods = [await site.network[n].attach(f"pod-{n}") for n in range(3)]
    server = await serve(pods[2].netns_path, 80, "x" * 200_000)
    wire = socket_in(pods[0].netns_path)
    loop, received = asyncio.get_running_loop(), 0
    async with asyncio.timeout(10):
        await loop.sock_connect(wire, (pods[2].ip, 80))
        while received < 200_000:
            received += len(await loop.sock_recv(wire, 65536))
    wire.close()
    server.close()


async def test_never_means_no_tunnel(site: Site) -> None:
    with pytest.raises(Exception, match="no way to the node"):
        await site.start("never")
    assert names.tunnel("t") not in site.links(0)


async def test_a_node_that_goes_leaves_nothing(site: Site) -> None:
    await site.start()
    pods = [await site.network[n].attach(f"pod-{n}") for n in range(3)]
    assert names.tunnel("t") in site.links(0)
    await site.meet(2)
    assert names.tunnel("t") not in site.links(0)
    assert "10.244.2.0/24" not in shell("ip route", netns=site.netns[0])
    server = await serve(pods[1].netns_path, 80, "pod-1")
    assert (await ask(pods[0].netns_path, pods[1].ip, 80))[0] == "pod-1"
    server.close()
    await site.meet()
    server = await serve(pods[2].netns_path, 80, "pod-2")
    assert (await ask(pods[0].netns_path, pods[2].ip, 80))[0] == "pod-2"
    server.close()
    await site.network[0].teardown()
    assert names.tunnel("t") not in site.links(0)
    assert "10.244" not in shell("ip route", netns=site.netns[0])
