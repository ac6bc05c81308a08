"""What a Service means for one node: which addresses lead to which endpoints, and how. Pure.

Input are the API's objects, output is `ServicePort`, one per port of a Service, in which every choice (readiness,
terminating endpoints, traffic policies) is made. Nothing here knows nftables.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sampan.api.types.core_v1 import Service
from sampan.api.types.core_v1 import ServicePort as ApiPort
from sampan.api.types.discovery_v1 import Endpoint, EndpointSlice, ForNode, ForZone

SERVICE_NAME = "kubernetes.io/service-name"
# Labels of Services that another proxy serves, or none.
NOT_FOR_US = frozenset(("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"))
_DEFAULT_AFFINITY_SECONDS = 10_800
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


class Backend(NamedTuple):
    ip: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """One port of one Service."""

    namespace: str
    service: str
    name: str
    protocol: str
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()  # who may use the load balancer's addresses; empty: everybody
    anywhere: tuple[Backend, ...] = ()  # endpoints of all nodes that may be used
    here: tuple[Backend, ...] = ()  # those of this node
    own: tuple[str, ...] = ()  # addresses of this node among them: these can meet themselves
    inside_stays_here: bool = False  # internalTrafficPolicy: Local
    outside_stays_here: bool = False  # externalTrafficPolicy: Local
    affinity_seconds: int = 0

    @property
    def inside(self) -> tuple[Backend, ...]:
        return self.here if self.inside_stays_here else self.anywhere

    @property
    def outside(self) -> tuple[Backend, ...]:
        return self.here if self.outside_stays_here else self.anywhere


def is_served(service: Service) -> bool:
    """Has addresses of its own that we shall make work."""
    spec = service.spec
    if spec.type == "ExternalName" or spec.clusterIP in (None, "", "None"):
        return False
    if not NOT_FOR_US.isdisjoint(service.metadata.labels or ()):
        return False
    return is_ipv4(spec.clusterIP or "")


def is_ipv4(address: str) -> bool:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True


def service_ports(
    service: Service, slices: Iterable[EndpointSlice], node: str, zone: str = ""
) -> list[ServicePort]:
    """Everything `node` has to know of a Service; empty when it is not for us."""
    if not is_served(service):
        return []
    usable = [each for each in slices if each.addressType == "IPv4"]
    return [_service_port(service, port, usable, node, zone) for port in service.spec.ports or ()]


def _service_port(service: Service, port: ApiPort, slices: list[EndpointSlice], node: str, zone: str) -> ServicePort:
    spec = service.spec
    found = sorted(_endpoints(port, slices), key=lambda each: each[0])
    here = [(backend, endpoint) for backend, endpoint in found if endpoint.nodeName == node]
    external = spec.type in ("NodePort", "LoadBalancer")
    return ServicePort(
        namespace=service.metadata.namespace or "",
        service=service.metadata.name or "",
        name=port.name or "",
        protocol=_PROTOCOLS.get(port.protocol or "TCP", "tcp"),
        cluster_ip=spec.clusterIP or "",
        port=port.port,
        node_port=(port.nodePort or 0) if external else 0,
        external_ips=tuple(filter(is_ipv4, spec.externalIPs or ())),
        load_balancer_ips=_load_balancer_ips(service),
        source_ranges=tuple(filter(_is_ipv4_network, map(str.strip, spec.loadBalancerSourceRanges or ()))),
        anywhere=_choose(_near(found, node, zone)),
        here=_choose(here),
        own=tuple(sorted({backend.ip for backend, _ in here})),
        inside_stays_here=spec.internalTrafficPolicy == "Local",
        outside_stays_here=spec.externalTrafficPolicy == "Local" and (external or bool(spec.externalIPs)),
        affinity_seconds=_affinity(service),
    )


def _endpoints(port: ApiPort, slices: list[EndpointSlice]) -> Iterable[tuple[Backend, Endpoint]]:
    """Endpoints of this port by address; one that is in two slices (it moves between them) counts once."""
    seen: dict[Backend, Endpoint] = {}
    for each in slices:
        for offered in each.ports or ():
            if (offered.name or "") != (port.name or "") or offered.port is None:
                continue
            if (offered.protocol or "TCP") != (port.protocol or "TCP"):
                continue
            for endpoint in each.endpoints or ():
                if not endpoint.addresses or not is_ipv4(endpoint.addresses[0]):
                    continue
                backend = Backend(endpoint.addresses[0], offered.port)
                known = seen.get(backend)
                if known is None or (not is_ready(known) and is_ready(endpoint)):
                    seen[backend] = endpoint
    return seen.items()


def is_ready(endpoint: Endpoint) -> bool:
    """Unknown counts as ready, as the API says. `publishNotReadyAddresses` is already in this condition."""
    return endpoint.conditions.ready is not False


def _serves_while_ending(endpoint: Endpoint) -> bool:
    conditions = endpoint.conditions
    serving = conditions.ready is not False if conditions.serving is None else conditions.serving
    return bool(conditions.terminating) and serving


def _choose(found: Iterable[tuple[Backend, Endpoint]]) -> tuple[Backend, ...]:
    """The ready ones; when there is none, those that still serve while they end."""
    listed = list(found)
    ready = tuple(backend for backend, endpoint in listed if is_ready(endpoint))
    return ready or tuple(backend for backend, endpoint in listed if _serves_while_ending(endpoint))


def _near(found: list[tuple[Backend, Endpoint]], node: str, zone: str) -> list[tuple[Backend, Endpoint]]:
    """Those meant for this node, else for its zone (trafficDistribution), when every ready one says whom it is for."""
    ready = [(backend, endpoint) for backend, endpoint in found if is_ready(endpoint)]
    hints = [endpoint.hints for _, endpoint in ready]
    if ready and all(hint is not None and hint.forNodes for hint in hints):
        mine = [each for each, hint in zip(ready, hints, strict=True) if hint and _names(hint.forNodes, node)]
        if mine:
            return mine
    if zone and ready and all(hint is not None and hint.forZones for hint in hints):
        mine = [each for each, hint in zip(ready, hints, strict=True) if hint and _names(hint.forZones, zone)]
        if mine:
            return mine
    return found


def _names(targets: Iterable[ForNode | ForZone] | None, wanted: str) -> bool:
    return any(target.name == wanted for target in targets or ())


def _load_balancer_ips(service: Service) -> tuple[str, ...]:
    if service.spec.type != "LoadBalancer":
        return ()
    ingress = service.status.loadBalancer.ingress or ()
    return tuple(each.ip for each in ingress if each.ip and is_ipv4(each.ip) and each.ipMode in (None, "VIP"))


def _is_ipv4_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return False
    return True


def _affinity(service: Service) -> int:
    if service.spec.sessionAffinity != "ClientIP":
        return 0
    settings = service.spec.sessionAffinityConfig
    if settings is not None and settings.clientIP is not None and settings.clientIP.timeoutSeconds:
        return settings.clientIP.timeoutSeconds
    return _DEFAULT_AFFINITY_SECONDS
