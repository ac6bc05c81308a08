"""The status of a Deployment: counts over its ReplicaSets, and the conditions of its progress. Pure."""

from __future__ import annotations

from sampan.api.types import apps_v1
from sampan.client.clock import parse_time, rfc3339
from sampan.controllers.deployment.decide import fence, is_complete, wanted

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"


def counts(
    deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, every: list[apps_v1.ReplicaSet]
) -> apps_v1.DeploymentStatus:
    def total(field: str, sets: list[apps_v1.ReplicaSet]) -> int:
        return sum(getattr(r.status, field) or 0 for r in sets)

    replicas, available = total("replicas", every), total("availableReplicas", every)
    terminating = [r.status.terminatingReplicas for r in every if r.status.terminatingReplicas is not None]
    return apps_v1.DeploymentStatus(
        observedGeneration=deployment.metadata.generation,
        replicas=replicas or None,
        updatedReplicas=(total("replicas", [new]) if new is not None else 0) or None,
        readyReplicas=total("readyReplicas", every) or None,
        availableReplicas=available or None,
        unavailableReplicas=max(0, wanted(deployment) - available) or None
        if replicas <= wanted(deployment)
        else max(0, replicas - available) or None,
        terminatingReplicas=sum(terminating) if terminating else None,
        collisionCount=deployment.status.collisionCount,
        conditions=list(deployment.status.conditions or ()) or None,
    )


def with_conditions(
    deployment: apps_v1.Deployment,
    status: apps_v1.DeploymentStatus,
    new: apps_v1.ReplicaSet | None,
    every: list[apps_v1.ReplicaSet],
    now: float,
    *,
    created: bool = False,
) -> apps_v1.DeploymentStatus:
    enough = (status.availableReplicas or 0) >= wanted(deployment) - fence(deployment).unavailable
    if enough:
        _set(status, AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    else:
        said = "Deployment does not have minimum availability."
        _set(status, AVAILABLE, "False", "MinimumReplicasUnavailable", said, now)
    _set_progress(deployment, status, new, now, created=created)
    failing = next(
        (c for r in every for c in r.status.conditions or () if c.type == FAILURE and c.status == "True"), None
    )
    if failing is not None:
        _set(status, FAILURE, "True", failing.reason or "", failing.message or "", now)
    else:
        status.conditions = [c for c in status.conditions or () if c.type != FAILURE] or None
    return status


def _set_progress(
    deployment: apps_v1.Deployment,
    status: apps_v1.DeploymentStatus,
    new: apps_v1.ReplicaSet | None,
    now: float,
    *,
    created: bool,
) -> None:
    if deployment.spec.progressDeadlineSeconds is None:
        return
    before = condition(deployment.status, PROGRESSING)
    name = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    if deployment.spec.paused:
        _set(status, PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused", now)
        return
    if before is not None and before.reason == "DeploymentPaused":
        _set(status, PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now)
        return
    old = deployment.status
    done_before = before is not None and before.reason == "NewReplicaSetAvailable"
    same = (old.updatedReplicas or 0) == (status.updatedReplicas or 0) and (old.replicas or 0) == (status.replicas or 0)
    if done_before and same and not created and is_complete(deployment, status):
        return
    if is_complete(deployment, status):
        _set(status, PROGRESSING, "True", "NewReplicaSetAvailable", f"{name} has successfully progressed.", now)
    elif created:
        said = f'Created new replica set "{new.metadata.name}"' if new is not None else ""
        _set(status, PROGRESSING, "True", "NewReplicaSetCreated", said, now, touch=True)
    elif is_progressing(old, status):
        reason, said = "ReplicaSetUpdated", f"{name} is progressing."
        _set(status, PROGRESSING, "True", reason, said, now, touch=True)
    elif is_late(deployment, now):
        _set(status, PROGRESSING, "False", "ProgressDeadlineExceeded", f"{name} has timed out progressing.", now)
    elif before is None:
        _set(status, PROGRESSING, "True", "ReplicaSetUpdated", f"{name} is progressing.", now, touch=True)


def is_progressing(old: apps_v1.DeploymentStatus, new: apps_v1.DeploymentStatus) -> bool:
    return (
        (new.updatedReplicas or 0) > (old.updatedReplicas or 0)
        or _old_ones(new) < _old_ones(old)
        or (new.readyReplicas or 0) > (old.readyReplicas or 0)
        or (new.availableReplicas or 0) > (old.availableReplicas or 0)
    )


def _old_ones(status: apps_v1.DeploymentStatus) -> int:
    return (status.replicas or 0) - (status.updatedReplicas or 0)


def is_late(deployment: apps_v1.Deployment, now: float) -> bool:
    left = deadline_in(deployment, now)
    return left is not None and left <= 0


def deadline_in(deployment: apps_v1.Deployment, now: float) -> float | None:
    """Seconds until a rollout that does not move is given up; None when it is over or has no deadline."""
    limit = deployment.spec.progressDeadlineSeconds
    before = condition(deployment.status, PROGRESSING)
    if limit is None or before is None or before.reason in ("NewReplicaSetAvailable", "DeploymentPaused"):
        return None
    if before.reason == "ProgressDeadlineExceeded":
        return 0.0
    return parse_time(before.lastUpdateTime) + limit - now if before.lastUpdateTime else None


def condition(status: apps_v1.DeploymentStatus, kind: str) -> apps_v1.DeploymentCondition | None:
    return next((c for c in status.conditions or () if c.type == kind), None)


def _set(
    status: apps_v1.DeploymentStatus,
    kind: str,
    value: str,
    reason: str,
    message: str,
    now: float,
    *,
    touch: bool = False,
) -> None:
    """`touch` makes the time of the last update new although nothing else is: that is what deadlines count from."""
    before = condition(status, kind)
    if before is not None and (before.status, before.reason) == (value, reason) and not touch:
        return
    moved = before is None or before.status != value
    made = apps_v1.DeploymentCondition(
        type=kind,
        status=value,
        reason=reason,
        message=message,
        lastUpdateTime=rfc3339(now),
        lastTransitionTime=rfc3339(now) if moved or before is None else before.lastTransitionTime,
    )
    others = [c for c in status.conditions or () if c.type != kind]
    status.conditions = [*others, made]
