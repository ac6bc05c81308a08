"""One CronJob: its finished Jobs seen and dropped, the Job that is due started by the concurrency policy."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sampan.api.cron import ScheduleError, parse
from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.types import batch_v1, core_v1, meta_v1
from sampan.client.clock import rfc3339
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.cron_job import decide
from sampan.controllers.cron_job.decide import SCHEDULED_AT
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.owned_pods import BY_OWNER, controller_of, owner_index, owner_reference
from sampan.controllers.written import LOOK_AGAIN, Written

KIND, API = "CronJob", "batch/v1"


def _reference(job: batch_v1.Job) -> core_v1.ObjectReference:
    return core_v1.ObjectReference(
        kind="Job",
        apiVersion=API,
        namespace=job.metadata.namespace,
        name=job.metadata.name,
        uid=job.metadata.uid,
        resourceVersion=job.metadata.resourceVersion,
    )


class CronJobs(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.crons = context.informer(batch_v1.CronJob)
        self.jobs = context.informer(batch_v1.Job, indexes={BY_OWNER: owner_index})
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
        mine = self.jobs.store.by_index(BY_OWNER, cron.metadata.uid or "")
        status = await self._observe(cron, mine)
        for job in decide.surplus(cron, mine):
            await self._delete(cron, job)
        again = await self._start_due(key, cron, mine, status)
        await self._write_status(key, cron, status)
        return again

    async def _observe(self, cron: batch_v1.CronJob, mine: list[batch_v1.Job]) -> batch_v1.CronJobStatus:
        """Active Jobs that are over are told and forgotten; what is not in that list, though it runs, is put there."""
        old = cron.status
        by_uid = {j.metadata.uid: j for j in mine}
        listed = {reference.uid for reference in old.active or ()}
        status = batch_v1.CronJobStatus(
            lastScheduleTime=old.lastScheduleTime, lastSuccessfulTime=old.lastSuccessfulTime
        )
        active = []
        for reference in old.active or ():
            job = by_uid.get(reference.uid)
            if job is None:
                if not await self._is_there(reference):
                    self._say(cron, "Normal", "MissingJob", f"Active job went missing: {reference.name}")
                    continue
            elif ended := decide.finished(job):
                said = f"Saw completed job: {reference.name}, condition: {ended}"
                self._say(cron, "Normal", "SawCompletedJob", said)
                continue
            active.append(reference)
        for job in mine:
            done = job.status.completionTime
            if decide.finished(job) == "Complete" and done and done > (status.lastSuccessfulTime or ""):
                status.lastSuccessfulTime = done
            if not decide.finished(job) and job.metadata.uid not in listed:
                if not decide.is_start_of(cron, job):
                    said = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
                    self._say(cron, "Warning", "UnexpectedJob", said)
                    continue
                active.append(_reference(job))  # made by a controller that was killed before it could say so
                status.lastScheduleTime = max(status.lastScheduleTime or "", decide.scheduled_for(job))
        status.active = active or None
        return status

    async def _is_there(self, reference: core_v1.ObjectReference) -> bool:
        """The server is asked, as the cache may be behind."""
        try:
            found = await self.client.resource(batch_v1.Job).get(
                reference.name or "", namespace=reference.namespace or ""
            )
        except NotFound:
            return False
        return found.metadata.uid == reference.uid

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
        if decide.zone_of(cron) is None:
            said = f'invalid timeZone: "{cron.spec.timeZone}": unknown time zone {cron.spec.timeZone}'
            self._say(cron, "Warning", "UnknownTimeZone", said)
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
        made = await self._create(key, cron, found.start)
        if made is not None:
            status.active = [*(status.active or ()), _reference(made)]
        status.lastScheduleTime = rfc3339(found.start.timestamp())
        return found.next_in

    async def _create(self, key: str, cron: batch_v1.CronJob, start: datetime) -> batch_v1.Job | None:
        meta, template = cron.metadata, cron.spec.jobTemplate
        job = batch_v1.Job(
            kind="Job",
            apiVersion=API,
            metadata=meta_v1.ObjectMeta(
                name=decide.job_name(cron, start.timestamp()),
                namespace=meta.namespace,
                labels=template.metadata.labels,
                annotations={**(template.metadata.annotations or {}), SCHEDULED_AT: decide.stamp(start)},
                ownerReferences=[owner_reference(API, KIND, meta)],
            ),
            spec=template.spec,
        )
        try:
            made = await self.client.resource(batch_v1.Job).create(job)
        except AlreadyExists:
            return None  # whoever made it, it is observed
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
