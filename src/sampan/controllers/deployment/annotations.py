"""What a Deployment's ReplicaSets carry as annotations: their revision, the sizes they were cut for, what the
Deployment itself says. Pure."""

from __future__ import annotations

from sampan.api.types import apps_v1
from sampan.controllers.deployment.decide import DESIRED, HISTORY, MAX, REVISION, fence, revision_of, wanted

__all__ = ["DESIRED", "HISTORY", "MAX", "REVISION", "of_deployment", "of_new_set", "of_newest", "sizes"]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OWN = frozenset({LAST_APPLIED, REVISION, HISTORY, DESIRED, MAX, "deprecated.deployment.rollback.to"})
HISTORY_CHARACTERS = 2000


def inherited(deployment: apps_v1.Deployment) -> dict[str, str]:
    return {k: v for k, v in (deployment.metadata.annotations or {}).items() if k not in OWN}


def sizes(deployment: apps_v1.Deployment) -> dict[str, str]:
    """What a later change of the Deployment's size is measured against."""
    return {DESIRED: str(wanted(deployment)), MAX: str(wanted(deployment) + fence(deployment).surge)}


def of_new_set(deployment: apps_v1.Deployment, revision: int) -> dict[str, str]:
    return {**inherited(deployment), REVISION: str(revision), **sizes(deployment)}


def of_deployment(deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None) -> dict[str, str]:
    """It carries the revision of its newest ReplicaSet."""
    annotations = deployment.metadata.annotations or {}
    if new is None:
        return annotations
    return {**annotations, REVISION: (new.metadata.annotations or {}).get(REVISION, "1")}


def of_newest(deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet, revision: int) -> dict[str, str]:
    """A ReplicaSet that is brought back gets a new revision, and remembers those it had."""
    annotations = {**(new.metadata.annotations or {}), **inherited(deployment)}
    current = revision_of(new)
    if current < revision:
        annotations[REVISION] = str(revision)
        if current:
            past = [p for p in annotations.get(HISTORY, "").split(",") if p]
            while past and len(",".join([*past, str(current)])) > HISTORY_CHARACTERS:
                past.pop(0)
            annotations[HISTORY] = ",".join([*past, str(current)])
    return annotations
