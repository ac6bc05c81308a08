"""What a Service promises (J2), with real traffic against the rules in the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from pathlib import Path

import pytest

from sampan.network import namespaces
from sampan.network.contract import Attachment
from sampan.network.nft.transaction import elements_of, open_netfilter
from sampan.network.pod_network import LocalNetwork
from sampan.proxy.run import cleanup

from .cluster import RunningProxy, endpoint, endpoint_slice, new_api, service
from .conftest import make_network
from .traffic import UdpClient, ask, connect_outside, everything, serve, serve_udp, shell, socket_in

pytestmark = pytest.mark.root
HOST = "/proc/self/ns/net"
VIP = "10.96.5.5"


async def pods(network: LocalNetwork, count: int) -> list[Attachment]:
    await network.start()
    return [await network.attach(f"pod-{n}") for n in range(count)]


async def test_load_spreads_and_clients_keep_their_address(network: LocalNetwork) -> None:
    client, *backends = await pods(network, 4)
    servers = [await serve(pod.netns_path, 8080, pod.id) for pod in backends]
    api = new_api()
    api.add(service("web", VIP), endpoint_slice("web", *(endpoint(pod.ip) for pod in backends), port=8080))
    async with RunningProxy(api):
        answers = [await ask(client.netns_path, VIP, 80) for _ in range(90)]
        share = Counter(name for name, _ in answers)
        assert set(share) == {pod.id for pod in backends}
        assert min(share.values()) > 10
        assert {seen for _, seen in answers} == {client.ip}
        assert (await ask(HOST, VIP, 80))[0] in share  # from the node itself
    for server in servers:
        server.close()
    await network.teardown()


async def test_a_pod_reaches_itself_through_its_service(network: LocalNetwork) -> None:
    (pod,) = await pods(network, 1)
    server = await serve(pod.netns_path, 8080, "self")
    api = new_api()
    api.add(service("web", VIP, type="NodePort", node_port=30080), endpoint_slice("web", endpoint(pod.ip), port=8080))
    async with RunningProxy(api):
        assert (await ask(pod.netns_path, VIP, 80))[0] == "self"
        assert (await ask(pod.netns_path, pod.gateway, 30080))[0] == "self"
    server.close()
    await network.teardown()


async def test_a_service_in_front_of_the_node_itself(network: LocalNetwork, tmp_path: Path) -> None:
    """The `kubernetes` Service: its endpoint is a process of the host."""
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    (pod,) = await pods(network, 1)
    server = await serve(HOST, 6443, "api")
    api = new_api()
    api.add(service("kubernetes", "10.96.0.1", port=443))
    api.add(endpoint_slice("kubernetes", endpoint("192.0.2.1"), port=6443))
    async with RunningProxy(api):
        assert await ask(pod.netns_path, "10.96.0.1", 443) == ("api", pod.ip)
        assert (await ask(HOST, "10.96.0.1", 443))[0] == "api"
    server.close()
    await network.teardown()
    namespaces.remove(Path(outside))


async def test_no_endpoints_is_refused_at_once(network: LocalNetwork) -> None:
    (client,) = await pods(network, 1)
    api = new_api()
    api.add(service("empty", VIP, type="NodePort", node_port=30080), endpoint_slice("empty"))
    api.add(service("udp", "10.96.5.6", port=53, protocol="UDP"))
    async with RunningProxy(api) as running:
        for netns in (client.netns_path, HOST):
            for address, port in ((VIP, 80), ("10.96.77.77", 80), (client.gateway, 30080), (VIP, 81)):
                began = time.perf_counter()
                with pytest.raises(ConnectionRefusedError):
                    await ask(netns, address, port)
                assert time.perf_counter() - began < 0.9  # a second is when TCP asks again
            udp = UdpClient(netns, "10.96.5.6", 53)
            with pytest.raises((ConnectionRefusedError, PermissionError)):  # on the node itself it is EPERM
                await udp.ask()
            udp.close()
        server = await serve(client.netns_path, 8080, "now")
        await (
            api.client()
            .resource(type(endpoint_slice("x")))
            .update(endpoint_slice("empty", endpoint(client.ip), port=8080))
        )
        await running.settle()
        assert (await ask(HOST, VIP, 80))[0] == "now"
        server.close()
    await network.teardown()


async def test_what_belongs_to_no_connection_does_not_end_one(network: LocalNetwork) -> None:
    """Kubernetes' issue 74839: a late segment comes from the Pod's address instead of the Service's, and is reset."""
    client, backend = await pods(network, 2)
    server = await serve(backend.netns_path, 80, "web")
    api = new_api()
    api.add(service("web", VIP), endpoint_slice("web", endpoint(backend.ip)))
    async with RunningProxy(api):
        with namespaces.entered(client.netns_path):
            heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        with contextlib.closing(socket_in(client.netns_path)) as talking, contextlib.closing(heard):
            heard.setblocking(False)
            await asyncio.get_running_loop().sock_connect(talking, (VIP, 80))
            await asyncio.get_running_loop().sock_recv(talking, 100)
            send_segment(backend, client, port=talking.getsockname()[1])
            assert (await ask(client.netns_path, VIP, 80))[0] == "web"  # sent later: what was before it is there
            senders = set()
            with contextlib.suppress(BlockingIOError):
                while True:
                    senders.add(socket.inet_ntoa(heard.recv(100)[12:16]))
            assert senders == {VIP}
    server.close()
    await network.teardown()


