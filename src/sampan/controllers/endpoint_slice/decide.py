"""Which endpoints a Service has, by address type and ports. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sampan.api.meta import owner_reference
from sampan.api.types import core_v1
from sampan.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointHints, ForNode, ForZone
from sampan.controllers.services import backends
from sampan.controllers.services.slices import MANAGED_BY, SERVICE_NAME, GroupKey, PortKey, Shape

MANAGER = "endpointslice-controller.k8s.io"


def shape_of(service: core_v1.Service) -> Shape:
    name = service.metadata.name or ""
    labels = {k: v for k, v in backends.labels_for(service).items() if k not in (MANAGED_BY, SERVICE_NAME)}
    return Shape(
        name=name,
        namespace=service.metadata.namespace or "",
        labels={**labels, MANAGED_BY: MANAGER, SERVICE_NAME: name},
        owner=owner_reference(service, api_version="v1", kind="Service"),
    )


def desired(
    service: core_v1.Service, pods: Iterable[core_v1.Pod], zone_of: Callable[[str], str | None]
) -> dict[GroupKey, list[Endpoint]]:
    found: dict[GroupKey, list[Endpoint]] = {}
    kinds = backends.families(service)
    for pod in pods:
        if not backends.can_serve(pod, terminating=True):
            continue
        ports = ports_at(service, pod)
        for kind in kinds:
            address = backends.address_in(pod, kind)
            if address is not None:
                found.setdefault((kind, ports), []).append(endpoint(service, pod, address, zone_of))
    return found


def endpoint(
    service: core_v1.Service, pod: core_v1.Pod, address: str, zone_of: Callable[[str], str | None]
) -> Endpoint:
    serving, terminating = backends.is_ready(pod), backends.is_terminating(pod)
    ready = bool(service.spec.publishNotReadyAddresses) or (serving and not terminating)
    node = pod.spec.nodeName
    zone = zone_of(node) if node else None
    return Endpoint(
        addresses=[address],
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=backends.hostname_of(pod, service),
        nodeName=node,
        targetRef=backends.target_of(pod),
        zone=zone,
        hints=hints(service.spec.trafficDistribution, node, zone) if ready else None,
    )


def hints(wish: str | None, node: str | None, zone: str | None) -> EndpointHints | None:
    """Who is best served by this endpoint, where the Service wishes for what is near."""
    zones = [ForZone(name=zone)] if zone else None
    if wish in ("PreferClose", "PreferSameZone") and zones:
        return EndpointHints(forZones=zones)
    if wish == "PreferSameNode" and node:
        return EndpointHints(forNodes=[ForNode(name=node)], forZones=zones)
    return None


def ports_at(service: core_v1.Service, pod: core_v1.Pod) -> PortKey:
    found = []
    for wanted in service.spec.ports or ():
        number = backends.port_of(pod, wanted)
        if number is not None:
            found.append((wanted.name or "", wanted.protocol or "TCP", number, wanted.appProtocol or ""))
    return tuple(sorted(found))
