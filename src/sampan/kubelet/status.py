"""The status of a Pod: phase and conditions from its containers' statuses. Pure; tested against recorded Pods."""

from msgspec import structs

from sampan.api.types import core_v1
from sampan.client.clock import rfc3339
from sampan.kubelet.actions import may_restart_all, restarts_after, restarts_all
from sampan.kubelet.allocation import IN_PROGRESS, PENDING
from sampan.kubelet.container_status import Facts, account_for_all, container_statuses
from sampan.kubelet.pod_state import is_sidecar
from sampan.kubelet.resources import pod_amounts

READY_TO_START, INITIALIZED, READY, CONTAINERS_READY, SCHEDULED = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)
ALL_RESTARTING = "AllContainersRestarting"
DISRUPTION = "DisruptionTarget"
ENDED = ("Succeeded", "Failed")
OWNED = (READY_TO_START, INITIALIZED, READY, CONTAINERS_READY, PENDING, IN_PROGRESS, ALL_RESTARTING)


def make_status(pod: core_v1.Pod, facts: Facts) -> core_v1.PodStatus:
    """The whole status, as it should be stored; `pod.status` is what was said before."""
    spec, old = pod.spec, pod.status
    init = container_statuses(pod, spec.initContainers or [], old.initContainerStatuses, facts, init=True)
    main = container_statuses(pod, spec.containers, old.containerStatuses, facts, init=False)
    ephemeral = container_statuses(pod, _ephemeral(pod), old.ephemeralContainerStatuses, facts, init=False)
    for debugger in ephemeral:
        debugger.ready, debugger.started = False, None
    if facts.terminal:
        account_for_all(pod, init, main)
    phase = "Failed" if facts.reason else pod_phase(pod, init, main, terminal=facts.terminal)
    status = core_v1.PodStatus(
        phase=phase,
        observedGeneration=pod.metadata.generation,
        startTime=old.startTime or rfc3339(facts.now),
        qosClass=old.qosClass,
        initContainerStatuses=init or None,
        containerStatuses=main or None,
        ephemeralContainerStatuses=ephemeral or None,
        nominatedNodeName=old.nominatedNodeName,
        resourceClaimStatuses=old.resourceClaimStatuses,
        resize=old.resize,
    )
    if old.phase in ENDED:
        status.phase = phase = old.phase
    if facts.reason:
        status.reason, status.message = facts.reason, facts.message or None
    elif old.phase == "Failed" and old.reason:
        status.reason, status.message = old.reason, old.message
    if phase in ENDED and old.phase not in ENDED and not facts.terminal:
        # It will end so, but something of it may still run: until then nobody may take it for over.
        status.phase, status.reason, status.message = old.phase or "Pending", old.reason, old.message
    _set_addresses(pod, status, facts)
    _set_resources(pod, status, facts)
    status.conditions = _conditions(pod, phase, facts, init, main)
    return status


def has_ended(pod: core_v1.Pod, status: core_v1.PodStatus) -> bool:
    """Whether its containers have done all that they were for; sidecars may still run."""
    init, main = status.initContainerStatuses or [], status.containerStatuses or []
    return status.phase in ENDED or pod_phase(pod, init, main) in ENDED


def rejected_status(pod: core_v1.Pod, facts: Facts) -> core_v1.PodStatus:
    """The node did not let the Pod in: nothing of it was made."""
    return core_v1.PodStatus(
        phase="Failed",
        reason=facts.reason,
        message=f"Pod was rejected: {facts.message}",
        observedGeneration=pod.metadata.generation,
        startTime=pod.status.startTime or rfc3339(facts.now),
        qosClass=pod.status.qosClass,
    )


def with_disruption(status: core_v1.PodStatus, message: str, now: float) -> core_v1.PodStatus:
    """The kubelet ends the Pod for the node's sake: a Job need not count that as a failure."""
    if any(c.type == DISRUPTION and c.status == "True" for c in status.conditions or ()):
        return status
    condition = core_v1.PodCondition(
        type=DISRUPTION,
        status="True",
        reason="TerminationByKubelet",
        message=message,
        lastTransitionTime=rfc3339(now),
    )
    others = [c for c in status.conditions or () if c.type != DISRUPTION]
    return structs.replace(status, conditions=[*others, condition])


