"""What a Job does next: how its Pods stand (`view`), whether it is over (`verdict`), which Pods to make or delete
(`resize`). Pure; how ended Pods are counted is in `tracking.py`."""

from __future__ import annotations

from msgspec import Struct, field

from sampan.api.types import batch_v1, core_v1
from sampan.client.clock import parse_time
from sampan.controllers.job.failures import (
    all_failures_of,
    ended_at,
    ends_index,
    held_back,
    index_held_back,
    is_failed,
    judge,
    only_failed_are_replaced,
)
from sampan.controllers.job.indexes import index_of, is_indexed, parse_indexes, valid_index
from sampan.controllers.owned_pods import deletion_order, is_active, is_over, is_ready
from sampan.controllers.pod_control import BURST

FINALIZER = "batch.kubernetes.io/job-tracking"
TARGET, FAILED = "FailureTarget", "Failed"
CRITERIA, COMPLETE = "SuccessCriteriaMet", "Complete"


class Verdict(Struct, frozen=True):
    """The Job is over: which condition says so first, and why. The last one follows when all its Pods are gone."""

    condition: str  # FailureTarget or SuccessCriteriaMet
    reason: str
    message: str

    @property
    def last(self) -> str:
        return FAILED if self.condition == TARGET else COMPLETE


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


def is_finished(job: batch_v1.Job) -> bool:
    return any(has_condition(job.status, kind) for kind in (COMPLETE, FAILED))


def has_condition(status: batch_v1.JobStatus, kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in status.conditions or ())


def is_tracked(pod: core_v1.Pod) -> bool:
    """Every Pod of a Job carries a finalizer until it is counted, so one that is deleted early is not forgotten."""
    return FINALIZER in (pod.metadata.finalizers or ())


def has_limit_per_index(job: batch_v1.Job) -> bool:
    return is_indexed(job) and job.spec.backoffLimitPerIndex is not None


def view(job: batch_v1.Job, pods: list[core_v1.Pod]) -> View:
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


# --- over? ------------------------------------------------------------------------------------------------------------


def verdict(job: batch_v1.Job, found: View, now: float) -> Verdict | None:
    """Whether it is to be ended. What was once said stands."""
    for kind in (CRITERIA, TARGET):
        for condition in job.status.conditions or ():
            if condition.type == kind and condition.status == "True":
                return Verdict(kind, condition.reason or "", condition.message or "")
    return _failed(job, found, now) or _indexes_failed(job, found) or _policy_met(job, found)


