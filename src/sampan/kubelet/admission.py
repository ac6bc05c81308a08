"""Whether this node takes a Pod at all: the last check, against what really runs here. Pure.

The scheduler has looked already; static Pods and those with `spec.nodeName` set by hand come past it.
"""

from collections.abc import Callable, Iterable

from sampan.api import quantity
from sampan.api.sysctls import SAFE_SYSCTLS
from sampan.api.types import core_v1
from sampan.kubelet.allocation import PENDING, Resizing
from sampan.kubelet.apparmor import AppArmor, objections, read_host
from sampan.kubelet.node_affinity import insists_on
from sampan.kubelet.sandbox_config import host_ports
from sampan.kubelet.verdict import Verdict

Amounts = dict[str, int]  # milli-units
OS, OS_LABEL = "linux", "kubernetes.io/os"


class NodeAdmission:
    def __init__(
        self,
        node_labels: dict[str, str],
        allocatable: dict[str, str],
        unsafe_sysctls: Iterable[str],
        *,
        name: str = "",
        apparmor: Callable[[], AppArmor] = read_host,
    ) -> None:
        self._name = name
        self._apparmor = apparmor
        self.labels = node_labels  # as the API has them: whoever hears of a change sets them anew
        self._room = {name: quantity.milli_value(amount) for name, amount in allocatable.items()}
        self._unsafe = tuple(unsafe_sysctls)

    def admit(self, pod: core_v1.Pod, others: list[core_v1.Pod]) -> Verdict | None:
        return (
            self._system(pod)
            or self._confinement(pod)
            or self._sysctls(pod)
            or self._resources(pod, others)
            or self._selector(pod)
            or self._ports(pod, others)
        )

    def missing(self, pod: core_v1.Pod, others: list[core_v1.Pod]) -> Amounts:
        """What the Pod asks for and the node has not got left, with `pods` for its place among them."""
        used: Amounts = {"pods": 1000 * len(others)}
        for other in others:
            _add(used, requests(other))
        found = {}
        for name, amount in {"pods": 1000, **requests(pod)}.items():
            if "/" in name and name not in self._room:
                continue  # the scheduler's business
            lacking = used.get(name, 0) + amount - self._room.get(name, 110_000 if name == "pods" else 0)
            if amount and lacking > 0:
                found[name] = lacking
        return found

    def fits(self, pod: core_v1.Pod, others: list[core_v1.Pod]) -> Resizing | None:
        """Whether a Pod that is here already may have what it is to be resized to."""
        for name, amount in requests(pod).items():
            room = self._room.get(name, 0)
            if name in ("cpu", "memory") and amount > room:
                said = f"requested: {_shown(name, amount)}, capacity: {_shown(name, room)}"
                return Resizing(PENDING, "Infeasible", f"Node didn't have enough capacity: {name}, {said}")
        refused = self._resources(pod, others)
        return Resizing(PENDING, "Deferred", refused.message) if refused is not None else None

    def _system(self, pod: core_v1.Pod) -> Verdict | None:
        if pod.spec.os is not None and pod.spec.os.name != OS:
            return _rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
        if (pod.spec.nodeSelector or {}).get(OS_LABEL, OS) != OS:
            said = f"Failed to admit pod as the `{OS_LABEL}` label doesn't match node label"
            return _rejection("PodOSSelectorNodeLabelDoesNotMatch", said)
        return None

    def _confinement(self, pod: core_v1.Pod) -> Verdict | None:
        for objection in objections(pod, self._apparmor()):
            return _rejection("AppArmor", f"Cannot enforce AppArmor: {objection}")
        return None

    def _sysctls(self, pod: core_v1.Pod) -> Verdict | None:
        context = pod.spec.securityContext
        for sysctl in (context.sysctls if context is not None else None) or ():
            allowed = sysctl.name in SAFE_SYSCTLS or any(
                sysctl.name == p or (p.endswith("*") and sysctl.name.startswith(p[:-1])) for p in self._unsafe
            )
            if not allowed:
                return _rejection("SysctlForbidden", f'forbidden sysctl: "{sysctl.name}" not allowlisted')
        return None

    def _resources(self, pod: core_v1.Pod, others: list[core_v1.Pod]) -> Verdict | None:
        if len(others) + 1 > self._room.get("pods", 110_000) // 1000:
            return _rejection(
                "OutOfpods",
                "Node didn't have enough resource: pods, requested: 1, "
                f"used: {len(others)}, capacity: {self._room['pods'] // 1000}",
            )
        wanted = {name: amount for name, amount in requests(pod).items() if name in self._room or "/" not in name}
        used: Amounts = {}
        for other in others:
            for name, amount in requests(other).items():
                used[name] = used.get(name, 0) + amount
        for name, amount in wanted.items():
            room = self._room.get(name, 0)
            if amount and amount + used.get(name, 0) > room:
                said = [_shown(name, a) for a in (amount, used.get(name, 0), room)]
                return _rejection(
                    f"OutOf{name}",
                    f"Node didn't have enough resource: {name}, requested: {said[0]}, used: {said[1]}, "
                    f"capacity: {said[2]}",
                )
        return None

    def _selector(self, pod: core_v1.Pod) -> Verdict | None:
        if _was_scheduled(pod):
            return None  # by a scheduler that may have heard of a label before us
        if insists_on(pod, self.labels, self._name):
            return None
        said = "node(s) didn't match Pod's node affinity/selector"
        return _rejection("NodeAffinity", f"Predicate NodeAffinity failed: {said}")

    def _ports(self, pod: core_v1.Pod, others: list[core_v1.Pod]) -> Verdict | None:
        taken = {(p.protocol, p.host_port, p.host_ip) for o in others for p in host_ports(o)}
        for port in host_ports(pod):
            for protocol, number, ip in taken:
                same_ip = ip == port.host_ip or not ip or not port.host_ip
                if (protocol, number) == (port.protocol, port.host_port) and same_ip:
                    said = "node(s) didn't have free ports for the requested pod ports"
                    return _rejection("NodePorts", f"Predicate NodePorts failed: {said}")
        return None


