"""What is said of Pods that found no node, and what is done to those that must make room for them."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.api.types import core_v1
from sampan.client import calls
from sampan.client.api import STRATEGIC_PATCH, Client
from sampan.client.calls import WriteOptions
from sampan.client.clock import Clock, rfc3339
from sampan.client.transport import TransportError
from sampan.scheduler.backlog import Backlog
from sampan.scheduler.decision import Decision
from sampan.scheduler.events import Events
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.preemption import Candidate
from sampan.scheduler.tasks import Tasks

log = logging.getLogger(__name__)


class Reports:
    def __init__(self, client: Client, events: Events, tasks: Tasks, backlog: Backlog, clock: Clock) -> None:
        self._client = client
        self._pods = client.resource(core_v1.Pod)
        self._events = events
        self._tasks = tasks
        self._backlog = backlog
        self._clock = clock
        self._said: dict[str, str] = {}  # the last message about a Pod, or the one that it is about to be told

    def refuse(self, info: PodInfo, decision: Decision) -> None:
        """Say why, on the Pod and as an event; the same thing is not said twice in a row."""
        again = info.uid not in self._backlog and self._said.get(info.uid) == decision.message
        self._said[info.uid] = decision.message
        if decision.preempt is not None:  # others wait for what comes of it
            self._backlog.withdraw(info.uid)
            self._tasks.go(self._make_room(info, decision, decision.preempt, again=again))
        elif not again:
            self._backlog.put(info.uid, partial(self._explain, info, decision, self._clock.now()))

    def clear_nomination(self, info: PodInfo) -> None:
        """No room is being made for it any more."""
        self._tasks.go(self._clear(info))

    def forget(self, uid: str) -> None:
        self._said.pop(uid, None)
        self._backlog.withdraw(uid)

    async def _explain(self, info: PodInfo, decision: Decision, at: float) -> None:
        await self._events.say(info, "Warning", "FailedScheduling", "Scheduling", decision.message, at=at)
        try:
            await self._patch(info, self._status(info, decision))
        except (ApiError, TransportError) as error:
            self._said.pop(info.uid, None)  # if it is still there, it is told after the next attempt
            log.info("pod %s: %s", info.key, error)

    async def _make_room(self, info: PodInfo, decision: Decision, chosen: Candidate, *, again: bool) -> None:
        try:
            if not again:
                await self._events.say(info, "Warning", "FailedScheduling", "Scheduling", decision.message)
            await self._preempt(info, chosen)
            await self._patch(info, self._status(info, decision))
        except (ApiError, TransportError) as error:
            log.info("pod %s: %s", info.key, error)

    async def _clear(self, info: PodInfo) -> None:
        try:
            await self._patch(info, {"nominatedNodeName": None})
        except (ApiError, TransportError) as error:
            log.info("pod %s: %s", info.key, error)

    def _status(self, info: PodInfo, decision: Decision) -> dict[str, Any]:
        condition: dict[str, Any] = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": decision.message,
            "lastTransitionTime": rfc3339(self._clock.now()),
            "lastProbeTime": None,
        }
        if info.pod.metadata.generation is not None:
            condition["observedGeneration"] = info.pod.metadata.generation
        known = next((c for c in info.pod.status.conditions or () if c.type == "PodScheduled"), None)
        if known is not None and known.status == "False":
            condition["lastTransitionTime"] = known.lastTransitionTime
        status: dict[str, Any] = {"conditions": [condition]}
        if decision.preempt is not None:
            status["nominatedNodeName"] = decision.preempt.node
        return status

    async def _preempt(self, info: PodInfo, chosen: Candidate) -> None:
        for victim in chosen.victims:
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "PreemptionByScheduler",
                "message": f"{info.pod.spec.schedulerName}: preempting to accommodate a higher priority pod",
                "lastTransitionTime": rfc3339(self._clock.now()),
                "observedGeneration": victim.pod.metadata.generation,
            }
            try:
                await self._patch(victim, {"conditions": [condition]})
                await self._pods.delete(victim.name, namespace=victim.namespace, uid=victim.uid)
            except NotFound:
                continue
            said = f"Preempted by pod {info.uid} on node {chosen.node}"
            await self._events.say(victim, "Normal", "Preempted", "Preempting", said)

    async def _patch(self, info: PodInfo, status: dict[str, Any]) -> None:
        body = {"metadata": {"uid": info.uid}, "status": status}
        call = calls.patch(
            self._pods.info, info.namespace, info.name, body, STRATEGIC_PATCH, WriteOptions(), subresource="status"
        )
        await self._client.send(call)  # the watch brings what came of it
