"""The status of each container of a Pod: what the runtime knows, in the API's words. Pure."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from sampan.api.types import core_v1
from sampan.client.clock import rfc3339
from sampan.kubelet.actions import should_restart
from sampan.kubelet.allocation import IN_PROGRESS, Resizing
from sampan.kubelet.pod_state import PodState, is_sidecar
from sampan.runtime.contract import ContainerState, ContainerStatus

ID_SCHEME = "sampan"


class Waiting(Struct, frozen=True):
    """Why a container could not be started: `CrashLoopBackOff` and its kin, with the message."""

    reason: str
    message: str = ""


class ProbeResults(Protocol):
    """The probes' say in readiness."""

    def started(self, container_id: str) -> bool: ...

    def ready(self, container_id: str) -> bool:
        """True without a readiness probe."""
        ...


class Facts(Struct, kw_only=True):
    """Everything besides the Pod that its status is made of."""

    state: PodState
    probes: ProbeResults
    waiting: Mapping[str, Waiting] = {}
    messages: Mapping[str, str] = {}  # termination messages by container id
    now: float
    host_ips: tuple[str, ...] = ()
    terminal: bool = False  # every container has been stopped for good
    resizing: tuple[Resizing, ...] = ()  # what keeps the containers from their new limits
    reason: str = ""  # Evicted, DeadlineExceeded: the kubelet's own verdict on the Pod
    message: str = ""


def seconds(nanoseconds: int) -> str | None:
    return rfc3339(nanoseconds / 1e9) if nanoseconds else None


def full_id(container_id: str) -> str:
    return f"{ID_SCHEME}://{container_id}" if container_id else ""


def container_statuses(
    pod: core_v1.Pod,
    containers: list[core_v1.Container],
    old: list[core_v1.ContainerStatus] | None,
    facts: Facts,
    *,
    init: bool,
) -> list[core_v1.ContainerStatus]:
    before = {c.name: c for c in old or ()}
    return [_one(pod, c, before.get(c.name), facts, init=init) for c in containers]


def _one(
    pod: core_v1.Pod, container: core_v1.Container, old: core_v1.ContainerStatus | None, facts: Facts, *, init: bool
) -> core_v1.ContainerStatus:
    history = facts.state.containers.get(container.name, ())
    if not history:
        status = _never_ran(pod, container, old, facts)
    else:
        status = _from_runtime(container, history, facts)
        waiting = facts.waiting.get(container.name)
        idle = history[0].state is not ContainerState.RUNNING
        if waiting is not None and idle and should_restart(pod, container, history[0]):
            if status.state.terminated is not None:
                status.lastState = status.state
            status.state = core_v1.ContainerState(waiting=_waiting(waiting))
    _set_readiness(container, status, history, facts, init=init)
    _set_resources(container, status)
    _set_mounts(container, status, history[0] if history else None)
    under_way = any(r.type == IN_PROGRESS for r in facts.resizing)
    if under_way and old is not None and old.containerID == status.containerID:
        status.resources = old.resources
    return status


def account_for_all(
    pod: core_v1.Pod, init: list[core_v1.ContainerStatus], main: list[core_v1.ContainerStatus]
) -> None:
    """At a Pod's end: a container of which nobody knows how it ended has failed, lest the Pod pass for a success. Those
    whose turn never came, as an init container before them failed, stay as they are."""
    lost: list[core_v1.ContainerStatus] = []
    if not init or any(s.state.waiting is None or s.lastState.terminated for s in main) or _went_well(init[-1]):
        lost += main
    begun = [at for at, s in enumerate(init) if s.state.waiting is None or s.lastState.terminated]
    lost += init[: (begun[-1] if begun else 0) + 1]
    for status in lost:
        if status.state.terminated is None:
            unknown = core_v1.ContainerStateTerminated(
                exitCode=137,
                reason="ContainerStatusUnknown",
                message="The container could not be located when the pod was terminated",
            )
            status.state = core_v1.ContainerState(terminated=unknown)


def _went_well(status: core_v1.ContainerStatus) -> bool:
    return any(s.terminated is not None and s.terminated.exitCode == 0 for s in (status.state, status.lastState))


def _waiting(waiting: Waiting) -> core_v1.ContainerStateWaiting:
    return core_v1.ContainerStateWaiting(reason=waiting.reason, message=waiting.message or None)


