"""The node's object and status from facts. Pure."""

from collections.abc import Iterable

from msgspec import Struct, field

from sampan.api import quantity
from sampan.api.types import core_v1, meta_v1
from sampan.client.clock import rfc3339
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.node.facts import KUBELET_VERSION, Machine
from sampan.runtime.contract import Image

MOST_IMAGES = 50
DECLARED = ("RestartAllContainersOnContainerExits",)  # what a scheduler has to know of before it sends such Pods
CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
GOOD = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("KubeletReady", "kubelet is posting ready status"),
}
BAD = {
    "MemoryPressure": ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}


class Health(Struct, frozen=True, kw_only=True):
    """How the node is."""

    pressures: frozenset[str] = frozenset()
    not_ready: str = ""  # why, when it is not


class NodeInputs(Struct, kw_only=True):
    machine: Machine
    runtime: str  # sampan://0.1.0
    images: list[Image] = field(default_factory=list)
    health: Health = field(default_factory=Health)
    port: int = 10250


def capacity(machine: Machine, config: KubeletConfig) -> dict[str, str | int | float]:
    return {
        "cpu": str(machine.cpus),
        "ephemeral-storage": f"{machine.storage // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{machine.memory // 1024}Ki",
        "pods": str(config.max_pods),
    }


def allocatable(machine: Machine, config: KubeletConfig) -> dict[str, str | int | float]:
    """Capacity less what is kept for the system and what eviction defends."""
    result = capacity(machine, config)
    for name, kept in config.system_reserved.items():
        if name in result:
            result[name] = quantity.canonical(str(quantity.parse(result[name]) - quantity.parse(kept)))
    memory = quantity.value(result["memory"]) - config.eviction_hard.memory_available
    result["memory"] = f"{max(0, memory) // 1024}Ki"
    storage = quantity.value(result["ephemeral-storage"])
    result["ephemeral-storage"] = str(int(storage * (1 - config.eviction_hard.nodefs_available)))
    return result


def labels(machine: Machine, config: KubeletConfig) -> dict[str, str]:
    return {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        **config.node_labels,
    }


def taints(config: KubeletConfig) -> list[core_v1.Taint] | None:
    result = []
    for text in config.register_taints:
        key_value, _, effect = text.rpartition(":")
        key, _, value = key_value.partition("=")
        result.append(core_v1.Taint(key=key, value=value or None, effect=effect))
    return result or None


def new_node(config: KubeletConfig, inputs: NodeInputs, now: float) -> core_v1.Node:
    node = core_v1.Node(
        kind="Node",
        apiVersion="v1",
        metadata=meta_v1.ObjectMeta(
            name=config.node_name,
            labels=labels(inputs.machine, config),
            annotations={"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        ),
        spec=core_v1.NodeSpec(providerID=config.provider_id or None, taints=taints(config)),
    )
    node.status = node_status(config, inputs, node.status, now)
    return node


def node_status(config: KubeletConfig, inputs: NodeInputs, old: core_v1.NodeStatus, now: float) -> core_v1.NodeStatus:
    machine = inputs.machine
    ips = config.node_ips or [config.node_ip]
    others = _said_by_others(old, capacity(machine, config))
    return core_v1.NodeStatus(
        addresses=[
            *(core_v1.NodeAddress(type="InternalIP", address=ip) for ip in ips),
            core_v1.NodeAddress(type="Hostname", address=config.node_name),
        ],
        capacity=capacity(machine, config) | others,
        allocatable=allocatable(machine, config) | others,
        conditions=_conditions(inputs.health, old, now),
        daemonEndpoints=core_v1.NodeDaemonEndpoints(kubeletEndpoint=core_v1.DaemonEndpoint(Port=inputs.port)),
        nodeInfo=core_v1.NodeSystemInfo(
            machineID=machine.machine_id,
            systemUUID=machine.system_uuid,
            bootID=machine.boot_id,
            kernelVersion=machine.kernel,
            osImage=machine.os_image,
            containerRuntimeVersion=inputs.runtime,
            kubeletVersion=KUBELET_VERSION,
            kubeProxyVersion="",
            operatingSystem="linux",
            architecture=machine.architecture,
        ),
        features=core_v1.NodeFeatures(supplementalGroupsPolicy=True),
        runtimeHandlers=[core_v1.NodeRuntimeHandler(name="", features=_handler_features(machine))],
        declaredFeatures=list(DECLARED),
        images=_images(inputs.images),
        volumesInUse=old.volumesInUse,
        volumesAttached=old.volumesAttached,
    )


def _handler_features(machine: Machine) -> core_v1.NodeRuntimeHandlerFeatures:
    return core_v1.NodeRuntimeHandlerFeatures(
        recursiveReadOnlyMounts=True, userNamespaces=machine.user_namespaces or None
    )


def _said_by_others(old: core_v1.NodeStatus, own: Iterable[str]) -> dict[str, str | int | float]:
    """What else the node has, as an administrator or a device's program has written into its status."""
    return {name: amount for name, amount in (old.capacity or {}).items() if name not in own}


def _images(images: list[Image]) -> list[core_v1.ContainerImage] | None:
    listed = sorted(images, key=lambda i: i.size, reverse=True)[:MOST_IMAGES]
    result = [
        core_v1.ContainerImage(names=[*i.repo_digests, *i.repo_tags], sizeBytes=i.size)
        for i in listed
        if i.repo_digests or i.repo_tags
    ]
    return result or None


def _conditions(health: Health, old: core_v1.NodeStatus, now: float) -> list[core_v1.NodeCondition]:
    before = {c.type: c for c in old.conditions or ()}
    result = []
    for kind in CONDITIONS:
        if kind == "Ready" and health.not_ready:
            status, reason, message = "False", "KubeletNotReady", health.not_ready
        elif kind in health.pressures:
            status, (reason, message) = "True", BAD[kind]
        else:
            status, (reason, message) = ("True" if kind == "Ready" else "False"), GOOD[kind]
        known = before.get(kind)
        same = known is not None and known.status == status
        result.append(
            core_v1.NodeCondition(
                type=kind,
                status=status,
                reason=reason,
                message=message,
                lastHeartbeatTime=rfc3339(now),
                lastTransitionTime=known.lastTransitionTime if same and known is not None else rfc3339(now),
            )
        )
    return result + [c for c in before.values() if c.type not in CONDITIONS]


def differs(old: core_v1.NodeStatus, new: core_v1.NodeStatus) -> bool:
    """Whether there is news besides the heartbeat."""
    return _without_heartbeat(old) != _without_heartbeat(new)


def _without_heartbeat(status: core_v1.NodeStatus) -> tuple[object, ...]:
    conditions = [(c.type, c.status, c.reason, c.message) for c in status.conditions or ()]
    info = status.nodeInfo
    return (
        status.addresses,
        status.capacity,
        status.allocatable,
        conditions,
        status.images,
        status.daemonEndpoints,
        (info.kubeletVersion, info.bootID, info.kernelVersion, info.osImage),
    )
