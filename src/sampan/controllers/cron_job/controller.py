"""One CronJob: its finished Jobs seen and dropped, the Job that is due started by the concurrency policy."""

from __future__ import annotations

import msgspec

from sampan.api.cron import ScheduleError, parse
from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.types import batch_v1, core_v1, meta_v1
from sampan.client.clock import rfc3339
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.cron_job import decide
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.owned_pods import controller_of, owner_reference
from sampan.controllers.written import LOOK_AGAIN, Written

KIND, API = "CronJob", "batch/v1"
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class CronJobs(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.crons = context.informer(batch_v1.CronJob)
        self.jobs = context.informer(batch_v1.Job)
        self.written = Written(context.clock)
        self.said = Written(context.clock)  # statuses
        self.crons.add_key_handler(self.queue.add)
        self.jobs.add_handler(on_add=self._job, on_update=lambda _, new: self._job(new), on_delete=self._job)

    def _job(self, job: batch_v1.Job) -> None:
        reference = controller_of(job.metadata)
        if reference is not None and reference.kind == KIND:
            self.queue.add(f"{job.metadata.namespace}/{reference.name}")

    async def reconcile(self, key: str) -> float | None:
        cron = self.crons.store.by_key(key)
        if cron is None or cron.metadata.deletionTimestamp:
            self.written.forget(key)
            self.said.forget(key)
            return None
        if self.written.is_behind(key, self.jobs) or self.said.is_behind(key, self.crons):
            return LOOK_AGAIN
        uid = cron.metadata.uid
        mine = [
            j
            for j in self.jobs.store.list(namespace=cron.metadata.namespace or "")
            if (r := controller_of(j.metadata)) is not None and r.uid == uid
        ]
        status = self._observe(cron, mine)
        for job in decide.surplus(cron, mine):
            await self._delete(cron, job)
        again = await self._start_due(key, cron, mine, status)
        await self._write_status(key, cron, status)
        return again

    def _observe(self, cron: batch_v1.CronJob, mine: list[batch_v1.Job]) -> batch_v1.CronJobStatus:
        """Active Jobs that are over are told and forgotten."""
        old = cron.status
        by_uid = {j.metadata.uid: j for j in mine}
        status = batch_v1.CronJobStatus(
            lastScheduleTime=old.lastScheduleTime, lastSuccessfulTime=old.lastSuccessfulTime
        )
        active = []
        for reference in old.active or ():
            job = by_uid.get(reference.uid)
            if job is None:
                self._say(cron, "Normal", "MissingJob", f"Active job went missing: {reference.name}")
                continue
            ended = decide.finished(job)
            if not ended:
                active.append(reference)
                continue
            self._say(cron, "Normal", "SawCompletedJob", f"Saw completed job: {reference.name}, condition: {ended}")
        for job in mine:
            done = job.status.completionTime
            if decide.finished(job) == "Complete" and done and done > (status.lastSuccessfulTime or ""):
                status.lastSuccessfulTime = done
        status.active = active or None
        return status

    async def _start_due(
        self, key: str, cron: batch_v1.CronJob, mine: list[batch_v1.Job], status: batch_v1.CronJobStatus
    ) -> float | None:
        if cron.spec.suspend:
            return None
        try:
            schedule = parse(cron.spec.schedule)
        except ScheduleError as error:
            self._say(cron, "Warning", "UnparseableSchedule", f'unparseable schedule: "{cron.spec.schedule}" : {error}')
            return None
        found = decide.due(cron, schedule, self.clock.now())
        if found.start is None:
            return found.next_in
        if found.too_many:
            said = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._say(cron, "Warning", "TooManyMissedTimes", said)
        running = [j for j in mine if not decide.finished(j)]
        if running and cron.spec.concurrencyPolicy == "Forbid":
            said = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._say(cron, "Normal", "JobAlreadyActive", said)
            return found.next_in
        if cron.spec.concurrencyPolicy == "Replace":
            for job in running:
                await self._delete(cron, job)
            status.active = None
        made = await self._create(key, cron, found.start.timestamp())
        if made is not None:
            reference = core_v1.ObjectReference(
                kind="Job",
                apiVersion=API,
                namespace=made.metadata.namespace,
                name=made.metadata.name,
                uid=made.metadata.uid,
                resourceVersion=made.metadata.resourceVersion,
            )
            status.active = [*(status.active or ()), reference]
        status.lastScheduleTime = rfc3339(found.start.timestamp())
        return found.next_in

    async def _create(self, key: str, cron: batch_v1.CronJob, at: float) -> batch_v1.Job | None:
        meta, template = cron.metadata, cron.spec.jobTemplate
        job = batch_v1.Job(
            kind="Job",
            apiVersion=API,
            metadata=meta_v1.ObjectMeta(
                name=f"{meta.name}-{int(at) // 60}",
                namespace=meta.namespace,
                labels=template.metadata.labels,
                annotations={**(template.metadata.annotations or {}), SCHEDULED_AT: rfc3339(at)},
                ownerReferences=[owner_reference(API, KIND, meta)],
            ),
            spec=template.spec,
        )
        try:
            made = await self.client.resource(batch_v1.Job).create(job)
        except AlreadyExists:
            return None  # an earlier attempt made it, and its status was lost
        except ApiError as error:
            if is_terminating(error):
                return None
            self._say(cron, "Warning", "FailedCreate", f"Error creating job: {error.message}")
            raise
        self.written.note(key, made)
        self._say(cron, "Normal", "SuccessfulCreate", f"Created job {made.metadata.name}")
        return made

    async def _delete(self, cron: batch_v1.CronJob, job: batch_v1.Job) -> None:
        meta = job.metadata
        try:
            await self.client.resource(batch_v1.Job).delete(
                meta.name or "", namespace=meta.namespace or "", uid=meta.uid or "", propagation_policy="Background"
            )
        except (NotFound, Conflict):
            return
        self._say(cron, "Normal", "SuccessfulDelete", f"Deleted job {meta.name}")

    async def _write_status(self, key: str, cron: batch_v1.CronJob, status: batch_v1.CronJobStatus) -> None:
        if msgspec.json.encode(status) == msgspec.json.encode(cron.status):
            return
        changed = batch_v1.CronJob(kind=KIND, apiVersion=API, metadata=cron.metadata, spec=cron.spec, status=status)
        try:
            self.said.note(key, await self.client.resource(batch_v1.CronJob).update_status(changed))
        except Conflict:
            self.queue.add(key)
        except NotFound:
            return

    def _say(self, cron: batch_v1.CronJob, kind: str, reason: str, message: str) -> None:
        self.context.recorder.event(cron, kind, reason, message)
