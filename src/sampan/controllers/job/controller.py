"""One Job: look at its Pods, decide (`decide.py`), count them in the status, let them go, make the next."""

from __future__ import annotations

import asyncio

import msgspec

from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import batch_v1, core_v1
from sampan.client.api import STRATEGIC_PATCH
from sampan.client.clock import parse_time, rfc3339
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.job import decide
from sampan.controllers.job.decide import FINALIZER, INDEX
from sampan.controllers.owned_pods import (
    BY_OWNER,
    ORPHANS,
    claim,
    controller_of,
    from_template,
    owner_index,
    owner_reference,
)
from sampan.controllers.pod_control import PodControl
from sampan.controllers.written import LOOK_AGAIN, Written

KIND, API = "Job", "batch/v1"


class Jobs(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.jobs = context.informer(batch_v1.Job)
        self.pods = context.informer(core_v1.Pod, indexes={BY_OWNER: owner_index})
        self.written = Written(context.clock)
        self.said = Written(context.clock)  # statuses
        self.control = PodControl(context.client, context.recorder, self.written)
        self.jobs.add_key_handler(self.queue.add)
        self.pods.add_handler(on_add=self._pod, on_update=lambda _, new: self._pod(new), on_delete=self._pod)

    def _pod(self, pod: core_v1.Pod) -> None:
        reference = controller_of(pod.metadata)
        if reference is not None and reference.kind == KIND:
            self.queue.add(f"{pod.metadata.namespace}/{reference.name}")

    async def reconcile(self, key: str) -> float | None:
        job = self.jobs.store.by_key(key)
        if job is None:
            self.written.forget(key)
            self.said.forget(key)
            await self._release_orphans(key)
            return None
        if self.written.is_behind(key, self.pods) or self.said.is_behind(key, self.jobs):
            return LOOK_AGAIN
        meta = job.metadata
        if job.spec.managedBy and job.spec.managedBy != "kubernetes.io/job-controller":
            return None
        selector = label_selectors.from_label_selector(job.spec.selector)
        near = [
            *self.pods.store.by_index(BY_OWNER, meta.uid or ""),
            *self.pods.store.by_index(BY_OWNER, f"{ORPHANS}/{meta.namespace}"),
        ]
        pods = await self.control.settle_claim(key, API, KIND, meta, claim(meta, near, selector.matches))
        now = self.clock.now()
        started = job.status.startTime
        if started is None and not job.spec.suspend:
            started = rfc3339(now)
        decided = decide.plan(job, pods, now, parse_time(started) if started else None)
        if meta.deletionTimestamp:
            await self._let_go(pods)
            return None
        await self.control.delete_many(key, job, decided.delete)
        await self._count(key, job, decided, started)
        await self._let_go([*decided.succeeded, *decided.failed])
        if decided.create:
            await self._create(key, job, decided.create)
        return decided.wait

    async def _create(self, key: str, job: batch_v1.Job, indexes: list[int | None]) -> None:
        results = await asyncio.gather(
            *(self.control.create(key, job, self._pod_for(job, i)) for i in indexes), return_exceptions=True
        )
        failed = next((r for r in results if isinstance(r, BaseException)), None)
        if failed is not None:
            raise failed

    @staticmethod
    def _pod_for(job: batch_v1.Job, index: int | None) -> core_v1.Pod:
        meta = job.metadata
        prefix = f"{meta.name}-" if index is None else f"{meta.name}-{index}-"
        pod = from_template(job.spec.template, meta.namespace or "", prefix, owner_reference(API, KIND, meta))
        pod.metadata.finalizers = [*(pod.metadata.finalizers or ()), FINALIZER]
        if index is not None:
            text = str(index)
            pod.metadata.annotations = {**(pod.metadata.annotations or {}), INDEX: text}
            pod.metadata.labels = {**(pod.metadata.labels or {}), INDEX: text}
            spec = core_v1.PodSpec(**{f: getattr(pod.spec, f) for f in pod.spec.__struct_fields__})
            spec.hostname = f"{meta.name}-{index}"
            spec.containers = [_with_index(c) for c in spec.containers]
            if spec.initContainers:
                spec.initContainers = [_with_index(c) for c in spec.initContainers]
            pod.spec = spec
        return pod

    async def _count(self, key: str, job: batch_v1.Job, decided: decide.Plan, started: str | None) -> None:
        """The status first, then the Pods lose their finalizers: a Pod is never counted twice nor forgotten."""
        old, now = job.status, self.clock.now()
        indexed = decide.is_indexed(job)
        succeeded = len(decided.completed) if indexed else (old.succeeded or 0) + len(decided.succeeded)
        failed = (old.failed or 0) + len(decide.counting(job, decided.failed))
        gone = len(decided.delete)
        status = batch_v1.JobStatus(
            startTime=started,
            completionTime=old.completionTime,
            conditions=list(old.conditions or ()),
            active=(decided.active - gone + len(decided.create)) or None,
            ready=decided.ready if not gone else 0,
            terminating=decided.terminating + gone,
            succeeded=succeeded or None,
            failed=failed or None,
            completedIndexes=decide.format_indexes(decided.completed) or None if indexed else None,
            failedIndexes=decide.format_indexes(decided.failed_indexes) or None
            if job.spec.backoffLimitPerIndex is not None
            else None,
            uncountedTerminatedPods=batch_v1.UncountedTerminatedPods(),
        )
        self._suspend(job, status, now)
        self._conclude(status, decided, now)
        status.conditions = status.conditions or None
        if msgspec.json.encode(status) == msgspec.json.encode(old):
            return
        changed = batch_v1.Job(kind=KIND, apiVersion=API, metadata=job.metadata, spec=job.spec, status=status)
        try:
            self.said.note(key, await self.client.resource(batch_v1.Job).update_status(changed))
        except Conflict:
            self.queue.add(key)
            raise
        except NotFound:
            return
        self._tell(job, status)

    def _suspend(self, job: batch_v1.Job, status: batch_v1.JobStatus, now: float) -> None:
        listed = status.conditions or []
        before = next((c for c in listed if c.type == "Suspended"), None)
        if job.spec.suspend and not decide.is_finished(job):
            if before is None or before.status != "True":
                status.conditions = [c for c in listed if c.type != "Suspended"]
                status.conditions.append(_condition("Suspended", "True", "JobSuspended", "Job suspended", now))
                self.context.recorder.event(job, "Normal", "Suspended", "Job suspended")
            status.startTime = None
        elif before is not None and before.status == "True":
            status.conditions = [c for c in listed if c.type != "Suspended"]
            status.conditions.append(_condition("Suspended", "False", "JobResumed", "Job resumed", now))
            status.startTime = rfc3339(now)
            self.context.recorder.event(job, "Normal", "Resumed", "Job resumed")

    @staticmethod
    def _conclude(status: batch_v1.JobStatus, decided: decide.Plan, now: float) -> None:
        verdict = decided.verdict
        kinds = {c.type for c in status.conditions or ()}
        if verdict is None:
            return
        first = "SuccessCriteriaMet" if verdict.condition == "Complete" else "FailureTarget"
        conditions = list(status.conditions or ())
        if first not in kinds:
            conditions.append(_condition(first, "True", verdict.reason, verdict.message, now))
        if not status.terminating and not status.active and verdict.condition not in kinds:
            conditions.append(_condition(verdict.condition, "True", verdict.reason, verdict.message, now))
            if verdict.condition == "Complete":
                status.completionTime = rfc3339(now)
        status.conditions = conditions

    def _tell(self, job: batch_v1.Job, status: batch_v1.JobStatus) -> None:
        before = {c.type for c in job.status.conditions or ()}
        for condition in status.conditions or ():
            if condition.type in before or condition.status != "True":
                continue
            if condition.type == "Complete":
                self.context.recorder.event(job, "Normal", "Completed", "Job completed")
            elif condition.type == "Failed":
                said = condition.message or ""
                self.context.recorder.event(job, "Warning", condition.reason or "Failed", said)

    async def _let_go(self, pods: list[core_v1.Pod]) -> None:
        await asyncio.gather(*(self._release(p) for p in pods if FINALIZER in (p.metadata.finalizers or ())))

    async def _release(self, pod: core_v1.Pod) -> None:
        meta = pod.metadata
        patch = {"metadata": {"uid": meta.uid, "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        try:
            await self.client.resource(core_v1.Pod).patch(
                meta.name or "", patch, type=STRATEGIC_PATCH, namespace=meta.namespace or ""
            )
        except (NotFound, Conflict):
            return

    async def _release_orphans(self, key: str) -> None:
        """Pods of a Job that is no more: nobody counts them."""
        namespace, _, name = key.partition("/")
        left = [
            p
            for p in self.pods.store.list(namespace=namespace)
            if (r := controller_of(p.metadata)) is not None and r.kind == KIND and r.name == name
        ]
        try:
            await self._let_go(left)
        except ApiError:
            self.queue.add(key)
            raise


def _with_index(container: core_v1.Container) -> core_v1.Container:
    copied = core_v1.Container(**{f: getattr(container, f) for f in container.__struct_fields__})
    if not any(e.name == "JOB_COMPLETION_INDEX" for e in copied.env or ()):
        path = f"metadata.labels['{INDEX}']"
        source = core_v1.EnvVarSource(fieldRef=core_v1.ObjectFieldSelector(fieldPath=path))
        copied.env = [*(copied.env or ()), core_v1.EnvVar(name="JOB_COMPLETION_INDEX", valueFrom=source)]
    return copied


def _condition(kind: str, value: str, reason: str, message: str, now: float) -> batch_v1.JobCondition:
    at = rfc3339(now)
    return batch_v1.JobCondition(
        type=kind, status=value, reason=reason, message=message, lastProbeTime=at, lastTransitionTime=at
    )
