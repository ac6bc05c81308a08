"""What a Job does next: how many Pods to make, which to count, whether it is over. Pure.

Every Pod of a Job carries a finalizer until it is counted, so a Pod that is deleted early is never forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from sampan.api.types import batch_v1, core_v1
from sampan.client.clock import parse_time
from sampan.controllers.owned_pods import is_ready

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
LABELS = ("batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name")
BACKOFF_FIRST, BACKOFF_LONGEST = 10.0, 600.0


class Verdict(Struct, frozen=True):
    """The Job is over: which condition, and why."""

    condition: str  # Complete or Failed
    reason: str
    message: str


class Plan(Struct, kw_only=True):
    create: list[int | None] = field(default_factory=list)  # indexes, or None for Jobs without
    delete: list[core_v1.Pod] = field(default_factory=list)
    succeeded: list[core_v1.Pod] = field(default_factory=list)  # to be counted
    failed: list[core_v1.Pod] = field(default_factory=list)
    verdict: Verdict | None = None
    wait: float | None = None  # seconds that failures hold back new Pods, or until the deadline
    active: int = 0
    ready: int = 0
    terminating: int = 0
    completed: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)


def is_indexed(job: batch_v1.Job) -> bool:
    return job.spec.completionMode == "Indexed"


def index_of(pod: core_v1.Pod) -> int | None:
    text = (pod.metadata.annotations or {}).get(INDEX, "")
    return int(text) if text.isdigit() else None


def is_counted(pod: core_v1.Pod) -> bool:
    return FINALIZER not in (pod.metadata.finalizers or ())


def parse_indexes(text: str | None) -> set[int]:
    """`1,3-5` → {1, 3, 4, 5}."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    parts: list[str] = []
    run: list[int] = []
    for index in [*sorted(indexes), None]:
        if run and index is not None and index == run[-1] + 1:
            run.append(index)
            continue
        if run:
            first, last = run[0], run[-1]
            joint = "," if last == first + 1 else "-"
            parts.append(str(first) if first == last else f"{first}{joint}{last}")
        run = [index] if index is not None else []
    return ",".join(parts)


def plan(job: batch_v1.Job, pods: list[core_v1.Pod], now: float, started_at: float | None) -> Plan:
    spec, status = job.spec, job.status
    result = Plan(completed=parse_indexes(status.completedIndexes), failed_indexes=parse_indexes(status.failedIndexes))
    replace_failed_only = spec.podReplacementPolicy == "Failed"
    active: list[core_v1.Pod] = []
    for pod in pods:
        phase, deleting = pod.status.phase, pod.metadata.deletionTimestamp
        if phase == "Succeeded":
            if not is_counted(pod):
                result.succeeded.append(pod)
            if is_indexed(job) and (index := index_of(pod)) is not None:
                result.completed.add(index)
        elif phase == "Failed" or (deleting and not replace_failed_only):
            if phase != "Failed":
                result.terminating += 1
            if not is_counted(pod) and (phase == "Failed" or deleting):
                result.failed.append(pod)
        elif deleting:
            result.terminating += 1
        else:
            active.append(pod)
    result.active = len(active)
    result.ready = sum(is_ready(p) for p in active)
    if is_finished(job):
        return result
    succeeded = len(result.completed) if is_indexed(job) else (status.succeeded or 0) + len(result.succeeded)
    failed = (status.failed or 0) + len(counting(job, result.failed))
    result.verdict = _over(job, result, succeeded, failed, now, started_at)
    if result.verdict is not None or spec.suspend:
        result.delete = active
        return result
    _resize(job, result, active, pods, succeeded, now)
    if spec.activeDeadlineSeconds is not None and started_at is not None:
        left = started_at + spec.activeDeadlineSeconds - now
        result.wait = left if result.wait is None else min(left, result.wait)
    return result


def is_finished(job: batch_v1.Job) -> bool:
    return any(c.type in ("Complete", "Failed") and c.status == "True" for c in job.status.conditions or ())


