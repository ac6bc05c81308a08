"""Gives every Node a range of Pod addresses. A starting node waits for it, so this answers at once."""

from __future__ import annotations

from sampan.api.errors import NotFound
from sampan.api.types import core_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.node_ipam.ranges import Exhausted, Ranges


class NodeIpam(KeyedController):
    """Keys are Nodes."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        if not self.config.cluster_cidr:
            return
        self.ranges = Ranges(self.config.cluster_cidr, self.config.node_mask)
        self.given: dict[str, tuple[str, str]] = {}  # by Node: its uid, and the range that it got from here
        self.nodes = context.informer(core_v1.Node)
        self.recorder = context.recorder
        # What Nodes have already is known before the first one that has nothing is looked at: `run` waits for the list.
        self.nodes.add_handler(on_add=self._seen, on_update=lambda _, new: self._seen(new), on_delete=self._gone)

    def _seen(self, node: core_v1.Node) -> None:
        name = node.metadata.name or ""
        for cidr in ranges_of(node):
            self.ranges.hold(cidr, name)
        if node.spec.podCIDR is None:
            self.queue.add(name)

    def _gone(self, node: core_v1.Node) -> None:
        name = node.metadata.name or ""
        _, given = self.given.pop(name, ("", ""))
        for cidr in {*ranges_of(node), given} - {""}:
            self.ranges.release(cidr, name)

    async def reconcile(self, key: str) -> None:
        node = self.nodes.store.by_key(key)
        if node is None or node.spec.podCIDR or node.metadata.deletionTimestamp:
            return
        uid = node.metadata.uid or ""
        known_uid, cidr = self.given.get(key, ("", ""))
        if known_uid != uid:
            try:
                cidr = self.ranges.allocate(key)
            except Exhausted:
                self.recorder.event(node, "Normal", "CIDRNotAvailable", f"Node {key} status is now: CIDRNotAvailable")
                raise
            self.given[key] = (uid, cidr)
        body = {"metadata": {"uid": uid}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        try:
            await self.client.resource(core_v1.Node).patch(key, body)
        except NotFound:
            self._gone(node)


def ranges_of(node: core_v1.Node) -> set[str]:
    return {*(node.spec.podCIDRs or ()), *([node.spec.podCIDR] if node.spec.podCIDR else ())}
