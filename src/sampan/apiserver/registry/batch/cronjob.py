"""CronJobs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sampan.api import cron
from sampan.api.types.batch_v1 import CronJob
from sampan.apiserver.registry import scaling
from sampan.apiserver.registry.batch.job_rules import default_template, validate_job_spec
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.labels import format_selector
from sampan.apiserver.registry.meta import validate_object_meta_update
from sampan.apiserver.registry.podspec.warnings import template_warnings
from sampan.apiserver.registry.printing import age, age_of, containers
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_CONCURRENCY = ("Allow", "Forbid", "Replace")
# A Job is named after its CronJob and the time, and has 63 characters for it.
_MAX_NAME = 52
_zone_part = re.compile(r"[A-Za-z._0-9+-]{1,14}").fullmatch


class CronJobStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Schedule", description="When it makes Jobs."),
        Column("Timezone", description="The time zone of the schedule."),
        Column("Suspend", "boolean", description="Whether it is suspended."),
        Column("Active", "integer", description="Its Jobs that are running."),
        Column("Last Schedule", description="How long ago it last made one."),
        AGE,
        Column("Containers", description="Names of its Pods' containers.", priority=1),
        Column("Images", description="Images of its Pods' containers.", priority=1),
        Column("Selector", description="How its Jobs find their Pods.", priority=1),
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: CronJob) -> None:
        spec = obj.spec
        if not spec.concurrencyPolicy:
            spec.concurrencyPolicy = "Allow"
        if spec.suspend is None:
            spec.suspend = False
        if spec.successfulJobsHistoryLimit is None:
            spec.successfulJobsHistoryLimit = 3
        if spec.failedJobsHistoryLimit is None:
            spec.failedJobsHistoryLimit = 1
        default_template(spec.jobTemplate.spec)

    def validate(self, obj: CronJob) -> Errors:
        errors = super().validate(obj)
        if len(obj.metadata.name or "") > _MAX_NAME:
            errors.invalid("metadata.name", obj.metadata.name, f"must be no more than {_MAX_NAME} characters")
        return errors

    def validate_spec(self, obj: CronJob, errors: Errors) -> None:
        _spec(obj, None, errors)

    def validate_update(self, obj: CronJob, old: CronJob) -> Errors:
        errors = validate_object_meta_update(obj.metadata, old.metadata)
        _spec(obj, old, errors)
        return errors

    def warnings(self, obj: CronJob, old: CronJob | None) -> list[str]:
        before = old.spec.jobTemplate.spec.template if old is not None else None
        found = template_warnings(obj.spec.jobTemplate.spec.template, "spec.jobTemplate.spec.template", before)
        if "TZ" in obj.spec.schedule:
            page = "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/"
            note = f"TZ or CRON_TZ used in schedule is not officially supported, see {page} for more details"
            found.append(f"spec.schedule: {note}")
        return found

    def cells(self, obj: CronJob, now: datetime) -> list[Any]:
        spec = obj.spec
        last = age(obj.status.lastScheduleTime, now) if obj.status.lastScheduleTime else "<none>"
        called, images = containers(spec.jobTemplate.spec.template.spec)
        selector = spec.jobTemplate.spec.selector
        return [
            obj.metadata.name or "",
            spec.schedule,
            spec.timeZone or "<none>",
            "True" if spec.suspend else "False",
            len(obj.status.active or ()),
            last,
            age_of(obj, now),
            called,
            images,
            format_selector(selector),
        ]


def _spec(obj: CronJob, old: CronJob | None, errors: Errors) -> None:
    """What an older version let in may stay as it is."""
    spec = obj.spec
    if not spec.schedule:
        errors.required("spec.schedule")
    else:
        _schedule(spec.schedule, spec.timeZone, errors, zone_allowed=old is not None and "TZ" in old.spec.schedule)
    scaling.non_negative(spec.startingDeadlineSeconds, "spec.startingDeadlineSeconds", errors)
    if spec.timeZone is not None and (old is None or old.spec.timeZone != spec.timeZone):
        _zone(spec.timeZone, errors)
    if not spec.concurrencyPolicy:
        errors.required("spec.concurrencyPolicy")
    elif spec.concurrencyPolicy not in _CONCURRENCY:
        errors.unsupported("spec.concurrencyPolicy", spec.concurrencyPolicy, _CONCURRENCY)
    job, path = spec.jobTemplate.spec, "spec.jobTemplate.spec"
    validate_job_spec(job, path, errors)
    if job.selector is not None:
        errors.invalid(f"{path}.selector", job.selector, "`selector` will be auto-generated")
    if job.manualSelector:
        errors.unsupported(f"{path}.manualSelector", True, ("nil", "false"))
    scaling.non_negative(spec.successfulJobsHistoryLimit, "spec.successfulJobsHistoryLimit", errors)
    scaling.non_negative(spec.failedJobsHistoryLimit, "spec.failedJobsHistoryLimit", errors)


def _schedule(schedule: str, zone: str | None, errors: Errors, *, zone_allowed: bool) -> None:
    path = "spec.schedule"
    try:
        cron.parse(schedule)
    except cron.ScheduleError as error:
        errors.invalid(path, schedule, str(error))
    if "TZ" not in schedule:
        return
    if not zone_allowed:
        errors.invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    elif zone is not None:
        errors.invalid(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _zone(zone: str, errors: Errors) -> None:
    path = "spec.timeZone"
    if not zone:
        errors.invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    unknown = f"unknown time zone {zone}"
    if any(part in (".", "..") or part.startswith("-") or not _zone_part(part) for part in zone.split("/")):
        errors.invalid(path, zone, unknown)
        return
    if zone.lower() == "local":
        page = "https://www.iana.org/time-zones"
        errors.invalid(path, zone, f"timeZone must be an explicit time zone as defined in {page}")
        if zone == "Local":
            return
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        errors.invalid(path, zone, unknown)
