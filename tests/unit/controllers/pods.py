"""Small Pods for tables: `pod("a", ready=30)` has been ready for 30 seconds."""

from __future__ import annotations

from typing import Any

from sampan.api.types import core_v1, meta_v1
from sampan.client.clock import rfc3339

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def pod(
    name: str,
    *,
    phase: str = "Running",
    ready: float | None = None,
    age: float = 100.0,
    node: str = "n",
    going: bool = False,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    finalizers: list[str] | None = None,
    restarts: int = 0,
    owner: meta_v1.OwnerReference | None = None,
    **status: Any,
) -> core_v1.Pod:
    conditions = [
        core_v1.PodCondition(
            type="Ready", status="False" if ready is None else "True", lastTransitionTime=rfc3339(NOW - (ready or 0))
        )
    ]
    status.setdefault("containerStatuses", [core_v1.ContainerStatus(name="a", restartCount=restarts)])
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            name=name,
            namespace="n",
            uid=f"uid-{name}",
            creationTimestamp=rfc3339(NOW - age),
            deletionTimestamp=rfc3339(NOW) if going else None,
            labels=labels,
            annotations=annotations,
            finalizers=finalizers,
            ownerReferences=[owner] if owner is not None else None,
        ),
        spec=core_v1.PodSpec(nodeName=node or None, containers=[]),
        status=core_v1.PodStatus(phase=phase, conditions=conditions, **status),
    )


def names(pods: list[core_v1.Pod]) -> list[str]:
    return [p.metadata.name or "" for p in pods]
