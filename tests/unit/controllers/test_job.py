"""The table of Jobs: counting, when they are over, how many Pods they have, failures of Pods and of indexes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sampan.api.types import batch_v1, core_v1, meta_v1
from sampan.client.clock import rfc3339
from sampan.controllers.job import failures, tracking
from sampan.controllers.job.decide import (
    CRITERIA,
    TARGET,
    Verdict,
    completed,
    deadline_in,
    resize,
    verdict,
)
from sampan.controllers.job.failures import Setbacks
from sampan.controllers.job.indexes import INDEX, format_indexes, parse_indexes
from sampan.controllers.job.pods import make_pod
from sampan.controllers.job.view import FINALIZER, View
from sampan.controllers.job.view import view as view_of
from tests.unit.controllers.pods import NOW, names, pod


def job(*, conditions: list[Any] | None = None, status: dict[str, Any] | None = None, **spec: Any) -> batch_v1.Job:
    restart = spec.pop("restart", "Never")
    template = core_v1.PodTemplateSpec(
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="a")], restartPolicy=restart)
    )
    return batch_v1.Job(
        metadata=meta_v1.ObjectMeta(name="j", namespace="n", uid="j"),
        spec=batch_v1.JobSpec(**{"completions": 1, "parallelism": 1, "template": template, **spec}),
        status=batch_v1.JobStatus(conditions=conditions, **(status or {})),
    )


def view(found: batch_v1.Job, pods: list[Any], setbacks: Setbacks | None = None) -> View:
    return view_of(found, pods, setbacks or Setbacks())


def indexed(completions: int, **spec: Any) -> batch_v1.Job:
    return job(completionMode="Indexed", completions=completions, **{"parallelism": completions, **spec})


def of(
    name: str, index: int | None = None, *, tracked: bool = True, notes: dict[str, str] | None = None, **how: Any
) -> Any:
    annotations = {**({INDEX: str(index)} if index is not None else {}), **(notes or {})}
    return pod(name, annotations=annotations, finalizers=[FINALIZER] if tracked else None, **how)


def ok(name: str, index: int | None = None, **how: Any) -> Any:
    return of(name, index, phase="Succeeded", **how)


def bad(name: str, index: int | None = None, *, ago: float = 0.0, code: int = 1, **how: Any) -> Any:
    ended = core_v1.ContainerStateTerminated(exitCode=code, finishedAt=rfc3339(NOW - ago))
    state = core_v1.ContainerState(terminated=ended)
    return of(name, index, phase="Failed", containerStatuses=[core_v1.ContainerStatus(name="a", state=state)], **how)


@pytest.mark.parametrize("text", ["", "0", "0,1", "0-2", "1,3-5,7", "0-9,11,12"])
def test_indexes_are_read_as_they_are_written(text: str) -> None:
    assert format_indexes(parse_indexes(text)) == text


def test_indexes_beyond_the_last_do_not_count() -> None:
    assert parse_indexes("1-5", below=3) == {1, 2}


# --- how many Pods ---


@pytest.mark.parametrize(
    ("found", "pods", "create", "delete"),
    [
        (job(), [], [None], []),
        (job(completions=5, parallelism=3), [], [None] * 3, []),
        (job(completions=5, parallelism=3, status={"succeeded": 4}), [], [None], []),
        (job(completions=5, parallelism=3), [of("a"), of("b")], [None], []),
        (job(completions=5, parallelism=1), [of("a", ready=9), of("b")], [], ["b"]),
        (job(completions=5, parallelism=0), [of("a")], [], ["a"]),
        (job(completions=None, parallelism=3), [], [None] * 3, []),
        (job(completions=None, parallelism=3), [ok("a"), of("b")], [], []),  # one succeeded: no new ones
        (job(suspend=True), [of("a")], [], ["a"]),
        (job(suspend=True), [], [], []),
        (indexed(3), [], [0, 1, 2], []),
        (indexed(3), [of("a", 1), ok("b", 0)], [2], []),
        (indexed(3), [of("a", 1, ready=9), of("b", 1), of("c", 7)], [], ["c", "b"]),
        (indexed(3, parallelism=2), [], [0, 1], []),
        # a Pod that is going is replaced, or only when it has ended
        (job(), [bad("a", going=True, ago=20)], [None], []),
        (job(podReplacementPolicy="Failed"), [of("a", going=True)], [], []),
        (indexed(2, podReplacementPolicy="Failed"), [of("a", 0, going=True)], [1], []),
    ],
)
def test_how_many(found: Any, pods: list[Any], create: list[Any], delete: list[str]) -> None:
    decided = resize(found, view(found, pods), NOW)
    assert (decided.create, sorted(names(decided.delete))) == (create, sorted(delete))


@pytest.mark.parametrize(
    ("pods", "wait"),
    [
        ([bad("a", ago=0)], 10.0),
        ([bad("a", ago=4)], 6.0),
        ([bad("a", ago=99)], None),
        ([bad("a", ago=30), bad("b", ago=5)], 15.0),
        ([bad("a", ago=30), ok("s", containerStatuses=bad("x", ago=20).status.containerStatuses), bad("b")], 10.0),
        ([bad(str(i), ago=i) for i in range(9)], 600.0),
    ],
)
def test_failures_hold_new_pods_back(pods: list[Any], wait: float | None) -> None:
    found = job(completions=99, backoffLimit=99)
    decided = resize(found, view(found, pods), NOW)
    assert (decided.wait, bool(decided.create)) == (wait, wait is None)


def test_a_deleted_pod_holds_the_next_one_back_as_a_failed_one() -> None:
    found, setbacks = job(), Setbacks()
    assert resize(found, view(found, [of("a", ready=9, going=True)], setbacks), NOW).wait == 10.0
    later = NOW + 4.0  # it is gone, and what is known of it
    decided = resize(found, view(found, [], setbacks), later)
    assert (decided.wait, decided.create) == (6.0, [])
    assert resize(found, view(found, [], setbacks), NOW + 10.0).create == [None]
    setbacks.forget(found.metadata.uid)
    assert resize(found, view(found, [], setbacks), later).create == [None]


def test_a_pod_that_is_replaced_when_it_has_ended_is_no_failure_before() -> None:
    found, setbacks = job(podReplacementPolicy="Failed"), Setbacks()
    assert setbacks.of(found, [of("a", going=True)]) == []
    assert setbacks.of(found, [bad("a", going=True, ago=3)]) == [NOW - 3]


def test_only_so_many_setbacks_are_remembered() -> None:
    found, setbacks = job(), Setbacks()
    many = [bad(str(i), ago=i) for i in range(failures.MOST_SETBACKS + 5)]
    assert max(NOW - at for at in setbacks.of(found, many)) == failures.MOST_SETBACKS - 1


@pytest.mark.parametrize(
    ("one", "ended"),
    [
        (bad("a", ago=3), 3),
        (of("a", ready=50, going=True), 0),  # deleted while it was ready
        (of("a", going=True), 0),  # not ready since
        (of("a", ready=50), 100),
    ],
)
def test_when_a_pod_ended(one: Any, ended: int) -> None:
    assert failures.ended_at(one) == NOW - ended


# --- over? ---


def rule(action: str, **more: Any) -> batch_v1.PodFailurePolicy:
    return batch_v1.PodFailurePolicy(rules=[batch_v1.PodFailurePolicyRule(action=action, **more)])


def codes(operator: str, *values: int, container: str | None = None) -> batch_v1.PodFailurePolicyOnExitCodesRequirement:
    return batch_v1.PodFailurePolicyOnExitCodesRequirement(
        operator=operator, values=list(values), containerName=container
    )


def succeeds(*rules: dict[str, Any]) -> batch_v1.SuccessPolicy:
    return batch_v1.SuccessPolicy(rules=[batch_v1.SuccessPolicyRule(**r) for r in rules])


LIMIT = Verdict(TARGET, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE = Verdict(TARGET, "DeadlineExceeded", "Job was active longer than specified deadline")
STARTED = {"startTime": rfc3339(NOW - 100)}


@pytest.mark.parametrize(
    ("found", "pods", "expected"),
    [
        (job(backoffLimit=1), [bad("a")], None),
        (job(backoffLimit=1), [bad("a"), bad("b")], LIMIT),
        (job(backoffLimit=1, status={"failed": 2}), [], LIMIT),
        (job(backoffLimit=0), [of("a", going=True)], LIMIT),
        (job(backoffLimit=0, podReplacementPolicy="Failed"), [of("a", going=True)], None),
        (job(), [bad(str(i)) for i in range(6)], None),
        (job(), [bad(str(i)) for i in range(7)], LIMIT),
        (job(restart="OnFailure", backoffLimit=3), [of("a", restarts=2)], None),
        (job(restart="OnFailure", backoffLimit=3), [of("a", restarts=2), of("b", restarts=1)], LIMIT),
        (job(restart="OnFailure", backoffLimit=0), [of("a", restarts=0)], None),
        (job(activeDeadlineSeconds=100, status=STARTED), [], DEADLINE),
        (job(activeDeadlineSeconds=101, status=STARTED), [], None),
        (job(activeDeadlineSeconds=1, suspend=True, status=STARTED), [], None),
        (
            job(podFailurePolicy=rule("FailJob", onExitCodes=codes("In", 42))),
            [bad("p", code=42)],
            Verdict(
                TARGET,
                "PodFailurePolicy",
                "Container a for pod n/p failed with exit code 42 matching FailJob rule at index 0",
            ),
        ),
        (job(podFailurePolicy=rule("FailJob", onExitCodes=codes("In", 42))), [bad("p", code=1)], None),
        (job(backoffLimit=0, podFailurePolicy=rule("Ignore", onExitCodes=codes("NotIn", 1))), [bad("p", code=2)], None),
        (job(backoffLimit=0, podFailurePolicy=rule("Count", onExitCodes=codes("In", 2))), [bad("p", code=2)], LIMIT),
        (
            indexed(4, successPolicy=succeeds({"succeededIndexes": "0,2"})),
            [ok("a", 0), ok("b", 2)],
            Verdict(CRITERIA, "SuccessPolicy", "Matched rules at index 0"),
        ),
        (indexed(4, successPolicy=succeeds({"succeededIndexes": "0,2"})), [ok("a", 0), ok("b", 1)], None),
        (
            indexed(4, successPolicy=succeeds({"succeededIndexes": "3"}, {"succeededCount": 2})),
            [ok("a", 0), ok("b", 1)],
            Verdict(CRITERIA, "SuccessPolicy", "Matched rules at index 1"),
        ),
        (
            indexed(4, successPolicy=succeeds({"succeededIndexes": "0-2", "succeededCount": 1})),
            [ok("a", 1)],
            Verdict(CRITERIA, "SuccessPolicy", "Matched rules at index 0"),
        ),
        (indexed(3, backoffLimitPerIndex=0), [bad("a", 0)], None),
        (
            indexed(2, backoffLimitPerIndex=0),
            [bad("a", 0), ok("b", 1)],
            Verdict(TARGET, "FailedIndexes", "Job has failed indexes"),
        ),
        (
            indexed(9, backoffLimitPerIndex=0, maxFailedIndexes=1),
            [bad("a", 0), bad("b", 1)],
            Verdict(
                TARGET,
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            ),
        ),
    ],
)
def test_over(found: Any, pods: list[Any], expected: Verdict | None) -> None:
    assert verdict(found, view(found, pods), NOW) == expected


def test_what_was_said_once_stands() -> None:
    said = tracking.condition(TARGET, "True", "PodFailurePolicy", "because", NOW)
    found = job(conditions=[said])
    assert verdict(found, view(found, [ok("a")]), NOW) == Verdict(TARGET, "PodFailurePolicy", "because")


@pytest.mark.parametrize(
    ("found", "pods", "active", "is_over"),
    [
        (job(), [ok("a")], 0, True),
        (job(), [ok("a")], 1, False),
        (job(completions=2, status={"succeeded": 1}), [ok("b")], 0, True),
        (job(completions=2), [ok("a")], 0, False),
        (job(completions=None, parallelism=3), [ok("a")], 0, True),
        (job(completions=None, parallelism=3), [ok("a")], 1, False),
        (job(completions=0), [], 0, True),
        (indexed(2), [ok("a", 0), ok("b", 0)], 0, False),
        (indexed(2, status={"completedIndexes": "0"}), [ok("b", 1)], 0, True),
    ],
)
def test_completed(found: Any, pods: list[Any], active: int, is_over: bool) -> None:
    assert (completed(found, view(found, pods), active) is not None) is is_over


def test_deadline() -> None:
    assert deadline_in(job(activeDeadlineSeconds=150), STARTED["startTime"], NOW) == 50.0
    assert deadline_in(job(), STARTED["startTime"], NOW) is None


# --- what a failure means ---


@pytest.mark.parametrize(
    ("policy", "one", "action", "message"),
    [
        (None, bad("p"), "", ""),
        (rule("Ignore", onExitCodes=codes("In", 3)), bad("p", code=2), "", ""),
        (rule("Ignore", onExitCodes=codes("In", 3, container="b")), bad("p", code=3), "", ""),
        (
            rule("FailIndex", onExitCodes=codes("NotIn", 1, container="a")),
            bad("p", code=3),
            "FailIndex",
            "Container a for pod n/p failed with exit code 3 matching FailIndex rule at index 0",
        ),
    ],
)
def test_rules(policy: Any, one: Any, action: str, message: str) -> None:
    assert failures.judge(job(podFailurePolicy=policy), one) == failures.Judgement(action, message)


def test_a_rule_on_a_condition() -> None:
    pattern = batch_v1.PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")
    found = job(podFailurePolicy=rule("Ignore", onPodConditions=[pattern]), backoffLimit=0)
    one = bad("p")
    assert failures.judge(found, one).counts
    one.status.conditions = [core_v1.PodCondition(type="DisruptionTarget", status="True")]
    judged = failures.judge(found, one)
    assert judged.message == "Pod n/p has condition DisruptionTarget matching Ignore rule at index 0"
    assert not judged.counts
    assert verdict(found, view(found, [one]), NOW) is None


def test_failures_are_counted_per_index() -> None:
    found = indexed(2, backoffLimitPerIndex=1)
    first = bad("a", 0, ago=99, notes={failures.FAILURES: "0"})
    seen = view(found, [first])
    assert (seen.failed_indexes, seen.replaced) == (set(), {0: first})
    decided = resize(found, seen, NOW)
    assert decided.create == [0, 1]
    second = make_pod(found, 0, seen.replaced[0])
    assert (second.metadata.annotations or {})[failures.FAILURES] == "1"
    again = bad("b", 0, notes={failures.FAILURES: "1"})
    seen = view(found, [first, again])
    assert (seen.failed_indexes, seen.replaced) == ({0}, {})
    assert resize(found, seen, NOW).create == [1]


def test_each_index_waits_for_itself() -> None:
    found = indexed(3, backoffLimitPerIndex=5)
    pods = [bad("a", 0, ago=3, notes={failures.FAILURES: "1"}), bad("b", 1, ago=50, notes={failures.FAILURES: "0"})]
    decided = resize(found, view(found, pods), NOW)
    assert (decided.create, decided.wait) == ([1, 2], 17.0)


def test_ignored_failures_are_remembered_for_the_wait_alone() -> None:
    found = indexed(2, backoffLimitPerIndex=1, podFailurePolicy=rule("Ignore", onExitCodes=codes("In", 1)))
    notes = failures.failure_annotations(found, bad("a", 0, notes={failures.FAILURES: "0", failures.IGNORED: "2"}))
    assert notes == {failures.FAILURES: "0", failures.IGNORED: "3"}
    assert failures.failure_annotations(found, None) == {failures.FAILURES: "0"}


# --- counting ---


def track(found: batch_v1.Job, pods: list[Any], over: Verdict | None = None) -> tracking.Tracked:
    return tracking.track(found, view(found, pods), over, found.status)


def uncounted(*, ok: list[str] | None = None, bad: list[str] | None = None) -> batch_v1.UncountedTerminatedPods:
    return batch_v1.UncountedTerminatedPods(succeeded=ok, failed=bad)


def test_an_ended_pod_is_named_then_let_go_then_counted() -> None:
    found = job(completions=3)
    pods = [ok("a"), bad("b"), of("c")]
    told = track(found, pods)
    assert told.status.uncountedTerminatedPods == uncounted(ok=["uid-a"], bad=["uid-b"])
    assert (told.status.succeeded, told.status.failed, names(told.release)) == (None, None, ["a", "b"])
    counted = tracking.exchanged(told.status, {"uid-c"})
    assert (counted.succeeded, counted.failed, counted.uncountedTerminatedPods) == (1, 1, uncounted())


@pytest.mark.parametrize("killed_after", ["the names were written", "one finalizer was taken", "all were taken"])
def test_a_restart_counts_nothing_twice(killed_after: str) -> None:
    found = job(completions=9, backoffLimit=9)
    status = track(found, [ok("a"), ok("b"), bad("c")]).status
    left = {"the names were written": "abc", "one finalizer was taken": "bc", "all were taken": ""}[killed_after]
    pods = [
        ok("a", tracked="a" in left),
        ok("b", tracked="b" in left),
        bad("c", tracked="c" in left),
    ]
    again = replace(found, status=status)
    seen = view(again, pods)
    assert (seen.succeeded, seen.failed) == (2, 1)
    told = tracking.track(again, seen, None, status)
    done = tracking.exchanged(told.status, set())
    assert (done.succeeded, done.failed) == (2, 1)


def test_indexes_are_counted_by_themselves() -> None:
    found = indexed(4, status={"completedIndexes": "0", "succeeded": 1})
    told = track(found, [ok("a", 0), ok("b", 2), ok("c", 2), ok("far", 9)])
    assert (told.status.completedIndexes, told.status.succeeded) == ("0,2", 2)
    assert told.status.uncountedTerminatedPods == uncounted()
    assert names(told.release) == ["a", "b", "c", "far"]


def test_a_failed_pod_is_kept_until_its_index_has_the_next_one() -> None:
    found = indexed(2, backoffLimitPerIndex=3)
    assert names(track(found, [bad("a", 0)]).release) == []
    told = track(found, [bad("a", 0), of("next", 0)])
    assert names(told.release) == ["a"]
    assert told.status.failedIndexes == ""


def test_a_job_that_fails_takes_all_its_pods_for_failed() -> None:
    told = track(job(backoffLimit=0), [bad("a"), of("running")], LIMIT)
    assert told.status.uncountedTerminatedPods == uncounted(bad=["uid-a", "uid-running"])
    success = Verdict(CRITERIA, "SuccessPolicy", "")
    told = track(indexed(2), [ok("a", 0), of("running", 1)], success)
    assert told.status.uncountedTerminatedPods == uncounted()
    assert names(told.release) == ["a", "running"]


def test_a_great_many_are_counted_in_rounds() -> None:
    found = job(completions=2000)
    told = track(found, [ok(str(i)) for i in range(700)])
    assert (len(told.release), told.all_told) == (500, False)


def test_the_last_condition_waits_for_the_last_pod() -> None:
    over = Verdict(CRITERIA, "CompletionsReached", "done")
    status = tracking.foretold(batch_v1.JobStatus(terminating=1), over, NOW)
    assert [c.type for c in status.conditions or ()] == [CRITERIA]
    assert tracking.foretold(status, over, NOW) is status
    assert tracking.ended(status, over, NOW) is status, "one is still going"
    waiting = replace(status, terminating=0, uncountedTerminatedPods=uncounted(ok=["x"]))
    assert tracking.ended(waiting, over, NOW) is waiting, "one is not counted"
    done = tracking.ended(replace(status, terminating=0), over, NOW)
    assert [(c.type, c.reason, c.message) for c in done.conditions or ()][1] == (
        "Complete",
        "CompletionsReached",
        "done",
    )
    assert done.completionTime == rfc3339(NOW)
    failed = tracking.ended(batch_v1.JobStatus(), LIMIT, NOW)
    assert ([c.type for c in failed.conditions or ()], failed.completionTime) == (["Failed"], None)


def test_suspend_and_resume() -> None:
    status, said = tracking.suspended(batch_v1.JobStatus(startTime=rfc3339(NOW)), suspend=True, now=NOW)
    assert ([(c.type, c.status, c.reason) for c in status.conditions or ()], said, status.startTime) == (
        [("Suspended", "True", "JobSuspended")],
        "Suspended",
        None,
    )
    assert tracking.suspended(status, suspend=True, now=NOW)[1] == ""
    status, said = tracking.suspended(status, suspend=False, now=NOW + 5)
    assert ([(c.type, c.status, c.reason) for c in status.conditions or ()], said) == (
        [("Suspended", "False", "JobResumed")],
        "Resumed",
    )
    assert status.startTime == rfc3339(NOW + 5)
    assert tracking.suspended(batch_v1.JobStatus(), suspend=False, now=NOW) == (batch_v1.JobStatus(), "")


# --- its Pods ---


def test_pods() -> None:
    made = make_pod(job(), None)
    assert (made.metadata.generateName, made.metadata.finalizers) == ("j-", [FINALIZER])
    found = indexed(3)
    made = make_pod(found, 2)
    assert (made.metadata.generateName, made.spec.hostname) == ("j-2-", "j-2")
    assert made.metadata.annotations == {INDEX: "2"}
    assert made.metadata.labels == {INDEX: "2"}
    assert [e.name for e in made.spec.containers[0].env or ()] == ["JOB_COMPLETION_INDEX"]
    assert found.spec.template.spec.containers[0].env is None, "the template is shared and stays as it is"
    found.metadata.name = "x" * 63
    assert len(make_pod(found, 2).metadata.generateName or "") == 58
