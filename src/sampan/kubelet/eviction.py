"""Which Pods have to go, so that the others and the node live on. Pure; `evictor.py` measures and carries it out.

Pods that break a promise of their own (an emptyDir's sizeLimit, a limit of ephemeral storage) go at once. When the node
runs low, one Pod at a time goes: first whoever uses more than it asked for, then by priority, then the largest excess.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from sampan.api import quantity
from sampan.api.types import core_v1
from sampan.kubelet.config import EvictionThreshold
from sampan.kubelet.pod_state import is_static
from sampan.kubelet.resources import qos_class
from sampan.kubelet.verdict import Verdict

EVICTED = "Evicted"
CRITICAL = 2_000_000_000
AT_ONCE = 1.0  # seconds of grace
TAINT = "node.kubernetes.io/memory-pressure"


class NodeMeasure(Struct, frozen=True, kw_only=True):
    """Bytes, inodes and process numbers. Some file systems do not count inodes: a total of 0."""

    memory_available: int
    disk_available: int
    disk_total: int
    inodes_available: int = 0
    inodes_total: int = 0
    pids_available: int = 0
    pids_total: int = 0


class Shortage(Struct, frozen=True):
    """What the node runs low of."""

    pressure: str  # the node's condition
    resource: str
    available: int
    limit: int


class PodUsage(Struct, frozen=True, kw_only=True):
    """Bytes that one Pod uses."""

    memory: int = 0
    volumes: Mapping[str, int] = {}  # emptyDirs on disk, by volume
    writable: Mapping[str, int] = {}  # containers' own layers and logs
    inodes: int = 0
    pids: int = 0

    @property
    def disk(self) -> int:
        return sum(self.volumes.values()) + sum(self.writable.values())


def shortages(measure: NodeMeasure, threshold: EvictionThreshold) -> list[Shortage]:
    """The worst first: without memory the node itself is in danger."""
    found = [
        Shortage("MemoryPressure", "memory", measure.memory_available, threshold.memory_available),
        Shortage("PIDPressure", "pids", measure.pids_available, int(measure.pids_total * threshold.pids_available)),
        Shortage("DiskPressure", "ephemeral-storage", measure.disk_available, disk_threshold(measure, threshold)),
        Shortage("DiskPressure", "inodes", measure.inodes_available, int(measure.inodes_total * threshold.inodes_free)),
    ]
    return [s for s in found if s.available < s.limit]


def pressures(measure: NodeMeasure, threshold: EvictionThreshold) -> frozenset[str]:
    return frozenset(s.pressure for s in shortages(measure, threshold))


def disk_threshold(measure: NodeMeasure, threshold: EvictionThreshold) -> int:
    """A share of the disk, but of a large disk not more than is really needed."""
    return min(int(measure.disk_total * threshold.nodefs_available), threshold.nodefs_enough)


def has_disk_limits(pod: core_v1.Pod) -> bool:
    """Whether its disk usage has to be looked at while the node is well."""
    return any(v.emptyDir is not None and v.emptyDir.sizeLimit is not None for v in pod.spec.volumes or ()) or any(
        "ephemeral-storage" in (c.resources.limits or {}) for c in pod.spec.containers
    )


def over_limit(pod: core_v1.Pod, usage: PodUsage) -> Verdict | None:
    """The Pod breaks a limit that it set itself."""
    for volume in pod.spec.volumes or ():
        empty = volume.emptyDir
        if empty is None or empty.sizeLimit is None or empty.medium == "Memory":
            continue
        limit = quantity.value(empty.sizeLimit)
        if limit and usage.volumes.get(volume.name, 0) > limit:
            said = f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{empty.sizeLimit}". '
            return Verdict(EVICTED, said, grace=AT_ONCE)
    limits = {
        c.name: quantity.value(c.resources.limits["ephemeral-storage"])
        for c in pod.spec.containers
        if c.resources.limits and "ephemeral-storage" in c.resources.limits
    }
    if len(limits) == len(pod.spec.containers) and usage.disk > sum(limits.values()):
        total = quantity.canonical(f"{sum(limits.values()) // 1024}Ki")
        said = f"Pod ephemeral local storage usage exceeds the total limit of containers {total}. "
        return Verdict(EVICTED, said, grace=AT_ONCE)
    for container in pod.spec.containers:
        allowed = limits.get(container.name)
        if allowed is not None and usage.writable.get(container.name, 0) > allowed:
            limit_text = (container.resources.limits or {})["ephemeral-storage"]
            said = f'Container {container.name} exceeded its local ephemeral storage limit "{limit_text}". '
            return Verdict(EVICTED, said, grace=AT_ONCE)
    return None


def choose(shortage: Shortage, pods: Iterable[tuple[core_v1.Pod, PodUsage]]) -> tuple[core_v1.Pod, Verdict] | None:
    """Who goes next."""
    resource = shortage.resource

    def excess(pod: core_v1.Pod, usage: PodUsage) -> int:
        return _used(resource, usage) - _requested(resource, pod)

    candidates = [(p, u) for p, u in pods if not is_critical(p)]
    if not candidates:
        return None
    pod, usage = min(candidates, key=lambda c: (excess(*c) <= 0, c[0].spec.priority or 0, -excess(*c)))
    said = (
        f"The node was low on resource: {resource}. Threshold quantity: {_limit(resource, shortage.limit)}, "
        f"available: {_amount(resource, shortage.available)}. "
    )
    if excess(pod, usage) > 0 and resource in ("memory", "ephemeral-storage"):
        used, asked = _used(resource, usage), _requested(resource, pod)
        named = pod.spec.containers[0].name
        said += f"Container {named} was using {_amount(resource, used)}, request is {_limit(resource, asked)}, "
        said += f"has larger consumption of {resource}. "
    return pod, Verdict(EVICTED, said, grace=AT_ONCE if resource == "memory" else 0.0, disrupted=True)


def refusal(pod: core_v1.Pod, active: frozenset[str]) -> Verdict | None:
    """A node under pressure takes no more Pods that would make it worse."""
    if not active or is_critical(pod):
        return None
    if active == {"MemoryPressure"}:
        tolerated = any(
            t.key in (None, "", TAINT) and t.effect in (None, "", "NoSchedule") for t in pod.spec.tolerations or ()
        )
        if tolerated or qos_class(pod) != "BestEffort":
            return None
    return Verdict(EVICTED, f"The node had condition: [{' '.join(sorted(active))}]. ", rejected=True)


def is_critical(pod: core_v1.Pod) -> bool:
    return is_static(pod) or (pod.spec.priority or 0) >= CRITICAL


def _used(resource: str, usage: PodUsage) -> int:
    return {"memory": usage.memory, "inodes": usage.inodes, "pids": usage.pids}.get(resource, usage.disk)


def _requested(resource: str, pod: core_v1.Pod) -> int:
    return sum(quantity.value((c.resources.requests or {}).get(resource, 0)) for c in pod.spec.containers)


def _amount(resource: str, amount: int) -> str:
    return str(amount) if resource in ("inodes", "pids") else f"{amount // 1024}Ki"


def _limit(resource: str, amount: int) -> str:
    """The largest unit that says it exactly."""
    if resource in ("memory", "ephemeral-storage"):
        for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
            if amount and amount % size == 0:
                return f"{amount // size}{unit}"
    return str(amount)
