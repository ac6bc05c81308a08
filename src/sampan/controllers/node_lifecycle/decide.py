"""What a Node's conditions and taints are to be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from msgspec.structs import replace

from sampan.api.types.core_v1 import Node, NodeCondition, Taint

READY = "Ready"
WATCHED = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
# Condition type, and the status of it that is bad.
PRESSURES: dict[str, tuple[str, str]] = {
    "MemoryPressure": ("True", "node.kubernetes.io/memory-pressure"),
    "DiskPressure": ("True", "node.kubernetes.io/disk-pressure"),
    "PIDPressure": ("True", "node.kubernetes.io/pid-pressure"),
    "NetworkUnavailable": ("True", "node.kubernetes.io/network-unavailable"),
}
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"
OURS = frozenset((NOT_READY, UNREACHABLE, UNSCHEDULABLE, *(key for _, key in PRESSURES.values())))

LARGE_ZONE = 50
UNHEALTHY = 0.55
SLOW_RATE = 0.01


def ready_status(node: Node) -> str:
    return next((c.status for c in node.status.conditions or () if c.type == READY), "Unknown")


def unknown_conditions(node: Node, now: str) -> list[NodeCondition] | None:
    """The conditions of a Node that is not heard of; None when they say so already."""
    out, changed = list(node.status.conditions or ()), False
    present = {c.type: i for i, c in enumerate(out)}
    for kind in WATCHED:
        at = present.get(kind)
        if at is None:
            out.append(
                NodeCondition(
                    type=kind,
                    status="Unknown",
                    reason="NodeStatusNeverUpdated",
                    message="Kubelet never posted node status.",
                    lastHeartbeatTime=node.metadata.creationTimestamp,
                    lastTransitionTime=now,
                )
            )
            changed = True
        elif out[at].status != "Unknown":
            out[at] = replace(
                out[at],
                status="Unknown",
                reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
                lastTransitionTime=now,
            )
            changed = True
    return out if changed else None


def no_schedule_keys(node: Node) -> set[str]:
    statuses = {c.type: c.status for c in node.status.conditions or ()}
    keys = {key for kind, (bad, key) in PRESSURES.items() if statuses.get(kind) == bad}
    ready = statuses.get(READY)
    if ready == "False":
        keys.add(NOT_READY)
    elif ready == "Unknown":
        keys.add(UNREACHABLE)
    elif ready is None:  # a new Node that has said nothing yet: what admission gave it stays
        keys |= {t.key for t in node.spec.taints or () if t.key == NOT_READY and t.effect == NO_SCHEDULE}
    if node.spec.unschedulable:
        keys.add(UNSCHEDULABLE)
    return keys


def no_execute_key(node: Node) -> str | None:
    ready = next((c.status for c in node.status.conditions or () if c.type == READY), None)
    return {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready or "")


def taints(node: Node, now: str, *, evict: bool) -> list[Taint] | None:
    """The taints to write; None when they are right. `evict`: Pods of a Node that is not ready may be driven out."""
    present = list(node.spec.taints or ())
    wanted = {(key, NO_SCHEDULE) for key in no_schedule_keys(node)}
    execute = no_execute_key(node)
    if execute is not None and evict:
        wanted.add((execute, NO_EXECUTE))
    kept = [t for t in present if not _is_ours(t) or (t.key, t.effect) in wanted]
    have = {(t.key, t.effect) for t in kept}
    added = [Taint(key=key, effect=effect, timeAdded=now) for key, effect in sorted(wanted - have)]
    return kept + added if added or len(kept) != len(present) else None


def _is_ours(taint: Taint) -> bool:
    if taint.effect == NO_SCHEDULE:
        return taint.key in OURS
    return taint.effect == NO_EXECUTE and taint.key in (NOT_READY, UNREACHABLE)


class Zone(Enum):
    NORMAL = "normal"
    PARTIAL = "partial"
    FULL = "full"


def zone_state(nodes: Iterable[Node]) -> Zone:
    states = [ready_status(node) == "True" for node in nodes]
    bad = states.count(False)
    if bad and bad == len(states):
        return Zone.FULL
    if bad > 2 and bad / len(states) >= UNHEALTHY:
        return Zone.PARTIAL
    return Zone.NORMAL


def eviction_rate(state: Zone, size: int, others: Sequence[Zone], rate: float) -> float:
    """Nodes a second; 0: none. When nothing at all is heard of, it is us who are cut off."""
    if state is Zone.FULL and all(other is Zone.FULL for other in others):
        return 0.0
    if state is Zone.PARTIAL:
        return SLOW_RATE if size > LARGE_ZONE else 0.0
    return rate
