"""Which start of a CronJob is due, and which of its Jobs to drop. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from sampan.api.cron import Schedule
from sampan.api.types import batch_v1
from sampan.client.clock import parse_time, rfc3339

MOST_MISSED = 100
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class Due(Struct, frozen=True, kw_only=True):
    """The newest start that was missed (if any), and when the next one is."""

    start: datetime | None = None
    next_in: float | None = None
    too_many: bool = False  # more than a hundred were missed: a clock jumped, or it was suspended for long


def zone_of(cron: batch_v1.CronJob) -> tzinfo | None:
    """None: there is no such zone."""
    name = cron.spec.timeZone
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def job_name(cron: batch_v1.CronJob, start: float) -> str:
    """Of the minute: the same start is never made twice."""
    return f"{cron.metadata.name}-{int(start) // 60}"


def stamp(start: datetime) -> str:
    """In the CronJob's own zone."""
    return start.isoformat(timespec="seconds").replace("+00:00", "Z")


def scheduled_for(job: batch_v1.Job) -> str:
    """As a status carries it; empty for a Job that no schedule has started."""
    text = (job.metadata.annotations or {}).get(SCHEDULED_AT)
    return rfc3339(parse_time(text)) if text else ""


def is_start_of(cron: batch_v1.CronJob, job: batch_v1.Job) -> bool:
    at = scheduled_for(job)
    return bool(at) and job.metadata.name == job_name(cron, parse_time(at))


def due(cron: batch_v1.CronJob, schedule: Schedule, now: float) -> Due:
    zone = zone_of(cron) or UTC
    present = datetime.fromtimestamp(now, zone)
    since = parse_time(cron.status.lastScheduleTime or cron.metadata.creationTimestamp or "1970-01-01T00:00:00Z")
    if cron.spec.startingDeadlineSeconds is not None:
        since = max(since, now - cron.spec.startingDeadlineSeconds)
    at = datetime.fromtimestamp(since, zone)
    newest: datetime | None = None
    missed = 0
    while (following := schedule.next_after(at)) is not None and following <= present:
        newest, at = following, following
        missed += 1
        if missed > 10 * MOST_MISSED:
            at = datetime.fromtimestamp(now - 3600, zone) if at.timestamp() < now - 7200 else at
    following = schedule.next_after(present)
    wait = following.timestamp() - now if following is not None else None
    return Due(start=newest, next_in=wait, too_many=missed > MOST_MISSED)


def finished(job: batch_v1.Job) -> str:
    """Complete, Failed or nothing."""
    return next(
        (c.type for c in job.status.conditions or () if c.type in ("Complete", "Failed") and c.status == "True"), ""
    )


def surplus(cron: batch_v1.CronJob, jobs: list[batch_v1.Job]) -> list[batch_v1.Job]:
    """Finished Jobs beyond the history that is kept, the oldest first."""
    good = 3 if cron.spec.successfulJobsHistoryLimit is None else cron.spec.successfulJobsHistoryLimit
    bad = 1 if cron.spec.failedJobsHistoryLimit is None else cron.spec.failedJobsHistoryLimit
    dropped: list[batch_v1.Job] = []
    for kind, limit in (("Complete", good), ("Failed", bad)):
        ended = sorted((j for j in jobs if finished(j) == kind), key=lambda j: j.status.startTime or "")
        dropped += ended[: max(0, len(ended) - limit)]
    return dropped