def send_segment(source: Attachment, target: Attachment, *, port: int) -> None:
    """A TCP segment of their connection from port 80, with numbers that are not its."""
    head = struct.pack(">HHIIBBHHH", 80, port, 0xDEAD0000, 0xBEEF0000, 5 << 4, 0x10, 1000, 0, 0)
    pseudo = socket.inet_aton(source.ip) + socket.inet_aton(target.ip) + struct.pack(">BBH", 0, 6, len(head))
    total = sum(struct.unpack(f">{(len(pseudo) + len(head)) // 2}H", pseudo + head))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    with namespaces.entered(source.netns_path):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    with contextlib.closing(raw):
        raw.sendto(head[:16] + struct.pack(">H", checksum) + head[18:], (target.ip, 0))


async def test_node_ports_from_everywhere(network: LocalNetwork, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    pod, other = await pods(network, 2)
    server = await serve(pod.netns_path, 8080, "pod")
    api = new_api()
    api.add(service("web", VIP, type="NodePort", node_port=30080), endpoint_slice("web", endpoint(pod.ip), port=8080))
    async with RunningProxy(api):
        name, seen = await ask(outside, "192.0.2.1", 30080)
        assert name == "pod"
        assert seen != "192.0.2.2"  # answered through this node
        assert (await ask(HOST, "192.0.2.1", 30080))[0] == "pod"
        assert (await ask(HOST, "127.0.0.1", 30080))[0] == "pod"
        assert (await ask(other.netns_path, "192.0.2.1", 30080))[0] == "pod"
    server.close()
    await network.teardown()
    namespaces.remove(Path(outside))


async def test_external_policy_local_shows_the_real_client(network: LocalNetwork, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    here, away = await pods(network, 2)  # "away" plays a Pod of another node
    servers = [await serve(pod.netns_path, 8080, pod.id) for pod in (here, away)]
    spec = {"type": "LoadBalancer", "node_port": 30080, "externalTrafficPolicy": "Local", "ingress": "203.0.113.7"}
    api = new_api()
    api.add(
        service("web", VIP, **spec),
        endpoint_slice("web", endpoint(here.ip), endpoint(away.ip, node="node-1"), port=8080),
        service("elsewhere", "10.96.5.6", **spec | {"node_port": 30081, "ingress": "203.0.113.8"}),
        endpoint_slice("elsewhere", endpoint(away.ip, node="node-1"), port=8080),
    )
    async with RunningProxy(api):
        for _ in range(10):
            assert await ask(outside, "192.0.2.1", 30080) == (here.id, "192.0.2.2")
            assert await ask(outside, "203.0.113.7", 80) == (here.id, "192.0.2.2")
        with pytest.raises(TimeoutError):  # no endpoint here: dropped, another node has it
            await ask(outside, "192.0.2.1", 30081, timeout=0.3)
        assert (await ask(HOST, "192.0.2.1", 30081))[0] == away.id  # from inside every endpoint will do
        assert {(await ask(HOST, VIP, 80))[0] for _ in range(30)} == {here.id, away.id}
    for server in servers:
        server.close()
    await network.teardown()
    namespaces.remove(Path(outside))


async def test_a_load_balancer_is_told_where_endpoints_are(network: LocalNetwork) -> None:
    (here,) = await pods(network, 1)
    spec = {"type": "LoadBalancer", "node_port": 30080, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30555}
    api = new_api()
    api.add(service("web", VIP, **spec), endpoint_slice("web", endpoint(here.ip), port=8080))
    slices = api.client().resource(type(endpoint_slice("x")))

    async def told() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", 30555)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        said = await reader.read()
        writer.close()
        return said

    async with RunningProxy(api) as running:
        said = await told()
        assert said.startswith(b"HTTP/1.1 200 OK")
        assert b'"localEndpoints": 1' in said
        await slices.update(endpoint_slice("web", endpoint("10.244.1.2", node="node-1"), port=8080))
        await running.settle()
        assert (await told()).startswith(b"HTTP/1.1 503 ")
        await api.client().resource(type(service("x", VIP))).delete("web", namespace="default")
        await running.settle()
        with pytest.raises(ConnectionRefusedError):
            await told()
    await network.teardown()


async def test_internal_policy_local_stays_on_the_node(network: LocalNetwork) -> None:
    here, away = await pods(network, 2)
    servers = [await serve(pod.netns_path, 8080, pod.id) for pod in (here, away)]
    api = new_api()
    api.add(
        service("web", VIP, internalTrafficPolicy="Local"),
        endpoint_slice("web", endpoint(here.ip), endpoint(away.ip, node="node-1"), port=8080),
        service("none-here", "10.96.5.6", internalTrafficPolicy="Local"),
        endpoint_slice("none-here", endpoint(away.ip, node="node-1"), port=8080),
    )
    async with RunningProxy(api):
        assert {(await ask(away.netns_path, VIP, 80))[0] for _ in range(20)} == {here.id}
        with pytest.raises(TimeoutError):
            await ask(here.netns_path, "10.96.5.6", 80, timeout=0.3)
    for server in servers:
        server.close()
    await network.teardown()


async def test_external_ips_and_source_ranges(network: LocalNetwork, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    (pod,) = await pods(network, 1)
    server = await serve(pod.netns_path, 8080, "pod")
    load_balancer = {"type": "LoadBalancer", "node_port": 30081, "ingress": "203.0.113.8"}
    closed = service("closed", "10.96.5.6", loadBalancerSourceRanges=["198.51.100.0/24"], **load_balancer)
    open_to = service(
        "open", "10.96.5.7", loadBalancerSourceRanges=["192.0.2.0/24"],
        **load_balancer | {"node_port": 30082, "ingress": "203.0.113.9"},
    )  # fmt: skip
    api = new_api()
    api.add(service("web", VIP, externalIPs=["203.0.113.5"]), closed, open_to)
    api.add(*(endpoint_slice(name, endpoint(pod.ip), port=8080) for name in ("web", "closed", "open")))
    async with RunningProxy(api):
        assert (await ask(outside, "203.0.113.5", 80))[0] == "pod"
        assert (await ask(outside, "203.0.113.9", 80))[0] == "pod"
        with pytest.raises(TimeoutError):
            await ask(outside, "203.0.113.8", 80, timeout=0.3)
    server.close()
    await network.teardown()
    namespaces.remove(Path(outside))


async def test_sticky_clients_stay_until_their_endpoint_goes_or_time_passes(network: LocalNetwork) -> None:
    client, *backends = await pods(network, 5)
    servers = {pod.id: await serve(pod.netns_path, 8080, pod.id) for pod in backends}
    api = new_api()
    api.add(
        service("web", VIP, sticky_seconds=1),
        endpoint_slice("web", *(endpoint(pod.ip) for pod in backends), port=8080),
    )
    slices = api.client().resource(type(endpoint_slice("x")))
    async with RunningProxy(api) as running:
        first, _ = await ask(client.netns_path, VIP, 80)
        for _ in range(15):
            assert (await ask(client.netns_path, VIP, 80))[0] == first
            await asyncio.sleep(0.1)  # each use starts the second anew
        left = [endpoint(pod.ip) for pod in backends if pod.id != first]
        await slices.update(endpoint_slice("web", *left, port=8080))
        await running.settle()
        second, _ = await ask(client.netns_path, VIP, 80)
        assert second != first
        assert {(await ask(client.netns_path, VIP, 80))[0] for _ in range(15)} == {second}
        found = set()
        for _ in range(6):
            await asyncio.sleep(1.2)
            found.add((await ask(client.netns_path, VIP, 80))[0])
        assert len(found) > 1
    for server in servers.values():
        server.close()
    await network.teardown()


async def test_a_restart_keeps_connections_and_stickiness(network: LocalNetwork) -> None:
    client, *backends = await pods(network, 5)
    servers = [await serve(pod.netns_path, 8080, pod.id) for pod in backends]
    api = new_api()
    api.add(
        service("web", VIP, sticky_seconds=600),
        endpoint_slice("web", *(endpoint(pod.ip) for pod in backends), port=8080),
    )
    async with RunningProxy(api):
        first, _ = await ask(client.netns_path, VIP, 80)
    assert (await ask(client.netns_path, VIP, 80))[0] == first  # nobody runs: the rules stay
    async with RunningProxy(api):
        assert {(await ask(client.netns_path, VIP, 80))[0] for _ in range(15)} == {first}
    for server in servers:
        server.close()
    await network.teardown()


async def test_connections_outlive_a_restart_of_the_agent(network: LocalNetwork, tmp_path: Path) -> None:
    client, pod = await pods(network, 2)
    loop = asyncio.get_running_loop()
    listening = socket_in(pod.netns_path)
    listening.bind(("0.0.0.0", 8080))
    listening.listen()
    api = new_api()
    api.add(service("web", VIP), endpoint_slice("web", endpoint(pod.ip), port=8080))
    with listening, socket_in(client.netns_path) as here:
        async with RunningProxy(api):
            await loop.sock_connect(here, (VIP, 80))
            there, _ = await loop.sock_accept(listening)
        await network.close()
        successor = make_network(tmp_path)
        await successor.start()  # every table is written anew
        async with RunningProxy(api):
            shell("ip route flush cache")
            async with asyncio.timeout(3):
                await loop.sock_sendall(here, b"still there?")
                assert await loop.sock_recv(there, 100) == b"still there?"
                await loop.sock_sendall(there, b"yes")
                assert await loop.sock_recv(here, 100) == b"yes"
        there.close()
    await successor.teardown()


async def test_ending_endpoints_serve_when_nobody_else_can(network: LocalNetwork) -> None:
    old, new = await pods(network, 2)
    servers = [await serve(pod.netns_path, 8080, pod.id) for pod in (old, new)]
    ending = endpoint(old.ip, ready=False, serving=True, terminating=True)
    api = new_api()
    api.add(service("web", VIP), endpoint_slice("web", ending, endpoint(new.ip, ready=False), port=8080))
    slices = api.client().resource(type(endpoint_slice("x")))
    async with RunningProxy(api) as running:
        assert {(await ask(HOST, VIP, 80))[0] for _ in range(10)} == {old.id}
        await slices.update(endpoint_slice("web", ending, endpoint(new.ip), port=8080))
        await running.settle()
        assert {(await ask(HOST, VIP, 80))[0] for _ in range(10)} == {new.id}
    for server in servers:
        server.close()
    await network.teardown()


async def test_udp_clients_follow_the_endpoints(network: LocalNetwork) -> None:
    client, one, two = await pods(network, 3)
    servers = [await serve_udp(pod.netns_path, 5353, pod.id) for pod in (one, two)]
    api = new_api()
    api.add(service("dns", VIP, port=53, protocol="UDP"))
    slices = api.client().resource(type(endpoint_slice("x")))

    def leading_to(*found: Attachment) -> object:
        return endpoint_slice("dns", *(endpoint(pod.ip) for pod in found), port=5353, protocol="UDP")

    async with RunningProxy(api) as running:
        udp = UdpClient(client.netns_path, VIP, 53)
        with pytest.raises(ConnectionRefusedError):
            await udp.ask()
        await slices.create(leading_to(one))
        await running.settle()
        assert (await udp.ask())[0] == one.id
        await slices.update(leading_to(two))  # the kernel remembers the flow; it must forget
        await running.settle()
        assert (await udp.ask())[0] == two.id
        udp.close()
    for server in servers:
        server.close()
    await network.teardown()


async def test_a_flushed_table_comes_back(network: LocalNetwork) -> None:
    (pod,) = await pods(network, 1)
    server = await serve(pod.netns_path, 8080, "pod")
    api = new_api()
    api.add(service("web", VIP), endpoint_slice("web", endpoint(pod.ip), port=8080))
    async with RunningProxy(api) as running:
        shell("nft flush ruleset")
        await api.client().resource(type(service("x", VIP))).create(service("other", "10.96.5.6"))
        await running.settle()
        assert (await ask(HOST, VIP, 80))[0] == "pod"
    server.close()
    await network.teardown()


async def test_services_come_change_and_go_without_a_rest(network: LocalNetwork) -> None:
    (pod,) = await pods(network, 1)
    before = everything()
    api = new_api()
    services = api.client().resource(type(service("x", VIP)))
    slices = api.client().resource(type(endpoint_slice("x")))
    async with RunningProxy(api) as running:
        empty = shell("nft list ruleset")
        await services.create(service("web", VIP, type="NodePort", node_port=30080, sticky_seconds=5))
        await slices.create(endpoint_slice("web", endpoint(pod.ip), port=8080))
        await running.settle()
        assert "service/default/web/tcp/main" in shell("nft list ruleset")  # nft can read what we wrote
        changed = service("web", VIP, type="ClusterIP")
        await services.update(changed)
        await running.settle()
        assert "external/" not in shell("nft list ruleset")
        await services.delete("web", namespace="default")
        await running.settle()
        assert shell("nft list ruleset") == empty
    await cleanup("t")
    assert everything() == before
    await network.teardown()


@pytest.mark.parametrize("count", [20, 2000])
async def test_a_change_costs_the_same_with_many_services(network: LocalNetwork, count: int) -> None:
    """In force within 50 ms (p50; this machine is shared), and no more bytes to the kernel than with few."""
    client, one, two = await pods(network, 3)
    servers = [await serve(pod.netns_path, 8080, pod.id) for pod in (one, two)]
    api = new_api()
    for n in range(count):
        name, ip = f"svc-{n}", f"10.96.{100 + n // 250}.{n % 250 + 1}"
        api.add(service(name, ip), endpoint_slice(name, endpoint(one.ip), endpoint(two.ip), port=8080))
    api.add(service("web", VIP), endpoint_slice("web", endpoint(one.ip), port=8080))
    slices = api.client().resource(type(endpoint_slice("x")))
    async with RunningProxy(api) as running:
        with open_netfilter() as netfilter:
            held = len(elements_of(netfilter, "sampan-t-services", "service-ips"))
        assert held == count + 1
        took = []
        for turn in range(9):
            pod = (two, one)[turn % 2]
            began = time.perf_counter()
            await slices.update(endpoint_slice("web", endpoint(pod.ip), port=8080))
            while (await ask(client.netns_path, VIP, 80))[0] != pod.id:
                pass
            took.append(time.perf_counter() - began)
            await running.settle()
        assert sorted(took)[4] < 0.05, took
    for server in servers:
        server.close()
    await network.teardown()