def _ephemeral(pod: core_v1.Pod) -> list[core_v1.Container]:
    listed = pod.spec.ephemeralContainers or ()
    return [core_v1.Container(name=e.name, image=e.image, resources=e.resources, restartPolicy="Never") for e in listed]


def pod_phase(
    pod: core_v1.Pod,
    init: list[core_v1.ContainerStatus],
    main: list[core_v1.ContainerStatus],
    *,
    terminal: bool = False,
) -> str:
    pending_init = failed_init = lost_init = 0
    for container, status in zip(pod.spec.initContainers or (), init, strict=True):
        done = status.state.terminated or (status.lastState.terminated if status.state.waiting else None)
        if is_sidecar(container):
            if not status.started and not (terminal or done):
                pending_init += 1
        elif done is None:
            pending_init += 1
        elif done.exitCode != 0:
            failed_init += 1
            # Never again: an init container of a Pod that is always restarted is tried again until it has succeeded.
            lost_init += not restarts_after(pod, container, done.exitCode)
    if lost_init:
        return "Failed"

    running = waiting = stopped = succeeded = again = 0
    for container, status in zip(pod.spec.containers, main, strict=True):
        done = status.state.terminated
        if status.state.running is not None:
            running += 1
        elif done is not None or (done := status.lastState.terminated) is not None:
            stopped += 1
            succeeded += done.exitCode == 0
            again += restarts_after(pod, container, done.exitCode)
        else:
            waiting += 1
    if (pending_init or failed_init) and not running and not stopped:
        return "Failed" if terminal else "Pending"
    if waiting:
        return "Failed" if terminal and not running else "Pending"
    if running:
        return "Running"
    if not stopped:
        return "Pending"
    if again and not terminal:
        return "Running"
    return "Succeeded" if stopped == succeeded else "Failed"


def _set_addresses(pod: core_v1.Pod, status: core_v1.PodStatus, facts: Facts) -> None:
    if facts.host_ips:
        status.hostIP = facts.host_ips[0]
        status.hostIPs = [core_v1.HostIP(ip=ip) for ip in facts.host_ips]
    ip = (facts.host_ips[0] if facts.host_ips else "") if pod.spec.hostNetwork else facts.state.ip
    if ip and (facts.state.sandbox is not None or pod.status.podIP):
        status.podIP, status.podIPs = ip, [core_v1.PodIP(ip=ip)]
    elif pod.status.podIP and status.phase in ("Succeeded", "Failed"):
        status.podIP, status.podIPs = pod.status.podIP, pod.status.podIPs


def _set_resources(pod: core_v1.Pod, status: core_v1.PodStatus, facts: Facts) -> None:
    """Of the Pod as a whole: its own, or the sums of its containers' once they have been given out."""
    whole = pod.spec.resources
    if whole is not None:
        under_way = any(r.type == IN_PROGRESS for r in facts.resizing)
        status.resources = pod.status.resources if under_way and pod.status.resources is not None else whole
        status.allocatedResources = whole.requests or whole.limits
        return
    if not any(c.containerID for c in status.containerStatuses or ()):
        return
    requests, limits = pod_amounts(pod)
    if requests:
        status.allocatedResources = requests
    if requests or limits:
        status.resources = core_v1.ResourceRequirements(requests=requests or None, limits=limits or None)


