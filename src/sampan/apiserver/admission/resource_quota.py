"""ResourceQuota: what a namespace may have of each thing.

Usage is counted from the watch cache, which is always current: what was stored is seen by the next request. So that
there is a next one, those of a namespace that a quota bounds take turns, each from its look to its write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from weakref import WeakValueDictionary

from sampan.api import quantity
from sampan.api.errors import forbidden
from sampan.api.pod_resources import limits as pod_limits
from sampan.api.pod_resources import qos_class
from sampan.api.pod_resources import requests as pod_requests
from sampan.api.quantity import Quantity
from sampan.api.types import core_v1
from sampan.apiserver.admission.plugin import Objects, Plugin
from sampan.apiserver.contracts import AdmissionAttributes, Turn
from sampan.apiserver.core import Core

Usage = dict[str, Quantity]
ONE = quantity.parse(1)
COUNTED = {
    "pods": "pods",
    "services": "services",
    "secrets": "secrets",
    "configmaps": "configmaps",
    "persistentvolumeclaims": "persistentvolumeclaims",
    "replicationcontrollers": "replicationcontrollers",
    "resourcequotas": "resourcequotas",
}
COMPUTE = ("cpu", "memory", "ephemeral-storage")


class ResourceQuotas(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._quotas = Objects(core, "", "v1", "resourcequotas", core_v1.ResourceQuota)
        self._pods = Objects(core, "", "v1", "pods", core_v1.Pod)
        self._services = Objects(core, "", "v1", "services", core_v1.Service)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._claims = Objects(core, "", "v1", "persistentvolumeclaims", core_v1.PersistentVolumeClaim)

    async def validate(self, attributes: AdmissionAttributes) -> None:
        if attributes.operation != "CREATE" or attributes.subresource or not attributes.namespace:
            return
        quotas = self._quotas.all(attributes.namespace)
        if not quotas:
            return
        info = attributes.info
        asked = usage_of(info.resource, info.group, attributes.object)
        if any(asked.keys() & (quota.spec.hard or {}).keys() for quota in quotas):
            attributes.turn = await self._take_turn(attributes.namespace)
            quotas = self._quotas.all(attributes.namespace)
        for quota in quotas:
            if info.resource == "pods" and not in_scope(quota, attributes.object):
                continue
            hard = quota.spec.hard or {}
            wanted = {name: amount for name, amount in asked.items() if name in hard}
            if info.resource == "pods":
                self._demand(attributes, quota, hard, attributes.object)
            if wanted:
                self._check(attributes, quota, wanted)

    async def _take_turn(self, namespace: str) -> Turn:
        lock = self._turns.get(namespace)
        if lock is None:
            lock = self._turns[namespace] = asyncio.Lock()
        await lock.acquire()
        return Turn(lock, f"quotas/{namespace}")

    @staticmethod
    def _demand(attributes: AdmissionAttributes, quota: core_v1.ResourceQuota, hard: Any, pod: core_v1.Pod) -> None:
        """Where compute is bounded, each container has to say what it takes."""
        missing = set()
        for name in hard:
            side, _, resource = name.rpartition(".")
            if resource not in COMPUTE or side not in ("", "requests", "limits"):
                continue
            for container in pod.spec.containers:
                amounts = container.resources.limits if side == "limits" else container.resources.requests
                if resource not in (amounts or {}):
                    missing.add(f"{name} for: {container.name}")
        if missing:
            said = f"failed quota: {quota.metadata.name}: must specify {'; '.join(sorted(missing))}"
            raise forbidden("pods", attributes.name, said)

    def _check(self, attributes: AdmissionAttributes, quota: core_v1.ResourceQuota, wanted: Usage) -> None:
        hard = quota.spec.hard or {}
        used = self._used(attributes, quota, wanted)
        over = [n for n, amount in wanted.items() if quantity.parse(hard[n]) < used.get(n, quantity.parse(0)) + amount]
        if not over:
            return
        over.sort()
        parts = [
            ",".join(f"{n}={wanted[n]}" for n in over),
            ",".join(f"{n}={used.get(n, quantity.parse(0))}" for n in over),
            ",".join(f"{n}={quantity.canonical(hard[n])}" for n in over),
        ]
        said = f"exceeded quota: {quota.metadata.name}, requested: {parts[0]}, used: {parts[1]}, limited: {parts[2]}"
        info = attributes.info
        raise forbidden(info.resource, attributes.name, said, group=info.group)

    def _used(self, attributes: AdmissionAttributes, quota: core_v1.ResourceQuota, wanted: Usage) -> Usage:
        info, namespace = attributes.info, attributes.namespace
        objects: Iterable[Any]
        if info.resource == "pods":
            objects = [p for p in self._pods.all(namespace) if _counts(p) and in_scope(quota, p)]
        elif info.resource == "services":
            objects = self._services.all(namespace)
        elif info.resource == "persistentvolumeclaims":
            objects = self._claims.all(namespace)
        else:
            endpoint = self.core.endpoint_for(info)
            number = quantity.parse(endpoint.cache.count(namespace))
            return dict.fromkeys(wanted, number)
        total: Usage = {}
        for obj in objects:
            for name, amount in usage_of(info.resource, info.group, obj).items():
                if name in wanted:
                    total[name] = total[name] + amount if name in total else amount
        return total


def _counts(pod: core_v1.Pod) -> bool:
    return pod.status.phase not in ("Succeeded", "Failed")


def usage_of(resource: str, group: str, obj: Any) -> Usage:
    """What one object takes of each thing that can be bounded."""
    qualified = f"{resource}.{group}" if group else resource
    usage: Usage = {f"count/{qualified}": ONE}
    if not group and resource in COUNTED:
        usage[COUNTED[resource]] = ONE
    if group:
        return usage
    if resource == "pods":
        usage |= _pod_usage(obj)
    elif resource == "services":
        ports = len(obj.spec.ports or ())
        if obj.spec.type in ("NodePort", "LoadBalancer"):
            usage["services.nodeports"] = quantity.parse(ports)
        if obj.spec.type == "LoadBalancer":
            usage["services.loadbalancers"] = ONE
    elif resource == "persistentvolumeclaims":
        storage = (obj.spec.resources.requests or {}).get("storage")
        name = obj.spec.storageClassName
        if name:
            usage[f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims"] = ONE
        if storage is not None:
            usage["requests.storage"] = quantity.parse(storage)
            if name:
                usage[f"{name}.storageclass.storage.k8s.io/requests.storage"] = quantity.parse(storage)
    return usage


def _pod_usage(pod: core_v1.Pod) -> Usage:
    usage: Usage = {}
    for name, amount in pod_requests(pod).items():
        usage[f"requests.{name}"] = amount
        if name in COMPUTE:
            usage[name] = amount
    for name, amount in pod_limits(pod).items():
        usage[f"limits.{name}"] = amount
    return usage


def in_scope(quota: core_v1.ResourceQuota, pod: core_v1.Pod) -> bool:
    scopes = [(s, None) for s in quota.spec.scopes or ()]
    selector = quota.spec.scopeSelector
    listed = selector.matchExpressions or [] if selector is not None else []
    return all(_matches(s, None, pod) for s, _ in scopes) and all(_matches(e.scopeName, e, pod) for e in listed)


def _matches(scope: str, requirement: core_v1.ScopedResourceSelectorRequirement | None, pod: core_v1.Pod) -> bool:
    terminating = pod.spec.activeDeadlineSeconds is not None
    match scope:
        case "Terminating":
            return terminating
        case "NotTerminating":
            return not terminating
        case "BestEffort":
            return qos_class(pod) == "BestEffort"
        case "NotBestEffort":
            return qos_class(pod) != "BestEffort"
        case "PriorityClass":
            name = pod.spec.priorityClassName or ""
            if requirement is None or requirement.operator == "Exists":
                return bool(name)
            if requirement.operator == "DoesNotExist":
                return not name
            return (name in (requirement.values or ())) == (requirement.operator == "In")
    return True
