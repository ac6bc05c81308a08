"""Every Pod of this node and its worker: takes Pods from the API and from files, wakes workers, clears away strays."""

import asyncio
import logging
from collections.abc import Callable, Iterator

from sampan.api.types import core_v1, meta_v1
from sampan.kubelet.pod_state import is_mirror, is_static, pod_key
from sampan.kubelet.verdict import Verdict
from sampan.kubelet.worker import Phase, PodWorker, Tools
from sampan.runtime.contract import Event, Runtime

log = logging.getLogger(__name__)

Admit = Callable[[core_v1.Pod, list[core_v1.Pod]], Verdict | None]


class Pods:
    def __init__(self, tools: Tools, *, admit: Admit) -> None:
        """`admit(pod, others)` refuses what this node cannot take."""
        self._tools = tools
        self._admit = admit
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._queued: dict[str, core_v1.Pod] = {}  # static Pods that wait for their predecessor to end, by full name
        self._seen_before: set[str] = set()  # had a sandbox when the kubelet started: they were let in long ago
        tools.probes.watch(self.wake)
        tools.volumes.watch(self.wake)
        tools.room_made = self._room_made

    def __iter__(self) -> Iterator[PodWorker]:
        return iter(list(self._workers.values()))

    def worker(self, uid: str) -> PodWorker | None:
        return self._workers.get(uid)

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """By name, as its own API is asked; a Pod that is going away gives way to its successor."""
        found = [
            w for w in self._workers.values() if w.pod.metadata.name == name and w.pod.metadata.namespace == namespace
        ]
        return min(found, key=lambda w: w.phase is not Phase.SYNC, default=None)

    def apply(self, pod: core_v1.Pod) -> None:
        """A Pod as it is wanted: new or changed."""
        if is_mirror(pod):
            return
        uid = pod.metadata.uid or ""
        worker = self._workers.get(uid)
        if worker is not None and not (worker.removed and is_static(pod)):
            worker.update(pod)
            return
        if is_static(pod):  # also one whose file was away for a moment
            name = _full_name(pod)
            if any(_full_name(w.pod) == name for w in self._workers.values()):
                self._queued[name] = pod
                return
        self._begin(pod)

    def remove(self, uid: str, *, forced: bool = False) -> None:
        """A Pod that is wanted no more: its file is gone, or (`forced`) it left the API without waiting for us."""
        for name, queued in list(self._queued.items()):
            if queued.metadata.uid == uid:
                del self._queued[name]
        worker = self._workers.get(uid)
        if worker is not None:
            worker.remove(forced=forced)

    def wake(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def _room_made(self) -> None:
        """A Pod has gone: one that waits to grow may now."""
        for worker in self._workers.values():
            if worker.waits_for_room:
                worker.wake()

    def runtime_event(self, event: Event) -> None:
        self.wake(event.pod_uid)

    async def remember(self, runtime: Runtime) -> None:
        """At start: what already runs here is not admitted anew."""
        self._seen_before = {s.uid for s in await runtime.list_sandboxes()}

    async def clear_strays(self, runtime: Runtime) -> None:
        """Sandboxes that belong to no Pod that is known, once all sources have been read."""
        for sandbox in await runtime.list_sandboxes():
            if sandbox.uid in self._workers:
                continue
            log.info("pod %s/%s is unknown: removing what is left of it", sandbox.namespace, sandbox.name)
            stray = core_v1.Pod(
                metadata=meta_v1.ObjectMeta(name=sandbox.name, namespace=sandbox.namespace, uid=sandbox.uid),
                spec=core_v1.PodSpec(terminationGracePeriodSeconds=1),
            )
            self._begin(stray, admitted=True).remove()
        for attached in await self._tools.network.attached():
            if attached.id not in self._workers:
                await self._tools.network.detach(attached.id)

    async def stop(self) -> None:
        """The kubelet goes; the Pods stay."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, pod: core_v1.Pod, *, admitted: bool = False) -> PodWorker:
        uid = pod.metadata.uid or ""
        worker = PodWorker(pod, self._tools)
        self._workers[uid] = worker
        if not admitted and uid not in self._seen_before and not pod.metadata.deletionTimestamp:
            others = [w.pod for w in self._workers.values() if w is not worker and w.phase is Phase.SYNC]
            verdict = self._admit(pod, others)
            if verdict is not None:
                self._tools.events.warning(pod, verdict.reason, verdict.message)
                worker.end(verdict)
        if pod.metadata.deletionTimestamp:
            worker.update(pod)
        task = asyncio.get_running_loop().create_task(worker.run(), name=f"pod {pod_key(pod)}")
        self._tasks[uid] = task
        task.add_done_callback(lambda done: self._ended(uid, pod, done))
        return worker

    def _ended(self, uid: str, pod: core_v1.Pod, task: asyncio.Task[None]) -> None:
        self._tasks.pop(uid, None)
        self._workers.pop(uid, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("pod %s: its worker died and is started again", pod_key(pod), exc_info=error)
            self._begin(pod, admitted=True)
            return
        self._tools.events.forget(pod)
        successor = self._queued.pop(_full_name(pod), None)
        if successor is not None:
            self._begin(successor)


def _full_name(pod: core_v1.Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"
