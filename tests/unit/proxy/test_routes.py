"""Nodes as routes."""

from ipaddress import IPv4Network

from sampan.api.types.core_v1 import Node, NodeAddress, NodeSpec, NodeStatus
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.client.clock import RealClock
from sampan.client.fake import FakeServer
from sampan.client.informer import Informer
from sampan.network.fake import FakeNetwork
from sampan.proxy.routes import Routes, ways


def node(name: str, ip: str, *ranges: str) -> Node:
    addresses = [NodeAddress(type="Hostname", address=name), NodeAddress(type="InternalIP", address=ip)]
    return Node(
        metadata=ObjectMeta(name=name),
        spec=NodeSpec(podCIDR=ranges[0] if ranges else None, podCIDRs=list(ranges) or None),
        status=NodeStatus(addresses=addresses),
    )


def test_every_other_node_with_an_address_and_a_range() -> None:
    nodes = [
        node("own", "10.0.0.1", "10.244.0.0/24"),
        node("b", "10.0.0.2", "10.244.1.0/24", "fd00:1::/64"),
        node("no-range", "10.0.0.3"),
        node("six", "fd00::4", "10.244.4.0/24"),
        Node(metadata=ObjectMeta(name="silent")),
    ]
    assert ways(nodes, "own") == {IPv4Network("10.244.1.0/24"): "10.0.0.2"}


def test_no_route_leads_to_a_simulated_node() -> None:
    simulated = node("sim-0001", "100.64.0.1", "100.64.0.0/24")
    simulated.metadata.labels = {"sampan.io/simulated": "true"}
    assert ways([simulated], "own") == {}


async def test_routes_follow_the_nodes() -> None:
    import asyncio

    api = FakeServer(clock=RealClock())
    api.add(node("own", "10.0.0.1", "10.244.0.0/24"), node("b", "10.0.0.2", "10.244.1.0/24"))
    network = FakeNetwork()
    client = api.client()
    informer = Informer(client.resource(Node))
    informer.start()
    task = asyncio.create_task(Routes(informer, "own", network).run())

    async def until(wanted: dict[IPv4Network, str]) -> None:
        async with asyncio.timeout(5):
            while network.peers != wanted:
                await asyncio.sleep(0)

    await until({IPv4Network("10.244.1.0/24"): "10.0.0.2"})
    await client.resource(Node).create(node("c", "10.0.0.3", "10.244.2.0/24"))
    await until({IPv4Network("10.244.1.0/24"): "10.0.0.2", IPv4Network("10.244.2.0/24"): "10.0.0.3"})
    await client.resource(Node).delete("b")
    await until({IPv4Network("10.244.2.0/24"): "10.0.0.3"})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await informer.stop()
