"""One Job: look at its Pods, decide (`decide.py`), make or delete some, count those that ended (`tracking.py`)."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api.errors import Conflict, NotFound
from sampan.api.types import batch_v1, core_v1
from sampan.client.clock import rfc3339
from sampan.controllers.contract import Context
from sampan.controllers.job import decide, tracking
from sampan.controllers.job.decide import Verdict
from sampan.controllers.job.failures import Setbacks
from sampan.controllers.job.pods import make_pod
from sampan.controllers.job.view import FINALIZER, View, is_tracked, view
from sampan.controllers.owned_pods import controller_of
from sampan.controllers.pod_control import all_of
from sampan.controllers.workload import Workload

KIND, API = "Job", "batch/v1"
OURS = "kubernetes.io/job-controller"


class Jobs(Workload[batch_v1.Job]):
    kind = batch_v1.Job
    api_version = API
    finalizer = FINALIZER

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.setbacks = Setbacks()
        self.owners.add_handler(on_delete=lambda job: self.setbacks.forget(job.metadata.uid))

    async def gone(self, key: str) -> None:
        """Pods of a Job that is no more: nobody counts them."""
        namespace, _, name = key.partition("/")
        await self._release(
            key,
            [
                p
                for p in self.pods.store.list(namespace=namespace)
                if (r := controller_of(p.metadata)) is not None and (r.kind, r.name) == (KIND, name)
            ],
        )

    async def reconcile(self, key: str) -> float | None:
        job = self.owners.store.by_key(key)
        if job is not None and job.spec.managedBy not in (None, "", OURS):
            return None
        return await super().reconcile(key)

    async def sync(self, key: str, owner: batch_v1.Job, pods: list[core_v1.Pod]) -> float | None:
        if decide.is_finished(owner) or owner.metadata.deletionTimestamp:
            self.setbacks.forget(owner.metadata.uid)
            await self._release(key, pods)
            return None
        now = self.clock.now()
        job = self._started(owner, now)
        found = view(job, pods, self.setbacks)
        verdict = decide.verdict(job, found, now)
        status = replace(job.status, active=len(found.active), ready=decide.ready_of(found.active))
        status.terminating = found.terminating
        wait: float | None = None
        if verdict is not None:
            await self.control.delete_many(key, job, found.active)
            status.active, status.ready = 0, 0
            status.terminating += len(found.active)
        else:
            changed = decide.resize(job, found, now)
            wait = changed.wait
            await self._resize(key, job, found, changed, status)
            verdict = decide.completed(job, found, status.active or 0)
            if verdict is None:
                status, said = tracking.suspended(status, suspend=bool(job.spec.suspend), now=now)
                if said:
                    self.say(job, "Normal", said, f"Job {said.lower()}")
        await self._track(key, owner, replace(job, status=status), found, verdict)
        left = decide.deadline_in(job, status.startTime, now)
        return min((s for s in (wait, left) if s is not None), default=None)

    @staticmethod
    def _started(job: batch_v1.Job, now: float) -> batch_v1.Job:
        if job.status.startTime is not None or job.spec.suspend:
            return job
        return replace(job, status=replace(job.status, startTime=rfc3339(now)))

    async def _resize(
        self, key: str, job: batch_v1.Job, found: View, changed: decide.Resize, status: batch_v1.JobStatus
    ) -> None:
        """Notes in `status` what it did."""
        if changed.delete:
            # Without their finalizer, so that they are not taken for failed ones.
            await self._release(key, changed.delete)
            await self.control.delete_many(key, job, changed.delete)
            gone = {p.metadata.uid for p in changed.delete}
            found.pods = [p for p in found.pods if p.metadata.uid not in gone]
            status.terminating = (status.terminating or 0) + len(gone)
            status.active = len(found.active) - len(gone)
            status.ready = decide.ready_of([p for p in found.active if p.metadata.uid not in gone])
        elif changed.create:
            pods = [
                make_pod(job, index, found.replaced.get(index) if index is not None else None)
                for index in changed.create
            ]
            status.active = len(found.active) + await self.control.create_many(key, job, pods)

    async def _track(
        self, key: str, owner: batch_v1.Job, job: batch_v1.Job, found: View, verdict: Verdict | None
    ) -> None:
        now = self.clock.now()
        told = tracking.track(job, found, verdict, job.status)
        owner = await self.write_status(key, owner, _shown(tracking.foretold(told.status, verdict, now)))
        await self._release(key, told.release)
        released = {p.metadata.uid for p in told.release}
        tracked = {p.metadata.uid or "" for p in found.pods if is_tracked(p) and p.metadata.uid not in released}
        counted = tracking.exchanged(owner.status, tracked)
        last = tracking.ended(counted, verdict, now) if told.all_told else counted
        await self.write_status(key, owner, _shown(last))
        if verdict is not None and decide.has_condition(last, verdict.last):
            self._tell(job, last, verdict)

    def _tell(self, job: batch_v1.Job, status: batch_v1.JobStatus, verdict: Verdict) -> None:
        if verdict.condition == decide.TARGET:
            self.say(job, "Warning", verdict.reason, verdict.message)
            return
        if job.spec.completions is not None and (status.succeeded or 0) > job.spec.completions:
            said = "Too many succeeded pods running after completion count reached"
            self.say(job, "Warning", "TooManySucceededPods", said)
        self.say(job, "Normal", "Completed", "Job completed")

    async def _release(self, key: str, pods: list[core_v1.Pod]) -> None:
        await all_of(self._let_go(key, p) for p in pods if is_tracked(p))

    async def _let_go(self, key: str, pod: core_v1.Pod) -> None:
        try:
            await self.control.patch(
                key, pod, {"uid": pod.metadata.uid, "$deleteFromPrimitiveList/finalizers": [FINALIZER]}
            )
        except (NotFound, Conflict):
            return


def _shown(status: batch_v1.JobStatus) -> batch_v1.JobStatus:
    """As it is written: no counts of nothing, but how many are ready and going is always said."""
    return replace(
        status,
        active=status.active or None,
        succeeded=status.succeeded or None,
        failed=status.failed or None,
        ready=status.ready or 0,
        terminating=status.terminating or 0,
        uncountedTerminatedPods=status.uncountedTerminatedPods or batch_v1.UncountedTerminatedPods(),
    )