def _was_scheduled(pod: core_v1.Pod) -> bool:
    return any(c.type == "PodScheduled" and c.status == "True" for c in pod.status.conditions or ())


def _rejection(reason: str, message: str) -> Verdict:
    return Verdict(reason, message, rejected=True)


def _shown(name: str, milli: int) -> int:
    return milli if name == "cpu" else milli // 1000


def requests(pod: core_v1.Pod) -> Amounts:
    """What the Pod asks of the node: the most that runs at one time, with its overhead."""
    total: Amounts = {}
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in pod.spec.initContainers or ():
        own = _amounts(container)
        if container.restartPolicy == "Always":
            _add(sidecars, own)
            current = dict(sidecars)
        else:
            current = dict(sidecars)
            _add(current, own)
        for name, amount in current.items():
            peak[name] = max(peak.get(name, 0), amount)
    _add(total, sidecars)
    for container in pod.spec.containers:
        _add(total, _amounts(container))
    for name, amount in peak.items():
        total[name] = max(total.get(name, 0), amount)
    whole = pod.spec.resources or core_v1.ResourceRequirements()
    for name, asked in {**(whole.limits or {}), **(whole.requests or {})}.items():
        total[name] = quantity.milli_value(asked)  # what the Pod asks for as a whole counts instead
    _add(total, {name: quantity.milli_value(a) for name, a in (pod.spec.overhead or {}).items()})
    return total


def _amounts(container: core_v1.Container) -> Amounts:
    return {name: quantity.milli_value(a) for name, a in (container.resources.requests or {}).items()}


def _add(into: Amounts, other: Amounts) -> None:
    for name, amount in other.items():
        into[name] = into.get(name, 0) + amount
