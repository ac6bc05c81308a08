"""All nodes and the Pods on them, assumed ones included, with a log of changes for whoever follows incrementally."""

from __future__ import annotations

from sampan.api.types import core_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo


class NodeCache:
    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._placed: dict[str, str] = {}  # uid → node, of every bound or assumed Pod
        self._assumed: set[str] = set()
        self.changes: list[str] = []  # names of nodes, in the order in which they changed
        self.base = 0  # the number of changes that were forgotten from the front
        self.anti_affine = 0
        self.with_affinity = 0
        self.ordered: list[str] = []  # of nodes that exist
        self._softly_tainted: set[str] = set()

    @property
    def soft_taints(self) -> bool:
        """Whether any node would rather not have some Pods."""
        return bool(self._softly_tainted)

    def set_node(self, node: core_v1.Node) -> None:
        name = node.metadata.name or ""
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = NodeInfo(name)
        if info.node is None:
            self.ordered.append(name)
        info.set_node(node)
        soft = any(t.effect == "PreferNoSchedule" for t in info.taints)
        (self._softly_tainted.add if soft else self._softly_tainted.discard)(name)
        self._changed(name)

    def remove_node(self, name: str) -> None:
        info = self.nodes.get(name)
        if info is None:
            return
        info.node = None
        info.touch()
        self.ordered.remove(name)
        self._softly_tainted.discard(name)
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
        known = self._placed.get(uid)
        if known == node and uid in self._assumed and self.nodes[node].pods[uid].labels == (pod.metadata.labels or {}):
            self._assumed.discard(uid)
            self.nodes[node].pods[uid].pod = pod
            return
        if known == node:
            current = self.nodes[node].pods[uid]
            if current.labels == (pod.metadata.labels or {}) and current.pod.spec == pod.spec:
                current.pod = pod
                return
        self._put(PodInfo(pod), node)
        self._assumed.discard(uid)

    def remove_pod(self, uid: str) -> bool:
        name = self._placed.pop(uid, None)
        self._assumed.discard(uid)
        if name is None:
            return False
        node = self.nodes[name]
        self._count(node, -1)
        node.remove(uid)
        self._count(node, 1)
        if node.node is None and not node.pods:
            del self.nodes[name]
        self._changed(name)
        return True

    def is_placed(self, uid: str) -> bool:
        return uid in self._placed

    def _put(self, info: PodInfo, name: str) -> None:
        if info.uid in self._placed:
            self.remove_pod(info.uid)
        node = self.nodes.get(name)
        if node is None:
            node = self.nodes[name] = NodeInfo(name)
        self._count(node, -1)
        node.add(info)
        self._count(node, 1)
        self._placed[info.uid] = name
        self._changed(name)

    def _count(self, node: NodeInfo, sign: int) -> None:
        self.anti_affine += sign * node.anti_affine
        self.with_affinity += sign * node.with_affinity

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
