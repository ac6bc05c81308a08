"""Turns the wheel: takes waiting Pods from the queue, decides, and hands decisions to the binder."""

from __future__ import annotations

import asyncio
import logging
import socket
from uuid import uuid4

from sampan.api.errors import NotFound
from sampan.api.types import policy_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock
from sampan.client.leader import LeaderElector
from sampan.client.shared import SharedInformerFactory
from sampan.scheduler.backlog import Backlog
from sampan.scheduler.binder import Binder
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.cycle import World
from sampan.scheduler.decision import Decision
from sampan.scheduler.default_selectors import DefaultSelectors
from sampan.scheduler.events import Events
from sampan.scheduler.feed import Feed
from sampan.scheduler.hints import Happening, Hints
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.preemption import Budget
from sampan.scheduler.queue import Queued, SchedulingQueue
from sampan.scheduler.reports import Reports
from sampan.scheduler.schedule_one import Scheduler
from sampan.scheduler.tasks import Tasks
from sampan.scheduler.verdict import Verdicts
from sampan.scheduler.volumes import VolumeObjects

log = logging.getLogger(__name__)

AT_ONCE, SECONDS_AT_ONCE = 32, 0.005  # Pods decided before the event loop gets its turn, and how long that may take
FLUSH_EVERY = 30.0


async def run(
    client: Client, config: SchedulerConfig, *, clock: Clock | None = None, verdicts: Verdicts | None = None
) -> None:
    """Until cancelled; with `leader_elect` only while it leads. `verdicts` is kept up to date for others to read."""
    clock = clock or RealClock()
    service = SchedulerService(client, config, clock, verdicts if verdicts is not None else Verdicts())
    if not config.leader_elect:
        await service.run()
        return
    elector = LeaderElector(
        client,
        config.lease_name,
        f"{socket.gethostname()}_{uuid4()}",
        namespace=config.lease_namespace,
        lease_duration=config.lease_duration,
        renew_deadline=config.renew_deadline,
        retry_period=config.retry_period,
        clock=clock,
    )
    await elector.run(service.run)


class SchedulerService:
    def __init__(self, client: Client, config: SchedulerConfig, clock: Clock, verdicts: Verdicts) -> None:
        self._clock = clock
        self._wake = asyncio.Event()
        self._informers = informers = SharedInformerFactory(client, clock=clock)
        self._attempts: dict[str, int] = {}  # of Pods whose binding is under way
        self.verdicts = verdicts
        self.cache = NodeCache()
        budgets = informers.informer(policy_v1.PodDisruptionBudget)
        volumes = VolumeObjects(informers)
        namespaces: dict[str, dict[str, str]] = {}
        self.world = World(
            cache=self.cache,
            lookups=volumes.lookups,
            namespaces=namespaces,
            budgets=lambda: [Budget(b) for b in budgets.store],
            default_selector=DefaultSelectors(informers).of,
        )
        self.queue = SchedulingQueue(config, clock, self._wake.set, Hints(namespaces))
        self.schedulers = {p.name: Scheduler(self.world, p) for p in config.profiles}
        self._tasks, events = Tasks(), Events(client, clock)
        self._backlog = Backlog(self._tasks, clock)
        self.reports = Reports(client, events, self._tasks, self._backlog, clock)
        self.binder = Binder(
            client,
            events,
            self._tasks,
            self._backlog,
            clock,
            at_once=config.parallel_binds,
            bound=self._bound,
            failed=self._bind_failed,
            claim_bound=volumes.is_bound,
        )
        self.feed = Feed(self, informers, volumes)

    async def run(self) -> None:
        async with self._informers:
            try:
                await self._turn()
            finally:
                await self._tasks.stop()

    async def _turn(self) -> None:
        while True:
            if self._schedule_some():
                await asyncio.sleep(0)
                continue
            due = self.queue.next_due()
            timer = self._clock.call_later(FLUSH_EVERY if due is None else min(due, FLUSH_EVERY), self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()
            self.queue.flush()

    def _schedule_some(self) -> bool:
        """Whether more may be waiting."""
        end = self._clock.monotonic() + SECONDS_AT_ONCE
        for _ in range(AT_ONCE):
            queued = self.queue.pop()
            if queued is None:
                return False
            self._schedule_one(queued)
            if self._clock.monotonic() >= end:
                break
        return True

    def _schedule_one(self, queued: Queued) -> None:
        info, position = queued.info, self.queue.position
        if info.leaving or self.cache.is_placed(info.uid):
            self.queue.remove(info.uid)
            return
        decision = self.schedulers[info.pod.spec.schedulerName or ""].decide(info)
        self._backlog.decided()
        if decision.node:
            self._place(queued, decision)
            return
        self.verdicts.put(info.uid, info.key, decision.message, decision.refusals)
        if decision.preempt is not None:
            self._make_room(info, decision.preempt.node)
        elif decision.hopeless and (self.world.nominated.drop(info.uid) or info.pod.status.nominatedNodeName):
            self.reports.clear_nomination(info)  # room was kept for it in vain
        self.queue.failed(queued, decision.plugins, position)
        self.reports.refuse(info, decision)

    def _place(self, queued: Queued, decision: Decision) -> None:
        info = queued.info
        self.queue.remove(info.uid)
        self.verdicts.drop(info.uid)
        self.reports.forget(info.uid)
        self.world.nominated.drop(info.uid)
        self.world.reserved.update(decision.volumes)
        self.cache.assume(info, decision.node)
        self._attempts[info.uid] = queued.attempts
        self.queue.happened(Happening.POD_PLACED, info)
        profile = self.schedulers[info.pod.spec.schedulerName or ""].profile
        self.binder.start(info, decision, claim_seconds=profile.bind_timeout)

    def _make_room(self, info: PodInfo, node: str) -> None:
        """For this one, and no longer for less important Pods that waited for room there."""
        for other in self.world.nominated.less_important(info.priority, node):
            self.world.nominated.drop(other.uid)
            self.reports.clear_nomination(other)
        self.world.nominated.put(info, node)

    def _bound(self, info: PodInfo) -> None:
        self._attempts.pop(info.uid, None)

    def _bind_failed(self, info: PodInfo, decision: Decision, error: Exception) -> None:
        attempts = self._attempts.pop(info.uid, 1)
        for volume in decision.volumes:
            self.world.reserved.pop(volume, None)
        if self.cache.forget(info):
            self.queue.happened(Happening.POD_GONE, info)
        if isinstance(error, NotFound):
            return
        current = self.feed.waiting(info)
        if current is not None:
            self.queue.retry(PodInfo(current), attempts)
