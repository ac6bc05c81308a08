"""Reads nodes and Pods, decides (`decide.py`), acts, writes the status."""

from __future__ import annotations

from sampan.api.types import apps_v1, core_v1
from sampan.controllers.contract import Context
from sampan.controllers.daemon_set import decide
from sampan.controllers.daemon_set.places import API, GENERATION, KIND, make_pod, places
from sampan.controllers.history import HASH_LABEL, History
from sampan.controllers.owned_pods import BY_OWNER, ORPHANS, next_available, owner_index
from sampan.controllers.replacements import Replacements
from sampan.controllers.workload import Workload

RETRY_LONGEST = 900.0  # seconds between replacements of Pods that end on one node


class DaemonSets(Workload[apps_v1.DaemonSet]):
    kind = apps_v1.DaemonSet
    api_version = API

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = context.informer(core_v1.Node)
        self.revisions = context.informer(apps_v1.ControllerRevision, indexes={BY_OWNER: owner_index})
        self.history = History(context.client, KIND)
        self.backoff = Replacements(context.clock, RETRY_LONGEST)
        self.nodes.add_handler(on_add=lambda _: self._all(), on_update=self._node, on_delete=lambda _: self._all())

    def _all(self) -> None:
        for daemon in self.owners.store:
            self.queue.add(f"{daemon.metadata.namespace}/{daemon.metadata.name}")

    def _node(self, old: core_v1.Node, new: core_v1.Node) -> None:
        if (old.metadata.labels, old.spec) != (new.metadata.labels, new.spec):
            self._all()

    async def gone(self, key: str) -> None:
        self.backoff.forget(key)

    async def sync(self, key: str, owner: apps_v1.DaemonSet, pods: list[core_v1.Pod]) -> float | None:
        meta, now = owner.metadata, self.clock.now()
        selector = owner.spec.selector
        if selector is not None and not selector.matchLabels and not selector.matchExpressions:
            said = "This daemon set is selecting all pods. A non-empty selector is required."
            self.say(owner, "Warning", "SelectingAll", said)
            return None
        if meta.deletionTimestamp:
            return None
        orphans = self.revisions.store.by_index(BY_OWNER, f"{ORPHANS}/{meta.namespace}")
        known = [
            *self.revisions.store.by_index(BY_OWNER, meta.uid or ""),
            *await self.history.adopt(meta, orphans, self.selector(owner).matches),
        ]
        revision = await self.history.sync(meta, owner.spec.template, owner.status.collisionCount, known)
        digest = (revision.metadata.labels or {}).get(HASH_LABEL, "")
        newest = decide.Newest(digest, (meta.annotations or {}).get(GENERATION))
        where, placed = places(owner, self.nodes.store), decide.placed_pods(pods)
        decided = decide.manage(owner, where, placed, newest, now)
        wait = self._hold_back(key, owner, decided)
        if not decided.create and not decided.delete:
            decided = decide.roll(owner, where, placed, newest, now)
        try:
            await self.control.delete_many(key, owner, decided.delete)
            await self.control.create_many(key, owner, [make_pod(owner, node, digest) for node in decided.create])
        finally:
            await self.write_status(key, owner, decide.status_of(owner, where, placed, newest, now))
        in_use = {(p.metadata.labels or {}).get(HASH_LABEL, "") for p in pods} | {digest}
        await self.history.trim(known, meta, in_use, owner.spec.revisionHistoryLimit)
        again = (wait, next_available(pods, owner.spec.minReadySeconds, now))
        return min((s for s in again if s is not None), default=None)

    def _hold_back(self, key: str, daemon: apps_v1.DaemonSet, decided: decide.Plan) -> float | None:
        """Pods that ended are replaced, but not in a hot loop with a kubelet that refuses them."""
        wait: float | None = None
        for pod in decided.ended:
            where = f"{pod.metadata.namespace}/{pod.metadata.name} on node {pod.spec.nodeName}"
            if pod.status.phase == "Succeeded":
                said = f"Found succeeded daemon pod {where}, will try to delete it"
                self.say(daemon, "Normal", "SucceededDaemonPod", said)
                decided.delete.append(pod)
                continue
            left = self.backoff.wait(key, pod.spec.nodeName or "")
            if left > 0:
                wait = left if wait is None else min(left, wait)
                continue
            said = f"Found failed daemon pod {where}, will try to kill it"
            self.say(daemon, "Warning", "FailedDaemonPod", said)
            decided.delete.append(pod)
        return wait
