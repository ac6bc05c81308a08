"""When a Pod has to leave its Node. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.api import times
from sampan.api.types.core_v1 import Taint, Toleration

NO_EXECUTE = "NoExecute"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return (toleration.operator or "Equal") == "Equal" and (toleration.value or "") == (taint.value or "")


def leave_at(tolerations: Sequence[Toleration] | None, taints: Sequence[Taint] | None, since: float) -> float | None:
    """Seconds since the epoch; None: it may stay for ever. Each taint is tolerated from when it was put on, or from
    `since`, when it was first seen, where it does not say that (people's taints do not)."""
    ends: list[float] = []
    for taint in taints or ():
        if taint.effect != NO_EXECUTE:
            continue
        fitting = [t for t in tolerations or () if tolerates(t, taint)]
        if not fitting:
            return since
        limits = [max(0, t.tolerationSeconds) for t in fitting if t.tolerationSeconds is not None]
        if limits:
            begins = times.parse(taint.timeAdded) if taint.timeAdded else since
            ends.append(begins + min(limits))
    return min(ends, default=None)
