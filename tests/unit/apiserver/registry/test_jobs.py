"""What authors of Jobs and CronJobs, and the controllers of Jobs, get told beyond the recorded answers."""

from typing import Any

import pytest

from tests.unit.apiserver.registry.objects import CRON_JOBS, JOBS, changed, changed_status, stored, wrong

POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}


def job(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": POD}, **spec}}


def indexed(**spec: Any) -> dict[str, Any]:
    return job(completionMode="Indexed", **{"completions": 5, "parallelism": 5, **spec})


def in_state(*true: str, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    conditions = [{"type": kind, "status": "True"} for kind in true]
    return {**(spec or job()), "status": {"conditions": conditions, **status}}


def rule(**fields: Any) -> dict[str, Any]:
    return job(podFailurePolicy={"rules": [{"action": "Ignore", **fields}]})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (job(), []),
        (indexed(), []),
        (indexed(completions=None), ["spec.completions: Required value: when completion mode is Indexed"]),
        (
            job(maxFailedIndexes=1),
            [
                "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
                "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode",
            ],
        ),
        (
            indexed(completions=200_000, backoffLimitPerIndex=1, parallelism=20_000),
            [
                "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
                (
                    "spec.parallelism: Invalid value: 20000: must be less than or equal to 10000 when completions are "
                    "above 100000 and used with backoff limit per index"
                ),
            ],
        ),
        (
            rule(),
            [
                (
                    "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions "
                    "is required"
                )
            ],
        ),
        (
            rule(onExitCodes={"operator": "In", "values": [3, 1, 3, 0]}),
            [
                "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3",
                (
                    "spec.podFailurePolicy.rules[0].onExitCodes.values[3]: Invalid value: 0: must not be 0 for the In "
                    "operator"
                ),
                "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,1,3,0]: must be ordered",
            ],
        ),
        (
            rule(action="", onPodConditions=[{"type": "Ready"}]),
            [
                (
                    "spec.podFailurePolicy.rules[0].action: Required value: "
                    'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'
                )
            ],
        ),
        (
            rule(action="FailIndex", onPodConditions=[{"type": "Ready"}]),
            [
                (
                    'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the '
                    "backoffLimitPerIndex to be set"
                )
            ],
        ),
        (
            job(successPolicy={"rules": [{"succeededCount": 1}]}),
            [
                (
                    'spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":1}]}: '
                    "requires indexed completion mode"
                )
            ],
        ),
        (
            indexed(successPolicy={"rules": [{"succeededIndexes": "0-2", "succeededCount": 4}]}),
            [
                (
                    "spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 "
                    "(the number of indexes in the specified succeededIndexes field)"
                )
            ],
        ),
    ],
)
def test_specs(body: dict[str, Any], expected: list[str]) -> None:
    assert wrong(JOBS, body) == expected


@pytest.mark.parametrize(
    ("indexes", "why"),
    [
        ("x", 'cannot convert string to integer for index: "x"'),
        ("5", 'too large index: "5"'),
        ("3-1", "non-increasing order, previous: 3, current: 1"),
        ("1,1", "non-increasing order, previous: 1, current: 1"),
        (
            "1-2-3",
            (
                'the fragment "1-2-3" violates the requirement that an index interval can have at most two parts '
                "separated by '-'"
            ),
        ),
    ],
)
def test_indexes(indexes: str, why: str) -> None:
    errors = wrong(JOBS, indexed(successPolicy={"rules": [{"succeededIndexes": indexes}]}))
    path = "spec.successPolicy.rules[0].succeededIndexes"
    assert errors == [f'{path}: Invalid value: "{indexes}": error parsing succeededIndexes: {why}']


def test_indexed_pods_need_hostnames() -> None:
    name = "a" * 62
    errors = wrong(JOBS, {"metadata": {"name": name}, **indexed()})
    why = f"will not able to create pod with invalid DNS label: {name}-4"
    assert errors == [f'metadata.name: Invalid value: "{name}": {why}']


def test_what_of_a_job_never_changes() -> None:
    errors = changed(JOBS, job(completions=1), job(completions=2, backoffLimit=1, suspend=True))
    assert errors == ["spec.completions: Invalid value: 2: field is immutable"]
    assert changed(JOBS, indexed(), indexed(completions=6, parallelism=6)) == []
    assert changed(JOBS, indexed(), indexed(completions=6)) == [
        "spec.completions: Invalid value: 6: can only be modified in tandem with spec.parallelism"
    ]


def test_the_template_never_changes_and_is_shown() -> None:
    other = {**POD, "terminationGracePeriodSeconds": 7}
    (error,) = changed(JOBS, job(), job(template={"spec": other}))
    assert error.startswith('spec.template: Invalid value: {"labels":{"batch.kubernetes.io/controller-uid":')
    assert '"Spec":{"Volumes":null,"InitContainers":null,"Containers":[{"Name":"c","Image":"i",' in error
    assert error.endswith(": field is immutable")


