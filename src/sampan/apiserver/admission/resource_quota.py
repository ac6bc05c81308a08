"""ResourceQuota: what a namespace may have of each thing.

Usage is counted from the watch cache, which is always current: what was stored is seen by the next request. So that
there is a next one, those of a namespace that a quota bounds take turns, each from its look to its write.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from weakref import WeakValueDictionary

from sampan.api import quantity, quota
from sampan.api.errors import forbidden
from sampan.api.quota import Amounts
from sampan.api.types import core_v1, resource_v1
from sampan.apiserver.admission.plugin import Objects, Plugin
from sampan.apiserver.contracts import AdmissionAttributes, Turn
from sampan.apiserver.core import Core

COMPUTE = ("cpu", "memory", "ephemeral-storage")
# Whose changes may take more than there was, by resource and subresource.
_GROW = frozenset((("pods", "resize"), ("services", ""), ("persistentvolumeclaims", "")))
_NOTHING = quantity.parse(0)


class ResourceQuotas(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._quotas = Objects(core, "", "v1", "resourcequotas", core_v1.ResourceQuota)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Kinds of which one object may take more than its place.
        self._weighed: dict[str, Objects[Any]] = {
            "pods": Objects(core, "", "v1", "pods", core_v1.Pod),
            "services": Objects(core, "", "v1", "services", core_v1.Service),
            "persistentvolumeclaims": Objects(core, "", "v1", "persistentvolumeclaims", core_v1.PersistentVolumeClaim),
            "resourceclaims": Objects(core, "resource.k8s.io", "v1", "resourceclaims", resource_v1.ResourceClaim),
        }

    async def validate(self, attributes: AdmissionAttributes) -> None:
        if not attributes.namespace or not (_creates(attributes) or _changes(attributes)):
            return
        quotas = self._quotas.all(attributes.namespace)
        if not quotas:
            return
        asked = self._asked(attributes)
        if any(asked.keys() & (found.spec.hard or {}).keys() for found in quotas):
            attributes.turn = await self._take_turn(attributes.namespace)
            quotas = self._quotas.all(attributes.namespace)
        is_pod = attributes.info.resource == "pods"
        for found in quotas:
            if not _applies(found, attributes.info.resource, attributes.object):
                continue
            hard = found.spec.hard or {}
            wanted = {name: amount for name, amount in asked.items() if name in hard}
            if is_pod and _creates(attributes):
                _demand(attributes, found, hard, attributes.object)
            if wanted:
                self._check(attributes, found, wanted)

    def _asked(self, attributes: AdmissionAttributes) -> Amounts:
        new = self._amounts(attributes, attributes.object)
        return new if _creates(attributes) else quota.growth(new, self._amounts(attributes, attributes.old))

    def _amounts(self, attributes: AdmissionAttributes, obj: Any) -> Amounts:
        return quota.of(attributes.info.group, attributes.info.resource, obj, now=self.core.now().timestamp())

    async def _take_turn(self, namespace: str) -> Turn:
        lock = self._turns.get(namespace)
        if lock is None:
            lock = self._turns[namespace] = asyncio.Lock()
        await lock.acquire()
        return Turn(lock, f"quotas/{namespace}")

    def _check(self, attributes: AdmissionAttributes, found: core_v1.ResourceQuota, wanted: Amounts) -> None:
        hard = found.spec.hard or {}
        used = self._used(attributes, found, wanted)
        over = [n for n, amount in wanted.items() if quantity.parse(hard[n]) < used.get(n, _NOTHING) + amount]
        if not over:
            return
        over.sort()
        parts = [
            ",".join(f"{n}={wanted[n]}" for n in over),
            ",".join(f"{n}={used.get(n, _NOTHING)}" for n in over),
            ",".join(f"{n}={quantity.canonical(hard[n])}" for n in over),
        ]
        said = f"exceeded quota: {found.metadata.name}, requested: {parts[0]}, used: {parts[1]}, limited: {parts[2]}"
        info = attributes.info
        raise forbidden(info.resource, attributes.name, said, group=info.group)

    def _used(self, attributes: AdmissionAttributes, found: core_v1.ResourceQuota, wanted: Amounts) -> Amounts:
        info, namespace = attributes.info, attributes.namespace
        weighed = self._weighed.get(info.resource)
        if weighed is None:
            number = quantity.parse(self.core.endpoint_for(info).cache.count(namespace))
            return dict.fromkeys(wanted, number)
        objects: Iterable[Any] = (o for o in weighed.all(namespace) if _applies(found, info.resource, o))
        total: Amounts = {}
        for obj in objects:
            for name, amount in self._amounts(attributes, obj).items():
                if name in wanted:
                    total[name] = total[name] + amount if name in total else amount
        return total


def _creates(attributes: AdmissionAttributes) -> bool:
    return attributes.operation == "CREATE" and not attributes.subresource


def _changes(attributes: AdmissionAttributes) -> bool:
    if attributes.operation != "UPDATE" or attributes.info.group:
        return False
    return (attributes.info.resource, attributes.subresource) in _GROW and attributes.old is not None


def _applies(found: core_v1.ResourceQuota, resource: str, obj: Any) -> bool:
    """A scope is of Pods alone."""
    if resource == "pods":
        return quota.covers(found.spec, obj)
    return not found.spec.scopes and found.spec.scopeSelector is None


def _demand(attributes: AdmissionAttributes, found: core_v1.ResourceQuota, hard: Any, pod: core_v1.Pod) -> None:
    """Where compute is bounded, each container has to say what it takes."""
    missing: defaultdict[str, set[str]] = defaultdict(set)
    for name in hard:
        side, _, resource = name.rpartition(".")
        if resource not in COMPUTE or side not in ("", "requests", "limits"):
            continue
        whole = pod.spec.resources
        said_for_all = (whole.limits if side == "limits" else whole.requests) if whole is not None else None
        if resource in (said_for_all or {}):
            continue
        for container in (*pod.spec.containers, *(pod.spec.initContainers or ())):
            amounts = container.resources.limits if side == "limits" else container.resources.requests
            if resource not in (amounts or {}):
                missing[name].add(container.name)
    if missing:
        listed = "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))
        said = f"failed quota: {found.metadata.name}: must specify {listed}"
        raise forbidden("pods", attributes.name, said)
