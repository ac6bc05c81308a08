"""All nodes and the Pods on them, assumed ones included, with a log of changes for whoever follows incrementally."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest

from sampan.api.types import core_v1
from sampan.scheduler.config import ZONE
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo

REGION = "topology.kubernetes.io/region"


class NodeCache:
    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._placed: dict[str, str] = {}  # uid → node, of every bound or assumed Pod
        self._assumed: set[str] = set()
        self.changes: list[str] = []  # names of nodes, in the order in which they changed
        self.base = 0  # the number of changes that were forgotten from the front
        self.with_affinity = 0  # Pods that ask something of others
        self.images: Counter[str] = Counter()  # on how many nodes each is
        self.claims: Counter[str] = Counter()  # how many Pods use each
        self._zones: dict[str, str] = {}  # of the nodes that exist
        self._ordered: list[str] | None = []
        self._by_namespace: dict[str, dict[str, None]] = {}  # nodes with Pods of it

    @property
    def ordered(self) -> list[str]:
        """The nodes that exist, zones in turn: a part of a large cluster has nodes of every zone."""
        if self._ordered is None:
            by_zone: dict[str, list[str]] = {}
            for name, zone in self._zones.items():
                by_zone.setdefault(zone, []).append(name)
            rounds = zip_longest(*by_zone.values())
            self._ordered = [name for one in rounds for name in one if name is not None]
        return self._ordered

    def existing(self, name: str) -> NodeInfo | None:
        """Not one that is known by its Pods alone."""
        node = self.nodes.get(name)
        return node if node is not None and node.node is not None else None

    def with_pods_of(self, namespace: str) -> list[str]:
        """The nodes that have some."""
        return list(self._by_namespace.get(namespace, ()))

    def set_node(self, node: core_v1.Node) -> None:
        name = node.metadata.name or ""
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = NodeInfo(name)
        labels = node.metadata.labels or {}
        zone = f"{labels.get(REGION, '')}/{labels.get(ZONE, '')}"
        if self._zones.get(name) != zone:
            self._zones[name] = zone
            self._ordered = None
        self.images.subtract(info.images.keys())
        info.set_node(node)
        self.images.update(info.images.keys())
        self._changed(name)

    def remove_node(self, name: str) -> None:
        info = self.nodes.get(name)
        if info is None:
            return
        info.node = None
        info.touch()
        self.images.subtract(info.images.keys())
        info.images = {}
        self._zones.pop(name, None)
        self._ordered = None
        if not info.pods:
            del self.nodes[name]
        self._changed(name)

    def assume(self, info: PodInfo, node: str) -> None:
        """Counts there from now on, before the API server has heard of it."""
        self._put(info, node)
        self._assumed.add(info.uid)

    def forget(self, info: PodInfo) -> bool:
        """The binding failed; whether that freed its room."""
        return info.uid in self._assumed and self.remove_pod(info.uid)

    def set_pod(self, pod: core_v1.Pod) -> None:
        """A Pod that the API server says is bound."""
        uid, node = pod.metadata.uid or "", pod.spec.nodeName or ""
        if self._placed.get(uid) == node:
            current = self.nodes[node].pods[uid]
            assumed = uid in self._assumed  # then nothing but the node is new
            if current.labels == (pod.metadata.labels or {}) and (assumed or same_spec(current.pod, pod)):
                was_leaving, current.pod = current.leaving, pod
                self._assumed.discard(uid)
                if current.leaving != was_leaving:
                    self._changed(node)  # those who count Pods no longer count it
                return
        self._put(PodInfo(pod), node)
        self._assumed.discard(uid)

    def remove_pod(self, uid: str) -> bool:
        name = self._placed.pop(uid, None)
        self._assumed.discard(uid)
        if name is None:
            return False
        node = self.nodes[name]
        gone = node.remove(uid)
        if gone is not None:
            self._count(gone, -1)
            if gone.namespace not in node.namespaces:
                self._by_namespace[gone.namespace].pop(name, None)
        if node.node is None and not node.pods:
            del self.nodes[name]
        self._changed(name)
        return True

    def pod(self, uid: str) -> PodInfo | None:
        """One that is bound or assumed."""
        node = self._placed.get(uid)
        return self.nodes[node].pods[uid] if node is not None else None

    def is_placed(self, uid: str) -> bool:
        return uid in self._placed

    def _put(self, info: PodInfo, name: str) -> None:
        if info.uid in self._placed:
            self.remove_pod(info.uid)
        node = self.nodes.get(name)
        if node is None:
            node = self.nodes[name] = NodeInfo(name)
        node.add(info)
        self._count(info, 1)
        self._by_namespace.setdefault(info.namespace, {})[name] = None
        self._placed[info.uid] = name
        self._changed(name)

    def _count(self, info: PodInfo, sign: int) -> None:
        self.with_affinity += sign * info.affine
        for claim in info.claims:
            self.claims[claim] += sign
            if not self.claims[claim]:
                del self.claims[claim]

    def _changed(self, name: str) -> None:
        self.changes.append(name)
        if len(self.changes) > 200_000:
            cut = len(self.changes) // 2
            del self.changes[:cut]
            self.base += cut

    @property
    def position(self) -> int:
        return self.base + len(self.changes)

    def changed_since(self, position: int) -> set[str] | None:
        """Names of nodes; None when that is too long ago to know."""
        if position < self.base:
            return None
        return set(self.changes[position - self.base :])


def same_spec(old: core_v1.Pod, new: core_v1.Pod) -> bool:
    """Most updates are about the status: the generation tells without a look at all fields."""
    if old.metadata.generation is not None and old.metadata.generation == new.metadata.generation:
        return True
    return old.spec == new.spec
