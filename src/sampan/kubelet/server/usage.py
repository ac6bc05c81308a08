"""What the node's Pods use at one moment, for everything that tells of it: the summary and the metrics."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from sampan.api.types import core_v1
from sampan.kubelet.evictor import tree_size
from sampan.kubelet.node.facts import existing, meminfo, memory_total
from sampan.kubelet.pods import Pods
from sampan.kubelet.worker import Phase
from sampan.runtime.contract import ContainerStats, CpuStats, MemoryStats, NotFound, Runtime, SandboxStats

JIFFY = 10_000_000  # nanoseconds of a clock tick
TREES_STAY = 60.0  # seconds for which what a directory holds is believed


class Disk(Struct, frozen=True, kw_only=True):
    """A file system; `used` may be of one directory on it."""

    capacity: int
    available: int
    inodes: int
    inodes_free: int
    used: int
    inodes_used: int


class VolumeUsage(Struct, frozen=True, kw_only=True):
    name: str
    disk: Disk
    claim: str = ""  # its name, of a PersistentVolumeClaim


class PodUsage(Struct, frozen=True, kw_only=True):
    pod: core_v1.Pod
    stats: SandboxStats
    containers: list[ContainerStats]  # those that run
    volumes: list[VolumeUsage] = []
    logs: dict[str, tuple[int, int]] = {}  # bytes and files, by container


class NodeUsage(Struct, frozen=True, kw_only=True):
    cpu: int
    memory: MemoryStats
    available: int
    disk: Disk


class Measures:
    def __init__(
        self, root: Path, pods: Pods, runtime: Runtime, volume_paths: Callable[[str], dict[str, Path]]
    ) -> None:
        """`volume_paths(uid)`: where the Pod's volumes are, by name."""
        self.cpus = len(os.sched_getaffinity(0))
        self.memory = memory_total()
        self._root = root
        self._pods = pods
        self._runtime = runtime
        self._volume_paths = volume_paths
        self._trees: dict[Path, tuple[float, tuple[int, int]]] = {}

    def node(self) -> NodeUsage:
        memory, faults = meminfo(), page_faults()
        used = memory["MemTotal"] - memory.get("MemAvailable", 0)
        stats = MemoryStats(
            usage=memory["MemTotal"] - memory.get("MemFree", 0),
            working_set=used,
            rss=memory.get("AnonPages", 0),
            swap=memory.get("SwapTotal", 0) - memory.get("SwapFree", 0),
            page_faults=faults[0],
            major_page_faults=faults[1],
        )
        return NodeUsage(
            cpu=cpu_nanoseconds(), memory=stats, available=memory.get("MemAvailable", 0), disk=self.disk(self._root)
        )

    def own(self) -> tuple[CpuStats, MemoryStats]:
        """This process: kubelet and runtime in one."""
        times = os.times()
        status = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        rss = int(status[21]) * os.sysconf("SC_PAGE_SIZE")
        user, system = (int(seconds * 1e9) for seconds in times[:2])
        memory = MemoryStats(
            usage=rss, working_set=rss, rss=rss, page_faults=int(status[7]), major_page_faults=int(status[9])
        )
        return CpuStats(total=user + system, user=user, system=system), memory

    async def pods(self, *, disk: bool = True) -> list[PodUsage]:
        """`disk`: with volumes and logs, which cost a walk through their directories now and then."""
        found = []
        for worker in self._pods:
            if worker.phase is not Phase.SYNC:
                continue
            stats = await self._newest(worker.uid)
            if stats is None:
                continue
            running = [c for c in stats.containers if c.running]
            usage = PodUsage(pod=worker.pod, stats=stats, containers=running)
            found.append(await asyncio.to_thread(self._with_disk, usage) if disk else usage)
        if disk:
            self._forget_old()
        return found

    async def _newest(self, uid: str) -> SandboxStats | None:
        sandboxes = await self._runtime.list_sandboxes(pod_uid=uid)
        newest = max(sandboxes, key=lambda s: s.created_at, default=None)
        try:
            return await self._runtime.sandbox_stats(newest.id) if newest is not None else None
        except NotFound:
            return None

    def _with_disk(self, usage: PodUsage) -> PodUsage:
        pod = usage.pod
        paths = self._volume_paths(pod.metadata.uid or "")
        volumes = []
        for volume in pod.spec.volumes or ():
            path = paths.get(volume.name)
            claim = volume.persistentVolumeClaim
            if path is None or volume.hostPath is not None or not path.is_dir():
                continue
            named = claim.claimName if claim is not None else ""
            if volume.ephemeral is not None:
                named = f"{pod.metadata.name}-{volume.name}"
            whole = bool(named) or (volume.emptyDir is not None and volume.emptyDir.medium == "Memory")
            disk = self.disk(path) if whole else self._directory(path)
            volumes.append(VolumeUsage(name=volume.name, disk=disk, claim=named))
        logs = {c.name: self._tree(Path(c.log_path).parent) for c in usage.containers if c.log_path}
        return PodUsage(pod=pod, stats=usage.stats, containers=usage.containers, volumes=volumes, logs=logs)

    def disk(self, path: Path) -> Disk:
        """A whole file system."""
        where = existing(path)
        space, files = shutil.disk_usage(where), os.statvfs(where)
        return Disk(
            capacity=space.total,
            available=space.free,
            used=space.used,
            inodes=files.f_files,
            inodes_free=files.f_ffree,
            inodes_used=files.f_files - files.f_ffree,
        )

    def _directory(self, path: Path) -> Disk:
        """What one directory holds of its file system."""
        used, files = self._tree(path)
        whole = self.disk(path)
        return Disk(
            capacity=whole.capacity,
            available=whole.available,
            used=used,
            inodes=whole.inodes,
            inodes_free=whole.inodes_free,
            inodes_used=files,
        )

    def _tree(self, path: Path) -> tuple[int, int]:
        known = self._trees.get(path)
        now = time.monotonic()
        if known is None or now - known[0] > TREES_STAY:
            known = self._trees[path] = (now, tree_size(path))
        return known[1]

    def _forget_old(self) -> None:
        now = time.monotonic()
        self._trees = {path: known for path, known in self._trees.items() if now - known[0] <= TREES_STAY}


def cpu_nanoseconds() -> int:
    """CPU time that the machine has spent on anything since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        numbers = [int(n) for n in file.readline().split()[1:9]]
    busy = sum(numbers) - numbers[3] - numbers[4]
    return busy * JIFFY


def page_faults() -> tuple[int, int]:
    found = dict.fromkeys(("pgfault", "pgmajfault"), 0)
    for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(" ")
        if name in found:
            found[name] = int(value)
    return found["pgfault"], found["pgmajfault"]
