"""Room that is being made: Pods that wait for their victims to leave a node."""

from __future__ import annotations

from sampan.scheduler.pod_info import PodInfo


class Nominations:
    def __init__(self) -> None:
        self._node_of: dict[str, str] = {}
        self._on: dict[str, dict[str, PodInfo]] = {}

    def __bool__(self) -> bool:
        return bool(self._node_of)

    def node_of(self, uid: str) -> str:
        return self._node_of.get(uid, "")

    def put(self, pod: PodInfo, node: str) -> None:
        """One Pod, one node: the last one counts."""
        self.drop(pod.uid)
        self._node_of[pod.uid] = node
        self._on.setdefault(node, {})[pod.uid] = pod

    def drop(self, uid: str) -> bool:
        """Whether it had a node."""
        node = self._node_of.pop(uid, "")
        if not node:
            return False
        guests = self._on[node]
        del guests[uid]
        if not guests:
            del self._on[node]
        return True

    def guests_before(self, pod: PodInfo, node: str) -> list[PodInfo]:
        """Whose room on the node is not this Pod's to take."""
        guests = self._on.get(node)
        if not guests:
            return []
        return [g for g in guests.values() if g.priority >= pod.priority and g.uid != pod.uid]

    def less_important(self, priority: int, node: str) -> list[PodInfo]:
        return [g for g in self._on.get(node, {}).values() if g.priority < priority]
