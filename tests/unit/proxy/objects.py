"""Short ways to write Services and EndpointSlices."""

from __future__ import annotations

from typing import Any

from sampan.api.types.core_v1 import Service, ServicePort, ServiceSpec
from sampan.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from sampan.api.types.meta_v1 import ObjectMeta


def service(
    name: str = "web", ip: str = "10.96.0.5", *, ports: list[ServicePort] | None = None, **spec: Any
) -> Service:
    ports = ports if ports is not None else [ServicePort(name="http", port=80, protocol="TCP")]
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(**{"clusterIP": ip, "clusterIPs": [ip], "type": "ClusterIP", "ports": ports} | spec),
    )


def endpoint(ip: str, node: str = "here", *, hostname: str | None = None, **conditions: bool) -> Endpoint:
    return Endpoint(
        addresses=[ip], nodeName=node, hostname=hostname, conditions=EndpointConditions(**{"ready": True} | conditions)
    )


def slice_of(
    *endpoints: Endpoint,
    service: str = "web",
    name: str = "http",
    port: int = 8080,
    protocol: str = "TCP",
    suffix: str = "1",
) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(
            name=f"{service}-{suffix}", namespace="default", labels={"kubernetes.io/service-name": service}
        ),
        addressType="IPv4",
        endpoints=list(endpoints),
        ports=[EndpointPort(name=name, port=port, protocol=protocol)],
    )
