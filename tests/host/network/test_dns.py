"""Cluster DNS as Pods meet it: the real server on its Service address, asked by dig, busybox and glibc."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import dns.message
import dns.rrset
import pytest
import pytest_asyncio

from sampan.api.types.core_v1 import Service, ServicePort, ServiceSpec
from sampan.api.types.discovery_v1 import EndpointPort, EndpointSlice
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.client.fake import FakeServer
from sampan.network.pod_network import LocalNetwork
from sampan.proxy import DnsConfig, ProxyConfig, ensure_dns_service, run
from tests.ports import free_port

from .cluster import CLUSTER, SERVICES, endpoint, endpoint_slice, new_api, service
from .traffic import ask, serve

pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("dig"), reason="needs dig")]
DNS = "10.96.0.10"


class FakeUpstream(asyncio.DatagramProtocol):
    """The world's DNS: knows a few names, over UDP and TCP, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self.answer(data)
        if len(answer) > 1232:
            answer = answer[:2] + bytes((answer[2] | 2,)) + answer[3:6] + b"\0\0\0\0\0\0" + data[12:-11]
        self.transport.sendto(answer, addr)  # type: ignore[attr-defined]

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = struct.unpack(">H", await reader.readexactly(2))[0]
        answer = self.answer(await reader.readexactly(size))
        writer.write(struct.pack(">H", len(answer)) + answer)
        await writer.drain()
        writer.close()

    def answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text()
        self.asked.append(name)
        response = dns.message.make_response(query, recursion_available=True)
        if name.lower() == "www.example.com.":
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "198.51.100.7"))
        elif name.lower() == "big.example.com.":
            many = [f"198.51.{n // 250}.{n % 250 + 1}" for n in range(300)]
            response.answer.append(dns.rrset.from_text_list(name, 60, "IN", "A", many))
        elif name.lower() == "gone.example.com.":
            response.set_rcode(3)
        return response.to_wire(max_size=65535)


