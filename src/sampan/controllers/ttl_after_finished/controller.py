"""Removes Jobs `ttlSecondsAfterFinished` after they finished, and their Pods with them."""

from __future__ import annotations

from sampan.api import times
from sampan.api.errors import Conflict, NotFound
from sampan.api.meta import key, split_key
from sampan.api.types import batch_v1
from sampan.controllers.contract import Context, KeyedController


def finished_at(job: batch_v1.Job) -> float | None:
    for condition in job.status.conditions or ():
        if condition.type in ("Complete", "Failed") and condition.status == "True" and condition.lastTransitionTime:
            return times.parse(condition.lastTransitionTime)
    return None


def expires_at(job: batch_v1.Job) -> float | None:
    """Seconds since the epoch; None: never, or not yet known."""
    ends, ttl = finished_at(job), job.spec.ttlSecondsAfterFinished
    if ends is None or ttl is None or job.metadata.deletionTimestamp:
        return None
    return ends + ttl


class TtlAfterFinished(KeyedController):
    """Keys are Jobs."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.jobs = context.informer(batch_v1.Job)
        self.jobs.add_handler(on_add=self._job, on_update=lambda _, new: self._job(new))

    def _job(self, job: batch_v1.Job) -> None:
        if expires_at(job) is not None:
            self.queue.add(key(job))

    async def reconcile(self, key: str) -> float | None:
        job = self.jobs.store.by_key(key)
        ends = expires_at(job) if job is not None else None
        if ends is None:
            return None
        if ends > self.clock.now():
            return ends - self.clock.now()
        namespace, name = split_key(key)
        jobs = self.client.resource(batch_v1.Job)
        try:
            fresh = await jobs.get(name, namespace=namespace)  # its time may have been made longer
            ends = expires_at(fresh)
            if ends is None or ends > self.clock.now():
                return None if ends is None else ends - self.clock.now()
            await jobs.delete(name, namespace=namespace, propagation_policy="Foreground", uid=fresh.metadata.uid or "")
        except (NotFound, Conflict):
            pass  # gone, or another Job of that name
        return None
