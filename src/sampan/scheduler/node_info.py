"""A node as the scheduler sees it: what it has, what runs on it, kept up to date Pod by Pod."""

from __future__ import annotations

import itertools

from sampan.api.pod_resources import number
from sampan.api.types import core_v1
from sampan.scheduler.pod_info import PodInfo

# One count for all nodes: a node that is made anew under an old name must not be taken for what it was.
_versions = itertools.count(1)


class NodeInfo:
    __slots__ = (
        "allocatable", "claims", "images", "labels", "name", "namespaces", "node", "nonzero_cpu", "nonzero_memory",
        "pods", "ports", "requested", "taints", "version", "with_affinity",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.node: core_v1.Node | None = None
        self.allocatable: dict[str, int] = {}
        self.requested: dict[str, int] = {}
        self.nonzero_cpu = self.nonzero_memory = 0
        self.pods: dict[str, PodInfo] = {}
        self.ports: dict[tuple[str, str, int], int] = {}
        self.labels: dict[str, str] = {}
        self.taints: list[core_v1.Taint] = []
        self.images: dict[str, int] = {}
        self.namespaces: dict[str, int] = {}  # how many of the Pods here are of each
        self.claims: dict[str, int] = {}  # NAMESPACE/NAME → how many Pods here use it
        self.with_affinity = 0  # Pods here that ask something of others
        self.version = next(_versions)  # another one after every change

    def set_node(self, node: core_v1.Node) -> None:
        self.node = node
        self.labels = node.metadata.labels or {}
        self.taints = node.spec.taints or []
        self.allocatable = {n: number(n, a) for n, a in (node.status.allocatable or {}).items()}
        self.images = {n: i.sizeBytes or 0 for i in node.status.images or () for n in i.names or ()}
        self.touch()

    def touch(self) -> None:
        self.version = next(_versions)

    def add(self, info: PodInfo) -> None:
        self.pods[info.uid] = info
        self.namespaces[info.namespace] = self.namespaces.get(info.namespace, 0) + 1
        for name, amount in info.requests.items():
            self.requested[name] = self.requested.get(name, 0) + amount
        self.nonzero_cpu += info.nonzero_cpu
        self.nonzero_memory += info.nonzero_memory
        for port in info.ports:
            self.ports[port] = self.ports.get(port, 0) + 1
        self.with_affinity += info.affine
        for key in info.claims:
            self.claims[key] = self.claims.get(key, 0) + 1
        self.touch()

    def remove(self, uid: str) -> PodInfo | None:
        info = self.pods.pop(uid, None)
        if info is None:
            return None
        self.namespaces[info.namespace] -= 1
        if not self.namespaces[info.namespace]:
            del self.namespaces[info.namespace]
        for name, amount in info.requests.items():
            self.requested[name] -= amount
        self.nonzero_cpu -= info.nonzero_cpu
        self.nonzero_memory -= info.nonzero_memory
        for port in info.ports:
            self.ports[port] -= 1
            if not self.ports[port]:
                del self.ports[port]
        self.with_affinity -= info.affine
        for key in info.claims:
            self.claims[key] -= 1
        self.touch()
        return info

    def copy(self) -> NodeInfo:
        """For trying out other Pods on it."""
        copy = NodeInfo(self.name)
        copy.node, copy.labels, copy.taints = self.node, self.labels, self.taints
        copy.allocatable, copy.images = self.allocatable, self.images
        copy.requested, copy.ports, copy.pods = dict(self.requested), dict(self.ports), dict(self.pods)
        copy.nonzero_cpu, copy.nonzero_memory = self.nonzero_cpu, self.nonzero_memory
        copy.claims, copy.namespaces = dict(self.claims), dict(self.namespaces)
        copy.with_affinity = self.with_affinity
        return copy
