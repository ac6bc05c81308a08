"""The arithmetic of a rollout. Pure: from a Deployment and its ReplicaSets to the next sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from sampan.api.types import apps_v1
from sampan.controllers.template_hash import same_template

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
        return Fence(0, 0)
    rolling = strategy.rollingUpdate or apps_v1.RollingUpdateDeployment()
    surge = resolve(rolling.maxSurge, wanted(deployment), up=True)
    unavailable = resolve(rolling.maxUnavailable, wanted(deployment), up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Fence(surge, min(unavailable, wanted(deployment)))


def new_size(deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, every: list[apps_v1.ReplicaSet]) -> int:
    """How large the newest ReplicaSet may be now."""
    total = wanted(deployment)
    current = size(new) if new is not None else 0
    if deployment.spec.strategy.type == "Recreate" or current > total:
        return total
    room = total + fence(deployment).surge - sum(size(r) for r in every)
    return current + max(0, min(room, total - current))


class Step(Struct, frozen=True):
    """One change of one ReplicaSet's size."""

    name: str
    size: int


def shrink_old(deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet, old: list[apps_v1.ReplicaSet]) -> list[Step]:
    """First those Pods go that do not work, then others as far as enough stay available; the oldest sets first."""
    total = wanted(deployment)
    every = [new, *old]
    least = total - fence(deployment).unavailable
    lagging = size(new) - (new.status.availableReplicas or 0)
    removable = sum(size(r) for r in every) - least - lagging
    if removable <= 0:
        return []
    sizes = {r.metadata.name or "": size(r) for r in old}
    oldest_first = sorted(old, key=lambda r: r.metadata.creationTimestamp or "")
    steps: list[Step] = []

    def cut(replica_set: apps_v1.ReplicaSet, number: int) -> int:
        name = replica_set.metadata.name or ""
        number = min(sizes[name], max(0, number))
        if number:
            sizes[name] -= number
            steps.append(Step(name, sizes[name]))
        return number

    for replica_set in oldest_first:
        sick = size(replica_set) - (replica_set.status.availableReplicas or 0)
        removable -= cut(replica_set, min(sick, removable))
    spare = sum(r.status.availableReplicas or 0 for r in every) - least
    for replica_set in oldest_first:
        spare -= cut(replica_set, spare)
    return steps


def proportional(deployment: apps_v1.Deployment, active: list[apps_v1.ReplicaSet]) -> dict[str, int]:
    """A Deployment that is scaled in the middle of a rollout: each ReplicaSet gets its share of the change."""
    allowed = wanted(deployment) + (fence(deployment).surge if wanted(deployment) > 0 else 0)
    sizes = {r.metadata.name or "": size(r) for r in active}
    change = allowed - sum(sizes.values())
    if change == 0:
        return sizes
    by_age = sorted(active, key=lambda r: r.metadata.creationTimestamp or "", reverse=change > 0)
    order = sorted(by_age, key=size, reverse=True)  # of equal size the newer grow first, the older shrink first
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
    if not wanted(deployment):
        return max(-current, left)
    annotated = (replica_set.metadata.annotations or {}).get(MAX)
    before = int(annotated) if annotated and annotated.isdigit() and int(annotated) > 0 else 0
    if not before:
        before = deployment.status.replicas or 0
        if not before:
            return 0
    target = wanted(deployment) + fence(deployment).surge
    share = math.floor(current * target / before + 0.5) - current
    return min(share, left) if change > 0 else max(share, left)


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


def next_revision(old: Iterable[apps_v1.ReplicaSet]) -> int:
    return max((revision_of(r) for r in old), default=0) + 1


def newest_of(deployment: apps_v1.Deployment, every: Iterable[apps_v1.ReplicaSet]) -> apps_v1.ReplicaSet | None:
    """The one that has the Deployment's template; of several the oldest, so that every reader finds the same."""
    return next((r for r in _by_age(every) if same_template(deployment, r)), None)


def is_resized(deployment: apps_v1.Deployment, every: Iterable[apps_v1.ReplicaSet]) -> bool:
    """The number of replicas was changed since the ReplicaSets were last sized."""
    said = [(r.metadata.annotations or {}).get(DESIRED) for r in every if size(r)]
    return any(s is not None and s != str(wanted(deployment)) for s in said)


def active_or_latest(new: apps_v1.ReplicaSet | None, old: list[apps_v1.ReplicaSet]) -> apps_v1.ReplicaSet | None:
    """The one that alone has Pods, or where none has any the newest; None where several do."""
    active = [r for r in [*old, *([new] if new is not None else [])] if size(r)]
    if len(active) > 1:
        return None
    if active:
        return active[0]
    return new or next(reversed(_by_age(old)), None)


def is_saturated(deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None) -> bool:
    """The newest one has all that is wanted, and all of it works."""
    if new is None:
        return False
    return (new.status.availableReplicas or 0) == size(new) == wanted(deployment)


def droppable(deployment: apps_v1.Deployment, old: list[apps_v1.ReplicaSet]) -> list[apps_v1.ReplicaSet]:
    """Old, empty ReplicaSets beyond the history that is kept, the oldest revisions first."""
    limit = deployment.spec.revisionHistoryLimit
    if limit is None:
        return []
    alive = sorted((r for r in old if not r.metadata.deletionTimestamp), key=revision_of)
    return [
        r
        for r in alive[: max(0, len(alive) - limit)]
        if not size(r) and not r.status.replicas and (r.status.observedGeneration or 0) >= (r.metadata.generation or 0)
    ]


def _by_age(sets: Iterable[apps_v1.ReplicaSet]) -> list[apps_v1.ReplicaSet]:
    return sorted(sets, key=lambda r: (r.metadata.creationTimestamp or "", r.metadata.name or ""))
