"""What an object counts against a ResourceQuota: the same for admission, which refuses, and for the controller, which
recounts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampan.api import pod_resources, times
from sampan.api.quantity import Quantity, from_int
from sampan.api.quantity import parse as parse_quantity
from sampan.api.types import core_v1, resource_v1

Amounts = dict[str, Quantity]

ONE = from_int(1)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_CLASS = "storageclass.storage.k8s.io"
_DEVICES = "deviceclass.resource.k8s.io/devices"
_ALL_DEVICES = 32  # what a request for all devices may come to
# Names without `count/` that only count objects, by resource.
PLAIN_COUNTS: Mapping[str, str] = {
    "configmaps": "configmaps",
    "secrets": "secrets",
    "replicationcontrollers": "replicationcontrollers",
    "resourcequotas": "resourcequotas",
}


def of(group: str, resource: str, obj: Any, *, now: float) -> Amounts:
    match group, resource:
        case "", "pods":
            return of_pod(obj, now=now)
        case "", "services":
            return of_service(obj)
        case "", "persistentvolumeclaims":
            return of_claim(obj)
        case "resource.k8s.io", "resourceclaims":
            return of_device_claim(obj)
    return of_object(group, resource)


def of_object(group: str, resource: str) -> Amounts:
    """Any object counts as one of its kind."""
    found = {f"count/{resource}.{group}" if group else f"count/{resource}": ONE}
    if not group and resource in PLAIN_COUNTS:
        found[resource] = ONE
    return found


def of_pod(pod: core_v1.Pod, *, now: float) -> Amounts:
    """A Pod that has ended takes nothing but its place among objects."""
    found: Amounts = {"count/pods": ONE}
    if has_ended(pod, now=now):
        return found
    found["pods"] = ONE
    for name, amount in pod_resources.requests(pod).items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            found[name] = amount
        found[f"requests.{name}"] = amount
    for name, amount in pod_resources.limits(pod).items():
        if name in _COMPUTE:
            found[f"limits.{name}"] = amount
    return found


def has_ended(pod: core_v1.Pod, *, now: float) -> bool:
    """Also one whose time to end is over: nobody may be there to say so."""
    if pod.status.phase in ("Succeeded", "Failed"):
        return True
    gone = pod.metadata.deletionTimestamp
    return gone is not None and times.parse(gone) < now


def of_service(service: core_v1.Service) -> Amounts:
    found: Amounts = {"count/services": ONE, "services": ONE}
    kind = service.spec.type
    ports = len(service.spec.ports or ())
    if kind == "LoadBalancer":
        found["services.loadbalancers"] = ONE
    if kind == "NodePort" or (kind == "LoadBalancer" and service.spec.allocateLoadBalancerNodePorts is not False):
        found["services.nodeports"] = from_int(ports)
    return found


def of_claim(claim: core_v1.PersistentVolumeClaim) -> Amounts:
    found: Amounts = {"count/persistentvolumeclaims": ONE, "persistentvolumeclaims": ONE}
    asked = (claim.spec.resources.requests or {}).get("storage")
    name = claim.spec.storageClassName
    if name:
        found[f"{name}.{_CLASS}/persistentvolumeclaims"] = ONE
    if asked is not None:
        amount = parse_quantity(asked)
        found["requests.storage"] = amount
        if name:
            found[f"{name}.{_CLASS}/requests.storage"] = amount
    return found


def of_device_claim(claim: resource_v1.ResourceClaim) -> Amounts:
    """Devices by class; of alternatives, each class counts as much as the alternative that takes most of it."""
    found = of_object("resource.k8s.io", "resourceclaims")
    for request in claim.spec.devices.requests or ():
        wanted: dict[str, int] = {}
        exactly = [request.exactly] if request.exactly is not None else []
        for each in (*exactly, *(request.firstAvailable or ())):
            number = _ALL_DEVICES if each.allocationMode == "All" else each.count or 1
            wanted[each.deviceClassName] = max(number, wanted.get(each.deviceClassName, 0))
        for name, number in wanted.items():
            key = f"{name}.{_DEVICES}"
            amount = from_int(number)
            found[key] = found[key] + amount if key in found else amount
    return found


def covers(spec: core_v1.ResourceQuotaSpec, pod: core_v1.Pod) -> bool:
    """Whether a Pod is in all of a quota's scopes."""
    for scope in spec.scopes or ():
        if not _in_scope(pod, scope, "Exists", ()):
            return False
    selector = spec.scopeSelector
    for each in (selector.matchExpressions or ()) if selector is not None else ():
        if not _in_scope(pod, each.scopeName, each.operator, tuple(each.values or ())):
            return False
    return True


def _in_scope(pod: core_v1.Pod, scope: str, operator: str, values: tuple[str, ...]) -> bool:
    if scope == "PriorityClass":
        name = pod.spec.priorityClassName or ""
        if operator == "Exists":
            return bool(name)
        if operator == "DoesNotExist":
            return not name
        return (name in values) == (operator == "In")
    ends = pod.spec.activeDeadlineSeconds is not None and pod.spec.activeDeadlineSeconds >= 0
    tests = {
        "Terminating": ends,
        "NotTerminating": not ends,
        "BestEffort": pod_resources.qos_class(pod) == "BestEffort",
        "NotBestEffort": pod_resources.qos_class(pod) != "BestEffort",
        "CrossNamespacePodAffinity": _looks_across(pod),
    }
    return tests.get(scope, False)


def _looks_across(pod: core_v1.Pod) -> bool:
    affinity = pod.spec.affinity
    for each in (affinity.podAffinity, affinity.podAntiAffinity) if affinity is not None else ():
        if each is None:
            continue
        terms = [
            *(each.requiredDuringSchedulingIgnoredDuringExecution or ()),
            *(w.podAffinityTerm for w in each.preferredDuringSchedulingIgnoredDuringExecution or ()),
        ]
        if any(term.namespaces or term.namespaceSelector is not None for term in terms):
            return True
    return False


def growth(new: Amounts, old: Amounts) -> Amounts:
    """What a change takes more than there was."""
    none = from_int(0)
    more = {name: amount - old.get(name, none) for name, amount in new.items()}
    return {name: amount for name, amount in more.items() if amount > none}


def total(amounts: list[Amounts], hard: Mapping[str, object]) -> dict[str, str]:
    """The sum of what a quota limits; what nobody uses is 0."""
    out: dict[str, str] = {}
    for name in hard:
        found = [each[name] for each in amounts if name in each]
        out[name] = str(sum(found[1:], found[0])) if found else "0"
    return out
