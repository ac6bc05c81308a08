"""The entry point of the room: rules, routes and DNS of one node, until cancelled."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from sampan.api.errors import AlreadyExists, NotFound
from sampan.api.types.core_v1 import Node, Service, ServicePort, ServiceSpec
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.api.types.meta_v1 import ObjectMeta
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
from sampan.proxy.render import table_name
from sampan.proxy.routes import keep_routes
from sampan.proxy.services import BY_SERVICE, ServiceProxy, service_of

DNS_NAMESPACE, DNS_SERVICE = "kube-system", "kube-dns"


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
        async with asyncio.TaskGroup() as tasks:
            proxy = ServiceProxy(config, services, slices, kernel=kernel)
            if config.dns is not None:
                server = dns_server(config.dns, config)
                feed = ZoneFeed(server.zone, services, slices)
                await server.start()
                stack.push_async_callback(server.stop)
                tasks.create_task(feed.complete(), name="zone")
            tasks.create_task(proxy.run(), name="services")
            if config.network is not None:
                nodes = shared.informer(Node)
                tasks.create_task(keep_routes(nodes, config.node_name, config.network), name="routes")
            shared.start()
            if informers is None:
                stack.push_async_callback(shared.stop)


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
    """Remove the rules of a cluster's Services from this node."""
    kernel = Kernel()
    try:
        await kernel.drop_table(table_name(name))
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
        pass  # another node was quicker


