"""What a PodDisruptionBudget says of an eviction. `take` writes it into the budget's status, the rest is pure."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError, Cause, TooManyRequests, forbidden
from sampan.api.selectors.labels import SelectorError, from_label_selector

_MAX_DISRUPTED = 2000
_ALLOWED, _SYNC_FAILED, _TOO_FEW = "DisruptionAllowed", "SyncFailed", "InsufficientPods"
_PROCESSED_IN = 10  # seconds after which a client asks again by itself


def covers(budget: Any, pod: Any) -> bool:
    try:
        return from_label_selector(budget.spec.selector).matches(pod.metadata.labels)
    except SelectorError:
        return False


def unhealthy_may_go(pod: Any, budget: Any) -> bool:
    """A Pod that is not ready is no loss: always (AlwaysAllow), or while enough others are healthy."""
    ready = any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
    if ready:
        return False
    if budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow":
        return True
    status = budget.status
    return bool(status.currentHealthy >= status.desiredHealthy > 0)


def take(budget: Any, pod: Any, now: str) -> None:
    """One disruption, or why there is none."""
    status, name = budget.status, budget.metadata.name
    if (status.observedGeneration or 0) < (budget.metadata.generation or 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", _PROCESSED_IN)
    if status.disruptionsAllowed < 0:
        raise _broken(name, "pdb disruptions allowed is negative")
    if len(status.disruptedPods or ()) > _MAX_DISRUPTED:
        raise _broken(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if status.disruptionsAllowed == 0:
        raise _refused(f"The disruption budget {name} {_why_none(status)}")
    status.disruptionsAllowed -= 1
    status.disruptedPods = {**(status.disruptedPods or {}), pod.metadata.name: now}
    if status.disruptionsAllowed == 0:
        for condition in status.conditions or ():
            if condition.type == _ALLOWED and condition.status != "False":
                condition.status, condition.reason, condition.lastTransitionTime = "False", _TOO_FEW, now


def _why_none(status: Any) -> str:
    said = next((c for c in status.conditions or () if c.type == _ALLOWED and c.status == "False" and c.message), None)
    if said is not None and said.reason == _SYNC_FAILED:  # then the counts are not to be trusted
        return f"does not allow evicting pods currently because it failed sync: {said.message}"
    if status.currentHealthy <= status.desiredHealthy:
        return f"needs {status.desiredHealthy} healthy pods and has {status.currentHealthy} currently"
    if said is not None:
        return f"does not allow evicting pods currently ({said.reason}): {said.message}"
    return "does not allow evicting pods currently"


def _refused(why: str, retry_after: int | None = None) -> TooManyRequests:
    """Without a time clients do not ask again by themselves, but tell whoever waits."""
    return TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        causes=[Cause(reason="DisruptionBudget", message=why)],
        retry_after_seconds=retry_after,
    )


def _broken(name: str, why: str) -> ApiError:
    return forbidden("poddisruptionbudget", name, why, group="policy")