def _conditions(
    pod: core_v1.Pod,
    phase: str,
    facts: Facts,
    init: list[core_v1.ContainerStatus],
    main: list[core_v1.ContainerStatus],
) -> list[core_v1.PodCondition]:
    containers_ready = _containers_ready(pod, phase, init, main)
    wanted = [
        _condition(READY_TO_START, _sandbox_stands(pod, facts)),
        _initialized(pod, phase, init, main),
        _pod_ready(pod, containers_ready),
        containers_ready,
        _condition(SCHEDULED, True),
    ]
    if may_restart_all(pod):
        wanted.append(_all_restarting(pod, phase, facts))
    for condition in wanted:
        condition.observedGeneration = pod.metadata.generation
    for resizing in facts.resizing:
        told = _condition(resizing.type, True, resizing.reason, resizing.message)
        told.observedGeneration = resizing.generation
        wanted.append(told)
    before = {c.type: c for c in pod.status.conditions or ()}
    for condition in wanted:
        known = before.get(condition.type)
        if known is not None and known.status == condition.status:
            condition.lastTransitionTime = known.lastTransitionTime
        else:
            condition.lastTransitionTime = rfc3339(facts.now)
    kinds = {*(c.type for c in wanted), *OWNED}
    return wanted + [c for c in before.values() if c.type not in kinds]


def _all_restarting(pod: core_v1.Pod, phase: str, facts: Facts) -> core_v1.PodCondition:
    if phase in ENDED:
        return _condition(ALL_RESTARTING, False, "PodCompleted" if phase == "Succeeded" else "PodFailed")
    if not restarts_all(pod, facts.state):
        return _condition(ALL_RESTARTING, False)
    said = "container exited with restart policy rule"
    return _condition(ALL_RESTARTING, True, "RestartAllContainersStarted", said)


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> core_v1.PodCondition:
    return core_v1.PodCondition(
        type=kind, status="True" if holds else "False", reason=reason or None, message=message or None
    )


def _sandbox_stands(pod: core_v1.Pod, facts: Facts) -> bool:
    if facts.state.ready_sandbox is None:
        return False
    return bool(pod.spec.hostNetwork or facts.state.ip)


def _initialized(
    pod: core_v1.Pod,
    phase: str | None,
    init: list[core_v1.ContainerStatus],
    main: list[core_v1.ContainerStatus],
) -> core_v1.PodCondition:
    if phase == "Succeeded":
        return _condition(INITIALIZED, True, "PodCompleted")
    if any(s.state.running or s.state.terminated or s.lastState.terminated for s in main):
        return _condition(INITIALIZED, True)
    incomplete = []
    for container, status in zip(pod.spec.initContainers or (), init, strict=True):
        if not (status.started if is_sidecar(container) else status.ready):
            incomplete.append(status.name)
    if incomplete:
        text = f"containers with incomplete status: [{' '.join(incomplete)}]"
        return _condition(INITIALIZED, False, "ContainersNotInitialized", text)
    return _condition(INITIALIZED, True)


def _containers_ready(
    pod: core_v1.Pod,
    phase: str | None,
    init: list[core_v1.ContainerStatus],
    main: list[core_v1.ContainerStatus],
) -> core_v1.PodCondition:
    if phase == "Succeeded":
        return _condition(CONTAINERS_READY, False, "PodCompleted")
    if phase == "Failed":
        return _condition(CONTAINERS_READY, False, "PodFailed")
    sidecars = {c.name for c in pod.spec.initContainers or () if is_sidecar(c)}
    unready = [s.name for s in [*(s for s in init if s.name in sidecars), *main] if not s.ready]
    if unready:
        text = f"containers with unready status: [{' '.join(unready)}]"
        return _condition(CONTAINERS_READY, False, "ContainersNotReady", text)
    return _condition(CONTAINERS_READY, True)


def _pod_ready(pod: core_v1.Pod, containers: core_v1.PodCondition) -> core_v1.PodCondition:
    if containers.status != "True":
        return _condition(READY, False, containers.reason or "", containers.message or "")
    known = {c.type: c for c in pod.status.conditions or ()}
    problems = []
    for gate in pod.spec.readinessGates or ():
        condition = known.get(gate.conditionType)
        if condition is None:
            problems.append(f'corresponding condition of pod readiness gate "{gate.conditionType}" does not exist.')
        elif condition.status != "True":
            problems.append(
                f'the status of pod readiness gate "{gate.conditionType}" is not "True", but {condition.status}'
            )
    if problems:
        return _condition(READY, False, "ReadinessGatesNotReady", ", ".join(problems))
    return _condition(READY, True)
