"""A Pod as a row of a table: READY, STATUS and RESTARTS in all their states."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sampan.apiserver.registry.printing import age_of, duration, or_none, parse_time

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import ContainerStateTerminated, ContainerStatus, Pod, PodStatus


def pod_cells(pod: Pod, now: datetime) -> list[Any]:
    ready, total, reason, restarts = summary(pod, now)
    spec, status = pod.spec, pod.status
    ip = status.podIPs[0].ip if status.podIPs else ""
    return [
        pod.metadata.name or "",
        f"{ready}/{total}",
        reason,
        restarts,
        age_of(pod, now),
        or_none(ip),
        or_none(spec.nodeName),
        or_none(status.nominatedNodeName),
        _gates(pod),
    ]


def summary(pod: Pod, now: datetime) -> tuple[int, int, str, str]:
    """Ready containers, containers, the one word for how it is, and restarts with the last one's age."""
    spec, status = pod.spec, pod.status
    sidecars = {c.name for c in spec.initContainers or () if c.restartPolicy == "Always"}
    total = len(spec.containers) + len(sidecars)
    reason = status.reason or status.phase or ""
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.reason == "SchedulingGated":
            reason = "SchedulingGated"
    init_reason, ready = _init(pod, sidecars)
    if init_reason:
        reason = init_reason
        counted: Iterable[ContainerStatus] = status.initContainerStatuses or ()
    if not init_reason or _condition(status, "Initialized"):
        counted = [s for s in status.initContainerStatuses or () if s.name in sidecars]
        counted += status.containerStatuses or ()
        reason, ready = _running(status, reason, ready)
    if pod.metadata.deletionTimestamp is not None:
        if status.reason == "NodeLost":
            reason = "Unknown"
        elif status.phase not in ("Succeeded", "Failed"):
            reason = "Terminating"
    return ready, total, reason, _restarts(counted, now)


def _init(pod: Pod, sidecars: set[str]) -> tuple[str, int]:
    """Why the Pod is still initialising ("" when it is not), and how many sidecars are ready."""
    ready = 0
    for index, status in enumerate(pod.status.initContainerStatuses or ()):
        state = status.state
        if state.terminated is not None and state.terminated.exitCode == 0:
            continue
        if status.name in sidecars and status.started:
            ready += status.ready
            continue
        if state.terminated is not None:
            return f"Init:{_ended(state.terminated)}", ready
        if state.waiting is not None and state.waiting.reason and state.waiting.reason != "PodInitializing":
            return f"Init:{state.waiting.reason}", ready
        return f"Init:{index}/{len(pod.spec.initContainers or ())}", ready
    return "", ready


def _running(status: PodStatus, reason: str, ready: int) -> tuple[str, int]:
    running = False
    for container in reversed(status.containerStatuses or ()):
        state = container.state
        if state.waiting is not None and state.waiting.reason:
            reason = state.waiting.reason
        elif state.terminated is not None:
            reason = _ended(state.terminated)
        elif container.ready and state.running is not None:
            running = True
            ready += 1
    if reason == "Completed" and running:
        reason = "Running" if _condition(status, "Ready") else "NotReady"
    return reason, ready


def _ended(state: ContainerStateTerminated) -> str:
    if state.reason:
        return state.reason
    return f"Signal:{state.signal}" if state.signal else f"ExitCode:{state.exitCode}"


def _condition(status: PodStatus, kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in status.conditions or ())


def _restarts(statuses: Iterable[ContainerStatus], now: datetime) -> str:
    count = 0
    last: datetime | None = None
    for status in statuses:
        count += status.restartCount
        ended = status.lastState.terminated
        when = parse_time(ended.finishedAt) if ended is not None else None
        if when is not None and (last is None or when > last):
            last = when
    if not count or last is None:
        return str(count)
    return f"{count} ({duration((now - last).total_seconds())} ago)"


def _gates(pod: Pod) -> str:
    gates = pod.spec.readinessGates
    if not gates:
        return "<none>"
    true = sum(_condition(pod.status, gate.conditionType) for gate in gates)
    return f"{true}/{len(gates)}"
