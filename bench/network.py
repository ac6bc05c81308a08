"""What the Pod network, Services and DNS reach: `python -m bench.network` (root; everything in namespaces of its own).

Pairs that are compared are measured in turns, many short rounds each, and the medians are set side by side: this evens
out what else the machine does.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import NamedTuple

from sampan.api.types.core_v1 import Service, ServicePort, ServiceSpec
from sampan.api.types.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.client.clock import RealClock
from sampan.client.fake import FakeServer
from sampan.client.informer import Informer
from sampan.network import links, namespaces
from sampan.network.contract import Attachment, NetworkConfig
from sampan.network.pod_network import LocalNetwork
from sampan.proxy import DnsConfig, ProxyConfig
from sampan.proxy.kernel import Kernel
from sampan.proxy.run import dns_server
from sampan.proxy.services import BY_SERVICE, ServiceProxy, service_of

CLUSTER, SERVICES = IPv4Network("10.244.0.0/16"), IPv4Network("10.96.0.0/16")
VIP = "10.96.5.5"
BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")

# figure → what it must be: at least for rates and shares, at most for times
TARGETS = {
    "attach a Pod, p50 ms": 5.0,
    "Pod to Pod throughput, % of veth+bridge": 95.0,
    "Pod to Pod round trip, % of veth+bridge": 105.0,
    "Service throughput, % of direct": 90.0,
    "Service round trip, % of direct": 110.0,
    "endpoint change to effect, 20 Services, p50 ms": 50.0,
    "endpoint change to effect, 2000 Services, p50 ms": 50.0,
    "DNS questions/s on one core": 5000.0,
    "DNS answer, p99 ms": 1.0,
}


@contextmanager
def own_namespace(folder: Path) -> Iterator[None]:
    path = folder / "host"
    namespaces.create(path)
    with namespaces.entered(path):
        with links.open_rtnl() as rtnl:
            rtnl.call(links.set_up(1))
        try:
            yield
        finally:
            for line in Path("/proc/self/mounts").read_text().splitlines():
                if (mounted := Path(line.split()[1])).is_relative_to(folder):
                    namespaces.remove(mounted)


def make_network(folder: Path) -> LocalNetwork:
    config = NetworkConfig(
        name="bench",
        node_range=IPv4Network("10.244.0.0/24"),
        cluster_range=CLUSTER,
        service_range=SERVICES,
        local_addresses=("10.96.0.10",),
        run_dir=folder / "run",
    )
    return LocalNetwork(config, register=folder / "sysctls")


# -- Pods


async def attaching(network: LocalNetwork) -> dict[str, float]:
    took, ended = [], []
    for n in range(60):
        start = time.perf_counter()
        await network.attach(f"many-{n}")
        took.append(time.perf_counter() - start)
    start = time.perf_counter()
    await asyncio.gather(*(network.detach(f"many-{n}") for n in range(30)))
    together = time.perf_counter() - start
    for n in range(30, 45):
        start = time.perf_counter()
        await network.detach(f"many-{n}")
        ended.append(time.perf_counter() - start)
    await asyncio.gather(*(network.detach(f"many-{n}") for n in range(45, 60)))
    return {
        "attach a Pod, p50 ms": statistics.median(took) * 1000,
        "detach a Pod, p50 ms": statistics.median(ended) * 1000,
        "detach 30 Pods together, ms": together * 1000,
    }


def plain_pair(folder: Path) -> tuple[str, str, str]:
    """The yardstick: two namespaces on one bridge, nothing else. (client, server, server's address)"""
    with links.open_rtnl() as rtnl:
        rtnl.call(links.make_bridge("plain", 1500))
        bridge = links.find_link(rtnl, "plain")
        assert bridge is not None
        rtnl.call(links.set_up(bridge.index))
        paths = []
        for n in (1, 2):
            path = folder / f"plain-{n}"
            namespaces.create(path)
            with path.open("rb") as inside:
                rtnl.call(links.make_veth(f"plain{n}", "eth0", inside.fileno(), mtu=1500))
            made = links.find_link(rtnl, f"plain{n}")
            assert made is not None
            rtnl.call(links.set_master(made.index, bridge.index), links.set_up(made.index))
            with namespaces.entered(path), links.open_rtnl() as within:
                eth0 = links.find_link(within, "eth0")
                assert eth0 is not None
                within.call(links.set_up(1), links.set_up(eth0.index))
                within.call(links.add_address(eth0.index, f"10.200.0.{n}", 24))
            paths.append(str(path))
    return paths[0], paths[1], "10.200.0.2"


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


@contextmanager
def sink_and_echo(netns: str, port: int) -> Iterator[None]:
    """A process in the namespace: swallows what it is sent (first byte S) or sends it back (E)."""
    with namespaces.entered(netns):
        listening = socket.create_server(("0.0.0.0", port))

    def serve() -> None:
        buffer = bytearray(1 << 20)
        while True:
            peer, _ = listening.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if peer.recv(1) == b"S":
                    while peer.recv_into(buffer):
                        pass
                else:
                    while data := peer.recv(64):
                        peer.sendall(data)
            except OSError:
                pass
            peer.close()

    child = forked(serve)
    listening.close()
    try:
        yield
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def connect(netns: str, ip: str, port: int, mode: bytes) -> socket.socket:
    with namespaces.entered(netns):
        client = socket.create_connection((ip, port), timeout=10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(mode)
    return client


def throughput(netns: str, ip: str, port: int, seconds: float = 0.25) -> float:
    """Gbit/s."""
    client, block, sent = connect(netns, ip, port, b"S"), bytes(1 << 20), 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        sent += client.send(block)
    took = time.perf_counter() - start
    client.close()
    return sent * 8 / took / 1e9


def round_trip(netns: str, ip: str, port: int, count: int = 1500) -> float:
    """Median, µs."""
    client, spent = connect(netns, ip, port, b"E"), []
    for _ in range(count):
        start = time.perf_counter()
        client.sendall(b"x")
        client.recv(1)
        spent.append(time.perf_counter() - start)
    client.close()
    return statistics.median(spent) * 1e6


def side_by_side(name: str, than: str, mine: tuple[str, str, int], other: tuple[str, str, int]) -> dict[str, float]:
    fast: dict[str, list[float]] = {"mine": [], "other": []}
    slow: dict[str, list[float]] = {"mine": [], "other": []}
    for _ in range(14):
        for key, target in (("mine", mine), ("other", other)):
            fast[key].append(throughput(*target))
            slow[key].append(round_trip(*target))
    gbit, yardstick = statistics.median(fast["mine"]), statistics.median(fast["other"])
    # The best round is the least disturbed one: for a latency that is the figure of the path itself.
    micros, base = min(slow["mine"]), min(slow["other"])
    return {
        f"{name} throughput, Gbit/s": gbit,
        f"{name} throughput, % of {than}": gbit / yardstick * 100,
        f"{name} round trip, µs": micros,
        f"{name} round trip, % of {than}": micros / base * 100,
    }


# -- Services


def service(name: str, ip: str) -> Service:
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(clusterIP=ip, clusterIPs=[ip], ports=[ServicePort(name="main", port=80, protocol="TCP")]),
    )


def endpoints(name: str, *ips: str, port: int = 8080) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-1", namespace="default", labels={"kubernetes.io/service-name": name}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=[ip], nodeName="node") for ip in ips],
        ports=[EndpointPort(name="main", port=port, protocol="TCP")],
    )


