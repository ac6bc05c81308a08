"""NetworkPolicies, as packets meet them: the cases of Kubernetes' own suite, each a matrix of who reaches whom."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sampan.network import namespaces
from sampan.network.pod_network import LocalNetwork
from sampan.proxy.policies.gate import Gate, PolicedNetwork
from sampan.proxy.run import cleanup

from .cluster import RunningProxy, endpoint, endpoint_slice, service
from .conftest import make_network
from .policing import RunningEnforcer, World, eventually, pod, policy
from .test_nodes import Nodes
from .traffic import ask, connect_outside, everything, serve, shell, socket_in

pytestmark = pytest.mark.root
HOST = "/proc/self/ns/net"
NAME = "kubernetes.io/metadata.name"
A = {"matchLabels": {"pod": "a"}}
B = {"matchLabels": {"pod": "b"}}
NOT_X = {"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": ["x"]}]}
B_OR_C = {"matchExpressions": [{"key": "pod", "operator": "In", "values": ["b", "c"]}]}
IN, OUT, BOTH = ["Ingress"], ["Egress"], ["Ingress", "Egress"]
ALL = [f"{namespace}/{name}" for namespace in "xyz" for name in "abc"]


def no_table() -> bool:
    return "policies" not in shell("nft list tables")


def space(name: str) -> dict[str, Any]:
    return {"matchLabels": {NAME: name}}


def only(*peers: dict[str, Any], ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """x/a is open to these alone."""
    rule = {"from": list(peers), "ports": ports or []}
    return {"podSelector": A, "policyTypes": IN, "ingress": [rule]}


def out(*peers: dict[str, Any], ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """x/a may go to these alone."""
    return {"podSelector": A, "policyTypes": OUT, "egress": [{"to": list(peers), "ports": ports or []}]}


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    network = make_network(tmp_path)
    await network.start()
    async with World() as made:
        await made.add_node("node-0", network, namespaces.PROCESS, ALL)
        yield made
    await cleanup("t")
    await network.teardown()
    await network.close()


# What x/a's policies (x's, where podSelector is left out) refuse; everything else goes through.
CASES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "deny ingress": ([{"policyTypes": IN}], "*/* > x/*"),
    "deny all": ([{"policyTypes": BOTH}], "*/* > x/*, x/* > */*"),
    "policy types are guessed from what there is": ([{"ingress": []}], "*/* > x/*"),
    "egress without types isolates both ways": ([{"egress": [{}]}], "*/* > x/*"),
    "pods of its own namespace": ([only({"podSelector": B})], "x/c > x/a, y/* > x/a, z/* > x/a"),
    "by expressions": ([only({"podSelector": B_OR_C})], "y/* > x/a, z/* > x/a"),
    "allow one pod beside deny": (
        [{"policyTypes": IN}, only({"podSelector": {}, "namespaceSelector": {}})],
        "*/* > x/b, */* > x/c",
    ),
    "all namespaces": ([only({"namespaceSelector": {}})], ""),
    "another namespace": ([only({"namespaceSelector": space("y")})], "x/* > x/a, z/* > x/a"),
    "pod or namespace": ([only({"namespaceSelector": NOT_X}, {"podSelector": B})], "x/c > x/a"),
    "pod and namespace": (
        [only({"namespaceSelector": NOT_X, "podSelector": B})],
        "x/* > x/a, y/a > x/a, y/c > x/a, z/a > x/a, z/c > x/a",
    ),
    "several of both": (
        [only({"namespaceSelector": NOT_X, "podSelector": B_OR_C})],
        "x/* > x/a, y/a > x/a, z/a > x/a",
    ),
    "nobody of other namespaces": (
        [{"policyTypes": IN, "ingress": [{"from": [{"podSelector": {}}]}]}],
        "y/* > x/*, z/* > x/*",
    ),
    "a port, its protocol right": (
        [only({"namespaceSelector": space("y")}, ports=[{"protocol": "TCP", "port": 80}])],
        "x/* > x/a, z/* > x/a",
    ),
    "another port": ([only(ports=[{"protocol": "TCP", "port": 81}])], "*/* > x/a"),
    "a range of ports": ([only(ports=[{"protocol": "TCP", "port": 70, "endPort": 80}])], ""),
    "a range beside it": ([only(ports=[{"protocol": "TCP", "port": 81, "endPort": 90}])], "*/* > x/a"),
    "a whole protocol": ([only(ports=[{"protocol": "TCP"}])], ""),
    "SCTP is not TCP": ([only(ports=[{"protocol": "SCTP", "port": 80}])], "*/* > x/a"),
    "UDP is not TCP": ([only(ports=[{"protocol": "UDP", "port": 80}])], "*/* > x/a"),
    "a named port": ([only(ports=[{"port": "serve-80-tcp"}])], ""),
    "another named port": ([only(ports=[{"port": "serve-81-tcp"}])], "*/* > x/a"),
    "a name of another protocol": ([only(ports=[{"protocol": "UDP", "port": "serve-80-tcp"}])], "*/* > x/a"),
    "a named port for a namespace": (
        [only({"namespaceSelector": space("y")}, ports=[{"port": "serve-80-tcp"}])],
        "x/* > x/a, z/* > x/a",
    ),
    "allow all": ([{"policyTypes": IN, "ingress": [{}]}], ""),
    "deny is overruled by allow": ([{"policyTypes": BOTH}, {"policyTypes": BOTH, "ingress": [{}], "egress": [{}]}], ""),
    "deny egress of one": ([{"podSelector": A, "policyTypes": OUT}], "x/a > */*"),
    "deny egress of all": ([{"policyTypes": OUT}], "x/* > */*"),
    "egress to one pod": (
        [out({"namespaceSelector": space("y"), "podSelector": A})],
        "x/a > x/*, x/a > y/b, x/a > y/c, x/a > z/*",
    ),
    "egress not to a namespace": (
        [out({"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": ["y"]}]}})],
        "x/a > y/*",
    ),
    "egress to a named port": ([out(ports=[{"port": "serve-80-tcp"}])], ""),
    "egress to another named port": ([out(ports=[{"port": "serve-81-tcp"}])], "x/a > */*"),
    "egress to a named port of one namespace": (
        [out({"namespaceSelector": space("y")}, ports=[{"port": "serve-80-tcp"}])],
        "x/a > x/*, x/a > z/*",
    ),
    "both ways": (
        [{"podSelector": A, "policyTypes": BOTH, "ingress": [{"from": [{"podSelector": B}]}],
          "egress": [{"ports": [{"port": 80}]}]}],
        "x/c > x/a, y/* > x/a, z/* > x/a",
    ),
    "an IPv6 block is nobody here": ([only({"ipBlock": {"cidr": "fd00::/8"}})], "*/* > x/a"),
    "a block of everything": ([only({"ipBlock": {"cidr": "0.0.0.0/0"}})], ""),
}  # fmt: skip


async def test_every_case(world: World) -> None:
    """One world for all: so each case is also a change from the one before it."""
    for case, (specs, refused) in CASES.items():
        await world.apply(*(policy(f"x/p{number}", **spec) for number, spec in enumerate(specs)))
        try:
            await world.check(refused)
        except AssertionError as error:
            raise AssertionError(f"{case}: {error}") from error
        await world.clear()
    await world.check()
    await eventually(no_table)  # nothing is asked of a packet when there is no policy


async def test_both_sides_must_agree(world: World) -> None:
    """Ingress of y allows what egress of x does not."""
    from_a = {"namespaceSelector": space("x"), "podSelector": A}
    await world.apply(
        policy("x/to", **out({"namespaceSelector": space("y"), "podSelector": A})),
        policy("y/from-a", **only(from_a)),
        policy("y/from-b", podSelector=B, policyTypes=IN, ingress=[{"from": [from_a]}]),
    )
    refused = ["x/a > x/*", "x/a > z/*", "x/a > y/b", "x/a > y/c"]
    refused += [f"{client} > y/{server}" for client in ALL if client != "x/a" for server in "ab"]
    await world.check(",".join(refused))


async def test_blocks_and_their_holes(world: World) -> None:
    b, c = world.pods["x/b"].ip, world.pods["x/c"].ip
    await world.apply(policy("x/p", **out({"ipBlock": {"cidr": f"{b}/32"}})))
    await world.check(", ".join(f"x/a > {name}" for name in ALL if name != "x/b"))
    around = {"cidr": "10.244.0.0/16", "except": [f"{b}/32", f"{c}/32"]}
    await world.apply(policy("x/p", **out({"ipBlock": around})))
    await world.check("x/a > x/b, x/a > x/c")
    await world.apply(policy("x/q", **out({"ipBlock": {"cidr": f"{b}/32"}}, ports=[{"port": "serve-80-tcp"}])))
    await world.check("x/a > x/c")  # what one policy leaves out another may give


async def test_labels_change(world: World) -> None:
    await world.apply(policy("x/p", **only({"namespaceSelector": {"matchLabels": {"team": "red"}}})))
    await world.check("*/* > x/a")
    world.label_namespace("y", team="red")
    await world.settle()
    await world.check("x/* > x/a, z/* > x/a")
    await world.apply(policy("x/p", podSelector={"matchLabels": {"shut": "yes"}}, policyTypes=IN))
    await world.check()
    world.api.add(pod("x/b", world.pods["x/b"].ip, "node-0", shut="yes"))
    await world.settle()
    await world.check("*/* > x/b")


async def test_udp(world: World) -> None:
    await world.apply(policy("x/p", policyTypes=IN))
    await world.check("*/* > x/*", protocol="udp")
    ports = [{"protocol": "UDP", "port": 81}]
    await world.apply(policy("x/p", **only({"namespaceSelector": space("y")}, ports=ports)))
    await world.check("x/* > x/a, z/* > x/a", port=81, protocol="udp")
    await world.check("*/* > x/a", port=80, protocol="udp")


async def test_what_no_policy_touches(world: World, tmp_path: Path) -> None:
    """A node and its Pods, a Pod and itself, connections that stand, Services, and who comes from outside."""
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    a, b = world.pods["x/a"], world.pods["x/b"]
    host_server = await serve(HOST, 6443, "host")
    world.api.add(service("web", "10.96.5.5", type="NodePort", node_port=30080))
    world.api.add(endpoint_slice("web", endpoint(a.ip)))
    async with RunningProxy(world.api):
        standing = socket_in(b.netns_path)
        with contextlib.closing(standing):
            await asyncio.get_running_loop().sock_connect(standing, (a.ip, 80))
            await world.apply(policy("x/deny", policyTypes=BOTH))
            assert await asyncio.get_running_loop().sock_recv(standing, 100)
            standing.shutdown(socket.SHUT_WR)  # the server hears the end, and says its own
            async with asyncio.timeout(5):
                assert await asyncio.get_running_loop().sock_recv(standing, 100) == b""
        assert (await ask(HOST, a.ip, 80))[0] == "x/a"  # as the kubelet's probes do
        assert (await ask(a.netns_path, a.gateway, 6443))[0] == "host"
        assert (await ask(a.netns_path, "10.96.5.5", 80))[0] == "x/a"
        for client, address, port in ((b, "10.96.5.5", 80), (b, a.gateway, 30080)):
            with pytest.raises(TimeoutError):
                await ask(client.netns_path, address, port, timeout=0.3)
        with pytest.raises(TimeoutError):
            await ask(outside, "192.0.2.1", 30080, timeout=0.3)
        await world.apply(policy("x/outside", **only({"ipBlock": {"cidr": "192.0.2.0/24"}})))
        assert (await ask(outside, "192.0.2.1", 30080))[0] == "x/a"  # by its own address, though it is masqueraded
    host_server.close()
    namespaces.remove(Path(outside))


async def test_a_pod_waits_for_its_policies(tmp_path: Path) -> None:
    """The API knows the Pod's address only long after its containers run; its policies hold from the first packet."""
    gate = Gate(patience=10.0)
    inner = make_network(tmp_path)
    await inner.start()
    network = PolicedNetwork(inner, gate)
    api = World().api
    api.add(policy("x/deny", policyTypes=BOTH))
    async with RunningEnforcer(api, node="node-0", netns=namespaces.PROCESS, gate=gate) as running:
        attaching = asyncio.create_task(network.attach("uid-x/a".replace("/", "-")))
        await asyncio.sleep(0.05)
        assert not attaching.done()  # the Pod itself is not known here yet
        fresh = pod("x/a", "", "node-0")
        fresh.metadata.uid = "uid-x-a"
        api.add(fresh)
        ip = (await attaching).ip
        assert ip in shell("nft list map ip sampan-t-policies ingress-of")
        attaching = asyncio.create_task(network.attach("uid-y-b"))  # no policy is about this one
        await asyncio.sleep(0.05)
        other = pod("y/b", "", "node-0")
        other.metadata.uid = "uid-y-b"
        api.add(other)
        async with asyncio.timeout(5):
            await attaching
        await network.detach("uid-x-a")
        client = api.client().resource(type(fresh))
        await client.delete("a", namespace="x", grace_period_seconds=0)
        await running.settle()
        await eventually(no_table)
    await inner.teardown()
    await inner.close()