class World:
    def __init__(self, api: FakeServer, upstream: FakeUpstream, pod: str, tmp: Path) -> None:
        self.api, self.upstream, self.pod, self.tmp = api, upstream, pod, tmp

    async def command(self, *words: str) -> str:
        """Run by a process in the Pod's namespace."""
        process = await asyncio.create_subprocess_exec(
            "nsenter", f"--net={self.pod}", *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode()

    async def dig(self, *words: str) -> str:
        return await self.command("dig", f"@{DNS}", "+time=2", "+tries=1", *words)

    async def short(self, *words: str) -> list[str]:
        return sorted((await self.dig("+short", *words)).split("\n"))[1:]


@pytest_asyncio.fixture
async def world(network: LocalNetwork, tmp_path: Path) -> AsyncIterator[World]:
    await network.start()
    pod = await network.attach("client")
    upstream = FakeUpstream()
    loop = asyncio.get_running_loop()
    port = free_port()
    transport, _ = await loop.create_datagram_endpoint(lambda: upstream, local_addr=("127.0.0.1", port))
    tcp = await asyncio.start_server(upstream.serve_tcp, "127.0.0.1", port)
    api = new_api()
    config = ProxyConfig(
        name="t",
        node_name="node-0",
        cluster_range=CLUSTER,
        service_range=SERVICES,
        dns=DnsConfig(upstreams=(f"127.0.0.1:{port}",), stub_domains={"corp": (f"127.0.0.1:{port}",)}),
    )
    task = asyncio.create_task(run(api.client(), config))
    made = World(api, upstream, pod.netns_path, tmp_path)
    for _ in range(100):
        if "status: NOERROR" in await made.dig("cluster.local", "SOA"):
            break
        assert not task.done(), task.exception()
        await asyncio.sleep(0.02)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    transport.close()
    tcp.close()
    await network.teardown()


async def add(world: World, *objects: Service | EndpointSlice) -> None:
    for each in objects:
        await world.api.client().resource(type(each)).create(each)
    await asyncio.sleep(0.1)


async def test_beside_another_server_on_port_53_of_all_addresses(network: LocalNetwork) -> None:
    await network.start()
    pod = await network.attach("client")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.bind(("0.0.0.0", 53))
        api = new_api()
        await ensure_dns_service(api.client(), DNS)
        await ensure_dns_service(api.client(), DNS)
        config = ProxyConfig(name="t", node_name="node-0", cluster_range=CLUSTER, service_range=SERVICES)
        task = asyncio.create_task(run(api.client(), config))
        world = World(api, FakeUpstream(), pod.netns_path, Path())
        await asyncio.sleep(0.3)
        for netns in (pod.netns_path, "/proc/self/ns/net"):
            world.pod = netns
            for protocol in ("+notcp", "+tcp"):
                assert await world.short(protocol, "kube-dns.kube-system.svc.cluster.local") == [DNS]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await network.teardown()


async def test_services_by_name_over_udp_and_tcp(world: World) -> None:
    await add(world, service("web", "10.96.1.2"))
    assert await world.short("web.default.svc.cluster.local") == ["10.96.1.2"]
    assert await world.short("+tcp", "WEB.Default.SVC.cluster.LOCAL.") == ["10.96.1.2"]
    assert await world.short("_main._tcp.web.default.svc.cluster.local", "SRV") == [
        "0 100 80 web.default.svc.cluster.local."
    ]
    assert await world.short("-x", "10.96.1.2") == ["web.default.svc.cluster.local."]
    assert await world.short("dns-version.cluster.local", "TXT") == ['"1.1.0"']
    answer = await world.dig("web.default.svc.cluster.local")
    assert "flags: qr aa rd ra;" in answer
    assert "EDNS: version: 0" in answer


async def test_no_such_name_and_no_such_record(world: World) -> None:
    await add(world, service("web", "10.96.1.2"))
    missing = await world.dig("nothing.default.svc.cluster.local")
    assert "status: NXDOMAIN" in missing
    assert "ns.dns.cluster.local. hostmaster.cluster.local." in missing
    for name in ("web.default.svc.cluster.local", "default.svc.cluster.local", "_tcp.web.default.svc.cluster.local"):
        empty = await world.dig(name, "AAAA")
        assert "status: NOERROR" in empty
        assert "ANSWER: 0, AUTHORITY: 1" in empty
    assert "status: NXDOMAIN" in await world.dig("-x", "10.244.9.9")
    assert world.upstream.asked == []


async def test_changes_are_answered_at_once(world: World) -> None:
    name = "web.default.svc.cluster.local"
    assert await world.short(name) == []
    await add(world, service("web", "10.96.1.2"))
    assert await world.short(name) == ["10.96.1.2"]
    await world.api.client().resource(Service).delete("web", namespace="default")
    await asyncio.sleep(0.1)
    assert "NXDOMAIN" in await world.dig(name)


async def test_headless_stateful_pods(world: World) -> None:
    ports = [ServicePort(name="main", port=80, protocol="TCP")]
    headless = Service(
        metadata=ObjectMeta(name="db", namespace="default"), spec=ServiceSpec(clusterIP="None", ports=ports)
    )
    one, two, late = endpoint("10.244.0.21"), endpoint("10.244.0.22"), endpoint("10.244.0.23", ready=False)
    one.hostname = "db-0"
    made = endpoint_slice("db", one, two, late)
    assert made.ports == [EndpointPort(name="main", port=80, protocol="TCP")]
    await add(world, headless, made)
    assert await world.short("db.default.svc.cluster.local") == ["10.244.0.21", "10.244.0.22"]
    assert await world.short("db-0.db.default.svc.cluster.local") == ["10.244.0.21"]
    assert await world.short("10-244-0-22.db.default.svc.cluster.local") == ["10.244.0.22"]
    assert await world.short("_main._tcp.db.default.svc.cluster.local", "SRV") == [
        "0 100 80 10-244-0-22.db.default.svc.cluster.local.",
        "0 100 80 db-0.db.default.svc.cluster.local.",
    ]
    assert await world.short("-x", "10.244.0.21") == ["db-0.db.default.svc.cluster.local."]
    assert await world.short("10-244-3-4.default.pod.cluster.local") == ["10.244.3.4"]


async def test_external_names_are_followed(world: World) -> None:
    for name, target in (("ext", "www.example.com"), ("inner", "web.default.svc.cluster.local"), ("loop", None)):
        target = target or "loop.default.svc.cluster.local"
        spec = ServiceSpec(type="ExternalName", externalName=target)
        await add(world, Service(metadata=ObjectMeta(name=name, namespace="default"), spec=spec))
    await add(world, service("web", "10.96.1.2"))
    assert await world.short("ext.default.svc.cluster.local") == ["198.51.100.7", "www.example.com."]
    assert await world.short("inner.default.svc.cluster.local") == ["10.96.1.2", "web.default.svc.cluster.local."]
    assert await world.short("ext.default.svc.cluster.local", "CNAME") == ["www.example.com."]
    assert "SERVFAIL" in await world.dig("loop.default.svc.cluster.local")


async def test_other_names_go_upstream_once(world: World) -> None:
    for _ in range(3):
        assert await world.short("www.example.com") == ["198.51.100.7"]
        assert await world.short("+noedns", "www.EXAMPLE.com") == ["198.51.100.7"]
        assert "status: NXDOMAIN" in await world.dig("gone.example.com")
    assert [name.lower() for name in world.upstream.asked].count("www.example.com.") == 1
    assert await world.short("host.corp") == []
    assert "host.corp." in world.upstream.asked


async def test_big_answers_are_cut_for_udp_and_whole_over_tcp(world: World) -> None:
    assert len(await world.short("big.example.com")) == 300  # dig asks again over TCP
    cut = await world.dig("+ignore", "+noedns", "big.example.com")
    assert "flags: qr tc" in cut
    ports = [ServicePort(name="main", port=80)]
    spec = ServiceSpec(clusterIP="None", ports=ports)
    headless = Service(metadata=ObjectMeta(name="many", namespace="default"), spec=spec)
    await add(world, headless, endpoint_slice("many", *(endpoint(f"10.244.1.{n}") for n in range(1, 201))))
    assert len(await world.short("many.default.svc.cluster.local")) == 200
    cut = await world.dig("+ignore", "+noedns", "many.default.svc.cluster.local")
    assert "tc" in cut.split("flags:")[1].split(";")[0]
    assert "ANSWER: 29" in cut  # as many as fit into 512 bytes: for resolvers that do not ask again


async def test_the_resolvers_of_busybox_and_glibc(world: World) -> None:
    await add(world, service("web", "10.96.1.2"))
    said = await world.command("busybox", "nslookup", "web.default.svc.cluster.local", DNS)
    assert "10.96.1.2" in said
    resolv = world.tmp / "resolv.conf"
    resolv.write_text(
        f"nameserver {DNS}\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )
    inside = f"mount --bind {resolv} /etc/resolv.conf && getent ahostsv4 "
    for name, address in (("web", "10.96.1.2"), ("web.default", "10.96.1.2"), ("www.example.com", "198.51.100.7")):
        assert address in await world.command("unshare", "-m", "sh", "-c", inside + name)


async def test_the_whole_agent_part_serves_names_and_services(world: World, network: LocalNetwork) -> None:
    pod = await network.attach("server")
    server = await serve(pod.netns_path, 8080, "web")
    await add(world, service("web", "10.96.1.2"), endpoint_slice("web", endpoint(pod.ip), port=8080))
    (address,) = await world.short("web.default.svc.cluster.local")
    assert (await ask(world.pod, address, 80))[0] == "web"
    server.close()
