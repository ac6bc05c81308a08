"""What a failed Pod means: the Job's podFailurePolicy, how often an index has failed, how long to wait. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from sampan.api.types import batch_v1, core_v1
from sampan.client.clock import parse_time
from sampan.controllers.owned_pods import ready_condition

FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
BACKOFF_FIRST, BACKOFF_LONGEST = 10.0, 600.0
MOST_SETBACKS = 100  # of a Job that are remembered; far fewer make the longest wait


def only_failed_are_replaced(job: batch_v1.Job) -> bool:
    """A Pod that is going counts and is replaced when it has ended, not before."""
    return job.spec.podReplacementPolicy == "Failed" or job.spec.podFailurePolicy is not None


def is_failed(job: batch_v1.Job, pod: core_v1.Pod) -> bool:
    """A Pod that was deleted before it ended is a failed one, as nobody will see it end."""
    if pod.status.phase == "Failed":
        return True
    return bool(
        pod.metadata.deletionTimestamp and pod.status.phase != "Succeeded" and not only_failed_are_replaced(job)
    )


class Judgement(Struct, frozen=True):
    """What the first matching rule says; without one a failure counts."""

    action: str = ""
    message: str = ""

    @property
    def counts(self) -> bool:
        return self.action != "Ignore"


def judge(job: batch_v1.Job, pod: core_v1.Pod) -> Judgement:
    policy = job.spec.podFailurePolicy
    where = f"{pod.metadata.namespace}/{pod.metadata.name}"
    for at, rule in enumerate(policy.rules if policy is not None else ()):
        rest = f"matching {rule.action} rule at index {at}"
        if rule.onExitCodes is not None:
            found = _exit_code(rule.onExitCodes, pod)
            if found is not None:
                said = f"Container {found[0]} for pod {where} failed with exit code {found[1]} {rest}"
                return Judgement(rule.action, said)
            continue
        for wanted in rule.onPodConditions or ():
            for condition in pod.status.conditions or ():
                if (condition.type, condition.status) == (wanted.type, wanted.status or "True"):
                    return Judgement(rule.action, f"Pod {where} has condition {condition.type} {rest}")
    return Judgement()


def _exit_code(wanted: batch_v1.PodFailurePolicyOnExitCodesRequirement, pod: core_v1.Pod) -> tuple[str, int] | None:
    """The first container that failed as the rule says, and its exit code."""
    for status in [*(pod.status.containerStatuses or ()), *(pod.status.initContainerStatuses or ())]:
        ended = status.state.terminated if status.state is not None else None
        if ended is None or ended.exitCode == 0 or (wanted.containerName and status.name != wanted.containerName):
            continue
        if (ended.exitCode in wanted.values) == (wanted.operator == "In"):
            return status.name, ended.exitCode
    return None


# --- of one index ---


def failures_of(pod: core_v1.Pod, annotation: str = FAILURES) -> int:
    """How often its index had failed before this Pod."""
    text = (pod.metadata.annotations or {}).get(annotation, "")
    return int(text) if text.isdigit() else 0


def all_failures_of(pod: core_v1.Pod) -> int:
    return failures_of(pod) + failures_of(pod, IGNORED)


def ends_index(job: batch_v1.Job, pod: core_v1.Pod) -> bool:
    """With this failed Pod its index has failed for good."""
    judged = judge(job, pod)
    if judged.action == "FailIndex":
        return True
    return judged.counts and failures_of(pod) >= (job.spec.backoffLimitPerIndex or 0)


def failure_annotations(job: batch_v1.Job, replaced: core_v1.Pod | None) -> dict[str, str]:
    """What the next Pod of an index carries on from the one that it replaces."""
    if replaced is None:
        return {FAILURES: "0"}
    counted = judge(job, replaced).counts
    ignored = failures_of(replaced, IGNORED) + (not counted)
    found = {FAILURES: str(failures_of(replaced) + counted)}
    return {**found, IGNORED: str(ignored)} if ignored else found


# --- waiting ---


class Setbacks:
    """When the Pods of each Job failed. A Pod that somebody deleted is seen once, while it still has its finalizer;
    what follows it is held back all the same."""

    def __init__(self) -> None:
        self._times: dict[str, dict[str, float]] = {}  # by the Job's uid, then the Pod's

    def of(self, job: batch_v1.Job, pods: Iterable[core_v1.Pod]) -> list[float]:
        known = self._times.get(job.metadata.uid or "", {})
        fresh = {p.metadata.uid or "": ended_at(p) for p in pods if is_failed(job, p)}
        if fresh:
            known = self._times.setdefault(job.metadata.uid or "", {})
            known.update(fresh)
            for uid in sorted(known, key=known.__getitem__)[:-MOST_SETBACKS]:
                del known[uid]
        return list(known.values())

    def forget(self, job_uid: str | None) -> None:
        self._times.pop(job_uid or "", None)


def held_back(setbacks: Iterable[float], pods: Iterable[core_v1.Pod], now: float) -> float:
    """10 s after the last failure, doubling with each since the last success, at most 10 min."""
    since = max((ended_at(p) for p in pods if p.status.phase == "Succeeded"), default=0.0)
    row = sorted(t for t in setbacks if t > since)
    return _left(len(row), row[-1], now) if row else 0.0


def index_held_back(replaced: core_v1.Pod | None, now: float) -> float:
    return 0.0 if replaced is None else _left(all_failures_of(replaced) + 1, ended_at(replaced), now)


def _left(failures: int, last: float, now: float) -> float:
    delay = min(BACKOFF_FIRST * 2.0 ** min(failures - 1, 60), BACKOFF_LONGEST)
    return max(0.0, last + delay - now)


def ended_at(pod: core_v1.Pod) -> float:
    """When its last container ended; of one whose end nobody tells, when it ceased to be ready or was deleted."""
    meta = pod.metadata
    ends = [_ended(c) for c in [*(pod.status.containerStatuses or ()), *_sidecars(pod)]]
    if ends and all(ends):
        return max(map(parse_time, ends))
    ready = ready_condition(pod)
    if ready is not None and ready.status == "False" and ready.lastTransitionTime:
        return parse_time(ready.lastTransitionTime)
    if meta.deletionTimestamp:
        return parse_time(meta.deletionTimestamp) - (meta.deletionGracePeriodSeconds or 0)
    return parse_time(meta.creationTimestamp) if meta.creationTimestamp else 0.0


def _ended(status: core_v1.ContainerStatus) -> str:
    ended = status.state.terminated if status.state is not None else None
    return ended.finishedAt or "" if ended is not None else ""


def _sidecars(pod: core_v1.Pod) -> list[core_v1.ContainerStatus]:
    names = {c.name for c in pod.spec.initContainers or () if c.restartPolicy == "Always"}
    return [s for s in pod.status.initContainerStatuses or () if s.name in names]
