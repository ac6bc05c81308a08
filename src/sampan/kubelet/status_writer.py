"""Writes Pods' statuses to the API server: the newest one of each Pod, one write at a time per Pod, until it is there.

A write carries the resourceVersion that it was computed from, so conditions that others set are never lost: on a
conflict the Pod is read again and their part is taken over. While the API server is away, writes wait; only the newest
status of each Pod waits with them.
"""

import asyncio
import logging
from collections.abc import Callable

from sampan.api.errors import ApiError, Conflict, Invalid, NotFound
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, parse_time
from sampan.client.transport import TransportError
from sampan.kubelet.pod_state import is_mirror, is_static, pod_key
from sampan.kubelet.status import DISRUPTION, OWNED

log = logging.getLogger(__name__)

RETRY_FIRST = 0.2
RETRY_LONGEST = 10.0
AT_ONCE = 16


class StatusWriter:
    def __init__(self, client: Client, clock: Clock, *, mirror_of: Callable[[str], core_v1.Pod | None]) -> None:
        """`mirror_of(uid)` is the mirror Pod that stands for a static one in the API, once it is there."""
        self._pods = client.resource(core_v1.Pod)
        self._clock = clock
        self._mirror_of = mirror_of
        self._said: dict[str, core_v1.PodStatus] = {}  # what was last put, by uid
        self._wanted: dict[str, core_v1.Pod] = {}  # still to be written
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._versions: dict[str, str] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def latest(self, pod: core_v1.Pod) -> core_v1.PodStatus:
        """What was last said of the Pod, with the conditions that others own as the API has them."""
        said = self._said.get(pod.metadata.uid or "")
        if said is None:
            return pod.status
        return _adopt(said, pod.status)

    def put(self, pod: core_v1.Pod, status: core_v1.PodStatus) -> None:
        uid = pod.metadata.uid or ""
        if self._said.get(uid) == status or (uid not in self._said and pod.status == status):
            return
        self._said[uid] = status
        self._wanted[uid] = core_v1.Pod(
            kind="Pod", apiVersion="v1", metadata=pod.metadata, spec=pod.spec, status=status
        )
        self._start(uid)

    def resend(self, uid: str, pod: core_v1.Pod) -> None:
        """The API's copy is new (a mirror Pod was made again): say everything once more."""
        said = self._said.get(uid)
        if said is not None and said != pod.status:
            self._wanted[uid] = core_v1.Pod(
                kind="Pod", apiVersion="v1", metadata=pod.metadata, spec=pod.spec, status=said
            )
            self._start(uid)

    def check(self, pod: core_v1.Pod) -> None:
        """The API's copy, as a watch showed it. While this node was not heard of, somebody may have said of the Pod
        that it is not ready: what is true is said again."""
        uid = pod.metadata.uid or ""
        said, written = self._said.get(uid), self._versions.get(uid)
        if said is None or written is None or uid in self._tasks:
            return
        if int(pod.metadata.resourceVersion or 0) <= int(written) or _own(pod.status) == _own(said):
            return
        status = _adopt(said, pod.status)
        self._wanted[uid] = core_v1.Pod(
            kind="Pod", apiVersion="v1", metadata=pod.metadata, spec=pod.spec, status=status
        )
        self._start(uid)

    def all_written(self) -> "asyncio.Future[None]":
        """Done when nothing waits to be written; may never be while the API server is away."""

        async def wait() -> None:
            while self._tasks:
                await asyncio.wait(set(self._tasks.values()))

        return asyncio.ensure_future(wait())

    def started_at(self, status: core_v1.PodStatus) -> float:
        return parse_time(status.startTime) if status.startTime else self._clock.now()

    def forget(self, uid: str) -> None:
        for known in (self._said, self._wanted, self._versions):
            known.pop(uid, None)

    async def finish(self, pod: core_v1.Pod) -> None:
        """The last status is written; now the Pod may go from the API."""
        uid = pod.metadata.uid or ""
        while (task := self._tasks.get(uid)) is not None:
            await asyncio.wait({task})
        delay = RETRY_FIRST
        while True:
            try:
                await self._pods.delete(
                    pod.metadata.name or "",
                    namespace=pod.metadata.namespace or "",
                    grace_period_seconds=0,
                    uid=uid,
                )
                return
            except (NotFound, Conflict):
                return  # gone, or another Pod of that name is there already
            except (ApiError, TransportError) as error:
                log.info("pod %s: cannot be deleted from the API yet: %s", pod_key(pod), error)
            await self._clock.sleep(delay)
            delay = min(delay * 2, RETRY_LONGEST)

    def _start(self, uid: str) -> None:
        if uid not in self._tasks:
            self._tasks[uid] = asyncio.get_running_loop().create_task(self._write_all(uid))

    async def _write_all(self, uid: str) -> None:
        try:
            await self._write_newest(uid)
        finally:
            # At once, not when the loop comes to it: what is put in between would wait for a writer that has left.
            del self._tasks[uid]

    async def _write_newest(self, uid: str) -> None:
        delay = RETRY_FIRST
        while (pod := self._wanted.pop(uid, None)) is not None:
            try:
                async with self._slots:
                    await self._write(uid, pod)
                delay = RETRY_FIRST
            except NotFound:
                return
            except (ApiError, TransportError) as error:
                log.info("pod %s: status not written yet: %s", pod_key(pod), error)
                self._wanted.setdefault(uid, pod)
                await self._clock.sleep(delay)
                delay = min(delay * 2, RETRY_LONGEST)

    async def _write(self, uid: str, pod: core_v1.Pod) -> None:
        if is_static(pod) and not is_mirror(pod):
            mirror = self._mirror_of(uid)
            if mirror is None:
                return
            pod = core_v1.Pod(
                kind="Pod", apiVersion="v1", metadata=mirror.metadata, spec=mirror.spec, status=pod.status
            )
        newer = self._versions.get(uid)
        if newer is not None and int(newer) > int(pod.metadata.resourceVersion or 0):
            pod.metadata = _with_version(pod.metadata, newer)
        try:
            written = await self._pods.update_status(pod)
        except Conflict:
            meta = pod.metadata
            current = await self._pods.get(meta.name or "", namespace=meta.namespace or "")
            if current.metadata.uid != meta.uid:
                return  # another Pod of that name: this one is history
            current.status = _adopt(pod.status, current.status)
            written = await self._pods.update_status(current)
        except Invalid:
            log.exception("pod %s: the API server refuses its status", pod_key(pod))
            return
        self._versions[uid] = written.metadata.resourceVersion or "0"


def _own(status: core_v1.PodStatus) -> set[tuple[str, str]]:
    return {(c.type, c.status) for c in status.conditions or () if c.type in OWNED}


def _adopt(said: core_v1.PodStatus, current: core_v1.PodStatus) -> core_v1.PodStatus:
    """Our own words with everybody else's conditions."""
    kinds = {*OWNED, "PodScheduled"}
    own = [c for c in said.conditions or () if c.type in kinds]
    others = [c for c in current.conditions or () if c.type not in kinds]
    there = {c.type for c in others}
    others += [c for c in said.conditions or () if c.type == DISRUPTION and c.type not in there]
    fields = {f: getattr(said, f) for f in core_v1.PodStatus.__struct_fields__}
    fields["conditions"] = [*own, *others] or None
    fields["resourceClaimStatuses"] = current.resourceClaimStatuses
    fields["nominatedNodeName"] = current.nominatedNodeName
    return core_v1.PodStatus(**fields)


def _with_version(meta: meta_v1.ObjectMeta, version: str) -> meta_v1.ObjectMeta:
    fields = {f: getattr(meta, f) for f in meta.__struct_fields__}
    fields["resourceVersion"] = version
    return type(meta)(**fields)
