"""How the Pods of a Job stand, counted and not counted yet. Pure."""

from __future__ import annotations

from msgspec import Struct, field

from sampan.api.types import batch_v1, core_v1
from sampan.controllers.job.failures import Setbacks, all_failures_of, ended_at, ends_index, is_failed, judge
from sampan.controllers.job.indexes import index_of, is_indexed, parse_indexes, valid_index
from sampan.controllers.owned_pods import is_active, is_over

FINALIZER = "batch.kubernetes.io/job-tracking"


class View(Struct, kw_only=True):
    """How the Pods of a Job stand."""

    pods: list[core_v1.Pod]
    active: list[core_v1.Pod]
    terminating: int
    succeeded: int
    failed: int
    counted_indexes: set[int]  # that the status knows
    completed: set[int]  # those, and those of Pods that are not counted yet
    failed_indexes: set[int] | None  # None: indexes do not fail by themselves
    replaced: dict[int, core_v1.Pod] = field(default_factory=dict)  # failed, kept until the index has its next Pod
    setbacks: list[float] = field(default_factory=list)  # when Pods failed, those that are gone included


def is_tracked(pod: core_v1.Pod) -> bool:
    """Every Pod of a Job carries a finalizer until it is counted, so one that is deleted early is not forgotten."""
    return FINALIZER in (pod.metadata.finalizers or ())


def has_limit_per_index(job: batch_v1.Job) -> bool:
    return is_indexed(job) and job.spec.backoffLimitPerIndex is not None


def view(job: batch_v1.Job, pods: list[core_v1.Pod], setbacks: Setbacks) -> View:
    status = job.status
    uncounted = status.uncountedTerminatedPods or batch_v1.UncountedTerminatedPods()
    told = {*(uncounted.succeeded or ()), *(uncounted.failed or ())}
    fresh = [p for p in pods if is_tracked(p) and (not is_indexed(job) or valid_index(job, p) is not None)]
    untold = [p for p in fresh if p.metadata.uid not in told]
    counted = parse_indexes(status.completedIndexes, below=job.spec.completions)
    found = View(
        pods=pods,
        active=[p for p in pods if is_active(p)],
        terminating=sum(bool(p.metadata.deletionTimestamp) and not is_over(p) for p in pods),
        succeeded=(status.succeeded or 0)
        + len(uncounted.succeeded or ())
        + sum(p.status.phase == "Succeeded" for p in untold),
        failed=(status.failed or 0)
        + len(uncounted.failed or ())
        + sum(is_failed(job, p) and judge(job, p).counts for p in untold),
        counted_indexes=counted,
        completed=set(counted),
        failed_indexes=None,
        setbacks=setbacks.of(job, pods),
    )
    if is_indexed(job):
        found.completed |= {i for p in fresh if p.status.phase == "Succeeded" and (i := index_of(p)) is not None}
        found.succeeded = len(found.completed)
    if has_limit_per_index(job):
        ended = {i for p in fresh if is_failed(job, p) and ends_index(job, p) and (i := index_of(p)) is not None}
        found.failed_indexes = parse_indexes(status.failedIndexes, below=job.spec.completions) | ended
        found.replaced = _replaced(job, fresh, found)
    return found


def _replaced(job: batch_v1.Job, fresh: list[core_v1.Pod], found: View) -> dict[int, core_v1.Pod]:
    """Per index that goes on, its latest failed Pod: the next one carries its count on."""
    busy = {index_of(p) for p in found.active} | found.completed | (found.failed_indexes or set())
    latest: dict[int, core_v1.Pod] = {}
    for pod in fresh:
        index = index_of(pod)
        if index is None or index in busy or not is_failed(job, pod):
            continue
        known = latest.get(index)
        if known is None or (all_failures_of(known), ended_at(known)) <= (all_failures_of(pod), ended_at(pod)):
            latest[index] = pod
    return latest
