"""How many Pods their controllers want: of known kinds from caches, of others through their scale subresource."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.errors import ApiError
from sampan.api.meta import controller_of
from sampan.api.scheme import ResourceInfo
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.calls import item_path
from sampan.client.informer import Informer
from sampan.controllers.contract import Context
from sampan.controllers.resources import discover


class NoScale(Exception):
    """A Pod whose controller has no scale: a budget that needs one cannot be kept."""


class Scales:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._sets = context.informer(apps_v1.ReplicaSet)
        self._known: dict[tuple[str, str], Informer[Any]] = {
            ("apps", "ReplicaSet"): self._sets,
            ("apps", "Deployment"): context.informer(apps_v1.Deployment),
            ("apps", "StatefulSet"): context.informer(apps_v1.StatefulSet),
            ("", "ReplicationController"): context.informer(core_v1.ReplicationController),
        }
        self._kinds: dict[tuple[str, str], ResourceInfo | None] = {}

    async def expected(self, pods: list[core_v1.Pod]) -> int:
        found: dict[str, int] = {}
        for pod in pods:
            ref = controller_of(pod)
            if ref is None:
                continue  # nobody says how many of it there are to be
            if ref.uid not in found:
                uid, replicas = await self._replicas(ref, pod.metadata.namespace or "")
                found[ref.uid] = 0
                found[uid] = replicas
        return sum(found.values())

    async def _replicas(self, ref: meta_v1.OwnerReference, namespace: str) -> tuple[str, int]:
        key = (ref.apiVersion.rpartition("/")[0], ref.kind)
        informer = self._known.get(key)
        if informer is None:
            return ref.uid, await self._ask(key, ref, namespace)
        owner = informer.store.get(ref.name, namespace=namespace)
        if owner is None or owner.metadata.uid != ref.uid:
            return ref.uid, 0  # it is gone: its Pods will be as well
        if informer is self._sets:
            above = controller_of(owner)
            if above is not None and above.kind == "Deployment":
                return await self._replicas(above, namespace)
        wanted = owner.spec.replicas
        return ref.uid, 1 if wanted is None else int(wanted)

    async def _ask(self, key: tuple[str, str], ref: meta_v1.OwnerReference, namespace: str) -> int:
        if key not in self._kinds:
            served = (await discover(self._client)).resources
            self._kinds |= {(i.group, i.kind): i for i in served if i.subresource("scale") is not None}
        info = self._kinds.get(key)
        if info is None:
            raise NoScale(f"{ref.kind}.{key[0]} does not implement the scale subresource")
        try:
            answer = await self._client.raw("GET", item_path(info, namespace, ref.name, "scale"))
        except ApiError as error:
            raise NoScale(str(error)) from error
        return int(msgspec.json.decode(answer.body).get("spec", {}).get("replicas", 0))
