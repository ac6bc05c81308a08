"""The node's part against the real API server, as the user it has there, with Services as the server makes them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sampan.api.types.core_v1 import Node, Service, ServicePort, ServiceSpec
from sampan.api.types.discovery_v1 import EndpointHints, EndpointSlice, ForZone
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.apiserver.bootstrap.ensure import bootstrap
from sampan.apiserver.bootstrap.servers import Address
from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build
from sampan.client.api import Client
from sampan.network.pod_network import LocalNetwork
from sampan.proxy import ProxyConfig, ensure_dns_service, run
from sampan.storage.memory import open_store

from .cluster import CLUSTER, SERVICES, endpoint, endpoint_slice
from .traffic import ask, serve

pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("dig"), reason="needs dig")]

ZONE = "topology.kubernetes.io/zone"


class Cluster:
    def __init__(self, admin: Client, proxy: Client, pod: str) -> None:
        self.admin, self.proxy, self.pod = admin, proxy, pod

    async def dig(self, *words: str) -> list[str]:
        process = await asyncio.create_subprocess_exec(
            "nsenter", f"--net={self.pod}", "dig", "@10.96.0.10", "+short", "+time=2", *words,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode().split("\n")[:-1]


@pytest_asyncio.fixture
async def cluster(network: LocalNetwork) -> AsyncIterator[Cluster]:
    await network.start()
    pod = await network.attach("client")
    store = await open_store()
    chain = await build(store, address="127.0.0.1:6443", security=cluster_security(None))

    def client(name: str, *groups: str) -> Client:
        return Client(InProcessTransport(chain, user=User(name=name, groups=(*groups, "system:authenticated"))))

    admin = client("admin", "system:masters")
    await bootstrap(chain.core, admin, servers=[Address(6443, "10.0.0.1")])
    config = ProxyConfig(name="t", node_name="node-0", cluster_range=CLUSTER, service_range=SERVICES, network=network)
    kube_proxy = client("system:kube-proxy")
    task = asyncio.create_task(run(kube_proxy, config))
    made = Cluster(admin, kube_proxy, pod.netns_path)
    async with asyncio.timeout(20):
        while not await made.dig("cluster.local", "SOA"):
            assert not task.done()
            await asyncio.sleep(0.05)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()
    await network.teardown()


async def test_a_service_as_the_server_makes_it(cluster: Cluster, network: LocalNetwork) -> None:
    backend = await network.attach("server")
    server = await serve(backend.netns_path, 8080, "web")
    services = cluster.admin.resource(Service)
    wanted = ServiceSpec(type="NodePort", ports=[ServicePort(name="main", port=80, targetPort=8080)])
    made = await services.create(Service(metadata=ObjectMeta(name="web", namespace="default"), spec=wanted))
    await cluster.admin.resource(type(endpoint_slice("x"))).create(
        endpoint_slice("web", endpoint(backend.ip), port=8080)
    )
    await asyncio.sleep(0.2)
    assert await cluster.dig("web.default.svc.cluster.local") == [made.spec.clusterIP]
    assert made.spec.clusterIP is not None
    assert (await ask(cluster.pod, made.spec.clusterIP, 80))[0] == "web"
    node_port = (made.spec.ports or [])[0].nodePort
    assert node_port is not None
    assert (await ask("/proc/self/ns/net", "127.0.0.1", node_port))[0] == "web"
    await services.delete("web", namespace="default")
    await asyncio.sleep(0.2)
    assert await cluster.dig("web.default.svc.cluster.local") == []
    with pytest.raises(ConnectionRefusedError):
        await ask(cluster.pod, made.spec.clusterIP, 80)
    server.close()


async def test_near_endpoints_come_first_wherever_the_node_says_it_is(
    cluster: Cluster, network: LocalNetwork
) -> None:
    backends = {zone: await network.attach(f"server-{zone}") for zone in ("z1", "z2")}
    servers = [await serve(pod.netns_path, 80, zone) for zone, pod in backends.items()]
    nodes = cluster.admin.resource(Node)
    node = await nodes.create(Node(metadata=ObjectMeta(name="node-0", labels={ZONE: "z1"})))
    spec = ServiceSpec(ports=[ServicePort(name="main", port=80)], trafficDistribution="PreferSameZone")
    made = await cluster.admin.resource(Service).create(
        Service(metadata=ObjectMeta(name="near", namespace="default"), spec=spec)
    )
    hinted = [endpoint(pod.ip) for pod in backends.values()]
    for each, zone in zip(hinted, backends, strict=True):
        each.zone, each.hints = zone, EndpointHints(forZones=[ForZone(name=zone)])
    await cluster.admin.resource(EndpointSlice).create(endpoint_slice("near", *hinted))

    async def answering() -> set[str]:
        try:
            return {(await ask(cluster.pod, made.spec.clusterIP or "", 80))[0] for _ in range(12)}
        except OSError:
            return set()

    for zone, expected in (("z1", {"z1"}), ("z2", {"z2"}), ("z3", {"z1", "z2"})):
        node.metadata.labels = {ZONE: zone}
        node = await nodes.update(node)
        async with asyncio.timeout(10):
            while await answering() != expected:
                await asyncio.sleep(0.02)
    for server in servers:
        server.close()


async def test_the_servers_own_services(cluster: Cluster) -> None:
    await ensure_dns_service(cluster.admin)
    await ensure_dns_service(cluster.admin)
    found = await cluster.admin.resource(Service).get("kube-dns", namespace="kube-system")
    assert found.spec.clusterIP == "10.96.0.10"
    await asyncio.sleep(0.2)
    assert await cluster.dig("kube-dns.kube-system.svc.cluster.local") == ["10.96.0.10"]
    assert await cluster.dig("kubernetes.default.svc.cluster.local") == ["10.96.0.1"]
    assert await cluster.dig("_https._tcp.kubernetes.default.svc.cluster.local", "SRV") == [
        "0 100 443 kubernetes.default.svc.cluster.local."
    ]
