"""Feeds the queue and the cache from the API server, and turns the wheel."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any
from uuid import uuid4

from sampan.api.errors import Conflict, NotFound
from sampan.api.types import apps_v1, core_v1, meta_v1, policy_v1, storage_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock
from sampan.client.leader import LeaderElector
from sampan.client.shared import SharedInformerFactory
from sampan.scheduler.binder import Binder
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.plugins.volumes import Lookups
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.preemption import Budget
from sampan.scheduler.queue import Happening, Queued, SchedulingQueue
from sampan.scheduler.schedule_one import Decision, Scheduler, World

log = logging.getLogger(__name__)

AT_ONCE = 32  # Pods decided before the event loop gets its turn
FLUSH_EVERY = 30.0


async def run(client: Client, config: SchedulerConfig, *, clock: Clock | None = None) -> None:
    """Until cancelled; with `leader_elect` only while it leads."""
    service = SchedulerService(client, config, clock or RealClock())
    if not config.leader_elect:
        await service.run()
        return
    identity = f"{socket.gethostname()}_{uuid4()}"
    elector = LeaderElector(client, config.lease_name, identity, namespace="kube-system")
    await elector.run(service.run)


class SchedulerService:
    def __init__(self, client: Client, config: SchedulerConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._wake = asyncio.Event()
        self._informers = informers = SharedInformerFactory(client, clock=clock)
        self.cache = NodeCache()
        self.queue = SchedulingQueue(config, clock, self._wake.set)
        self.verdicts: dict[str, Decision] = {}  # the last no of each waiting Pod, node by node
        self._attempts: dict[str, int] = {}  # of Pods whose binding is under way
        self._pods = informers.informer(core_v1.Pod)
        self._nodes = informers.informer(core_v1.Node)
        self._namespaces = informers.informer(core_v1.Namespace)
        self._claims = informers.informer(core_v1.PersistentVolumeClaim)
        self._volumes = informers.informer(core_v1.PersistentVolume)
        self._classes = informers.informer(storage_v1.StorageClass)
        self._budgets = informers.informer(policy_v1.PodDisruptionBudget)
        self._services = informers.informer(core_v1.Service)
        self._replica_sets = informers.informer(apps_v1.ReplicaSet)
        self._stateful_sets = informers.informer(apps_v1.StatefulSet)
        self._controllers = informers.informer(core_v1.ReplicationController)
        self._namespace_labels: dict[str, dict[str, str]] = {}
        world = World(
            cache=self.cache,
            config=config,
            lookups=Lookups(
                lambda namespace, name: self._claims.store.get(name, namespace=namespace),
                lambda name: self._volumes.store.get(name),
                lambda name: self._classes.store.get(name),
                lambda: list(self._volumes.store),
            ),
            namespaces=self._namespace_labels,
            budgets=lambda: [Budget(b) for b in self._budgets.store],
            default_selector=self._default_selector,
        )
        self.world = world
        self.scheduler = Scheduler(world)
        self.binder = Binder(
            client,
            config,
            clock,
            bound=lambda info, node: self._attempts.pop(info.uid, None),
            failed=self._bind_failed,
            claim_bound=self._claim_is_bound,
        )
        self._add_handlers()

    async def run(self) -> None:
        async with self._informers:
            try:
                await self._turn()
            finally:
                await self.binder.stop()

    async def _turn(self) -> None:
        while True:
            done = 0
            while done < AT_ONCE and (queued := self.queue.pop()) is not None:
                self._schedule_one(queued)
                done += 1
            if done == AT_ONCE:
                await asyncio.sleep(0)
                continue
            due = self.queue.next_due()
            timer = self._clock.call_later(FLUSH_EVERY if due is None else min(due, FLUSH_EVERY), self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()
            self.queue.flush()

    def _schedule_one(self, queued: Queued) -> None:
        info, position = queued.info, self.queue.position
        if info.pod.metadata.deletionTimestamp or self.cache.is_placed(info.uid):
            self.queue.remove(info.uid)
            return
        decision = self.scheduler.decide(info)
        if decision.node:
            self.queue.remove(info.uid)
            self.verdicts.pop(info.uid, None)
            self.world.nominated.pop(info.uid, None)
            self.cache.assume(info, decision.node)
            self._attempts[info.uid] = queued.attempts
            self.queue.happened(Happening.POD_PLACED)
            self.binder.start(info, decision)
            return
        self.verdicts[info.uid] = decision
        if decision.preempt is not None:
            self.world.nominated[info.uid] = (decision.preempt.node, info)
        elif decision.hopeless:
            self.world.nominated.pop(info.uid, None)
        self.queue.failed(queued, decision.plugins, position)
        self.binder.refuse(info, decision)

    # --- what the API server tells ---

    def _add_handlers(self) -> None:
        self._pods.add_handler(on_add=self._pod, on_update=self._pod_changed, on_delete=self._pod_gone)
        self._nodes.add_handler(on_add=self._node_added, on_update=self._node_changed, on_delete=self._node_gone)
        self._namespaces.add_handler(on_add=self._namespace, on_update=lambda _, new: self._namespace(new))
        for informer in (self._claims, self._volumes, self._classes):
            informer.add_handler(on_add=self._volume, on_update=lambda _, new: self._volume(new))

    def _pod(self, pod: core_v1.Pod) -> None:
        uid = pod.metadata.uid or ""
        if pod.spec.nodeName:
            if pod.status.phase in ("Succeeded", "Failed"):
                self._gone(uid)
                return
            new = not self.cache.is_placed(uid)
            self.cache.set_pod(pod)
            self.queue.remove(uid)
            self.world.nominated.pop(uid, None)
            if new:
                self.queue.happened(Happening.POD_PLACED)
            return
        if pod.spec.schedulerName != self._config.scheduler_name or pod.status.phase in ("Succeeded", "Failed"):
            return
        if pod.metadata.deletionTimestamp:
            self.queue.remove(uid)
            return
        if self.cache.is_placed(uid):
            return  # assumed: the binding is under way
        if pod.spec.schedulingGates:
            self.queue.remove(uid)
            return
        info = PodInfo(pod)
        known = self.verdicts.get(uid)
        if known is None or known_shape(self.queue, info) != info.shape:
            self.queue.add(info)
        else:
            self.queue.refresh(info)

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        self._pod(new)
        if new.spec.nodeName and old.metadata.labels != new.metadata.labels:
            self.queue.happened(Happening.POD_PLACED)  # as good as another Pod to whoever selects by labels

    def _pod_gone(self, pod: core_v1.Pod) -> None:
        self._gone(pod.metadata.uid or "")

    def _gone(self, uid: str) -> None:
        self.queue.remove(uid)
        self.verdicts.pop(uid, None)
        self.world.nominated.pop(uid, None)
        if self.cache.remove_pod(uid):
            self.queue.happened(Happening.POD_GONE)

    def _node_added(self, node: core_v1.Node) -> None:
        self.cache.set_node(node)
        self.queue.happened(Happening.NODE_ADDED)

    def _node_changed(self, old: core_v1.Node, new: core_v1.Node) -> None:
        changes = []
        if old.metadata.labels != new.metadata.labels:
            changes.append(Happening.NODE_LABEL)
        if old.spec.taints != new.spec.taints or old.spec.unschedulable != new.spec.unschedulable:
            changes.append(Happening.NODE_TAINT)
        if old.status.allocatable != new.status.allocatable:
            changes.append(Happening.NODE_ALLOCATABLE)
        if changes or old.status.images != new.status.images:
            self.cache.set_node(new)
        for what in changes:
            self.queue.happened(what)

    def _node_gone(self, node: core_v1.Node) -> None:
        self.cache.remove_node(node.metadata.name or "")
        self.queue.happened(Happening.NODE_GONE)

    def _namespace(self, namespace: core_v1.Namespace) -> None:
        self._namespace_labels[namespace.metadata.name or ""] = namespace.metadata.labels or {}

    def _volume(self, obj: Any) -> None:
        del obj
        self.binder.volumes_changed.set()
        self.queue.happened(Happening.VOLUME)

    # --- helpers of decisions ---

    def _claim_is_bound(self, namespace: str, name: str) -> bool:
        claim = self._claims.store.get(name, namespace=namespace)
        return claim is not None and claim.status.phase == "Bound" and bool(claim.spec.volumeName)

    def _bind_failed(self, info: PodInfo, error: Exception) -> None:
        attempts = self._attempts.pop(info.uid, 1)
        if self.cache.forget(info):
            self.queue.happened(Happening.POD_GONE)
        if isinstance(error, NotFound):
            return
        current = self._pods.store.by_key(info.key)
        if current is None or current.metadata.uid != info.uid or current.spec.nodeName:
            return
        if isinstance(error, Conflict):
            log.info("pod %s: %s", info.key, error)
        self.queue.retry(PodInfo(current), attempts)

    def _default_selector(self, pod: PodInfo) -> meta_v1.LabelSelector | None:
        """What the default spread constraints count: Pods of the same Services and owner."""
        if not pod.labels:
            return None
        labels: dict[str, str] = {}
        for service in self._services.store.list(namespace=pod.namespace):
            chosen = service.spec.selector
            if chosen and all(pod.labels.get(k) == v for k, v in chosen.items()):
                labels.update(chosen)
        expressions: list[meta_v1.LabelSelectorRequirement] = []
        owner = next((o for o in pod.pod.metadata.ownerReferences or () if o.controller), None)
        if owner is not None:
            selector = self._owner_selector(pod.namespace, owner)
            if selector is not None:
                labels.update(selector.matchLabels or {})
                expressions = list(selector.matchExpressions or ())
        if not labels and not expressions:
            return None
        return meta_v1.LabelSelector(matchLabels=labels or None, matchExpressions=expressions or None)

    def _owner_selector(self, namespace: str, owner: meta_v1.OwnerReference) -> meta_v1.LabelSelector | None:
        match owner.kind:
            case "ReplicaSet":
                found = self._replica_sets.store.get(owner.name, namespace=namespace)
                return found.spec.selector if found is not None else None
            case "StatefulSet":
                stateful = self._stateful_sets.store.get(owner.name, namespace=namespace)
                return stateful.spec.selector if stateful is not None else None
            case "ReplicationController":
                controller = self._controllers.store.get(owner.name, namespace=namespace)
                chosen = controller.spec.selector if controller is not None else None
                return meta_v1.LabelSelector(matchLabels=chosen) if chosen else None
        return None


def known_shape(queue: SchedulingQueue, info: PodInfo) -> bytes:
    known = queue.known(info.uid)
    return known.shape if known is not None else b""
