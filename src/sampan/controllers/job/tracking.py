"""Counting ended Pods so that none is counted twice or forgotten, wherever the controller is killed. Pure.

An ended Pod is first named in `status.uncountedTerminatedPods` (of Indexed Jobs a succeeded one by its index), then it
loses its finalizer, then its name is exchanged for one more in the count. Whoever starts in the middle of this sees by
the finalizer how far it has come.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from sampan.api.types import batch_v1, core_v1
from sampan.client.clock import rfc3339
from sampan.controllers.job.decide import CRITERIA, TARGET, Verdict, has_condition
from sampan.controllers.job.failures import is_failed, judge
from sampan.controllers.job.indexes import format_indexes, is_indexed, valid_index
from sampan.controllers.job.view import View, is_tracked

MOST_UNCOUNTED = 500


class Tracked(Struct, frozen=True):
    """The status to be written first, and the Pods that may lose their finalizer afterwards."""

    status: batch_v1.JobStatus
    release: list[core_v1.Pod]
    all_told: bool  # False: there are more, for another round


def track(job: batch_v1.Job, found: View, verdict: Verdict | None, status: batch_v1.JobStatus) -> Tracked:
    held = {p.metadata.uid for p in found.replaced.values()}
    status = exchanged(status, {p.metadata.uid or "" for p in found.pods if is_tracked(p)})
    known = status.uncountedTerminatedPods or batch_v1.UncountedTerminatedPods()
    succeeded, failed = list(known.succeeded or ()), list(known.failed or ())
    indexes = set(found.counted_indexes)
    release: list[core_v1.Pod] = []
    all_told = True
    for pod in found.pods:
        if not is_tracked(pod):
            continue
        uid, has_failed, index = pod.metadata.uid or "", is_failed(job, pod), valid_index(job, pod)
        if not _may_go(pod, has_failed, verdict, is_held=uid in held):
            continue
        release.append(pod)
        is_odd = is_indexed(job) and index is None  # an index that is no more: of no account
        if pod.status.phase == "Succeeded" and uid not in failed:
            if index is not None and is_indexed(job):
                indexes.add(index)
            elif not is_odd and uid not in succeeded:
                succeeded.append(uid)
        elif (has_failed or _counts_all_as_failed(verdict)) and not is_odd and uid not in failed and counts(job, pod):
            failed.append(uid)
        if len(indexes - found.counted_indexes) + len(succeeded) + len(failed) >= MOST_UNCOUNTED:
            all_told = False
            break
    told = batch_v1.UncountedTerminatedPods(succeeded=succeeded or None, failed=failed or None)
    status = replace(status, uncountedTerminatedPods=told)
    if is_indexed(job):
        failed_text = format_indexes(found.failed_indexes) if found.failed_indexes is not None else None
        status.completedIndexes = format_indexes(indexes) or None
        status.failedIndexes = failed_text
        status.succeeded = len(indexes) or None
    return Tracked(status, release, all_told)


def counts(job: batch_v1.Job, pod: core_v1.Pod) -> bool:
    return judge(job, pod).counts


def _may_go(pod: core_v1.Pod, has_failed: bool, verdict: Verdict | None, *, is_held: bool) -> bool:
    if verdict is not None or pod.status.phase == "Succeeded":
        return True
    return has_failed and not is_held


def _counts_all_as_failed(verdict: Verdict | None) -> bool:
    """A Job that fails takes every Pod that has not ended with it; one that met its criteria does not count them."""
    return verdict is not None and verdict.condition == TARGET


def exchanged(status: batch_v1.JobStatus, tracked: set[str]) -> batch_v1.JobStatus:
    """Names of Pods that have lost their finalizer (`tracked` still have it) become counts."""
    known = status.uncountedTerminatedPods or batch_v1.UncountedTerminatedPods()
    succeeded = [uid for uid in known.succeeded or () if uid in tracked]
    failed = [uid for uid in known.failed or () if uid in tracked]
    more_succeeded, more_failed = len(known.succeeded or ()) - len(succeeded), len(known.failed or ()) - len(failed)
    return replace(
        status,
        succeeded=(status.succeeded or 0) + more_succeeded or None,
        failed=(status.failed or 0) + more_failed or None,
        uncountedTerminatedPods=batch_v1.UncountedTerminatedPods(succeeded=succeeded or None, failed=failed or None),
    )


# --- conditions -------------------------------------------------------------------------------------------------------


def foretold(status: batch_v1.JobStatus, verdict: Verdict | None, now: float) -> batch_v1.JobStatus:
    """That the Job will end so is said before its Pods lose their finalizers: the reason may go with them."""
    if verdict is None or has_condition(status, verdict.condition):
        return status
    made = condition(verdict.condition, "True", verdict.reason, verdict.message, now)
    return replace(status, conditions=[*(status.conditions or ()), made])


def ended(status: batch_v1.JobStatus, verdict: Verdict | None, now: float) -> batch_v1.JobStatus:
    """The last condition, once every Pod is counted and gone."""
    left = status.uncountedTerminatedPods or batch_v1.UncountedTerminatedPods()
    if verdict is None or left.succeeded or left.failed or status.terminating or has_condition(status, verdict.last):
        return status
    made = condition(verdict.last, "True", verdict.reason, verdict.message, now)
    return replace(
        status,
        conditions=[*(status.conditions or ()), made],
        completionTime=made.lastTransitionTime if verdict.condition == CRITERIA else status.completionTime,
    )


def suspended(status: batch_v1.JobStatus, *, suspend: bool, now: float) -> tuple[batch_v1.JobStatus, str]:
    """The Suspended condition, and what to say of it: nothing, `Suspended` or `Resumed`."""
    before = next((c for c in status.conditions or () if c.type == "Suspended"), None)
    if suspend == (before is not None and before.status == "True"):
        return status, ""
    value, reason, message = (
        ("True", "JobSuspended", "Job suspended") if suspend else ("False", "JobResumed", "Job resumed")
    )
    made = condition("Suspended", value, reason, message, now)
    conditions = [made if c is before else c for c in status.conditions or ()]
    if before is None:
        conditions.append(made)
    started = None if suspend else rfc3339(now)  # it is active from now on, as if it were new
    return replace(status, conditions=conditions, startTime=started), "Suspended" if suspend else "Resumed"


def condition(kind: str, value: str, reason: str, message: str, now: float) -> batch_v1.JobCondition:
    at = rfc3339(now)
    return batch_v1.JobCondition(
        type=kind, status=value, reason=reason, message=message, lastProbeTime=at, lastTransitionTime=at
    )