class Proxy:
    def __init__(self, api: FakeServer) -> None:
        client = api.client()
        self.services = Informer(client.resource(Service))
        self.slices = Informer(client.resource(EndpointSlice), indexes={BY_SERVICE: service_of})
        config = ProxyConfig(name="bench", node_name="node", cluster_range=CLUSTER, service_range=SERVICES)
        self.kernel = Kernel(namespaces.own_namespace())
        self.proxy = ServiceProxy(config, self.services, self.slices, kernel=self.kernel)

    async def __aenter__(self) -> Proxy:
        self.services.start()
        self.slices.start()
        self.task = asyncio.create_task(self.proxy.run())
        await self.proxy.synced.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.services.stop()
        await self.slices.stop()
        self.kernel.close()


async def services(client: Attachment, one: Attachment, two: Attachment) -> dict[str, float]:
    figures: dict[str, float] = {}
    for count in (20, 2000):
        async with proxied(count, client, one, two) as costs:
            figures[f"first sync, {count} Services, ms"] = costs.first_sync
            figures[f"endpoint change to effect, {count} Services, p50 ms"] = costs.change
            if count == 2000:
                direct = client.netns_path, one.ip, 8080
                figures |= side_by_side("Service", "direct", (client.netns_path, VIP, 80), direct)
    return figures


class ServiceCosts(NamedTuple):
    """In milliseconds, with so many Services: until all are in the kernel, and from a change to its effect."""

    first_sync: float
    change: float


@asynccontextmanager
async def proxied(count: int, client: Attachment, one: Attachment, two: Attachment) -> AsyncIterator[ServiceCosts]:
    """A proxy with so many Services and one more, at `VIP`, which leads to `one`."""
    api = FakeServer(clock=RealClock())
    for n in range(count):
        name, ip = f"svc-{n}", f"10.96.{100 + n // 250}.{n % 250 + 1}"
        api.add(service(name, ip), endpoints(name, one.ip, two.ip))
    api.add(service("web", VIP), endpoints("web", one.ip))
    start = time.perf_counter()
    async with Proxy(api) as proxy:
        first_sync = (time.perf_counter() - start) * 1000
        writer = api.client().resource(EndpointSlice)
        took = []
        for turn in range(30):
            pod = (two, one)[turn % 2]
            proxy.proxy.synced.clear()
            start = time.perf_counter()
            await writer.update(endpoints("web", pod.ip))
            while not answered_by(client, pod):
                await asyncio.sleep(0.0005)
            took.append(time.perf_counter() - start)
        await writer.update(endpoints("web", one.ip))
        await asyncio.sleep(0.2)
        yield ServiceCosts(first_sync, statistics.median(took) * 1000)