def _failed(job: batch_v1.Job, found: View, now: float) -> Verdict | None:
    spec = job.spec
    if spec.podFailurePolicy is not None:
        for pod in found.pods:
            if is_failed(job, pod) and (judged := judge(job, pod)).action == "FailJob":
                return Verdict(TARGET, "PodFailurePolicy", judged.message)
    limit = spec.backoffLimit
    if limit is None:
        limit = 2**31 - 1 if has_limit_per_index(job) else 6
    if found.failed > limit or _restarts_exceed(job, found, limit):
        return Verdict(TARGET, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = deadline_in(job, job.status.startTime, now)
    if left is not None and left <= 0:
        return Verdict(TARGET, "DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def deadline_in(job: batch_v1.Job, started: str | None, now: float) -> float | None:
    """Seconds until the Job has been active for too long."""
    limit = job.spec.activeDeadlineSeconds
    if limit is None or started is None or job.spec.suspend:
        return None
    return parse_time(started) + limit - now


def _restarts_exceed(job: batch_v1.Job, found: View, limit: int) -> bool:
    """Where the kubelet starts failed containers again, its restarts are the failures."""
    if job.spec.template.spec.restartPolicy != "OnFailure":
        return False
    restarts: int = sum(
        c.restartCount
        for p in found.pods
        if p.status.phase in ("Running", "Pending")
        for c in [*(p.status.initContainerStatuses or ()), *(p.status.containerStatuses or ())]
    )
    return restarts > 0 if limit == 0 else restarts >= limit


def _indexes_failed(job: batch_v1.Job, found: View) -> Verdict | None:
    failed = found.failed_indexes
    if not failed:
        return None
    limit = job.spec.maxFailedIndexes
    if limit is not None and len(failed) > limit:
        said = "Job has exceeded the specified maximal number of failed indexes"
        return Verdict(TARGET, "MaxFailedIndexesExceeded", said)
    if len(failed) + len(found.completed) >= (job.spec.completions or 0):
        return Verdict(TARGET, "FailedIndexes", "Job has failed indexes")
    return None


def _policy_met(job: batch_v1.Job, found: View) -> Verdict | None:
    if job.spec.successPolicy is None or not is_indexed(job):
        return None
    for at, rule in enumerate(job.spec.successPolicy.rules):
        named = parse_indexes(rule.succeededIndexes) if rule.succeededIndexes else None
        met = found.completed if named is None else found.completed & named
        needed = rule.succeededCount if rule.succeededCount is not None else len(named or ())
        if needed and len(met) >= needed:
            return Verdict(CRITERIA, "SuccessPolicy", f"Matched rules at index {at}")
    return None


def completed(job: batch_v1.Job, found: View, active: int) -> Verdict | None:
    """Whether it has come to its end by itself; `active` is how many Pods it has now."""
    if active:
        return None
    if found.succeeded == 0 if job.spec.completions is None else found.succeeded < job.spec.completions:
        return None
    return Verdict(CRITERIA, "CompletionsReached", "Reached expected number of succeeded pods")


# --- more or fewer Pods -----------------------------------------------------------------------------------------------


class Resize(Struct, kw_only=True):
    create: list[int | None] = field(default_factory=list)  # indexes, or None for Jobs without
    delete: list[core_v1.Pod] = field(default_factory=list)  # not counted as failures
    wait: float | None = None  # seconds that failures hold back new Pods


def resize(job: batch_v1.Job, found: View, now: float) -> Resize:
    """Either fewer or more Pods, never both at once."""
    if job.spec.suspend:
        return Resize(delete=found.active)
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.completions is None:
        wanted = len(found.active) if found.succeeded else parallelism
    else:
        wanted = max(0, min(job.spec.completions - found.succeeded, parallelism))
    surplus = _surplus(job, found, len(found.active) - wanted, now)
    if surplus:
        return Resize(delete=surplus[:BURST])
    room = wanted - len(found.active)
    if only_failed_are_replaced(job):
        room -= found.terminating
    if room <= 0:
        return Resize()
    if not has_limit_per_index(job):
        wait = held_back(found.pods, now)
        if wait > 0:
            return Resize(wait=wait)
    if not is_indexed(job):
        return Resize(create=[None] * min(room, BURST))
    return _free_indexes(job, found, min(room, BURST), now)


def _surplus(job: batch_v1.Job, found: View, too_many: int, now: float) -> list[core_v1.Pod]:
    """Of an Indexed Job first those whose index another one has, or that is beyond the last."""
    doubled: list[core_v1.Pod] = []
    left = found.active
    if is_indexed(job):
        left, seen = [], set()
        for pod in deletion_order(found.active, now)[::-1]:
            index = valid_index(job, pod)
            (doubled if index is None or index in seen else left).append(pod)
            seen.add(index)
    more = max(0, too_many - len(doubled))
    return [*doubled, *(deletion_order(left, now)[:more] if more else ())]


def _free_indexes(job: batch_v1.Job, found: View, room: int, now: float) -> Resize:
    taken = {index_of(p) for p in found.active} | found.completed | (found.failed_indexes or set())
    if only_failed_are_replaced(job):
        taken |= {index_of(p) for p in found.pods if p.metadata.deletionTimestamp and not is_over(p)}
    free = [i for i in range(job.spec.completions or 0) if i not in taken][:room]
    waits = {i: index_held_back(found.replaced.get(i), now) for i in free} if has_limit_per_index(job) else {}
    ready: list[int | None] = [i for i in free if not waits.get(i)]
    return Resize(create=ready, wait=min((w for w in waits.values() if w > 0), default=None))


def ready_of(pods: list[core_v1.Pod]) -> int:
    return sum(is_ready(p) for p in pods)
