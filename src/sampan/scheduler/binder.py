"""What a decision leads to at the API server: bindings, conditions, events, victims deleted. Failures are told back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

from sampan.api.errors import ApiError, NotFound
from sampan.api.types import core_v1, events_v1, meta_v1
from sampan.client.api import STRATEGIC_PATCH, Client
from sampan.client.clock import Clock, rfc3339, rfc3339_micro
from sampan.client.transport import TransportError
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.plugins.volumes import SELECTED_NODE
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.schedule_one import Decision

log = logging.getLogger(__name__)

CLAIM_SECONDS = 600.0


class Binder:
    def __init__(
        self,
        client: Client,
        config: SchedulerConfig,
        clock: Clock,
        *,
        bound: Callable[[PodInfo, str], object],
        failed: Callable[[PodInfo, Exception], None],
        claim_bound: Callable[[str, str], bool],
    ) -> None:
        self._pods = client.resource(core_v1.Pod)
        self._claims = client.resource(core_v1.PersistentVolumeClaim)
        self._events = client.resource(events_v1.Event)
        self._config = config
        self._clock = clock
        self._bound = bound
        self._failed = failed
        self._claim_bound = claim_bound
        self._slots = asyncio.Semaphore(config.parallel_binds)
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: dict[str, str] = {}  # the last FailedScheduling message of a Pod
        self._stamp = 0
        self.volumes_changed = asyncio.Event()

    def start(self, info: PodInfo, decision: Decision) -> None:
        self._go(self._bind(info, decision))

    def _go(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bind(self, info: PodInfo, decision: Decision) -> None:
        meta, node = info.pod.metadata, decision.node
        try:
            if decision.waiting:
                await self._bind_claims(decision)
            async with self._slots:
                decided = self._clock.now()  # the kubelet may speak of the Pod before the answer is back
                await self._pods.create_subresource(
                    info.name,
                    "binding",
                    core_v1.Binding(
                        kind="Binding",
                        apiVersion="v1",
                        metadata=meta_v1.ObjectMeta(name=meta.name, namespace=meta.namespace, uid=meta.uid),
                        target=core_v1.ObjectReference(kind="Node", name=node),
                    ),
                    namespace=info.namespace,
                    answer=meta_v1.Status,
                )
        except (ApiError, TransportError, TimeoutError) as error:
            log.info("pod %s: not bound to %s: %s", info.key, node, error)
            self._failed(info, error)
            return
        self._bound(info, node)
        self._said.pop(info.uid, None)
        said = f"Successfully assigned {info.key} to {node}"
        await self._event(info, "Normal", "Scheduled", "Binding", said, at=decided)

    async def _bind_claims(self, decision: Decision) -> None:
        """Tell each claim its node, and wait for its volume."""
        for claim in decision.waiting:
            meta = claim.metadata
            patch = {"metadata": {"annotations": {SELECTED_NODE: decision.node}}}
            await self._claims.patch(meta.name or "", patch, type=STRATEGIC_PATCH, namespace=meta.namespace or "")
        async with asyncio.timeout(CLAIM_SECONDS):
            while not all(
                self._claim_bound(c.metadata.namespace or "", c.metadata.name or "") for c in decision.waiting
            ):
                self.volumes_changed.clear()
                await self.volumes_changed.wait()

    def refuse(self, info: PodInfo, decision: Decision, reason: str = "Unschedulable") -> None:
        """Say why on the Pod and as an event; the same thing is not said twice in a row."""
        known = self._said.get(info.uid)
        self._said[info.uid] = decision.message
        self._go(self._refuse(info, decision, reason, again=known == decision.message))

    async def _refuse(self, info: PodInfo, decision: Decision, reason: str, *, again: bool) -> None:
        try:
            if not again:
                await self._event(info, "Warning", "FailedScheduling", "Scheduling", decision.message)
            if decision.preempt is not None:
                await self._preempt(info, decision)
            if not again or decision.preempt is not None:
                await self._condition(info, decision, reason)
        except (ApiError, TransportError) as error:
            log.info("pod %s: %s", info.key, error)

    async def _condition(self, info: PodInfo, decision: Decision, reason: str) -> None:
        condition: dict[str, object] = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": decision.message,
            "lastTransitionTime": rfc3339(self._clock.now()),
            "lastProbeTime": None,
        }
        if info.pod.metadata.generation is not None:
            condition["observedGeneration"] = info.pod.metadata.generation
        known = next((c for c in info.pod.status.conditions or () if c.type == "PodScheduled"), None)
        if known is not None and known.status == "False":
            condition["lastTransitionTime"] = known.lastTransitionTime
        status: dict[str, object] = {"conditions": [condition]}
        if decision.preempt is not None:
            status["nominatedNodeName"] = decision.preempt.node
        await self._pods.patch(
            info.name,
            {"metadata": {"uid": info.uid}, "status": status},
            type=STRATEGIC_PATCH,
            namespace=info.namespace,
            subresource="status",
        )

    async def _preempt(self, info: PodInfo, decision: Decision) -> None:
        chosen = decision.preempt
        assert chosen is not None
        for victim in chosen.victims:
            message = f"{self._config.scheduler_name}: preempting to accommodate a higher priority pod"
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "PreemptionByScheduler",
                "message": message,
                "lastTransitionTime": rfc3339(self._clock.now()),
            }
            try:
                await self._pods.patch(
                    victim.name,
                    {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}},
                    type=STRATEGIC_PATCH,
                    namespace=victim.namespace,
                    subresource="status",
                )
                await self._pods.delete(victim.name, namespace=victim.namespace, uid=victim.uid)
            except NotFound:
                continue
            said = f"Preempted by pod {info.uid} on node {chosen.node}"
            await self._event(victim, "Normal", "Preempted", "Preempting", said)

    async def _event(
        self, info: PodInfo, kind: str, reason: str, action: str, note: str, *, at: float | None = None
    ) -> None:
        self._stamp = max(self._stamp + 1, int(self._clock.now() * 1e9))
        meta = info.pod.metadata
        event = events_v1.Event(
            kind="Event",
            apiVersion="events.k8s.io/v1",
            metadata=meta_v1.ObjectMeta(name=f"{meta.name}.{self._stamp:x}", namespace=meta.namespace),
            eventTime=rfc3339_micro(self._clock.now() if at is None else at),
            reportingController=self._config.scheduler_name,
            reportingInstance=self._config.scheduler_name,
            action=action,
            reason=reason,
            regarding=core_v1.ObjectReference(
                kind="Pod",
                apiVersion="v1",
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                resourceVersion=meta.resourceVersion,
            ),
            note=note[:1024],
            type=kind,
        )
        try:
            await self._events.create(event)
        except (ApiError, TransportError) as error:
            log.debug("event %s of %s not recorded: %s", reason, info.key, error)