async def _growth(folder: Path, counts: Sequence[int]) -> dict[int, ServiceCosts]:
    network = make_network(folder)
    await network.start()
    client, one, two = [await network.attach(name) for name in ("client", "one", "two")]
    found = {}
    with sink_and_echo(one.netns_path, 8080), marked_echo(two.netns_path, 8080):
        for count in counts:
            async with proxied(count, client, one, two) as costs:
                found[count] = costs
    await network.teardown()
    return found


def service_growth(counts: Sequence[int]) -> dict[int, ServiceCosts]:
    """What Services cost, by their number."""
    with tempfile.TemporaryDirectory() as name, own_namespace(Path(name)):
        return asyncio.run(_growth(Path(name), counts))


def answered_by(client: Attachment, pod: Attachment) -> bool:
    """Which Pod a new connection to the Service leads to, by a port that only it refuses or takes."""
    with namespaces.entered(client.netns_path), socket.socket() as probe:
        probe.settimeout(1)
        probe.connect((VIP, 80))
        probe.sendall(b"E" + pod.ip.encode())
        echoed = probe.recv(64)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return echoed.startswith(b"!") is (pod.id == "two")


# -- DNS


def dns_figures() -> dict[str, float]:
    """The server in a process of its own; its processor time is what counts, as the asking shares the machine."""
    ready, told = os.pipe()

    def serve() -> None:
        import uvloop

        async def main() -> None:
            config = ProxyConfig(name="bench", node_name="node", cluster_range=CLUSTER, service_range=SERVICES)
            server = dns_server(DnsConfig(address="127.0.0.1", port=0), config)
            for n in range(1000):
                name = f"svc-{n}"
                server.zone.set_service(f"default/{name}", service(name, f"10.96.{n // 250}.{n % 250 + 1}"), [])
            server.zone.complete = True
            await server.start()
            os.write(told, struct.pack("=H", server.port))
            await asyncio.sleep(3600)

        uvloop.run(main())

    child = forked(serve)
    try:
        port = struct.unpack("=H", os.read(ready, 2))[0]
        return ask_many(child, port)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def question(n: int) -> bytes:
    labels = f"svc-{n % 1000}.default.svc.cluster.local".encode().split(b".")
    name = b"".join(bytes((len(label),)) + label for label in labels)
    return struct.pack(">HHHHHH", n & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + b"\0\0\x01\0\x01"


def ask_many(server: int, port: int, count: int = 40_000, window: int = 32) -> dict[str, float]:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", port))
    client.settimeout(5)
    questions = [question(n) for n in range(1000)]
    single = []
    for n in range(3000):
        start = time.perf_counter()
        client.send(questions[n % 1000])
        client.recv(512)
        single.append(time.perf_counter() - start)
    before, start = cpu_of(server), time.perf_counter()
    for n in range(window):
        client.send(questions[n % 1000])
    for n in range(count):
        client.recv(512)
        client.send(questions[n % 1000])
    took, used = time.perf_counter() - start, cpu_of(server) - before
    single.sort()
    return {
        "DNS questions/s, asker on the same cores": count / took,
        "DNS questions/s on one core": count / used,
        "DNS answer, p50 ms": single[len(single) // 2] * 1000,
        "DNS answer, p99 ms": single[int(len(single) * 0.99)] * 1000,
    }


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- all of it


async def network_figures(folder: Path) -> dict[str, float]:
    network = make_network(folder)
    await network.start()
    figures = await attaching(network)
    client, one, two = [await network.attach(name) for name in ("client", "one", "two")]
    plain_client, plain_server, plain_ip = plain_pair(folder)
    with sink_and_echo(one.netns_path, 8080), sink_and_echo(plain_server, 8080):
        mine = client.netns_path, one.ip, 8080
        bridged = plain_client, plain_ip, 8080
        if BRIDGE_FILTER.exists():  # what a bridge needs for Services to work on it
            BRIDGE_FILTER.write_text("1")
            figures |= side_by_side("Pod to Pod", "veth+bridge fit for Services", mine, bridged)
            BRIDGE_FILTER.write_text("0")
        figures |= side_by_side("Pod to Pod", "veth+bridge", mine, bridged)
        with marked_echo(two.netns_path, 8080):
            figures |= await services(client, one, two)
    await network.teardown()
    return figures


@contextmanager
def marked_echo(netns: str, port: int) -> Iterator[None]:
    """Answers `!` to everything: tells the second Pod from the first."""
    with namespaces.entered(netns):
        listening = socket.create_server(("0.0.0.0", port))

    def serve() -> None:
        while True:
            peer, _ = listening.accept()
            try:
                peer.recv(64)
                peer.sendall(b"!")
            except OSError:
                pass
            peer.close()

    child = forked(serve)
    listening.close()
    try:
        yield
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def run() -> dict[str, float]:
    figures = dns_figures()
    with tempfile.TemporaryDirectory() as name, own_namespace(Path(name)):
        figures |= asyncio.run(network_figures(Path(name)))
    return figures


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("needs root")
    for name, value in run().items():
        target = TARGETS.get(name)
        print(f"{name:65} {value:10.2f}" + (f"   (target {target:g})" if target is not None else ""))


if __name__ == "__main__":
    main()
