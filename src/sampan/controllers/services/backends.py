"""A Pod as a backend of a Service. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from sampan.api.types import core_v1

HEADLESS_LABEL = "service.kubernetes.io/headless"


def is_terminal(pod: core_v1.Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def is_ready(pod: core_v1.Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())


def is_terminating(pod: core_v1.Pod) -> bool:
    return pod.metadata.deletionTimestamp is not None


def can_serve(pod: core_v1.Pod, *, terminating: bool) -> bool:
    """It has an address and has not ended; `terminating` ones count if asked for."""
    if is_terminal(pod) or not addresses(pod):
        return False
    return terminating or not is_terminating(pod)


def addresses(pod: core_v1.Pod) -> list[str]:
    many = [each.ip for each in pod.status.podIPs or () if each.ip]
    return many or ([pod.status.podIP] if pod.status.podIP else [])


def family_of(address: str) -> str:
    return f"IPv{ip_address(address).version}"


def address_in(pod: core_v1.Pod, family: str) -> str | None:
    return next((a for a in addresses(pod) if family_of(a) == family), None)


def families(service: core_v1.Service) -> list[str]:
    return (
        list(service.spec.ipFamilies or ())
        or [family_of(ip) for ip in service.spec.clusterIPs or () if ip != "None"]
        or ["IPv4"]
    )


def is_headless(service: core_v1.Service) -> bool:
    return service.spec.clusterIP == "None"


def hostname_of(pod: core_v1.Pod, service: core_v1.Service) -> str | None:
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        return pod.spec.hostname
    return None


def port_of(pod: core_v1.Pod, wanted: core_v1.ServicePort) -> int | None:
    """The number that a Service's port means at this Pod; None when the Pod has no port of that name."""
    target = wanted.targetPort
    if isinstance(target, int) and target:
        return target
    if target in (None, 0, ""):
        return wanted.port
    protocol = wanted.protocol or "TCP"
    for port in _ports(pod):
        if port.name == target and (port.protocol or "TCP") == protocol:
            return port.containerPort
    return None


def _ports(pod: core_v1.Pod) -> Iterator[core_v1.ContainerPort]:
    for container in pod.spec.containers:
        yield from container.ports or ()
    for container in pod.spec.initContainers or ():
        if container.restartPolicy == "Always":
            yield from container.ports or ()


def target_of(pod: core_v1.Pod) -> core_v1.ObjectReference:
    meta = pod.metadata
    return core_v1.ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)


def differ(old: core_v1.Pod, new: core_v1.Pod) -> bool:
    """Whether a Service could care about this change of a Pod."""
    return (
        addresses(old) != addresses(new)
        or is_ready(old) != is_ready(new)
        or is_terminal(old) != is_terminal(new)
        or is_terminating(old) != is_terminating(new)
        or old.metadata.labels != new.metadata.labels
        or old.spec.nodeName != new.spec.nodeName
        or old.metadata.uid != new.metadata.uid
    )


def labels_for(service: core_v1.Service) -> dict[str, str]:
    """A Service's own labels go over; whether it is headless is said."""
    labels = {k: v for k, v in (service.metadata.labels or {}).items() if k != HEADLESS_LABEL}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    return labels
