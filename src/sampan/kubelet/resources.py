"""Requests and limits of a container as cgroup values. Pure."""

from collections.abc import Callable

from sampan.api import quantity
from sampan.api.types import core_v1
from sampan.runtime.contract import Resources

Amounts = dict[str, str | int | float]

CPU_PERIOD = 100_000
MIN_QUOTA = 1_000
MIN_SHARES = 2


def cpu_shares(milli: int) -> int:
    return max(MIN_SHARES, milli * 1024 // 1000)


def cpu_quota(milli: int) -> int:
    return max(MIN_QUOTA, milli * CPU_PERIOD // 1000) if milli else 0


def container_resources(pod: core_v1.Pod, container: core_v1.Container, *, node_memory: int) -> Resources:
    requests: Amounts = container.resources.requests or {}
    limits: Amounts = container.resources.limits or {}
    limit_cpu = quantity.milli_value(limits["cpu"]) if "cpu" in limits else 0
    request_cpu = quantity.milli_value(requests["cpu"]) if "cpu" in requests else limit_cpu
    return Resources(
        cpu_period=CPU_PERIOD if limit_cpu else 0,
        cpu_quota=cpu_quota(limit_cpu),
        cpu_shares=cpu_shares(request_cpu),
        memory_limit=quantity.value(limits["memory"]) if "memory" in limits else 0,
        oom_score_adj=oom_score_adj(pod, container, node_memory=node_memory),
    )


def oom_score_adj(pod: core_v1.Pod, container: core_v1.Container, *, node_memory: int) -> int:
    """Who is killed first when the node runs out of memory: BestEffort, then whoever asked for little."""
    if (pod.spec.priority or 0) >= 2_000_000_000:
        return -997
    match qos_class(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    requested = quantity.value((container.resources.requests or {}).get("memory", 0))
    adjusted = 1000 - (1000 * requested) // max(node_memory, 1)
    return min(max(adjusted, 3), 999)


def qos_class(pod: core_v1.Pod) -> str:
    if pod.status.qosClass:
        return pod.status.qosClass
    whole = pod.spec.resources
    if whole is not None and (whole.requests or whole.limits):
        return _qos_of_whole(whole)
    guaranteed, asked = True, False
    for container in [*(pod.spec.initContainers or ()), *pod.spec.containers]:
        requests: Amounts = container.resources.requests or {}
        limits: Amounts = container.resources.limits or {}
        asked = asked or bool(requests or limits)
        for name in ("cpu", "memory"):
            limit = limits.get(name)
            if limit is None or quantity.compare(requests.get(name, limit), limit) != 0:
                guaranteed = False
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _qos_of_whole(whole: core_v1.ResourceRequirements) -> str:
    requests: Amounts = whole.requests or {}
    limits: Amounts = whole.limits or {}
    same = all(
        name in limits and quantity.compare(requests.get(name, limits[name]), limits[name]) == 0
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if same else "Burstable"


def pod_amounts(pod: core_v1.Pod) -> tuple[Amounts, Amounts]:
    """What the Pod's own containers and sidecars ask for together, and where all of them are limited, their limits."""
    sidecars = [c for c in pod.spec.initContainers or () if c.restartPolicy == "Always"]
    containers = [*sidecars, *pod.spec.containers]
    requests: Amounts = {}
    limits: Amounts = {}
    for name in ("cpu", "memory"):
        asked = [a for c in containers if (a := (c.resources.requests or {}).get(name)) is not None]
        if asked:
            requests[name] = _sum(asked)
        limited = [a for c in containers if (a := (c.resources.limits or {}).get(name)) is not None]
        if len(limited) == len(containers):
            limits[name] = _sum(limited)
    return requests, limits


def _sum(amounts: list[str | int | float]) -> str:
    total = quantity.parse(amounts[0])
    for amount in amounts[1:]:
        total = total + quantity.parse(amount)
    return str(total)


def pod_cgroup(pod: core_v1.Pod) -> Resources | None:
    """The limits of the Pod's own cgroup: those that it has as a whole; else the sums of its containers, where every
    one of them has a limit."""
    whole = pod.spec.resources or core_v1.ResourceRequirements()
    limits, requests = whole.limits or {}, whole.requests or {}
    cpu, memory = _limit(pod, "cpu", quantity.milli_value), _limit(pod, "memory", quantity.value)
    if "cpu" in limits:
        cpu = quantity.milli_value(limits["cpu"])
    if "memory" in limits:
        memory = quantity.value(limits["memory"])
    asked = requests.get("cpu", limits.get("cpu"))
    shares = _cpu_asked(pod) if asked is None else quantity.milli_value(asked)
    return Resources(
        cpu_shares=cpu_shares(shares),
        cpu_period=CPU_PERIOD if cpu else 0,
        cpu_quota=cpu_quota(cpu),
        memory_limit=memory,
    )


def _cpu_asked(pod: core_v1.Pod) -> int:
    total = 0
    for container in pod.spec.containers:
        asked: Amounts = {**(container.resources.limits or {}), **(container.resources.requests or {})}
        total += quantity.milli_value(asked.get("cpu", 0))
    return total


def _limit(pod: core_v1.Pod, name: str, value: Callable[[str | int | float], int]) -> int:
    """What all containers may have together at the most; 0 when one of them has no limit."""
    listed = [*(pod.spec.initContainers or ()), *pod.spec.containers]
    if not all(name in (c.resources.limits or {}) for c in listed):
        return 0
    total = sum(value((c.resources.limits or {})[name]) for c in pod.spec.containers)
    for container in pod.spec.initContainers or ():
        amount = value((container.resources.limits or {})[name])
        total = total + amount if container.restartPolicy == "Always" else max(total, amount)
    return total
