"""The entry point of the room: rules, policies, routes and DNS of one node, until cancelled."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from sampan.api.errors import AlreadyExists, Invalid, NotFound
from sampan.api.types.core_v1 import Node, Service, ServicePort, ServiceSpec
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.api.types.networking_v1 import NetworkPolicy
from sampan.client.api import Client
from sampan.client.shared import SharedInformerFactory
from sampan.proxy.config import DnsConfig, ProxyConfig
from sampan.proxy.dns.cache import Cache
from sampan.proxy.dns.feed import ZoneFeed
from sampan.proxy.dns.forward import Forwarder, Upstreams
from sampan.proxy.dns.resolver import Resolver
from sampan.proxy.dns.server import DnsServer
from sampan.proxy.dns.zone import Zone
from sampan.proxy.kernel import Kernel
from sampan.proxy.policies.enforcer import PolicyEnforcer
from sampan.proxy.policies.render import table_name as policy_table
from sampan.proxy.render import table_name as service_table
from sampan.proxy.routes import Routes
from sampan.proxy.services import BY_SERVICE, ServiceProxy, service_of

DNS_NAMESPACE, DNS_SERVICE = "kube-system", "kube-dns"
_ZONE = "topology.kubernetes.io/zone"
_AGAIN_SECONDS = 5.0
log = logging.getLogger(__name__)


async def run(client: Client, config: ProxyConfig, *, informers: SharedInformerFactory | None = None) -> None:
    """Until cancelled. Rules and routes stay then, so that Services go on working while the agent restarts.

    Give `informers` to share them with others of the process; the caller starts and stops those.
    """
    async with AsyncExitStack() as stack:
        shared = informers or SharedInformerFactory(client)
        services = shared.informer(Service)
        slices = shared.informer(EndpointSlice, indexes={BY_SERVICE: service_of})
        kernel = Kernel()
        stack.callback(kernel.close)
        if informers is None:
            stack.push_async_callback(shared.stop)
        dns_port = 0
        if config.dns is not None:
            server = dns_server(config.dns, config)
            stack.push_async_callback(server.stop)
            dns_port = await _listen(server)
            feed = ZoneFeed(server.zone, services, slices)
        proxy = ServiceProxy(config, services, slices, kernel=kernel, dns_port=dns_port)
        nodes = shared.informer(Node)

        def node_changed(name: str) -> None:
            if name == config.node_name:
                proxy.set_zone(zone_of(nodes.store.by_key(name)))

        nodes.add_key_handler(node_changed)
        enforcer = PolicyEnforcer(client, config, shared.informer(NetworkPolicy), kernel=kernel)
        async with asyncio.TaskGroup() as tasks:
            if config.dns is not None:
                tasks.create_task(feed.complete(), name="zone")
            tasks.create_task(_steadily(proxy.run), name="services")
            tasks.create_task(_steadily(enforcer.run), name="policies")
            if config.network is not None:
                routes = Routes(nodes, config.node_name, config.network)
                tasks.create_task(_steadily(routes.run), name="routes")
            shared.start()


def zone_of(node: Node | None) -> str:
    return (node.metadata.labels or {}).get(_ZONE, "") if node is not None else ""


async def _listen(server: DnsServer) -> int:
    """The port it got: the usual one, or, when another program of the host has that on all addresses, a free one."""
    try:
        await server.start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        log.warning("%s; another port is used, and questions are led there", error)
        server.port = 0
        await server.start()
    return server.port


async def _steadily(work: Callable[[], Awaitable[None]]) -> None:
    """One part's mistake must not end the others, nor the kubelet beside them: it starts again."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("starting again in %.0f s", _AGAIN_SECONDS)
        await asyncio.sleep(_AGAIN_SECONDS)


def dns_server(dns: DnsConfig, config: ProxyConfig) -> DnsServer:
    ranges = [config.cluster_range, *([config.service_range] if config.service_range else [])]
    zone = Zone(dns.domain, ttl=dns.ttl, own_address=dns.address, reverse=ranges)
    upstreams = Upstreams(
        fixed=dns.upstreams,
        resolv_conf=dns.resolv_conf,
        stub_domains=dns.stub_domains,
        own_address=dns.address,
        now=time.monotonic,
    )
    forwarder = Forwarder(upstreams, Cache(time.monotonic))
    return DnsServer(Resolver(zone, forwarder), dns.address, dns.port)


async def cleanup(name: str) -> None:
    """Remove the rules of a cluster's Services and policies from this node."""
    kernel = Kernel()
    try:
        await kernel.drop_table(service_table(name))
        await kernel.drop_table(policy_table(name))
    finally:
        kernel.close()


async def ensure_dns_service(client: Client, address: str = "10.96.0.10") -> None:
    """The Service that gives cluster DNS its address. It has no endpoints: every node answers for itself."""
    resource = client.resource(Service)
    try:
        await resource.get(DNS_SERVICE, namespace=DNS_NAMESPACE)
    except NotFound:
        pass
    else:
        return
    labels = {"k8s-app": DNS_SERVICE, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    ports = [
        ServicePort(name="dns", port=53, protocol="UDP", targetPort=53),
        ServicePort(name="dns-tcp", port=53, protocol="TCP", targetPort=53),
    ]
    wanted = Service(
        metadata=ObjectMeta(name=DNS_SERVICE, namespace=DNS_NAMESPACE, labels=labels),
        spec=ServiceSpec(type="ClusterIP", clusterIP=address, clusterIPs=[address], ports=ports),
    )
    try:
        await resource.create(wanted)
    except AlreadyExists:
        pass  # another server was quicker
    except Invalid as taken:  # perhaps by that very Service, made by one that was only a little quicker
        try:
            await resource.get(DNS_SERVICE, namespace=DNS_NAMESPACE)
        except NotFound:
            raise taken from None
