"""Resizing a Pod where it runs: which containers' limits differ from what is wanted now, and how to get there."""

from collections.abc import Callable

from msgspec import Struct, structs

from sampan.api.types import core_v1
from sampan.kubelet.pod_state import PodState, is_sidecar
from sampan.kubelet.resources import container_resources, pod_cgroup
from sampan.runtime.contract import ContainerState, Resources, Runtime, RuntimeFault

PENDING = "PodResizePending"
IN_PROGRESS = "PodResizeInProgress"
LIMITS = ("cpu_period", "cpu_quota", "cpu_shares", "memory_limit")


class Change(Struct, frozen=True, kw_only=True):
    name: str
    container_id: str
    resources: Resources
    grows: bool
    restart: bool  # its resizePolicy asks for a new process


class Resizing(Struct, frozen=True):
    """Why a resize is not done yet: the condition that says so."""

    type: str
    reason: str
    message: str


def changes(pod: core_v1.Pod, state: PodState, *, node_memory: int) -> list[Change]:
    result = []
    sidecars = [c for c in pod.spec.initContainers or () if is_sidecar(c)]
    for container in [*sidecars, *pod.spec.containers]:
        status = state.active(container.name)
        if status is None or status.state is not ContainerState.RUNNING:
            continue
        wanted, has = container_resources(pod, container, node_memory=node_memory), status.resources
        different = [f for f in LIMITS if getattr(wanted, f) != getattr(has, f)]
        if not different:
            continue
        touched = {"memory" if f == "memory_limit" else "cpu" for f in different}
        restart = any(
            p.restartPolicy == "RestartContainer" and p.resourceName in touched for p in container.resizePolicy or ()
        )
        result.append(
            Change(
                name=container.name,
                container_id=status.id,
                resources=structs.replace(has, **{f: getattr(wanted, f) for f in LIMITS}),
                grows=wanted.memory_limit > has.memory_limit or wanted.cpu_quota > has.cpu_quota,
                restart=restart,
            )
        )
    return result


async def carry_out(runtime: Runtime, pod: core_v1.Pod, state: PodState, wanted: list[Change]) -> Resizing | None:
    """The Pod's own limits first where there is to be more, last where there is to be less."""
    sandbox, whole = state.ready_sandbox, pod_cgroup(pod)
    first = any(change.grows for change in wanted)
    try:
        if first and sandbox is not None and whole is not None:
            await runtime.update_sandbox_resources(sandbox.id, whole)
        for change in wanted:
            if not change.restart:
                await runtime.update_container_resources(change.container_id, change.resources)
        if not first and sandbox is not None and whole is not None:
            await runtime.update_sandbox_resources(sandbox.id, whole)
    except RuntimeFault as error:
        return Resizing(IN_PROGRESS, "Error", str(error))
    return None


Fits = Callable[[core_v1.Pod], Resizing | None]
