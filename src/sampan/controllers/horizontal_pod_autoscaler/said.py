"""What an autoscaler's status says after one look at it."""

from __future__ import annotations

from msgspec.structs import astuple

from sampan.api.types.autoscaling_v2 import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerCondition,
    HorizontalPodAutoscalerStatus,
)
from sampan.client.clock import rfc3339
from sampan.controllers.horizontal_pod_autoscaler.limits import Limited


class Round:
    """One look at an autoscaler: its new status as it comes to be."""

    def __init__(self, hpa: HorizontalPodAutoscaler, now: float) -> None:
        self.hpa = hpa
        self.now = now
        old = hpa.status
        self.status = HorizontalPodAutoscalerStatus(
            conditions=list(old.conditions or ()) or None,
            currentReplicas=old.currentReplicas,
            desiredReplicas=old.desiredReplicas,
            lastScaleTime=old.lastScaleTime,
            observedGeneration=old.observedGeneration,
        )

    def say(self, kind: str, status: str, reason: str, message: str) -> None:
        known = self.status.conditions or []
        before = next((c for c in known if c.type == kind), None)
        moved = before is None or before.status != status
        made = HorizontalPodAutoscalerCondition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            lastTransitionTime=rfc3339(self.now) if moved or before is None else before.lastTransitionTime,
        )
        self.status.conditions = [made if c is before else c for c in known] if before else [*known, made]

    def limit(self, found: Limited) -> None:
        self.say("AbleToScale", *astuple(found.able))
        self.say("ScalingLimited", *astuple(found.limited))
