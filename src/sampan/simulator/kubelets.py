"""Plays the kubelets of all simulated Nodes: follows Nodes and Pods, and reports what the steps say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from sampan.api.errors import NotFound
from sampan.api.types import core_v1, meta_v1
from sampan.client import calls
from sampan.client.api import STRATEGIC_PATCH, Client
from sampan.client.calls import WriteOptions
from sampan.client.clock import Clock
from sampan.client.informer import Informer
from sampan.client.workers import run_workers
from sampan.client.workqueue import RateLimitingQueue
from sampan.simulator.addresses import Pool, host_ip
from sampan.simulator.behaviour import BadAnnotation, Behaviour, behaviour_of
from sampan.simulator.heartbeats import Heartbeats
from sampan.simulator.names import DOWN, PREFIX, SELECTOR
from sampan.simulator.nodes import conditions, delete_pod, node_status
from sampan.simulator.statuses import Patch, Place, status_patch
from sampan.simulator.steps import ENDED, State, Step, next_step, restarts, state_of

BY_NODE = "node"
log = logging.getLogger(__name__)


class _Since(NamedTuple):
    """Since when a Pod is in its state, by our clock: statuses know whole seconds only."""

    state: State
    restarts: int
    at: float


class Kubelets:
    def __init__(self, client: Client, clock: Clock, *, workers: int) -> None:
        self._client = client
        self._clock = clock
        self._workers = workers
        self._pod_client = client.resource(core_v1.Pod)
        self._node_client = client.resource(core_v1.Node)
        self.nodes = Informer(self._node_client, label_selector=SELECTOR, clock=clock)
        self.pods = Informer(
            self._pod_client,
            field_selector="spec.nodeName!=",
            indexes={BY_NODE: _node_of},
            transform=trimmed,
            clock=clock,
        )
        self._pod_queue: RateLimitingQueue[str] = RateLimitingQueue(clock=clock)
        self._node_queue: RateLimitingQueue[str] = RateLimitingQueue(clock=clock)
        self._pools: dict[str, Pool] = {}  # by node
        self._since: dict[str, _Since] = {}  # by the Pod's uid
        self._heartbeats = Heartbeats(client, clock, self._alive)
        self.nodes.add_handler(
            on_add=self._node_seen, on_update=lambda _, new: self._node_seen(new), on_delete=self._node_gone
        )
        self.pods.add_handler(
            on_add=self._pod_seen, on_update=lambda _, new: self._pod_seen(new), on_delete=self._pod_gone
        )

    async def run(self, synced: Callable[[], object] = lambda: None) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            # Addresses that Pods have are known before the first one is given out.
            self.pods.start()
            await self.pods.wait_for_sync()
            self.nodes.start()
            await self.nodes.wait_for_sync()
            synced()
            try:
                tasks.create_task(self._heartbeats.run())
                tasks.create_task(run_workers(self._node_queue, self._node, 4, name="simulated node"))
                tasks.create_task(run_workers(self._pod_queue, self._pod, self._workers, name="simulated pod"))
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.gather(self.pods.stop(), self.nodes.stop())

    # -- Nodes -------------------------------------------------------------------------------------------------------

    def _node_seen(self, node: core_v1.Node) -> None:
        name = node.metadata.name or ""
        if is_down(node):
            self._heartbeats.remove(name)
            return
        self._heartbeats.add(name)
        if name not in self._pools:
            pool = self._pools[name] = Pool(node.spec.podCIDR or "")
            for pod in self.pods.store.by_index(BY_NODE, name):
                if pod.status.podIP and not pod.spec.hostNetwork:
                    pool.hold(pod.metadata.uid or "", pod.status.podIP)
        for pod in self.pods.store.by_index(BY_NODE, name):
            self._pod_queue.add(key_of(pod))
        if not is_well(node):
            self._node_queue.add(name)

    def _node_gone(self, node: core_v1.Node) -> None:
        name = node.metadata.name or ""
        self._heartbeats.remove(name)
        self._pools.pop(name, None)

    def _alive(self, name: str) -> core_v1.Node | None:
        node = self.nodes.store.by_key(name)
        return None if node is None or is_down(node) else node

    async def _node(self, name: str) -> None:
        """A Node that was silent, or that somebody made without a status, is well again."""
        node = self._alive(name)
        if node is None or is_well(node):
            return
        now = self._clock.now()
        status: Patch = {"conditions": msgspec.to_builtins(conditions(now))}
        if not node.status.allocatable:
            amounts = node.status.capacity or {"cpu": "8", "memory": "32Gi", "pods": "110"}
            status = msgspec.to_builtins(node_status(name, node.spec.podCIDR or "", amounts, now))
        body = {"metadata": {"uid": node.metadata.uid}, "status": status}
        await self._node_client.patch(name, body, type=STRATEGIC_PATCH, subresource="status")

    # -- Pods --------------------------------------------------------------------------------------------------------

    def _pod_seen(self, pod: core_v1.Pod) -> None:
        if (pod.spec.nodeName or "") in self._pools:
            self._pod_queue.add(key_of(pod))

    def _pod_gone(self, pod: core_v1.Pod) -> None:
        uid = pod.metadata.uid or ""
        self._since.pop(uid, None)
        pool = self._pools.get(pod.spec.nodeName or "")
        if pool is not None:
            pool.release(uid)

    async def _pod(self, key: str) -> float | None:
        pod = self.pods.store.by_key(key)
        node = self._alive(pod.spec.nodeName or "") if pod is not None else None
        if pod is None or node is None:
            return None
        try:
            behaviour = behaviour_of(pod, node)
        except BadAnnotation as error:
            behaviour = Behaviour(waiting="CreateContainerConfigError", message=str(error))
        state = state_of(pod)
        step, after = next_step(pod, state, behaviour)
        if step is None:
            return None
        left = self._entered(pod, state) + after - self._clock.monotonic()
        if left > 0:
            return left
        body = status_patch(pod, step, behaviour, self._place(pod, node), self._clock.now())
        await (self._remove(pod, body) if step is Step.REMOVE else self._report(pod, body))
        return None

    def _entered(self, pod: core_v1.Pod, state: State) -> float:
        uid = pod.metadata.uid or ""
        count = restarts(pod)
        since = self._since.get(uid)
        if since is None or since.state is not state or since.restarts != count:
            since = self._since[uid] = _Since(state, count, self._clock.monotonic())
        return since.at

    def _place(self, pod: core_v1.Pod, node: core_v1.Node) -> Place:
        cidr = node.spec.podCIDR or ""
        host = next((a.address for a in node.status.addresses or () if a.type == "InternalIP"), host_ip(cidr))
        if pod.spec.hostNetwork:
            return Place(host, host)
        name = node.metadata.name or ""
        pool = self._pools.get(name) or self._pools.setdefault(name, Pool(cidr))
        return Place(host, pool.take(pod.metadata.uid or ""))

    async def _remove(self, pod: core_v1.Pod, ended: Patch) -> None:
        """A Pod that others' finalizers keep (a Job's) tells them how it ended."""
        if pod.metadata.finalizers and pod.status.phase not in ENDED:
            await self._report(pod, ended)
        if pod.metadata.deletionGracePeriodSeconds != 0:
            await delete_pod(self._client, pod)

    async def _report(self, pod: core_v1.Pod, body: Patch) -> None:
        name, namespace = pod.metadata.name or "", pod.metadata.namespace or ""
        call = calls.patch(
            self._pod_client.info, namespace, name, body, STRATEGIC_PATCH, WriteOptions(), subresource="status"
        )
        try:
            await self._client.send(call)  # the watch brings what came of it
        except NotFound:
            pass


def is_down(node: core_v1.Node) -> bool:
    return (node.metadata.annotations or {}).get(DOWN) == "true"


def is_well(node: core_v1.Node) -> bool:
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or ())
    return ready and bool(node.status.allocatable)


def key_of(pod: core_v1.Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def _node_of(pod: core_v1.Pod) -> list[str]:
    return [pod.spec.nodeName] if pod.spec.nodeName else []


def trimmed(pod: core_v1.Pod) -> core_v1.Pod:
    """What the steps read, so that many thousand Pods take little memory."""
    meta, spec = pod.metadata, pod.spec
    said = {k: v for k, v in (meta.annotations or {}).items() if k.startswith(PREFIX)}
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resourceVersion=meta.resourceVersion,
            generation=meta.generation,
            deletionTimestamp=meta.deletionTimestamp,
            deletionGracePeriodSeconds=meta.deletionGracePeriodSeconds,
            finalizers=meta.finalizers,
            ownerReferences=meta.ownerReferences,
            annotations=said or None,
        ),
        spec=core_v1.PodSpec(
            nodeName=spec.nodeName,
            containers=[core_v1.Container(name=c.name, image=c.image) for c in spec.containers],
            initContainers=[
                core_v1.Container(name=c.name, image=c.image, restartPolicy=c.restartPolicy)
                for c in spec.initContainers or ()
            ]
            or None,
            restartPolicy=spec.restartPolicy,
            readinessGates=spec.readinessGates,
            hostNetwork=spec.hostNetwork,
        ),
        status=pod.status,
    )
