"""What to do next for a Pod: a pure function of what is wanted, what runs, and what the probes say.

`plan` is read from top to bottom as the rules of a Pod's life: a sandbox first, then the init containers in order, then
the containers. It never looks at a clock: whether a start is still held back is the back-off's business, at the time of
starting. Tests: `tests/unit/kubelet/test_actions.py`, a table.
"""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct, field

from sampan.api.types import core_v1
from sampan.kubelet.pod_state import PodState, is_sidecar
from sampan.runtime.contract import ContainerState, ContainerStatus, NamespaceMode

HASH_LABEL = "sampan.io/container.hash"
RESTART, RESTART_ALL = "Restart", "RestartAllContainers"


class Kill(Struct, frozen=True, kw_only=True):
    """One container to stop, and what the event says of it."""

    name: str
    message: str
    reason: str = ""  # LivenessProbe, StartupProbe: shown nowhere, decides about the grace period


class Plan(Struct, kw_only=True):
    """What `starter.carry_out` does, in this order: kill, make the sandbox, start."""

    kill_pod: bool = False
    at_once: bool = False  # kill without hooks and grace
    make_sandbox: bool = False
    attempt: int = 0
    kill: dict[str, Kill] = field(default_factory=dict)  # by container id
    start_ephemeral: list[str] = field(default_factory=list)
    start_init: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (
            self.kill_pod or self.make_sandbox or self.kill or self.start_ephemeral or self.start_init or self.start
        )


class ProbeVerdicts(Protocol):
    """What the probes of a running container have found so far."""

    def liveness_failed(self, container_id: str) -> bool: ...

    def startup_failed(self, container_id: str) -> bool: ...

    def started(self, container_id: str) -> bool:
        """True without a startup probe, or once it has succeeded."""
        ...


def plan(pod: core_v1.Pod, state: PodState, probes: ProbeVerdicts, hashes: Mapping[str, str]) -> Plan:
    """`hashes` are those of the containers as they should be; a running one with another hash is replaced."""
    result = Plan()
    if _needs_sandbox(pod, state):
        return _plan_new_sandbox(pod, state)
    if restarts_all(pod, state):
        return _plan_all_again(pod, state)
    for ephemeral in pod.spec.ephemeralContainers or ():
        if state.active(ephemeral.name) is None:
            result.start_ephemeral.append(ephemeral.name)
    if not _plan_init(pod, state, probes, result):
        return result
    kept = 0
    for container in pod.spec.containers:
        current = state.active(container.name)
        if current is None or current.state is not ContainerState.RUNNING:
            if should_restart(pod, container, current):
                result.start.append(container.name)
                if current is not None and current.state is ContainerState.UNKNOWN:
                    why = f"Container {container.name} is in unknown state, try killing it before starting a new one"
                    result.kill[current.id] = Kill(name=container.name, message=why)
            continue
        kill, again = _replaceable(pod, container, current, probes, hashes)
        if kill is None:
            kept += 1
            continue
        result.kill[current.id] = kill
        if again:
            result.start.append(container.name)
    if kept == 0 and not result.start:
        return Plan(kill_pod=True)
    return result


def _needs_sandbox(pod: core_v1.Pod, state: PodState) -> bool:
    sandbox = state.ready_sandbox
    if sandbox is None:
        return True
    host_network = bool(pod.spec.hostNetwork)
    return (sandbox.namespaces.network is NamespaceMode.NODE) != host_network or (not host_network and not state.ip)


def _plan_new_sandbox(pod: core_v1.Pod, state: PodState) -> Plan:
    spec = pod.spec
    attempt = state.sandbox.attempt + 1 if state.sandbox is not None else 0
    if attempt and state.containers and not any(_restarts_on_failure(pod, c) for c in spec.containers):
        return Plan(kill_pod=True)  # it ran once, and once is all it asked for
    start = [c.name for c in spec.containers if not _succeeded_for_good(pod, c, state.latest(c.name))]
    if not start:
        return Plan(kill_pod=True)
    result = Plan(kill_pod=state.sandbox is not None, make_sandbox=True, attempt=attempt)
    if spec.initContainers:
        result.start_init.append(spec.initContainers[0].name)
    else:
        result.start = start
    return result


def _plan_all_again(pod: core_v1.Pod, state: PodState) -> Plan:
    """The Pod begins once more, with the address and the volumes that it has, in a sandbox where nothing ran yet."""
    result = Plan(kill_pod=True, at_once=True, make_sandbox=True)
    result.attempt = state.sandbox.attempt + 1 if state.sandbox is not None else 0
    if pod.spec.initContainers:
        result.start_init.append(pod.spec.initContainers[0].name)
    else:
        result.start = [c.name for c in pod.spec.containers]
    return result


def _succeeded_for_good(pod: core_v1.Pod, container: core_v1.Container, last: ContainerStatus | None) -> bool:
    return (
        restart_policy(pod, container) == "OnFailure"
        and last is not None
        and last.state is ContainerState.EXITED
        and last.exit_code == 0
    )


def restart_policy(pod: core_v1.Pod, container: core_v1.Container) -> str:
    return container.restartPolicy or pod.spec.restartPolicy or "Always"


def _restarts_on_failure(pod: core_v1.Pod, container: core_v1.Container) -> bool:
    return restart_policy(pod, container) != "Never" or bool(container.restartPolicyRules)