def _over(
    job: batch_v1.Job, plan: Plan, succeeded: int, failed: int, now: float, started_at: float | None
) -> Verdict | None:
    spec = job.spec
    for pod in plan.failed:
        rule = matching_rule(job, pod)
        if rule is not None and rule.action == "FailJob":
            return Verdict("Failed", "PodFailurePolicy", _rule_message(pod, rule, spec))
    if spec.backoffLimitPerIndex is not None and is_indexed(job):
        limit = spec.maxFailedIndexes
        if limit is not None and len(plan.failed_indexes) > limit:
            said = "Job has exceeded the specified maximal number of failed indexes"
            return Verdict("Failed", "MaxFailedIndexesExceeded", said)
    elif failed > (6 if spec.backoffLimit is None else spec.backoffLimit):
        return Verdict("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    deadline = spec.activeDeadlineSeconds
    if deadline is not None and started_at is not None and now - started_at >= deadline:
        return Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    if spec.successPolicy is not None and is_indexed(job):
        for at, success in enumerate(spec.successPolicy.rules):
            wanted = parse_indexes(success.succeededIndexes) if success.succeededIndexes else None
            met = plan.completed & wanted if wanted is not None else plan.completed
            count = success.succeededCount if success.succeededCount is not None else len(wanted or ())
            if count and len(met) >= count:
                return Verdict("Complete", "SuccessPolicy", f"Matched rules at index {at}")
    reached = "Reached expected number of succeeded pods"
    if spec.completions is None:
        done = succeeded > 0 and plan.active == 0
        return Verdict("Complete", "CompletionsReached", reached) if done else None
    if succeeded >= spec.completions and plan.active == 0:
        return Verdict("Complete", "CompletionsReached", reached)
    settled = len(plan.failed_indexes | plan.completed) >= spec.completions
    if is_indexed(job) and plan.failed_indexes and plan.active == 0 and settled:
        return Verdict("Failed", "FailedIndexes", "Job has failed indexes")
    return None


def _resize(
    job: batch_v1.Job, plan: Plan, active: list[core_v1.Pod], pods: list[core_v1.Pod], succeeded: int, now: float
) -> None:
    spec = job.spec
    parallelism = 1 if spec.parallelism is None else spec.parallelism
    if spec.completions is None:
        wanted = len(active) if succeeded else parallelism
    else:
        wanted = min(spec.completions - succeeded, parallelism)
    wanted = max(0, wanted)
    if len(active) > wanted:
        plan.delete = sorted(active, key=lambda p: (is_ready(p), bool(p.spec.nodeName)))[: len(active) - wanted]
        return
    room = wanted - len(active)
    if spec.podReplacementPolicy == "Failed":
        room -= plan.terminating
    if room <= 0:
        return
    wait = held_back(pods, now)
    if wait > 0:
        plan.wait = wait
        return
    if not is_indexed(job):
        plan.create = [None] * room
        return
    taken = {index_of(p) for p in active} | plan.completed | plan.failed_indexes
    free = [i for i in range(spec.completions or 0) if i not in taken]
    plan.create = list(free[:room])


def held_back(pods: list[core_v1.Pod], now: float) -> float:
    """10 s after the last failure, doubling with each since the last success, at most 10 min."""
    failures = sorted(ended_at(p) for p in pods if p.status.phase == "Failed")
    successes = [ended_at(p) for p in pods if p.status.phase == "Succeeded"]
    since = max(successes, default=0.0)
    row = [t for t in failures if t > since]
    if not row:
        return 0.0
    delay: float = min(BACKOFF_FIRST * 2 ** (len(row) - 1), BACKOFF_LONGEST)
    return max(0.0, row[-1] + delay - now)


def ended_at(pod: core_v1.Pod) -> float:
    ends = [
        parse_time(c.state.terminated.finishedAt)
        for c in pod.status.containerStatuses or ()
        if c.state.terminated is not None and c.state.terminated.finishedAt
    ]
    if ends:
        return max(ends)
    stamp = pod.metadata.deletionTimestamp or pod.metadata.creationTimestamp
    return parse_time(stamp) if stamp else 0.0


def matching_rule(job: batch_v1.Job, pod: core_v1.Pod) -> batch_v1.PodFailurePolicyRule | None:
    policy = job.spec.podFailurePolicy
    for rule in policy.rules if policy is not None else ():
        if rule.onExitCodes is not None and _exit_codes_match(rule.onExitCodes, pod):
            return rule
        for wanted in rule.onPodConditions or ():
            for condition in pod.status.conditions or ():
                if (condition.type, condition.status) == (wanted.type, wanted.status or "True"):
                    return rule
    return None


def _exit_codes_match(wanted: batch_v1.PodFailurePolicyOnExitCodesRequirement, pod: core_v1.Pod) -> bool:
    listed = [*(pod.status.initContainerStatuses or ()), *(pod.status.containerStatuses or ())]
    for status in listed:
        ended = status.state.terminated
        if ended is None or ended.exitCode == 0 or (wanted.containerName and status.name != wanted.containerName):
            continue
        if (ended.exitCode in wanted.values) == (wanted.operator == "In"):
            return True
    return False


def _rule_message(pod: core_v1.Pod, rule: batch_v1.PodFailurePolicyRule, spec: batch_v1.JobSpec) -> str:
    rules = spec.podFailurePolicy.rules if spec.podFailurePolicy is not None else []
    at = rules.index(rule)
    where = f"{pod.metadata.namespace}/{pod.metadata.name}"
    for status in pod.status.containerStatuses or ():
        ended = status.state.terminated
        if rule.onExitCodes is not None and ended is not None and ended.exitCode:
            said = f"Container {status.name} for pod {where} failed with exit code {ended.exitCode}"
            return f"{said} matching {rule.action} rule at index {at}"
    return f"Pod {where} has condition matching {rule.action} rule at index {at}"


def counting(job: batch_v1.Job, failed: list[core_v1.Pod]) -> list[core_v1.Pod]:
    """Failures that a rule says to ignore do not count."""
    return [p for p in failed if (r := matching_rule(job, p)) is None or r.action != "Ignore"]
