"""Reads nodes and Pods, decides (`decide.py`), acts, writes the status."""

from __future__ import annotations

import asyncio

import msgspec

from sampan.api.errors import Conflict, NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.daemon_set import decide
from sampan.controllers.history import HASH_LABEL, History
from sampan.controllers.owned_pods import (
    BY_OWNER,
    ORPHANS,
    PodControl,
    available_in,
    claim,
    controller_of,
    from_template,
    owner_index,
    owner_reference,
)
from sampan.controllers.written import LOOK_AGAIN, Written

KIND, API = "DaemonSet", "apps/v1"


class DaemonSets(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.daemons = context.informer(apps_v1.DaemonSet)
        self.nodes = context.informer(core_v1.Node)
        self.pods = context.informer(core_v1.Pod, indexes={BY_OWNER: owner_index})
        self.revisions = context.informer(apps_v1.ControllerRevision)
        self.written = Written(context.clock)
        self.control = PodControl(context.client, context.recorder, self.written)
        self.history = History(context.client, KIND)
        self.daemons.add_key_handler(self.queue.add)
        self.nodes.add_handler(on_add=lambda _: self._all(), on_update=self._node, on_delete=lambda _: self._all())
        self.pods.add_handler(on_add=self._pod, on_update=lambda _, new: self._pod(new), on_delete=self._pod)

    def _all(self) -> None:
        for daemon in self.daemons.store:
            self.queue.add(f"{daemon.metadata.namespace}/{daemon.metadata.name}")

    def _node(self, old: core_v1.Node, new: core_v1.Node) -> None:
        if (old.metadata.labels, old.spec) != (new.metadata.labels, new.spec):
            self._all()

    def _pod(self, pod: core_v1.Pod) -> None:
        reference = controller_of(pod.metadata)
        if reference is not None and reference.kind == KIND:
            self.queue.add(f"{pod.metadata.namespace}/{reference.name}")

    async def reconcile(self, key: str) -> float | None:
        daemon = self.daemons.store.by_key(key)
        if daemon is None:
            self.written.forget(key)
            return None
        if self.written.is_behind(key, self.pods.store):
            return LOOK_AGAIN
        meta = daemon.metadata
        selector = label_selectors.from_label_selector(daemon.spec.selector)
        near = [
            *self.pods.store.by_index(BY_OWNER, meta.uid or ""),
            *self.pods.store.by_index(BY_OWNER, f"{ORPHANS}/{meta.namespace}"),
        ]
        pods = await self.control.settle_claim(key, API, KIND, meta, claim(meta, near, selector.matches))
        if meta.deletionTimestamp:
            return None
        known = self.revisions.store.list(namespace=meta.namespace or "")
        generation = {"deprecated.daemonset.template.generation": str(meta.generation or 1)}
        revision = await self.history.sync(
            meta, daemon.spec.template, daemon.status.collisionCount, known, annotations=generation
        )
        digest = (revision.metadata.labels or {}).get(HASH_LABEL, "")
        nodes = list(self.nodes.store)
        now = self.clock.now()
        decided = decide.plan(daemon, nodes, pods)
        if not decided.create and not decided.delete:
            desired = sum(decide.place(daemon, n).should_run for n in nodes)
            decided.delete = decide.outdated_to_delete(daemon, pods, desired, digest, now)
        try:
            await self._act(key, daemon, decided, digest)
        finally:
            await self._write_status(key, daemon, decide.status_of(daemon, nodes, pods, digest, now))
        in_use = {(p.metadata.labels or {}).get(HASH_LABEL, "") for p in pods} | {digest}
        limit = 10 if daemon.spec.revisionHistoryLimit is None else daemon.spec.revisionHistoryLimit
        await self.history.trim(known, meta, in_use, limit)
        seconds = daemon.spec.minReadySeconds or 0
        return min((t for p in pods if (t := available_in(p, seconds, now))), default=None)

    async def _act(self, key: str, daemon: apps_v1.DaemonSet, decided: decide.Plan, digest: str) -> None:
        meta = daemon.metadata
        reference = owner_reference(API, KIND, meta)
        for pod in decided.delete:
            if pod.status.phase == "Failed":
                said = f"Found failed daemon pod {meta.namespace}/{pod.metadata.name} on node {pod.spec.nodeName}, "
                self.context.recorder.event(daemon, "Warning", "FailedDaemonPod", f"{said}will try to kill it")
        await self.control.delete_many(key, daemon, decided.delete)

        def make(node: str) -> core_v1.Pod:
            pod = from_template(daemon.spec.template, meta.namespace or "", f"{meta.name}-", reference)
            pod.metadata.labels = {**(pod.metadata.labels or {}), HASH_LABEL: digest}
            if daemon.metadata.generation is not None:
                pod.metadata.labels["pod-template-generation"] = str(daemon.metadata.generation)
            pod.spec = decide.pod_spec(daemon.spec.template, node)
            return pod

        results = await asyncio.gather(
            *(self.control.create(key, daemon, make(node)) for node in decided.create), return_exceptions=True
        )
        failed = next((r for r in results if isinstance(r, BaseException)), None)
        if failed is not None:
            raise failed

    async def _write_status(self, key: str, daemon: apps_v1.DaemonSet, status: apps_v1.DaemonSetStatus) -> None:
        if msgspec.json.encode(status) == msgspec.json.encode(daemon.status):
            return
        changed = apps_v1.DaemonSet(
            kind=KIND, apiVersion=API, metadata=daemon.metadata, spec=daemon.spec, status=status
        )
        try:
            await self.client.resource(apps_v1.DaemonSet).update_status(changed)
        except Conflict:
            self.queue.add(key)
        except NotFound:
            return