def should_restart(pod: core_v1.Pod, container: core_v1.Container, last: ContainerStatus | None) -> bool:
    """Whether a container that does not run should (again)."""
    if pod.metadata.deletionTimestamp:
        return False
    if last is None or last.state in (ContainerState.CREATED, ContainerState.UNKNOWN):
        return True
    return last.state is not ContainerState.RUNNING and restarts_after(pod, container, last.exit_code)


def restarts_after(pod: core_v1.Pod, container: core_v1.Container, exit_code: int) -> bool:
    """Whether it is started again once it has ended so: by its first rule that applies, else by its policy."""
    if (rule := _rule_for(container, exit_code)) is not None:
        return rule.action in (RESTART, RESTART_ALL)
    policy = restart_policy(pod, container)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _rule_for(container: core_v1.Container, exit_code: int) -> core_v1.ContainerRestartRule | None:
    for rule in container.restartPolicyRules or ():
        codes = rule.exitCodes
        if codes is not None and (exit_code in (codes.values or ())) == (codes.operator == "In"):
            return rule
    return None


def may_restart_all(pod: core_v1.Pod) -> bool:
    """Whether a container of the Pod has a rule that starts them all again."""
    listed = [*(pod.spec.initContainers or ()), *pod.spec.containers]
    return any(rule.action == RESTART_ALL for c in listed for rule in c.restartPolicyRules or ())


def restarts_all(pod: core_v1.Pod, state: PodState) -> bool:
    """Whether one has just ended in a way that starts them all again."""
    if pod.metadata.deletionTimestamp:
        return False
    for container in [*(pod.spec.initContainers or ()), *pod.spec.containers]:
        current = state.active(container.name)
        if current is not None and current.state is ContainerState.EXITED:
            rule = _rule_for(container, current.exit_code)
            if rule is not None and rule.action == RESTART_ALL:
                return True
    return False


def _replaceable(
    pod: core_v1.Pod,
    container: core_v1.Container,
    current: ContainerStatus,
    probes: ProbeVerdicts,
    hashes: Mapping[str, str],
) -> tuple[Kill | None, bool]:
    """Why a running container has to go, and whether another takes its place."""
    again = _restarts_on_failure(pod, container)
    wanted, had = hashes.get(container.name), current.labels.get(HASH_LABEL)
    if wanted and had and wanted != had:
        message, reason, again = f"Container {container.name} definition changed", "", True
    elif probes.liveness_failed(current.id):
        message, reason = f"Container {container.name} failed liveness probe", "LivenessProbe"
    elif probes.startup_failed(current.id):
        message, reason = f"Container {container.name} failed startup probe", "StartupProbe"
    else:
        return None, False
    if again:
        message += ", will be restarted"
    return Kill(name=container.name, message=message, reason=reason), again


def _plan_init(pod: core_v1.Pod, state: PodState, probes: ProbeVerdicts, result: Plan) -> bool:
    """Adds what the init containers need; True when the Pod's own containers may run."""
    containers = pod.spec.initContainers or []
    initialized = has_run_main(pod, state)
    for at, container in enumerate(containers):
        current = state.active(container.name)
        later_begun = initialized or any(state.active(c.name) is not None for c in containers[at + 1 :])
        if is_sidecar(container):
            if not _plan_sidecar(pod, container, current, probes, result) and not later_begun:
                return False
        elif initialized or (later_begun and (current is None or _exited_well(current))):
            continue
        elif not _plan_plain_init(pod, container, current, result):
            return False
    return True


def has_run_main(pod: core_v1.Pod, state: PodState) -> bool:
    """Once a container of the Pod's own has been made in this sandbox, initialisation is over."""
    return any(state.active(c.name) is not None for c in pod.spec.containers)


def _exited_well(status: ContainerStatus) -> bool:
    return status.state is ContainerState.EXITED and status.exit_code == 0


def _plan_sidecar(
    pod: core_v1.Pod,
    container: core_v1.Container,
    current: ContainerStatus | None,
    probes: ProbeVerdicts,
    result: Plan,
) -> bool:
    """True when the sidecar runs and has started."""
    if current is not None and current.state is ContainerState.RUNNING:
        kill, _ = _replaceable(pod, container, current, probes, {})
        if kill is None:
            return probes.started(current.id)
        result.kill[current.id] = kill
    elif current is not None and current.state is ContainerState.UNKNOWN:
        result.kill[current.id] = Kill(
            name=container.name,
            message=f"Init container {container.name} is in unknown state, try killing it before restarting",
        )
    if not pod.metadata.deletionTimestamp:
        result.start_init.append(container.name)
    return False


def _plan_plain_init(
    pod: core_v1.Pod, container: core_v1.Container, current: ContainerStatus | None, result: Plan
) -> bool:
    """True when it has done its work."""
    if current is None or current.state is ContainerState.CREATED:
        result.start_init.append(container.name)
        return False
    if current.state is ContainerState.RUNNING:
        return False
    if current.state is ContainerState.UNKNOWN:
        result.kill[current.id] = Kill(
            name=container.name,
            message=f"Init container {container.name} is in unknown state, try killing it before restarting",
        )
        result.start_init.append(container.name)
        return False
    if current.exit_code == 0:
        return True
    if should_restart(pod, container, current):
        result.start_init.append(container.name)
    else:
        result.kill_pod = True
    return False
