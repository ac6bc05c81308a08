"""Jobs and CronJobs."""

from __future__ import annotations

from sampan.api import durations, times
from sampan.cli.describe.pod import template
from sampan.cli.describe.text import (
    Object,
    Text,
    annotation_lines,
    controller,
    events,
    labels,
    meta,
    moment,
    or_unset,
    selector_text,
    status_word,
    truth,
)


def job(text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    if spec.get("selector"):
        text.field("Selector", selector_text(spec["selector"]))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    if controller(obj):
        text.field("Controlled By", controller(obj))
    text.field("Parallelism", or_unset(spec.get("parallelism")))
    text.field("Completions", or_unset(spec.get("completions")))
    if spec.get("completionMode"):
        text.field("Completion Mode", spec["completionMode"])
    if spec.get("suspend") is not None:
        text.field("Suspend", truth(spec["suspend"]))
    if spec.get("backoffLimit") is not None:
        text.field("Backoff Limit", spec["backoffLimit"])
    if spec.get("ttlSecondsAfterFinished") is not None:
        text.field("TTL Seconds After Finished", spec["ttlSecondsAfterFinished"])
    start, end = status.get("startTime"), status.get("completionTime")
    if start:
        text.field("Start Time", moment(start))
    if end:
        text.field("Completed At", moment(end))
    if start and end:
        text.field("Duration", durations.human(times.parse(end) - times.parse(start)))
    if spec.get("activeDeadlineSeconds") is not None:
        text.field("Active Deadline Seconds", f"{spec['activeDeadlineSeconds']}s")
    active = f"{status.get('active') or 0} Active"
    if status.get("ready") is not None:
        active += f" ({status['ready']} Ready)"
    text.field(
        "Pods Statuses", f"{active} / {status.get('succeeded') or 0} Succeeded / {status.get('failed') or 0} Failed"
    )
    if spec.get("completionMode") == "Indexed":
        text.field("Completed Indexes", status.get("completedIndexes") or "<none>")
    template(text, spec.get("template"))
    events(text, listed)


def cron_job(text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.field("Schedule", spec.get("schedule", ""))
    text.field("Concurrency Policy", spec.get("concurrencyPolicy") or "")
    text.field("Suspend", status_word(spec.get("suspend")))
    text.field("Time Zone", or_unset(spec.get("timeZone")))
    text.field("Successful Job History Limit", or_unset(spec.get("successfulJobsHistoryLimit")))
    text.field("Failed Job History Limit", or_unset(spec.get("failedJobsHistoryLimit")))
    deadline = spec.get("startingDeadlineSeconds")
    text.field("Starting Deadline Seconds", "<unset>" if deadline is None else f"{deadline}s")
    held = (spec.get("jobTemplate") or {}).get("spec") or {}
    text.field("Selector", selector_text(held["selector"]) if held.get("selector") else "<unset>")
    text.field("Parallelism", or_unset(held.get("parallelism")))
    text.field("Completions", or_unset(held.get("completions")))
    if held.get("activeDeadlineSeconds") is not None:
        text.field("Active Deadline Seconds", f"{held['activeDeadlineSeconds']}s")
    template(text, held.get("template"))
    text.field(
        "Last Schedule Time", moment(status["lastScheduleTime"]) if status.get("lastScheduleTime") else "<unset>"
    )
    text.field("Active Jobs", ", ".join(one["name"] for one in status.get("active") or ()) or "<none>")
    events(text, listed)
