"""Mirror Pods: what a static Pod looks like in the API. Made when they are missing, made anew when they are stale."""

import asyncio
import logging
from collections.abc import Callable

from sampan.api.errors import AlreadyExists, ApiError, NotFound
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.clock import Clock
from sampan.client.transport import TransportError
from sampan.kubelet.static.manifest import MIRROR
from sampan.kubelet.status_writer import StatusWriter

log = logging.getLogger(__name__)

CHECK_EVERY = 20.0
RETRY = 1.0


class Mirrors:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        wanted: Callable[[], list[core_v1.Pod]],
        present: Callable[[], list[core_v1.Pod]],
        node: Callable[[], core_v1.Node | None],
        statuses: StatusWriter,
    ) -> None:
        """`wanted` are the static Pods of this node, `present` the Pods that the API has for it."""
        self._pods = client.resource(core_v1.Pod)
        self._clock = clock
        self._wanted = wanted
        self._present = present
        self._node = node
        self._statuses = statuses
        self._wake = asyncio.Event()

    def check(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            delay = CHECK_EVERY
            try:
                await self._match()
            except (ApiError, TransportError) as error:
                log.info("mirror pods: %s", error)
                delay = RETRY
            timer = self._clock.call_later(delay, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()

    async def _match(self) -> None:
        static = {(p.metadata.namespace, p.metadata.name): p for p in self._wanted()}
        there: set[tuple[str | None, str | None]] = set()
        for pod in self._present():
            digest = (pod.metadata.annotations or {}).get(MIRROR)
            if digest is None:
                continue
            key = (pod.metadata.namespace, pod.metadata.name)
            original = static.get(key)
            if original is not None and original.metadata.uid == digest and not pod.metadata.deletionTimestamp:
                there.add(key)
                continue
            await self._delete(pod)
        for key, pod in static.items():
            if key not in there:
                await self._create(pod)

    async def _delete(self, pod: core_v1.Pod) -> None:
        meta = pod.metadata
        try:
            await self._pods.delete(
                meta.name or "", namespace=meta.namespace or "", grace_period_seconds=0, uid=meta.uid or ""
            )
        except NotFound:
            return

    async def _create(self, pod: core_v1.Pod) -> None:
        node = self._node()
        meta = pod.metadata
        annotations = {**(meta.annotations or {}), MIRROR: meta.uid or ""}
        owners = None
        if node is not None:
            owners = [
                meta_v1.OwnerReference(
                    apiVersion="v1",
                    kind="Node",
                    name=node.metadata.name or "",
                    uid=node.metadata.uid or "",
                    controller=True,
                )
            ]
        mirror = core_v1.Pod(
            kind="Pod",
            apiVersion="v1",
            metadata=meta_v1.ObjectMeta(
                name=meta.name,
                namespace=meta.namespace,
                labels=meta.labels,
                annotations=annotations,
                ownerReferences=owners,
            ),
            spec=pod.spec,
        )
        try:
            made = await self._pods.create(mirror)
        except AlreadyExists:
            return  # the informer has not told us yet, or the old one is still going
        self._statuses.resend(meta.uid or "", made)
