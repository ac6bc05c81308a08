"""What a Job does next: whether it is over (`verdict`), which Pods to make or delete (`resize`). Pure; how its Pods
stand is in `view.py`, how ended ones are counted in `tracking.py`."""

from __future__ import annotations

from msgspec import Struct, field

from sampan.api.types import batch_v1, core_v1
from sampan.client.clock import parse_time
from sampan.controllers.job.failures import (
    held_back,
    index_held_back,
    is_failed,
    judge,
    only_failed_are_replaced,
)
from sampan.controllers.job.indexes import index_of, is_indexed, parse_indexes, valid_index
from sampan.controllers.job.view import View, has_limit_per_index
from sampan.controllers.owned_pods import deletion_order, is_over, is_ready
from sampan.controllers.pod_control import BURST

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


def is_finished(job: batch_v1.Job) -> bool:
    return any(has_condition(job.status, kind) for kind in (COMPLETE, FAILED))


def has_condition(status: batch_v1.JobStatus, kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in status.conditions or ())


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
        wait = held_back(found.setbacks, found.pods, now)
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
