"""Small nodes and Pods, and a scheduler over them that needs no API server."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.types import core_v1, policy_v1
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import Profile
from sampan.scheduler.cycle import World
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.volumes import Lookups
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.preemption import Budget
from sampan.scheduler.schedule_one import Scheduler


def node(name: str = "n", *, cpu: str = "4", memory: str = "8Gi", pods: int = 110, **more: Any) -> core_v1.Node:
    """`labels`, `images`; anything else goes into the spec."""
    labels, images = more.pop("labels", {}), more.pop("images", None)
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
            "spec": more,
            "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": str(pods)}, "images": images},
        },
        core_v1.Node,
    )


def pod(name: str = "p", **more: Any) -> core_v1.Pod:
    """`cpu`, `memory`, `labels`, `status`, `ports`; anything else goes into the spec."""
    requests = {key: more.pop(key) for key in ("cpu", "memory") if key in more}
    metadata = {"name": name, "namespace": more.pop("namespace", "default"), "uid": name}
    metadata["labels"] = more.pop("labels", {})
    container = {"name": "a", "image": "busybox", "resources": {"requests": requests}, "ports": more.pop("ports", None)}
    status = more.pop("status", {})
    spec = {"containers": [container], **more}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, core_v1.Pod)


def info(name: str = "p", **more: Any) -> PodInfo:
    return PodInfo(pod(name, **more))


def node_info(made: core_v1.Node | None = None, *pods: PodInfo) -> NodeInfo:
    made = made or node()
    found = NodeInfo(made.metadata.name or "")
    found.set_node(made)
    for each in pods:
        found.add(each)
    return found


def scheduler(
    *nodes: core_v1.Node, budgets: tuple[policy_v1.PodDisruptionBudget, ...] = (), profile: Profile | None = None
) -> Scheduler:
    cache = NodeCache()
    for each in nodes:
        cache.set_node(each)
    world = World(
        cache=cache,
        lookups=Lookups(lambda _namespace, _name: None, lambda _: None, lambda _: None, list),
        namespaces={},
        budgets=lambda: [Budget(b) for b in budgets],
        default_selector=lambda _: None,
    )
    return Scheduler(world, profile or Profile())
