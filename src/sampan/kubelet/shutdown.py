"""The machine goes down: its Pods are ended in order, within the time that is given, and say why they ended.

Ordinary Pods go first, critical ones after them, so that what the others need (logging, storage, networks) is there
until their end. Without a `shutdown_grace_period` nothing of this happens: Pods then outlive the kubelet.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from sampan.api.types import core_v1
from sampan.client.clock import Clock
from sampan.client.events import EventRecorder
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.eviction import CRITICAL
from sampan.kubelet.node import events
from sampan.kubelet.status_writer import StatusWriter
from sampan.kubelet.verdict import Verdict
from sampan.kubelet.worker import Phase, PodWorker

log = logging.getLogger(__name__)

NOT_READY = "node is shutting down"
LAST_WORDS = 5.0  # seconds, at most, for what is left to be seen and to be told the API server


class NodeShutdown:
    def __init__(
        self,
        config: KubeletConfig,
        clock: Clock,
        recorder: EventRecorder,
        statuses: StatusWriter,
        *,
        workers: Callable[[], Iterable[PodWorker]],
        news: Callable[[], None],
    ) -> None:
        """`news`: the node is not ready any more."""
        self._config = config
        self._clock = clock
        self._recorder = recorder
        self._statuses = statuses
        self._workers = workers
        self._news = news
        self.under_way = False

    def refusal(self) -> Verdict | None:
        if not self.under_way:
            return None
        return Verdict("NodeShutdown", "Pod was rejected as the node is shutting down.", rejected=True)

    async def run(self) -> None:
        """Returns when every Pod has ended or its time is over."""
        self.under_way = True
        node = events.reference(self._config.node_name)
        self._recorder.event(node, "Normal", "NodeShutdown", "Shutdown manager detected shutdown event")
        self._news()
        everybody: list[PodWorker] = []
        for allowed, group in groups(self._config, self._workers()):
            everybody += group
            for worker in group:
                worker.end(verdict(worker.pod, allowed))
            await self._within(_all_over(group), allowed)
        await self._within(_all_over(everybody), LAST_WORDS)  # killed at the end of their time: that is seen just after
        late = [w.pod.metadata.name for w in everybody if w.phase is not Phase.TERMINATED]
        if late:
            log.warning("the node goes down, and these Pods have not ended in time: %s", late)
        await self._within(self._statuses.all_written(), LAST_WORDS)

    async def _within(self, work: "asyncio.Future[Any]", seconds: float) -> None:
        timer: asyncio.Future[Any] = asyncio.ensure_future(self._clock.sleep(seconds))
        await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, timer):
            task.cancel()
        await asyncio.gather(work, timer, return_exceptions=True)


def _all_over(workers: list[PodWorker]) -> "asyncio.Future[Any]":
    return asyncio.gather(*(w.over.wait() for w in workers))


def groups(config: KubeletConfig, workers: Iterable[PodWorker]) -> list[tuple[float, list[PodWorker]]]:
    """Who goes when, and how long they have."""
    for_critical = min(config.shutdown_grace_period_critical_pods, config.shutdown_grace_period)
    ordinary: list[PodWorker] = []
    critical: list[PodWorker] = []
    for worker in workers:
        if worker.phase is not Phase.TERMINATED:
            (critical if (worker.pod.spec.priority or 0) >= CRITICAL else ordinary).append(worker)
    found = [(config.shutdown_grace_period - for_critical, ordinary), (for_critical, critical)]
    return [(allowed, group) for allowed, group in found if group]


def verdict(pod: core_v1.Pod, allowed: float) -> Verdict:
    own = pod.spec.terminationGracePeriodSeconds
    return Verdict(
        "Terminated",
        "Pod was terminated in response to imminent node shutdown.",
        grace=allowed if own is None else min(float(own), allowed),
        disrupted=True,
    )
