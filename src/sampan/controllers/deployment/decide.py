"""The arithmetic of a rollout. Pure: from a Deployment and its ReplicaSets to the next sizes."""

from __future__ import annotations

import math

from msgspec import Struct

from sampan.api.types import apps_v1

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX = "deployment.kubernetes.io/max-replicas"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"


def wanted(deployment: apps_v1.Deployment) -> int:
    return 1 if deployment.spec.replicas is None else deployment.spec.replicas


def size(replica_set: apps_v1.ReplicaSet) -> int:
    return 1 if replica_set.spec.replicas is None else replica_set.spec.replicas


def resolve(value: int | str | None, total: int, *, up: bool, default: str = "25%") -> int:
    """An absolute number, or a percentage of `total`."""
    value = default if value is None else value
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * total / 100
    return math.ceil(share) if up else math.floor(share)


class Fence(Struct, frozen=True):
    """How far a rolling update may go over and under."""

    surge: int
    unavailable: int


def fence(deployment: apps_v1.Deployment) -> Fence:
    strategy = deployment.spec.strategy
    if strategy.type == "Recreate":
        return Fence(0, wanted(deployment))
    rolling = strategy.rollingUpdate or apps_v1.RollingUpdateDeployment()
    surge = resolve(rolling.maxSurge, wanted(deployment), up=True)
    unavailable = resolve(rolling.maxUnavailable, wanted(deployment), up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Fence(surge, unavailable)


def new_size(deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, every: list[apps_v1.ReplicaSet]) -> int:
    """How large the newest ReplicaSet may be now."""
    total = wanted(deployment)
    if deployment.spec.strategy.type == "Recreate":
        return total
    room = total + fence(deployment).surge - sum(size(r) for r in every)
    current = size(new) if new is not None else 0
    if room <= 0:
        return current
    return current + min(room, total - current) if current < total else current


def old_sizes(deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet, old: list[apps_v1.ReplicaSet]) -> dict[str, int]:
    """What the old ones shrink to: unhealthy Pods first, then as far as enough stay available."""
    total = wanted(deployment)
    every = [new, *old]
    least = total - fence(deployment).unavailable
    lagging = size(new) - (new.status.availableReplicas or 0)
    removable = sum(size(r) for r in every) - least - lagging
    sizes = {r.metadata.name or "": size(r) for r in old}
    if removable <= 0:
        return sizes
    oldest_first = sorted(old, key=lambda r: r.metadata.creationTimestamp or "")
    for replica_set in oldest_first:  # those that do not work are missed by nobody
        name = replica_set.metadata.name or ""
        sick = sizes[name] - (replica_set.status.availableReplicas or 0)
        cut = min(max(0, sick), removable)
        sizes[name] -= cut
        removable -= cut
    available = sum(r.status.availableReplicas or 0 for r in every)
    spare = available - least
    for replica_set in oldest_first:
        if spare <= 0:
            break
        name = replica_set.metadata.name or ""
        cut = min(sizes[name], spare)
        sizes[name] -= cut
        spare -= cut
    return sizes


def proportional(deployment: apps_v1.Deployment, active: list[apps_v1.ReplicaSet]) -> dict[str, int]:
    """A Deployment that is scaled in the middle of a rollout: each ReplicaSet gets its share of the change."""
    allowed = wanted(deployment) + (fence(deployment).surge if wanted(deployment) > 0 else 0)
    sizes = {r.metadata.name or "": size(r) for r in active}
    change = allowed - sum(sizes.values())
    if change == 0:
        return sizes
    order = sorted(active, key=lambda r: (size(r), r.metadata.creationTimestamp or ""), reverse=change > 0)
    order = sorted(order, key=size, reverse=True)
    left = change
    for replica_set in order:
        share = _share(replica_set, deployment, change, left)
        sizes[replica_set.metadata.name or ""] += share
        left -= share
    if left and order:
        name = order[0].metadata.name or ""
        sizes[name] = max(0, sizes[name] + left)
    return sizes


def _share(replica_set: apps_v1.ReplicaSet, deployment: apps_v1.Deployment, change: int, left: int) -> int:
    current = size(replica_set)
    if not current or not left:
        return 0
    annotated = (replica_set.metadata.annotations or {}).get(MAX)
    before = int(annotated) if annotated and annotated.isdigit() and int(annotated) > 0 else 0
    if not before:
        before = deployment.status.replicas or wanted(deployment) or 1
    target = wanted(deployment) + fence(deployment).surge
    share = round(current * target / before) - current
    if change > 0:
        return min(max(share, 0), left)
    return max(min(share, 0), left, -current)


def is_complete(deployment: apps_v1.Deployment, status: apps_v1.DeploymentStatus) -> bool:
    total = wanted(deployment)
    return (
        (status.updatedReplicas or 0) == total
        and (status.replicas or 0) == total
        and (status.availableReplicas or 0) == total
        and (status.observedGeneration or 0) >= (deployment.metadata.generation or 0)
    )


def revision_of(replica_set: apps_v1.ReplicaSet) -> int:
    text = (replica_set.metadata.annotations or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0
