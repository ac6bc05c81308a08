"""What the API server tells, brought to the cache and the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.api.types import core_v1
from sampan.client.shared import SharedInformerFactory
from sampan.scheduler.hints import Happening, changes_of
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.volumes import VolumeObjects

if TYPE_CHECKING:
    from sampan.scheduler.run import SchedulerService

ENDED = ("Succeeded", "Failed")


class Feed:
    def __init__(self, service: SchedulerService, informers: SharedInformerFactory, volumes: VolumeObjects) -> None:
        self._service = service
        self._informers = informers
        self._cache, self._queue, self._world = service.cache, service.queue, service.world
        self._pods = informers.informer(core_v1.Pod)
        self._pods.add_handler(on_add=self._pod, on_update=self._pod_changed, on_delete=self._pod_gone)
        informers.informer(core_v1.Node).add_handler(
            on_add=self._node_added, on_update=self._node_changed, on_delete=self._node_gone
        )
        informers.informer(core_v1.Namespace).add_handler(
            on_add=self._namespace, on_update=lambda _, new: self._namespace(new), on_delete=self._namespace_gone
        )
        volumes.on_change(self._volumes_changed)

    async def synced(self) -> None:
        """All that there was at the start is known."""
        await self._informers.wait_for_sync()

    def waiting(self, info: PodInfo) -> core_v1.Pod | None:
        """The Pod as it is now, if it still waits for a node."""
        current = self._pods.store.by_key(info.key)
        if current is None or current.metadata.uid != info.uid or current.spec.nodeName:
            return None
        return current

    # -- Pods --------------------------------------------------------------------------------------------------------

    def _pod(self, pod: core_v1.Pod) -> None:
        if pod.spec.nodeName:
            self._placed(pod)
        elif pod.spec.schedulerName in self._service.schedulers:
            self._unplaced(pod)

    def _placed(self, pod: core_v1.Pod) -> None:
        uid = pod.metadata.uid or ""
        if pod.status.phase in ENDED:
            self._gone(uid)
            return
        before = self._cache.pod(uid)
        self._cache.set_pod(pod)
        self._queue.remove(uid)
        self._service.reports.forget(uid)
        self._world.nominated.drop(uid)
        now = self._cache.pod(uid)
        if before is None:
            self._queue.happened(Happening.POD_PLACED, now)
        elif now is not None and any(now.requests.get(n, 0) < amount for n, amount in before.requests.items()):
            self._queue.happened(Happening.POD_GONE, now)  # it was resized: as good as a part of it

    def _unplaced(self, pod: core_v1.Pod) -> None:
        uid = pod.metadata.uid or ""
        gated = pod.spec.schedulingGates and self._service.schedulers[pod.spec.schedulerName or ""].profile.gates
        if pod.metadata.deletionTimestamp or gated or pod.status.phase in ENDED:
            self._forget(uid)
            return
        if self._cache.is_placed(uid):
            return  # assumed: the binding is under way
        info = PodInfo(pod)
        nominated = pod.status.nominatedNodeName
        if nominated and not self._world.nominated.node_of(uid):
            self._world.nominated.put(info, nominated)  # by us, in another life
        known = self._queue.known(uid)
        if known is None or not known.same_as(info):
            self._queue.add(info)
        else:
            self._queue.refresh(info)

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        if old.status.nominatedNodeName and not new.status.nominatedNodeName:
            self._world.nominated.drop(new.metadata.uid or "")
        self._pod(new)
        if not new.spec.nodeName:
            return
        relabelled = old.metadata.labels != new.metadata.labels
        if relabelled or (new.metadata.deletionTimestamp and not old.metadata.deletionTimestamp):
            # To whoever counts Pods by their labels as good as one that came and one that went.
            self._queue.happened(Happening.POD_PLACED, self._cache.pod(new.metadata.uid or ""))
        if relabelled:
            self._queue.happened(Happening.POD_GONE, PodInfo(old))

    def _pod_gone(self, pod: core_v1.Pod) -> None:
        self._gone(pod.metadata.uid or "")

    def _gone(self, uid: str) -> None:
        self._forget(uid)
        info = self._cache.pod(uid)
        if self._cache.remove_pod(uid):
            self._queue.happened(Happening.POD_GONE, info)

    def _forget(self, uid: str) -> None:
        self._queue.remove(uid)
        self._service.verdicts.drop(uid)
        self._service.reports.forget(uid)
        self._world.nominated.drop(uid)

    # -- nodes and the rest ------------------------------------------------------------------------------------------

    def _node_added(self, node: core_v1.Node) -> None:
        self._cache.set_node(node)
        self._queue.happened(Happening.NODE_ADDED, self._cache.nodes[node.metadata.name or ""])

    def _node_changed(self, old: core_v1.Node, new: core_v1.Node) -> None:
        changes = changes_of(old, new)
        if changes or old.status.images != new.status.images:
            self._cache.set_node(new)
        for what in changes:
            self._queue.happened(what, self._cache.nodes[new.metadata.name or ""])

    def _node_gone(self, node: core_v1.Node) -> None:
        self._cache.remove_node(node.metadata.name or "")
        self._queue.happened(Happening.NODE_GONE)

    def _namespace(self, namespace: core_v1.Namespace) -> None:
        name, labels = namespace.metadata.name or "", namespace.metadata.labels or {}
        if self._world.namespaces.get(name, {}) != labels:
            self._world.namespaces[name] = labels
            for scheduler in self._service.schedulers.values():
                scheduler.shapes.forget()

    def _namespace_gone(self, namespace: core_v1.Namespace) -> None:
        self._world.namespaces.pop(namespace.metadata.name or "", None)

    def _volumes_changed(self, taken: str) -> None:
        """`taken`: a volume that has its claim now."""
        self._world.reserved.pop(taken, None)
        self._service.binder.volumes_changed.set()
        self._queue.happened(Happening.VOLUME)
