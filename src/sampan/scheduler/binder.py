"""Tells the API server where a Pod goes. Failures are told back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from sampan.api.errors import ApiError
from sampan.api.types import core_v1, meta_v1
from sampan.client import calls
from sampan.client.api import STRATEGIC_PATCH, Client
from sampan.client.calls import WriteOptions
from sampan.client.clock import Clock
from sampan.client.transport import TransportError
from sampan.scheduler.backlog import Backlog
from sampan.scheduler.decision import Decision
from sampan.scheduler.events import Events
from sampan.scheduler.plugins.volumes import SELECTED_NODE
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.tasks import Tasks

log = logging.getLogger(__name__)


class Binder:
    def __init__(
        self,
        client: Client,
        events: Events,
        tasks: Tasks,
        backlog: Backlog,
        clock: Clock,
        *,
        at_once: int,
        bound: Callable[[PodInfo], object],
        failed: Callable[[PodInfo, Decision, Exception], object],
        claim_bound: Callable[[str, str], bool],
    ) -> None:
        self._client = client
        self._pods = client.resource(core_v1.Pod).info
        self._claims = client.resource(core_v1.PersistentVolumeClaim)
        self._events = events
        self._tasks = tasks
        self._backlog = backlog
        self._clock = clock
        self._bound = bound
        self._failed = failed
        self._claim_bound = claim_bound
        self._slots = asyncio.Semaphore(at_once)
        self.volumes_changed = asyncio.Event()

    def start(self, info: PodInfo, decision: Decision, *, claim_seconds: float) -> None:
        self._tasks.go(self._bind(info, decision, claim_seconds))

    async def _bind(self, info: PodInfo, decision: Decision, claim_seconds: float) -> None:
        try:
            if decision.waiting:
                async with asyncio.timeout(claim_seconds):
                    await self._bind_claims(decision)
            async with self._slots:
                await self._post(info, decision.node)
        except (ApiError, TransportError, TimeoutError) as error:
            log.info("pod %s: not bound to %s: %s", info.key, decision.node, error)
            self._failed(info, decision, error)
            return
        self._bound(info)
        said = f"Successfully assigned {info.key} to {decision.node}"
        say = partial(self._events.say, info, "Normal", "Scheduled", "Binding", said, at=self._clock.now())
        self._backlog.put(f"bound/{info.uid}", say)  # which is not withdrawn with what else was to be said of the Pod

    async def _post(self, info: PodInfo, node: str) -> None:
        """With the uid: a Pod that was made anew under the name is not the one that was decided on."""
        binding = core_v1.Binding(
            kind="Binding",
            apiVersion="v1",
            metadata=meta_v1.ObjectMeta(name=info.name, namespace=info.namespace, uid=info.uid),
            target=core_v1.ObjectReference(kind="Node", name=node),
        )
        call = calls.create_subresource(self._pods, info.namespace, info.name, "binding", binding, WriteOptions())
        await self._client.send(call)  # nobody reads the answer

    async def _bind_claims(self, decision: Decision) -> None:
        """Tell each claim its node, and wait for its volume."""
        claims = [claim.metadata for claim, _ in decision.waiting]
        patch = {"metadata": {"annotations": {SELECTED_NODE: decision.node}}}
        for meta in claims:
            await self._claims.patch(meta.name or "", patch, type=STRATEGIC_PATCH, namespace=meta.namespace or "")
        while not all(self._claim_bound(meta.namespace or "", meta.name or "") for meta in claims):
            self.volumes_changed.clear()
            await self.volumes_changed.wait()
