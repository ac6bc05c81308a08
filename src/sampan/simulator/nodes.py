"""Simulated Nodes as API objects: made, found and taken away. Whoever makes one need not be the one that runs it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from msgspec import Struct, field

from sampan.api.errors import AlreadyExists, NotFound
from sampan.api.simulated import SIMULATED
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock, rfc3339
from sampan.simulator import addresses
from sampan.simulator.behaviour import Behaviour
from sampan.simulator.names import SELECTOR
from sampan.version import GIT_VERSION

AT_ONCE = 16  # requests under way
ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
GOOD = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}
T = TypeVar("T")


class NodeShape(Struct, frozen=True, kw_only=True):
    """What each of some nodes has."""

    cpu: str = "8"
    memory: str = "32Gi"
    pods: int = 110
    labels: dict[str, str] = field(default_factory=dict)
    zones: tuple[str, ...] = ()  # given out in turn
    taints: tuple[str, ...] = ()  # key=value:Effect
    resources: dict[str, str] = field(default_factory=dict)  # extended ones
    prefix: str = "sim"
    behaviour: Behaviour = field(default_factory=Behaviour)


def make_node(name: str, cidr: str, zone: str, shape: NodeShape, now: float) -> core_v1.Node:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        **({ZONE: zone} if zone else {}),
        **shape.labels,
        SIMULATED: "true",
    }
    return core_v1.Node(
        kind="Node",
        apiVersion="v1",
        metadata=meta_v1.ObjectMeta(name=name, labels=labels, annotations=shape.behaviour.annotations() or None),
        spec=core_v1.NodeSpec(podCIDR=cidr, podCIDRs=[cidr], taints=[_taint(t) for t in shape.taints] or None),
        status=node_status(name, cidr, _amounts(shape), now),
    )


def node_status(name: str, cidr: str, amounts: dict[str, str | int | float], now: float) -> core_v1.NodeStatus:
    return core_v1.NodeStatus(
        addresses=[
            core_v1.NodeAddress(type="InternalIP", address=addresses.host_ip(cidr)),
            core_v1.NodeAddress(type="Hostname", address=name),
        ],
        capacity=amounts,
        allocatable=dict(amounts),
        conditions=conditions(now),
        nodeInfo=core_v1.NodeSystemInfo(
            machineID=name,
            systemUUID=name,
            bootID=name,
            kernelVersion="simulated",
            osImage="simulated",
            containerRuntimeVersion="simulated://1",
            kubeletVersion=GIT_VERSION,
            operatingSystem="linux",
            architecture="amd64",
        ),
    )


def conditions(now: float) -> list[core_v1.NodeCondition]:
    return [
        core_v1.NodeCondition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            lastHeartbeatTime=rfc3339(now),
            lastTransitionTime=rfc3339(now),
        )
        for kind, (status, reason, message) in GOOD.items()
    ]


def _amounts(shape: NodeShape) -> dict[str, str | int | float]:
    usual = {"cpu": shape.cpu, "memory": shape.memory, "ephemeral-storage": "100Gi", "pods": str(shape.pods)}
    return {**usual, **shape.resources}


def _taint(text: str) -> core_v1.Taint:
    key_value, _, effect = text.rpartition(":")
    key, _, value = key_value.partition("=")
    return core_v1.Taint(key=key, value=value or None, effect=effect)


async def add_nodes(
    client: Client, count: int, shape: NodeShape | None = None, *, clock: Clock | None = None
) -> list[str]:
    """Their names: `sim-0001` and so on, behind those that are there."""
    shape = shape or NodeShape()
    now = (clock or RealClock()).now()
    known = await list_nodes(client)
    cidrs = addresses.ranges(count, shape.pods, (n.spec.podCIDR or "" for n in known))
    first = next_number((n.metadata.name or "" for n in known), shape.prefix)
    zones = shape.zones or ("",)
    nodes = [
        make_node(f"{shape.prefix}-{number:04}", cidr, zones[at % len(zones)], shape, now)
        for at, (number, cidr) in enumerate(zip(range(first, first + count), cidrs, strict=True))
    ]

    async def make(node: core_v1.Node) -> None:
        try:
            await client.resource(core_v1.Node).create(node)
        except AlreadyExists:
            pass  # somebody else adds nodes at the same moment

    await each(nodes, make)
    return [n.metadata.name or "" for n in nodes]


async def list_nodes(client: Client) -> list[core_v1.Node]:
    found: list[core_v1.Node] = []
    async for page in client.resource(core_v1.Node).list_pages(label_selector=SELECTOR):
        found += page.items
    return found


async def remove_nodes(client: Client, names: Iterable[str] | None = None) -> list[str]:
    """These, or all that are simulated, and their Pods; nobody would end those otherwise."""
    there = {n.metadata.name or "" for n in await list_nodes(client)}
    going = sorted(there if names is None else there & set(names))
    await each(going, lambda name: _delete(client.resource(core_v1.Node), name))
    pods = [
        pod
        async for page in client.resource(core_v1.Pod).list_pages(field_selector="spec.nodeName!=")
        for pod in page.items
        if pod.spec.nodeName in set(going)
    ]
    await each(pods, lambda pod: delete_pod(client, pod))
    return going


async def delete_pod(client: Client, pod: core_v1.Pod) -> None:
    """Its last delete."""
    meta = pod.metadata
    await _delete(
        client.resource(core_v1.Pod),
        meta.name or "",
        namespace=meta.namespace or "",
        grace_period_seconds=0,
        uid=meta.uid or "",
    )


async def _delete(resource: Any, name: str, **options: Any) -> None:
    try:
        await resource.delete(name, **options)
    except NotFound:
        pass


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int = AT_ONCE) -> None:
    """Some at a time; the server commits together what comes together."""
    waiting = iter(list(items))

    async def worker() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(worker())


def next_number(names: Iterable[str], prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"-(\d+)")
    return max((int(m[1]) for m in map(pattern.fullmatch, names) if m), default=0) + 1
