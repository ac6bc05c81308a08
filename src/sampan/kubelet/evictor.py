"""Measures the node and its Pods every few seconds, reports pressure, and ends the Pods that `eviction.py` names.

While all is well this costs a look at two numbers, and at the directories of those Pods alone that have limits of
their own.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from sampan.client.clock import Clock
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.eviction import NodeMeasure, PodUsage, choose, has_disk_limits, over_limit, pressures, shortages
from sampan.kubelet.image_gc import ImageCollector
from sampan.kubelet.node.facts import existing, meminfo, process_numbers
from sampan.kubelet.pod_state import pod_key
from sampan.kubelet.seams import Events
from sampan.kubelet.verdict import Verdict
from sampan.kubelet.worker import Phase, PodWorker
from sampan.runtime.contract import ContainerState, NotFound, Runtime

log = logging.getLogger(__name__)

LOOK_EVERY = 10.0
PRESSURE_LASTS = 300.0  # a pressure that is over is believed to be so after this long


class Evictor:
    def __init__(
        self,
        config: KubeletConfig,
        runtime: Runtime,
        events: Events,
        clock: Clock,
        images: ImageCollector,
        *,
        workers: Callable[[], Iterable[PodWorker]],
        news: Callable[[], None],
        measure: Callable[[], NodeMeasure] | None = None,
    ) -> None:
        """`news`: the node's conditions changed."""
        self._config = config
        self._runtime = runtime
        self._events = events
        self._clock = clock
        self._images = images
        self._workers = workers
        self._news = news
        self._measure = measure or self._look
        self._seen: dict[str, float] = {}  # when a pressure was last there
        self.active: frozenset[str] = frozenset()

    async def run(self) -> None:
        while True:
            try:
                await self.step()
            except Exception:
                log.exception("eviction: will look again")
            await self._clock.sleep(LOOK_EVERY)

    async def step(self) -> None:
        """One look, and what follows from it."""
        measure = await asyncio.to_thread(self._measure)
        now = self._clock.monotonic()
        current = pressures(measure, self._config.eviction_hard)
        self._seen |= dict.fromkeys(current, now)
        active = frozenset(p for p, at in self._seen.items() if now - at < PRESSURE_LASTS)
        if active != self.active:
            self.active = active
            self._news()
        living = [w for w in self._workers() if w.phase is Phase.SYNC]
        for worker in living:
            if has_disk_limits(worker.pod):
                verdict = over_limit(worker.pod, await self._usage(worker, disk=True))
                if verdict is not None:
                    self._evict(worker, verdict)
        if "DiskPressure" in current:
            await self._images.collect()
            measure = await asyncio.to_thread(self._measure)
        for shortage in shortages(measure, self._config.eviction_hard):
            disk = shortage.pressure == "DiskPressure"
            used = [(w, await self._usage(w, disk=disk)) for w in living if w.phase is Phase.SYNC]
            by_uid = {w.uid: w for w, _ in used}
            chosen = choose(shortage, [(w.pod, u) for w, u in used])
            if chosen is not None:
                self._evict(by_uid[chosen[0].metadata.uid or ""], chosen[1])
                return  # see first what that gave

    def _evict(self, worker: PodWorker, verdict: Verdict) -> None:
        if worker.phase is not Phase.SYNC:
            return
        log.warning("evicting %s: %s", pod_key(worker.pod), verdict.message)
        self._events.warning(worker.pod, verdict.reason, verdict.message)
        worker.end(verdict)

    def _look(self) -> NodeMeasure:
        root = existing(self._config.root_dir)
        disk, system = shutil.disk_usage(root), os.statvfs(root)
        pids, in_use = process_numbers()
        return NodeMeasure(
            memory_available=meminfo().get("MemAvailable", 0),
            disk_available=disk.free,
            disk_total=disk.total,
            inodes_available=system.f_favail,
            inodes_total=system.f_files,
            pids_available=pids - in_use,
            pids_total=pids,
        )

    async def _usage(self, worker: PodWorker, *, disk: bool) -> PodUsage:
        """Of the disk, or of memory and processes."""
        memory = pids = inodes = 0
        writable: dict[str, int] = {}
        for sandbox in await self._runtime.list_sandboxes(pod_uid=worker.uid):
            try:
                if not disk:
                    stats = await self._runtime.sandbox_stats(sandbox.id)
                    memory, pids = memory + stats.memory.working_set, pids + stats.pids
                    continue
                for container in await self._runtime.list_containers(sandbox_id=sandbox.id):
                    if container.state is ContainerState.RUNNING:
                        written = await self._runtime.container_stats(container.id)
                        logs = Path(container.log_path).parent
                        logged = await asyncio.to_thread(tree_size, logs) if container.log_path else (0, 0)
                        writable[container.name] = written.writable_bytes + logged[0]
                        inodes += written.writable_inodes + logged[1]
            except NotFound:
                continue
        volumes: dict[str, int] = {}
        if disk:
            root = self._config.root_dir / "pods" / worker.uid / "volumes" / "kubernetes.io~empty-dir"
            for volume in worker.pod.spec.volumes or ():
                if volume.emptyDir is not None and volume.emptyDir.medium != "Memory":
                    volumes[volume.name], files = await asyncio.to_thread(tree_size, root / volume.name)
                    inodes += files
        return PodUsage(memory=memory, pids=pids, inodes=inodes, volumes=volumes, writable=writable)


def tree_size(directory: Path) -> tuple[int, int]:
    """Bytes on disk of everything below, as du counts them, and how many files and directories there are."""
    total = count = 0
    for root, folders, files in os.walk(directory):
        count += len(folders) + len(files)
        for name in files:
            try:
                total += os.lstat(os.path.join(root, name)).st_blocks * 512
            except OSError:
                continue  # gone meanwhile
    return total, count
