"""Whether a Pod is to be removed by force, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from sampan.api.types import core_v1

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


class Fate(Enum):
    STAY = ""
    ORPHANED = "PodGC: node no longer exists"
    UNSCHEDULED = "unscheduled and terminating"
    OUT_OF_SERVICE = "PodGC: node is out of service"


def fate(pod: core_v1.Pod, node: core_v1.Node | None) -> Fate:
    """`node` None: there is none of the Pod's node's name."""
    terminating = pod.metadata.deletionTimestamp is not None
    if not pod.spec.nodeName:
        return Fate.UNSCHEDULED if terminating else Fate.STAY
    if node is None:
        return Fate.ORPHANED
    tainted = any(t.key == OUT_OF_SERVICE for t in node.spec.taints or ())
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or ())
    return Fate.OUT_OF_SERVICE if terminating and tainted and not ready else Fate.STAY


def is_finished(pod: core_v1.Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def too_many(pods: Sequence[core_v1.Pod], threshold: int) -> list[core_v1.Pod]:
    """The finished Pods that go: evicted ones first, then the oldest."""
    finished = [pod for pod in pods if is_finished(pod)]
    over = len(finished) - threshold
    if threshold <= 0 or over <= 0:
        return []
    return sorted(finished, key=_age)[:over]


def _age(pod: core_v1.Pod) -> tuple[bool, str, str]:
    evicted = pod.status.phase == "Failed" and pod.status.reason == "Evicted"
    return not evicted, pod.metadata.creationTimestamp or "", pod.metadata.name or ""
