"""What policies want to know of a Pod, and nothing else: a node keeps that much of every Pod of its cluster. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sampan.api.types.core_v1 import Container, ContainerPort, Pod, PodSpec, PodStatus
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.network.contract import L4
from sampan.proxy.model import is_ipv4

_MIRROR = "kubernetes.io/config.mirror"  # the identity a static Pod has on its node
_PROTOCOLS: dict[str, L4] = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


class PodFacts(NamedTuple):
    uid: str
    namespace: str
    labels: dict[str, str]
    ip: str  # "": not known yet
    ports: tuple[tuple[L4, str, int], ...]  # those with a name
    node: str


def trimmed(pod: Pod) -> Pod:
    """For the informer's store."""
    meta, spec = pod.metadata, pod.spec
    annotations = {_MIRROR: meta.annotations[_MIRROR]} if _MIRROR in (meta.annotations or {}) else None  # type: ignore[index]
    containers = [*spec.containers, *(each for each in spec.initContainers or () if each.restartPolicy == "Always")]
    ports = [
        ContainerPort(name=port.name, containerPort=port.containerPort, protocol=port.protocol)
        for container in containers
        for port in container.ports or ()
        if port.name
    ]
    return Pod(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resourceVersion=meta.resourceVersion,
            labels=meta.labels,
            annotations=annotations,
        ),
        spec=PodSpec(
            nodeName=spec.nodeName,
            hostNetwork=spec.hostNetwork,
            containers=[Container(name="", ports=ports)] if ports else [],
        ),
        status=PodStatus(phase=pod.status.phase, podIP=pod.status.podIP),
    )


def facts_of(pod: Pod) -> PodFacts | None:
    """None for Pods that policies do not know: those on the host's own network, and those that have ended."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    if spec.hostNetwork or status.phase in ("Succeeded", "Failed"):
        return None
    ports = [
        (_PROTOCOLS.get(port.protocol or "TCP", "tcp"), port.name, port.containerPort)
        for container in spec.containers
        for port in container.ports or ()
        if port.name
    ]
    ip = status.podIP or ""
    return PodFacts(
        uid=(meta.annotations or {}).get(_MIRROR) or meta.uid or "",
        namespace=meta.namespace or "",
        labels=meta.labels or {},
        ip=ip if is_ipv4(ip) else "",
        ports=tuple(ports),
        node=spec.nodeName or "",
    )