def _never_ran(
    pod: core_v1.Pod, container: core_v1.Container, old: core_v1.ContainerStatus | None, facts: Facts
) -> core_v1.ContainerStatus:
    """Nothing of it is known to the runtime: it is to come, or the node lost it."""
    status = core_v1.ContainerStatus(name=container.name, image=container.image or "", imageID="")
    if old is not None:
        status.restartCount = old.restartCount
        if old.state.terminated is not None:
            status.state, status.lastState = old.state, old.lastState
            status.image, status.imageID, status.containerID = old.image, old.imageID, old.containerID
            return status
        status.lastState = old.lastState
        if old.state.running is not None:
            status.lastState = core_v1.ContainerState(
                terminated=core_v1.ContainerStateTerminated(
                    exitCode=137,
                    reason="ContainerStatusUnknown",
                    message="The container could not be located when the pod was deleted.  "
                    "The container used to be Running",
                )
            )
            if not pod.metadata.deletionTimestamp:
                status.restartCount += 1
            if facts.terminal:
                status.state, status.lastState = status.lastState, core_v1.ContainerState()
                return status
    waiting = facts.waiting.get(container.name)
    if waiting is None:
        waiting = Waiting("PodInitializing" if pod.spec.initContainers else "ContainerCreating")
    status.state = core_v1.ContainerState(waiting=_waiting(waiting))
    return status


def _from_runtime(
    container: core_v1.Container, history: tuple[ContainerStatus, ...], facts: Facts
) -> core_v1.ContainerStatus:
    newest = history[0]
    status = core_v1.ContainerStatus(
        name=container.name,
        image=newest.image or container.image or "",
        imageID=newest.image_ref or newest.image_id,
        containerID=full_id(newest.id),
        restartCount=newest.attempt,
        state=_state(newest, facts),
        user=_user(newest),
    )
    if len(history) > 1 and history[1].state is ContainerState.EXITED:
        status.lastState = _state(history[1], facts)
    return status


def _user(container: ContainerStatus) -> core_v1.ContainerUser | None:
    """Who its first process was when it began."""
    if container.user is None or container.group is None:
        return None
    groups = sorted({container.group, *container.supplemental_groups})
    linux = core_v1.LinuxContainerUser(uid=container.user, gid=container.group, supplementalGroups=groups)
    return core_v1.ContainerUser(linux=linux)


def _state(container: ContainerStatus, facts: Facts) -> core_v1.ContainerState:
    match container.state:
        case ContainerState.RUNNING:
            running = core_v1.ContainerStateRunning(startedAt=seconds(container.started_at))
            return core_v1.ContainerState(running=running)
        case ContainerState.EXITED:
            return core_v1.ContainerState(terminated=terminated(container, facts.messages.get(container.id, "")))
        case ContainerState.CREATED:
            return core_v1.ContainerState(waiting=core_v1.ContainerStateWaiting(reason="ContainerCreating"))
        case _:
            reason = core_v1.ContainerStateTerminated(
                exitCode=137,
                reason="ContainerStatusUnknown",
                message="The container could not be located when the pod was terminated",
                containerID=full_id(container.id),
            )
            return core_v1.ContainerState(terminated=reason)


def terminated(container: ContainerStatus, message: str) -> core_v1.ContainerStateTerminated:
    return core_v1.ContainerStateTerminated(
        exitCode=container.exit_code,
        reason=container.reason or ("Completed" if container.exit_code == 0 else "Error"),
        message=(message or container.message) or None,
        startedAt=seconds(container.started_at or container.created_at),
        finishedAt=seconds(container.finished_at),
        containerID=full_id(container.id),
    )


def _set_readiness(
    container: core_v1.Container,
    status: core_v1.ContainerStatus,
    history: tuple[ContainerStatus, ...],
    facts: Facts,
    *,
    init: bool,
) -> None:
    if status.state.running is not None and history:
        started = facts.probes.started(history[0].id)
        status.started = started
        plain_init = init and not is_sidecar(container)
        status.ready = started and not plain_init and facts.probes.ready(history[0].id)
        return
    status.started = False
    done = status.state.terminated
    status.ready = init and not is_sidecar(container) and done is not None and done.exitCode == 0


def _set_resources(container: core_v1.Container, status: core_v1.ContainerStatus) -> None:
    """What the container was given; nothing is known of one that never ran."""
    if status.state.running is not None or status.state.terminated is not None:
        status.resources = container.resources
    if status.resources is not None and container.resources.requests:
        status.allocatedResources = container.resources.requests


def _set_mounts(container: core_v1.Container, status: core_v1.ContainerStatus, given: ContainerStatus | None) -> None:
    """What of its volumes the container was given, as far as that is known."""
    if not container.volumeMounts:
        return
    known = {mount.container_path: mount for mount in (given.mounts if given is not None else ())}
    status.volumeMounts = []
    for wanted in container.volumeMounts:
        mount = known.get(wanted.mountPath)
        shown = core_v1.VolumeMountStatus(name=wanted.name, mountPath=wanted.mountPath, readOnly=wanted.readOnly)
        if wanted.readOnly:
            shown.recursiveReadOnly = "Enabled" if mount is not None and mount.recursive_readonly else "Disabled"
        if mount is not None and mount.image_ref:
            shown.volumeStatus = core_v1.VolumeStatus(image=core_v1.ImageVolumeStatus(imageRef=mount.image_ref))
        status.volumeMounts.append(shown)
