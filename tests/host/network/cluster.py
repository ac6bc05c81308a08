"""Nodes with Pods and Services, without a cluster: the API is the in-memory server, the packets are real."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Network

from sampan.api.types.core_v1 import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
)
from sampan.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.client.clock import RealClock
from sampan.client.fake import FakeServer
from sampan.client.informer import Informer
from sampan.network import namespaces
from sampan.proxy.config import ProxyConfig
from sampan.proxy.kernel import Kernel
from sampan.proxy.services import BY_SERVICE, ServiceProxy, service_of

CLUSTER, SERVICES = IPv4Network("10.244.0.0/16"), IPv4Network("10.96.0.0/16")


class RunningProxy:
    """The Service proxy of one node, as the agent runs it."""

    def __init__(self, api: FakeServer, *, node: str = "node-0", netns: str = namespaces.PROCESS) -> None:
        client = api.client()
        config = ProxyConfig(name="t", node_name=node, cluster_range=CLUSTER, service_range=SERVICES)
        self.kernel = Kernel(netns)
        self._informers = [
            Informer(client.resource(Service)),
            Informer(client.resource(EndpointSlice), indexes={BY_SERVICE: service_of}),
        ]
        self.proxy = ServiceProxy(config, *self._informers, kernel=self.kernel)

    async def __aenter__(self) -> RunningProxy:
        for informer in self._informers:
            informer.start()
        self._task = asyncio.create_task(self.proxy.run())
        await self.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for informer in self._informers:
            await informer.stop()
        self.kernel.close()

    async def settle(self) -> None:
        """Until every event on its way is in force."""
        for _ in range(3):
            await asyncio.sleep(0.01)
            async with asyncio.timeout(10):
                await self.proxy.synced.wait()


def new_api() -> FakeServer:
    return FakeServer(clock=RealClock())


def service(name: str, cluster_ip: str, *, port: int = 80, protocol: str = "TCP", **spec: object) -> Service:
    node_port = spec.pop("node_port", None)
    sticky = spec.pop("sticky_seconds", None)
    ingress = spec.pop("ingress", None)
    if sticky:
        spec["sessionAffinity"] = "ClientIP"
        spec["sessionAffinityConfig"] = SessionAffinityConfig(clientIP=ClientIPConfig(timeoutSeconds=sticky))
    made = Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(
            clusterIP=cluster_ip,
            clusterIPs=[cluster_ip],
            ports=[ServicePort(name="main", port=port, protocol=protocol, nodePort=node_port)],
            **spec,
        ),
    )
    if ingress:
        made.status = ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=[LoadBalancerIngress(ip=ingress)]))
    return made


def endpoint(ip: str, *, node: str = "node-0", ready: bool = True, **conditions: bool) -> Endpoint:
    return Endpoint(addresses=[ip], nodeName=node, conditions=EndpointConditions(ready=ready, **conditions))


def endpoint_slice(name: str, *endpoints: Endpoint, port: int = 80, protocol: str = "TCP") -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-1", namespace="default", labels={"kubernetes.io/service-name": name}),
        addressType="IPv4",
        endpoints=list(endpoints),
        ports=[EndpointPort(name="main", port=port, protocol=protocol)],
    )
