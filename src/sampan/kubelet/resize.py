"""Resizing a Pod where it runs: which containers' limits differ from what they are given now, and how to get there."""

from msgspec import Struct, structs

from sampan.api.types import core_v1
from sampan.kubelet.allocation import resizable
from sampan.kubelet.pod_state import PodState
from sampan.kubelet.resources import container_resources, pod_cgroup
from sampan.runtime.contract import ContainerState, Resources, Runtime, RuntimeFault

LIMITS = ("cpu_period", "cpu_quota", "cpu_shares", "memory_limit")


class Change(Struct, frozen=True, kw_only=True):
    name: str
    container_id: str
    resources: Resources
    grows: bool
    less_memory: bool
    restart: bool  # its resizePolicy asks for a new process


def changes(pod: core_v1.Pod, state: PodState, *, node_memory: int) -> list[Change]:
    result = []
    for container in resizable(pod):
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
                grows=_grows(wanted, has),
                less_memory=bool(wanted.memory_limit) and not 0 < has.memory_limit <= wanted.memory_limit,
                restart=restart,
            )
        )
    return result


def whole_differs(pod: core_v1.Pod, state: PodState) -> bool:
    """Whether the Pod's own cgroup has other limits than it is to have."""
    wanted, has = pod_cgroup(pod), _has(state)
    return wanted is not None and has is not None and any(getattr(wanted, f) != getattr(has, f) for f in LIMITS)


def _has(state: PodState) -> Resources | None:
    return state.ready_sandbox.resources if state.ready_sandbox is not None else None


def _grows(wanted: Resources, has: Resources) -> bool:
    """A limit of 0 is none at all."""
    return any(
        has_amount and (not amount or amount > has_amount)
        for amount, has_amount in (
            (wanted.memory_limit, has.memory_limit),
            (wanted.cpu_quota, has.cpu_quota),
        )
    )


async def carry_out(runtime: Runtime, pod: core_v1.Pod, state: PodState, wanted: list[Change]) -> str:
    """Why it failed; nothing when it did not. The Pod's own limits come first where there is to be more, last where
    there is to be less."""
    sandbox, whole, has = state.ready_sandbox, pod_cgroup(pod), _has(state)
    if sandbox is None or whole is None:
        return ""
    first = any(change.grows for change in wanted) or (has is not None and _grows(whole, has))
    try:
        fault = await _below_use(runtime, wanted)
        if not fault and has is not None and 0 < whole.memory_limit < has.memory_limit:
            used = (await runtime.sandbox_stats(sandbox.id)).memory.usage
            fault = _refused("pod", whole.memory_limit, used)
        if fault:
            return fault
        if first:
            await runtime.update_sandbox_resources(sandbox.id, whole)
        for change in wanted:
            if not change.restart:
                await runtime.update_container_resources(change.container_id, change.resources)
        if not first:
            await runtime.update_sandbox_resources(sandbox.id, whole)
    except RuntimeFault as error:
        return str(error)
    return ""


async def _below_use(runtime: Runtime, wanted: list[Change]) -> str:
    for change in wanted:
        if change.less_memory and not change.restart:
            used = (await runtime.container_stats(change.container_id)).memory.usage
            fault = _refused(f'container "{change.name}"', change.resources.memory_limit, used)
            if fault:
                return fault
    return ""


def _refused(whose: str, limit: int, used: int) -> str:
    """The kernel would kill it, or refuse."""
    return f"attempting to set {whose} memory limit ({limit}) below current usage ({used})" if used >= limit else ""
