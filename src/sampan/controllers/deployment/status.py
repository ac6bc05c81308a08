"""The status of a Deployment: counts over its ReplicaSets, and the conditions of its progress. Pure."""

from __future__ import annotations

from sampan.api.types import apps_v1
from sampan.client.clock import parse_time, rfc3339
from sampan.controllers.deployment.decide import fence, is_complete, size, wanted

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
DONE, LATE = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"


def counts(
    deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, every: list[apps_v1.ReplicaSet]
) -> apps_v1.DeploymentStatus:
    def total(field: str, sets: list[apps_v1.ReplicaSet]) -> int:
        return sum(getattr(r.status, field) or 0 for r in sets)

    available = total("availableReplicas", every)
    terminating = [r.status.terminatingReplicas for r in every if r.status.terminatingReplicas is not None]
    return apps_v1.DeploymentStatus(
        observedGeneration=deployment.metadata.generation,
        replicas=total("replicas", every) or None,
        updatedReplicas=(total("replicas", [new]) if new is not None else 0) or None,
        readyReplicas=total("readyReplicas", every) or None,
        availableReplicas=available or None,
        unavailableReplicas=max(0, sum(size(r) for r in every) - available) or None,
        terminatingReplicas=sum(terminating) if terminating else None,
        collisionCount=deployment.status.collisionCount,
        conditions=list(deployment.status.conditions or ()) or None,
    )


def with_conditions(
    deployment: apps_v1.Deployment,
    status: apps_v1.DeploymentStatus,
    new: apps_v1.ReplicaSet | None,
    old: list[apps_v1.ReplicaSet],
    now: float,
    *,
    created: bool = False,
    failure: str = "",
    is_rolling: bool = True,
) -> apps_v1.DeploymentStatus:
    """`created`: the newest ReplicaSet was made just now; `failure`: why it could not be. `is_rolling` is false while
    the Deployment is only scaled or is paused: then nobody expects progress."""
    if deployment.spec.progressDeadlineSeconds is None:
        _remove(status, PROGRESSING)
    else:
        _set_step(deployment, status, new, now, created=created, failure=failure)
    _set_available(deployment, status, now)
    if is_rolling and not deployment.spec.paused and deployment.spec.progressDeadlineSeconds is not None:
        _set_progress(deployment, status, new, now)
    failing = [
        c
        for r in [*([new] if new is not None else []), *old]
        for c in r.status.conditions or ()
        if c.type == FAILURE and c.status == "True"
    ]
    if failing:
        _set(status, FAILURE, "True", failing[0].reason or "", failing[0].message or "", now)
    else:
        _remove(status, FAILURE)
    return status


def _set_available(deployment: apps_v1.Deployment, status: apps_v1.DeploymentStatus, now: float) -> None:
    if (status.availableReplicas or 0) >= wanted(deployment) - fence(deployment).unavailable:
        _set(status, AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    else:
        said = "Deployment does not have minimum availability."
        _set(status, AVAILABLE, "False", "MinimumReplicasUnavailable", said, now)


def _set_step(
    deployment: apps_v1.Deployment,
    status: apps_v1.DeploymentStatus,
    new: apps_v1.ReplicaSet | None,
    now: float,
    *,
    created: bool,
    failure: str,
) -> None:
    """What was just done, or what the user just asked for."""
    before = condition(status, PROGRESSING)
    reason = before.reason if before is not None else None
    if deployment.spec.paused:
        if reason != LATE:  # that it did not get anywhere stays to be seen
            _set(status, PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused", now)
        return
    if reason == "DeploymentPaused":
        _set(status, PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now)
    if failure:
        _set(status, PROGRESSING, "False", "ReplicaSetCreateError", failure, now)
    elif created and new is not None:
        said = f'Created new replica set "{new.metadata.name}"'
        _set(status, PROGRESSING, "True", "NewReplicaSetCreated", said, now)
    elif before is None and new is not None:
        said = f'Found new replica set "{new.metadata.name}"'
        _set(status, PROGRESSING, "True", "FoundNewReplicaSet", said, now)


def _set_progress(
    deployment: apps_v1.Deployment,
    status: apps_v1.DeploymentStatus,
    new: apps_v1.ReplicaSet | None,
    now: float,
) -> None:
    before = condition(status, PROGRESSING)
    if before is not None and before.reason == DONE and (status.replicas or 0) == (status.updatedReplicas or 0):
        return  # the rollout is over; a Pod that fails later is no lack of progress
    name = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    if is_complete(deployment, status):
        _set(status, PROGRESSING, "True", DONE, f"{name} has successfully progressed.", now)
    elif is_progressing(deployment.status, status):
        _set(status, PROGRESSING, "True", "ReplicaSetUpdated", f"{name} is progressing.", now, touch=True)
    elif is_late(deployment, status, now):
        _set(status, PROGRESSING, "False", LATE, f"{name} has timed out progressing.", now)


def is_progressing(old: apps_v1.DeploymentStatus, new: apps_v1.DeploymentStatus) -> bool:
    return (
        (new.updatedReplicas or 0) > (old.updatedReplicas or 0)
        or _old_ones(new) < _old_ones(old)
        or (new.readyReplicas or 0) > (old.readyReplicas or 0)
        or (new.availableReplicas or 0) > (old.availableReplicas or 0)
    )


def _old_ones(status: apps_v1.DeploymentStatus) -> int:
    return (status.replicas or 0) - (status.updatedReplicas or 0)


def is_late(deployment: apps_v1.Deployment, status: apps_v1.DeploymentStatus, now: float) -> bool:
    before = condition(status, PROGRESSING)
    if before is not None and before.reason == LATE:
        return True
    left = deadline_in(deployment, status, now)
    return left is not None and left <= 0


def deadline_in(deployment: apps_v1.Deployment, status: apps_v1.DeploymentStatus, now: float) -> float | None:
    """Seconds until a rollout that does not move is given up; None when it is over, was given up or has no deadline."""
    limit = deployment.spec.progressDeadlineSeconds
    before = condition(status, PROGRESSING)
    if limit is None or before is None or before.reason in (DONE, LATE, "DeploymentPaused"):
        return None
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


def _remove(status: apps_v1.DeploymentStatus, kind: str) -> None:
    status.conditions = [c for c in status.conditions or () if c.type != kind] or None