def test_a_job_that_never_ran_may_be_placed_anew() -> None:
    placed = {**POD, "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}
    assert changed(JOBS, job(suspend=True), job(suspend=False, template={"spec": placed})) == []
    assert len(changed(JOBS, job(), job(template={"spec": placed}))) == 1


TIME, LATER = "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"
DONE = in_state("SuccessCriteriaMet", "Complete", startTime=TIME, completionTime=LATER, succeeded=1)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (in_state(startTime=TIME), DONE, []),
        (in_state("FailureTarget", startTime=TIME), in_state("FailureTarget", "Failed", startTime=TIME), []),
        (
            in_state(startTime=TIME),
            in_state("Complete", startTime=TIME),
            [
                "status.completionTime: Required value: completionTime is required for Complete jobs",
                (
                    "status.conditions: Invalid value: cannot set Complete=True condition without the "
                    "SuccessCriteriaMet=true condition"
                ),
            ],
        ),
        (
            in_state(),
            in_state("Failed", active=1),
            [
                (
                    "status.conditions: Invalid value: cannot set Failed=True condition without the "
                    "FailureTarget=true condition"
                ),
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                "status.startTime: Required value: startTime is required for finished job",
            ],
        ),
        (
            DONE,
            in_state(startTime=TIME, succeeded=1),
            [
                "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
                "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition",
            ],
        ),
        (
            in_state(startTime=TIME, failed=2, succeeded=2),
            in_state(startTime=TIME, failed=1, succeeded=1),
            [
                "status.failed: Invalid value: 1: cannot decrease the failed counter",
                "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter",
            ],
        ),
        (
            in_state(startTime=TIME),
            in_state(),
            ["status.startTime: Required value: startTime cannot be removed for unsuspended job"],
        ),
        (
            in_state(startTime=TIME),
            in_state(startTime=TIME, ready=2, active=1, completedIndexes="1"),
            [
                ('status.completedIndexes: Invalid value: "1": error parsing completedIndexes: too large index: "1"'),
                (
                    'status.completedIndexes: Invalid value: "1": cannot set non-empty completedIndexes when '
                    "non-indexed completion mode"
                ),
                "status.ready: Invalid value: 2: cannot set more ready pods than active",
            ],
        ),
        (
            in_state(spec=indexed(backoffLimitPerIndex=1), startTime=TIME),
            in_state(spec=indexed(backoffLimitPerIndex=1), startTime=TIME, completedIndexes="0-2", failedIndexes="2,4"),
            [('status.failedIndexes: Invalid value: "2,4": failedIndexes and completedIndexes overlap at index: 2')],
        ),
    ],
)
def test_statuses(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    assert changed_status(JOBS, old, new) == expected


def cron(schedule: str = "* * * * *", **spec: Any) -> dict[str, Any]:
    return {"spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": {"spec": POD}}}, **spec}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (cron(), []),
        (cron(timeZone="Europe/Vienna"), []),
        (cron(""), ["spec.schedule: Required value"]),
        (
            cron("TZ=UTC 0 0 * * *"),
            [
                (
                    'spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use '
                    "timeZone field instead"
                )
            ],
        ),
        (cron(timeZone=""), ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']),
        (cron(timeZone="Nowhere"), ['spec.timeZone: Invalid value: "Nowhere": unknown time zone Nowhere']),
        (cron(timeZone="a b"), ['spec.timeZone: Invalid value: "a b": unknown time zone a b']),
        (
            cron(timeZone="Local"),
            [
                (
                    'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in '
                    "https://www.iana.org/time-zones"
                )
            ],
        ),
        (
            cron(concurrencyPolicy="Never"),
            [('spec.concurrencyPolicy: Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"')],
        ),
        (
            {"metadata": {"name": "a" * 53}, **cron()},
            [f'metadata.name: Invalid value: "{"a" * 53}": must be no more than 52 characters'],
        ),
    ],
)
def test_cron_jobs(body: dict[str, Any], expected: list[str]) -> None:
    assert wrong(CRON_JOBS, body) == expected


def test_an_old_schedule_keeps_its_zone() -> None:
    assert changed(CRON_JOBS, cron("TZ=UTC 0 0 * * *"), cron("TZ=UTC 1 0 * * *", suspend=True)) == []


def test_a_warning_of_a_name_no_pod_can_have() -> None:
    strategy, obj = stored(JOBS, {"metadata": {"name": "a.b"}, **job()})
    (warning,) = strategy.warnings(obj, None)
    assert warning.startswith("metadata.name: this is used in Pod names and hostnames, ")
    assert "a DNS label is recommended: [must not contain dots]" in warning
