"""What the controllers of Pods have in common: `reconcile` reads the object and its Pods and claims what is its own,
then the kind decides and acts (`sync`). While a cache is behind what was written, nothing is decided."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from sampan.api.errors import NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1, meta_v1
from sampan.client.informer import Informer
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.owned_pods import BY_OWNER, ORPHANS, claim, controller_of, owner_index
from sampan.controllers.pod_control import PodControl
from sampan.controllers.written import Written

AWAIT = 1.0  # seconds; what is awaited wakes the key by itself, this is for the case that it does not


class Owner(Protocol):
    metadata: meta_v1.ObjectMeta
    spec: Any
    status: Any


T = TypeVar("T", bound=Owner)


class Workload(KeyedController, Generic[T]):
    """A kind that owns Pods by selector."""

    kind: type[T]
    api_version: ClassVar[str]
    finalizer: ClassVar[str] = ""  # that its Pods carry until they are counted

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.owners: Informer[T] = context.informer(self.kind)
        self.pods = context.informer(core_v1.Pod, indexes={BY_OWNER: owner_index})
        self.written = Written(context.clock)  # Pods
        self.said = Written(context.clock)  # statuses
        self.control = PodControl(context.client, context.recorder, self.written, finalizer=self.finalizer)
        self.owners.add_key_handler(self.queue.add)
        self.pods.add_handler(on_add=self._pod, on_update=self._pod_changed, on_delete=self._pod)

    # --- what the kind says ---

    async def sync(self, key: str, owner: T, pods: list[core_v1.Pod]) -> float | None:
        """One step nearer to what `owner` says; the seconds after which to look again."""
        raise NotImplementedError

    async def gone(self, key: str) -> None:
        """The object is no more."""

    def selector(self, owner: T) -> Any:
        return label_selectors.from_label_selector(owner.spec.selector)

    def may_own(self, owner: T, pod: core_v1.Pod) -> bool:
        """What else than labels makes a Pod its own."""
        return True

    # --- what wakes it ---

    def _pod(self, pod: core_v1.Pod) -> None:
        reference = controller_of(pod.metadata)
        if reference is not None:
            if reference.kind == self.kind.__name__ and reference.apiVersion == self.api_version:
                self.queue.add(f"{pod.metadata.namespace}/{reference.name}")
            return
        if pod.metadata.deletionTimestamp:
            return
        for owner in self.owners.store.list(namespace=pod.metadata.namespace or ""):
            if self.selector(owner).matches(pod.metadata.labels or {}):
                self.queue.add(f"{pod.metadata.namespace}/{owner.metadata.name}")

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        """What befalls a Pod that nobody controls is nobody's business, unless it comes to match somebody."""
        was, owner = controller_of(old.metadata), controller_of(new.metadata)
        if owner is not None or was is not None or old.metadata.labels != new.metadata.labels:
            self._pod(new)
        if was != owner:
            self._pod(old)

    # --- reading, and saying ---

    async def reconcile(self, key: str) -> float | None:
        owner = self.owners.store.by_key(key)
        if owner is None:
            self.written.forget(key)
            self.said.forget(key)
            await self.gone(key)
            return None
        if self.written.is_behind(key, self.pods) or self.said.is_behind(key, self.owners):
            return AWAIT
        return await self.sync(key, owner, await self._claimed(key, owner))

    async def _claimed(self, key: str, owner: T) -> list[core_v1.Pod]:
        meta = owner.metadata
        near = [
            *self.pods.store.by_index(BY_OWNER, meta.uid or ""),
            *self.pods.store.by_index(BY_OWNER, f"{ORPHANS}/{meta.namespace}"),
        ]
        found = claim(meta, (p for p in near if self.may_own(owner, p)), self.selector(owner).matches)
        if found.adopt and not await self._is_alive(meta):
            found.adopt = []
        return await self.control.settle_claim(key, self.api_version, self.kind.__name__, meta, found)

    async def _is_alive(self, meta: meta_v1.ObjectMeta) -> bool:
        """Asked of the server, as the cache may be behind: who adopts must not be on its way out, or another."""
        try:
            fresh = await self.client.resource(self.kind).get(meta.name or "", namespace=meta.namespace or "")
        except NotFound:
            return False
        return fresh.metadata.uid == meta.uid and not fresh.metadata.deletionTimestamp

    async def write_status(self, key: str, owner: T, status: Any) -> T:
        """Written only when it says something new; a conflict is raised, and so tried again on a newer cache."""
        if msgspec.json.encode(status) == msgspec.json.encode(owner.status):
            return owner
        changed: T = msgspec.structs.replace(
            owner,  # type: ignore[type-var]  # every kind is a Struct
            kind=self.kind.__name__,
            apiVersion=self.api_version,
            status=status,
        )
        try:
            made: T = await self.client.resource(self.kind).update_status(changed)
        except NotFound:
            return changed
        self.said.note(key, made)
        return made

    def say(self, owner: T, kind: str, reason: str, message: str) -> None:
        self.context.recorder.event(owner, kind, reason, message)