async def test_across_nodes(tmp_path: Path) -> None:
    """Each node looks after its own: ingress where the server is, egress where the client is."""
    nodes = Nodes(tmp_path)
    try:
        await nodes.start(2)
        async with World() as world:
            for number, names in enumerate((["x/a", "y/a"], ["x/b", "y/b"])):
                at = nodes.space[number].netns_path
                await world.add_node(f"node-{number}", nodes.network[number], at, names)
            await world.apply(policy("x/p", **only({"podSelector": B})))
            await world.check("y/* > x/a")
            await world.apply(policy("x/p", **out({"namespaceSelector": space("y"), "podSelector": B})))
            await world.check("x/a > x/b, x/a > y/a")
            assert "policies" not in shell("nft list tables", netns=nodes.space[1].netns_path)
    finally:
        await nodes.stop()


async def test_nothing_is_left(network: LocalNetwork) -> None:
    before = everything()
    await network.start()
    async with World() as world:
        await world.add_node("node-0", network, namespaces.PROCESS, ["x/a"])
        await world.apply(policy("x/deny", policyTypes=BOTH))
        await eventually(lambda: not no_table())
        shell("nft delete table ip sampan-t-policies")
        world.api.add(pod("x/b", "10.244.0.77", "node-0"))  # the next change finds it gone and writes all of it
        await eventually(lambda: "x/deny" in shell("nft list table ip sampan-t-policies"))
    assert not no_table()  # it holds while the agent is away
    await cleanup("t")
    await network.teardown()
    assert everything() == before
