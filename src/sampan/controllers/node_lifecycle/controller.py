"""Watches that Nodes are heard of.

A Node renews its Lease every ten seconds. What counts is when this process saw it renewed, by its own clock; one timer
per Node fires when that is too long ago, so that a quiet cluster costs nothing.
"""

from __future__ import annotations

import asyncio

from msgspec import to_builtins

from sampan.api import times
from sampan.api.errors import NotFound
from sampan.api.types import coordination_v1, core_v1
from sampan.client.calls import STRATEGIC_PATCH
from sampan.client.ratelimit import TokenBucket
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.indexes import PODS_BY_NODE, node_of
from sampan.controllers.node_lifecycle.decide import (
    NO_EXECUTE,
    Zone,
    eviction_rate,
    no_execute_key,
    ready_status,
    taints,
    unknown_conditions,
    zone_state,
)

LEASES = "kube-node-lease"
ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
LOOK_AGAIN = 5.0


class NodeLifecycle(KeyedController):
    """Keys are Nodes."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = context.informer(core_v1.Node)
        self.pods = context.informer(core_v1.Pod, indexes={PODS_BY_NODE: node_of})
        self.leases = context.informer(coordination_v1.Lease, namespace=LEASES)
        self.recorder = context.recorder
        self.heard: dict[str, tuple[float, float]] = {}  # when, and how long it may be silent then
        self.was_ready: dict[str, bool] = {}
        self.buckets: dict[str, tuple[float, TokenBucket]] = {}
        self.nodes.add_handler(on_add=self._new, on_update=self._changed, on_delete=self._gone)
        self.leases.add_handler(on_add=self._renewed, on_update=lambda _, new: self._renewed(new))

    # -- what is heard -----------------------------------------------------------------------------------------------

    def _new(self, node: core_v1.Node) -> None:
        name = node.metadata.name or ""
        if name not in self.heard:
            fresh = not node.status.conditions
            self._hear(name, self.config.node_startup_grace if fresh else self.config.node_grace)
            said = f"Node {name} event: Registered Node {name} in Controller"
            self.recorder.event(node, "Normal", "RegisteredNode", said)
        self.queue.add(name)

    def _changed(self, old: core_v1.Node, new: core_v1.Node) -> None:
        name = new.metadata.name or ""
        if _heartbeat(old) != _heartbeat(new):
            self._hear(name, self.config.node_grace)
        if old.status.conditions != new.status.conditions or old.spec != new.spec:
            self.queue.add(name)

    def _gone(self, node: core_v1.Node) -> None:
        name = node.metadata.name or ""
        self.heard.pop(name, None)
        self.was_ready.pop(name, None)
        said = f"Node {name} event: Removing Node {name} from Controller"
        self.recorder.event(node, "Normal", "RemovingNode", said)

    def _renewed(self, lease: coordination_v1.Lease) -> None:
        name = lease.metadata.name or ""
        if name in self.nodes.store:
            self._hear(name, self.config.node_grace)

    def _hear(self, name: str, grace: float) -> None:
        self.heard[name] = (self.clock.monotonic(), grace)

    # -- what follows ------------------------------------------------------------------------------------------------

    async def reconcile(self, key: str) -> float | None:
        node = self.nodes.store.by_key(key)
        if node is None:
            return None
        try:
            return await self._look_at(key, node)
        except NotFound:
            return None

    async def _look_at(self, key: str, node: core_v1.Node) -> float:
        now = self.clock.monotonic()
        since, grace = self.heard.setdefault(key, (now, self.config.node_startup_grace))
        left = since + grace - now
        nodes = self.client.resource(core_v1.Node)
        if left <= 0:
            conditions = unknown_conditions(node, self._now())
            if conditions is not None:
                said = {"status": {"conditions": [to_builtins(c) for c in conditions]}}
                node = await nodes.patch(key, said, type=STRATEGIC_PATCH, subresource="status")
        await self._follow_readiness(key, node)
        again = self._may_evict(node)
        new = taints(node, self._now(), evict=again == 0.0)
        if new is not None:
            body = {
                "metadata": {"resourceVersion": node.metadata.resourceVersion},
                "spec": {"taints": [to_builtins(t) for t in new] or None},
            }
            await nodes.patch(key, body)
        return min(w for w in (again, left if left > 0 else LOOK_AGAIN) if w > 0)

    async def _follow_readiness(self, key: str, node: core_v1.Node) -> None:
        ready = ready_status(node) == "True"
        was = self.was_ready.get(key)
        if ready or not node.status.conditions:
            self.was_ready[key] = ready
            return
        pods = self.pods.store.by_index(PODS_BY_NODE, key)
        if was:
            self.recorder.event(node, "Normal", "NodeNotReady", f"Node {key} status is now: NodeNotReady")
        if was is not False:  # also at our own start: somebody else may have been in the middle of it
            await asyncio.gather(*(self._mark_not_ready(pod) for pod in pods))
        self.was_ready[key] = False

    async def _mark_not_ready(self, pod: core_v1.Pod) -> None:
        if not any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ()):
            return
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": self._now()}
        body = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        self.recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")
        try:
            await self.client.resource(core_v1.Pod).patch(
                pod.metadata.name or "",
                body,
                namespace=pod.metadata.namespace or "",
                type=STRATEGIC_PATCH,
                subresource="status",
            )
        except NotFound:
            pass

    def _may_evict(self, node: core_v1.Node) -> float:
        """0: its Pods may be driven out now, or there is no need; else seconds until that is asked again."""
        wanted = no_execute_key(node)
        if wanted is None:
            return 0.0
        zones: dict[str, list[core_v1.Node]] = {}
        for each in self.nodes.store:
            # This one's state was just written; the cache may not have it.
            zones.setdefault(_zone(each), []).append(node if each.metadata.name == node.metadata.name else each)
        mine = _zone(node)
        states = {zone: zone_state(members) for zone, members in zones.items()}
        others = [state for zone, state in states.items() if zone != mine]
        rate = eviction_rate(states.get(mine, Zone.NORMAL), len(zones.get(mine, ())), others, self.config.eviction_rate)
        if rate <= 0:
            return LOOK_AGAIN
        if any(t.key == wanted and t.effect == NO_EXECUTE for t in node.spec.taints or ()):
            return 0.0
        known = self.buckets.get(mine)
        if known is None or known[0] != rate:
            known = self.buckets[mine] = (rate, TokenBucket(rate, 1, clock=self.clock))
        return 0.0 if known[1].try_take() else 1.0

    def _now(self) -> str:
        return times.format(self.clock.now())


def _zone(node: core_v1.Node) -> str:
    labels = node.metadata.labels or {}
    return f"{labels.get(REGION, '')}/{labels.get(ZONE, '')}"


def _heartbeat(node: core_v1.Node) -> list[tuple[str, str | None]]:
    """What only the kubelet writes."""
    return [(c.type, c.lastHeartbeatTime) for c in node.status.conditions or ()]
