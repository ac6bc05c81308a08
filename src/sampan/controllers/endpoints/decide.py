"""The subsets of a Service: addresses that share their ports, ready ones and others. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sampan.api.types import core_v1
from sampan.api.types.core_v1 import EndpointAddress, EndpointPort, EndpointSubset
from sampan.controllers.services import backends

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MOST = 1000

Ports = tuple[tuple[str, str, int, str], ...]


def labels_for(service: core_v1.Service) -> dict[str, str]:
    return {**backends.labels_for(service), MANAGED_BY: MANAGER}


def subsets(service: core_v1.Service, pods: Iterable[core_v1.Pod]) -> list[EndpointSubset]:
    publish = bool(service.spec.publishNotReadyAddresses)
    family = backends.families(service)[0]
    groups: dict[Ports, tuple[list[EndpointAddress], list[EndpointAddress]]] = {}
    for pod in pods:
        address = backends.address_in(pod, family) if backends.can_serve(pod, terminating=publish) else None
        if address is None:
            continue
        ports = _ports(service, pod)
        if ports is None:
            continue
        ready, waiting = groups.setdefault(ports, ([], []))
        where = ready if publish or backends.is_ready(pod) else waiting
        where.append(
            EndpointAddress(
                ip=address,
                hostname=backends.hostname_of(pod, service),
                nodeName=pod.spec.nodeName,
                targetRef=backends.target_of(pod),
            )
        )
    return [_subset(ports, *groups[ports]) for ports in sorted(groups)]


def truncated(found: list[EndpointSubset]) -> tuple[list[EndpointSubset], bool]:
    """At most `MOST` addresses, ready ones before others."""
    total = sum(len(s.addresses or ()) + len(s.notReadyAddresses or ()) for s in found)
    if total <= MOST:
        return found, False
    left = MOST
    kept: list[tuple[list[EndpointAddress], list[EndpointAddress]]] = []
    for each in found:
        ready = list(each.addresses or ())[:left]
        left -= len(ready)
        kept.append((ready, []))
    for index, each in enumerate(found):
        waiting = list(each.notReadyAddresses or ())[:left]
        left -= len(waiting)
        kept[index] = (kept[index][0], waiting)
    out = [
        EndpointSubset(addresses=ready or None, notReadyAddresses=waiting or None, ports=each.ports)
        for each, (ready, waiting) in zip(found, kept, strict=True)
        if ready or waiting
    ]
    return out, True


def _subset(ports: Ports, ready: list[EndpointAddress], waiting: list[EndpointAddress]) -> EndpointSubset:
    return EndpointSubset(
        addresses=sorted(ready, key=_order) or None,
        notReadyAddresses=sorted(waiting, key=_order) or None,
        ports=[
            EndpointPort(name=name or None, protocol=protocol, port=port, appProtocol=app or None)
            for name, protocol, port, app in ports
        ]
        or None,
    )


def _order(address: EndpointAddress) -> tuple[str, str]:
    return address.ip, (address.targetRef.uid or "") if address.targetRef is not None else ""


def _ports(service: core_v1.Service, pod: core_v1.Pod) -> Ports | None:
    """None: the Service has ports, and this Pod none of them."""
    wanted = service.spec.ports or ()
    found = [
        (port.name or "", port.protocol or "TCP", number, port.appProtocol or "")
        for port in wanted
        if (number := backends.port_of(pod, port)) is not None
    ]
    return None if wanted and not found else tuple(sorted(found))
