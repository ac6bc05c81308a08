"""The table of Deployments: sizes of a rollout, scaling in its middle, what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.clock import rfc3339
from sampan.controllers.deployment import annotations as notes
from sampan.controllers.deployment import decide
from sampan.controllers.deployment.status import counts, deadline_in, with_conditions
from tests.unit.controllers.pods import NOW


def template(image: str = "i") -> core_v1.PodTemplateSpec:
    meta = meta_v1.ObjectMeta(labels={"a": "b"})
    return core_v1.PodTemplateSpec(metadata=meta, spec=core_v1.PodSpec(containers=[core_v1.Container(image=image)]))


def deployment(
    replicas: int,
    *,
    surge: int | str | None = "25%",
    unavailable: int | str | None = "25%",
    kind: str = "RollingUpdate",
    conditions: list[Any] | None = None,
    status: dict[str, int] | None = None,
    **spec: Any,
) -> apps_v1.Deployment:
    rolling = apps_v1.RollingUpdateDeployment(maxSurge=surge, maxUnavailable=unavailable)
    strategy = apps_v1.DeploymentStrategy(type=kind, rollingUpdate=rolling if kind == "RollingUpdate" else None)
    return apps_v1.Deployment(
        metadata=meta_v1.ObjectMeta(name="d", namespace="n", uid="d", generation=1),
        spec=apps_v1.DeploymentSpec(
            **{
                "progressDeadlineSeconds": 600,
                "replicas": replicas,
                "strategy": strategy,
                "template": template(),
                **spec,
            }
        ),
        status=apps_v1.DeploymentStatus(conditions=conditions, **(status or {})),
    )


def replica_set(
    name: str, size: int, available: int | None = None, *, age: int = 0, image: str = "i", **marks: str
) -> apps_v1.ReplicaSet:
    found = size if available is None else available
    return apps_v1.ReplicaSet(
        metadata=meta_v1.ObjectMeta(
            name=name, namespace="n", uid=name, creationTimestamp=rfc3339(NOW - age), annotations=marks or None
        ),
        spec=apps_v1.ReplicaSetSpec(replicas=size, template=template(image)),
        status=apps_v1.ReplicaSetStatus(
            replicas=size, readyReplicas=found or None, availableReplicas=found or None, terminatingReplicas=0
        ),
    )


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (1, "25%", "25%", (1, 0)),
        (3, "25%", "25%", (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (10, 0, 0, (0, 1)),
        (10, None, None, (3, 2)),
        (5, 2, "100%", (2, 5)),
        (2, 0, 7, (0, 2)),
        (0, 1, 1, (1, 0)),
    ],
)
def test_how_far_it_may_go(replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]) -> None:
    assert decide.fence(deployment(replicas, surge=surge, unavailable=unavailable)) == decide.Fence(*expected)


@pytest.mark.parametrize(
    ("replicas", "new", "old", "expected"),
    [
        (4, None, [], 4),  # nothing there yet
        (4, None, [4], 1),  # as many as may be too many
        (4, 1, [4], 1),
        (4, 1, [3], 2),
        (4, 4, [1], 4),
        (4, 6, [], 4),  # it was scaled down
        (0, 0, [3], 0),
        (10, 0, [2, 3], 8),
    ],
)
def test_how_large_the_newest_may_be(replicas: int, new: int | None, old: list[int], expected: int) -> None:
    newest = replica_set("new", new) if new is not None else None
    every = [replica_set(f"o{i}", size) for i, size in enumerate(old)] + ([newest] if newest else [])
    assert decide.new_size(deployment(replicas), newest, every) == expected


def steps(found: list[decide.Step]) -> list[tuple[str, int]]:
    return [(s.name, s.size) for s in found]


@pytest.mark.parametrize(
    ("replicas", "unavailable", "new", "old", "expected"),
    [
        (4, "25%", (1, 0), [("old", 4, 4)], [("old", 3)]),  # one may be missing
        (4, 0, (1, 0), [("old", 4, 4)], []),  # none may, until the new one works
        (4, 0, (1, 1), [("old", 4, 4)], [("old", 3)]),
        (4, 0, (1, 0), [("old", 4, 2)], []),
        (4, 1, (2, 0), [("old", 3, 1)], []),  # already fewer work than should
        (4, 1, (0, 0), [("old", 4, 0)], [("old", 3)]),  # what does not work goes first
        (10, 2, (3, 3), [("a", 5, 2), ("b", 5, 5)], [("a", 2), ("a", 0)]),
        (10, 0, (10, 10), [("a", 2, 2), ("b", 1, 1)], [("a", 0), ("b", 0)]),
    ],
)
def test_how_the_old_ones_shrink(
    replicas: int, unavailable: Any, new: tuple[int, int], old: list[tuple[str, int, int]], expected: Any
) -> None:
    sets = [replica_set(n, size, available, age=100 - i) for i, (n, size, available) in enumerate(old)]
    found = decide.shrink_old(deployment(replicas, unavailable=unavailable), replica_set("new", *new), sets)
    assert steps(found) == expected


@pytest.mark.parametrize(
    ("replicas", "sizes", "maximum", "expected"),
    [
        (15, {"new": 3, "old": 10}, "13", {"new": 4, "old": 15}),  # 10 to 15 with surge 4: 6 more, by size
        (5, {"new": 3, "old": 10}, "13", {"new": 2, "old": 5}),
        (0, {"new": 3, "old": 10}, "13", {"new": 0, "old": 0}),
        (10, {"new": 3, "old": 10}, "13", {"new": 3, "old": 10}),  # nothing changed
        (20, {"new": 5, "old": 5}, "13", {"new": 15, "old": 10}),  # what is left goes to the first: the newer one
    ],
)
def test_scaled_in_the_middle_of_a_rollout(
    replicas: int, sizes: dict[str, int], maximum: str, expected: dict[str, int]
) -> None:
    ages = {"new": 1, "old": 99}
    active = [replica_set(n, s, age=ages[n], **{decide.MAX: maximum}) for n, s in sizes.items()]
    found = decide.proportional(deployment(replicas), active)
    assert found == expected
    surge = decide.fence(deployment(replicas)).surge if replicas else 0
    assert sum(found.values()) == replicas + surge


def test_which_one_is_scaled_alone() -> None:
    new, old = replica_set("new", 0), replica_set("old", 3)
    assert decide.active_or_latest(new, [old]) is old
    assert decide.active_or_latest(replica_set("new", 1), [old]) is None
    empty = [replica_set("a", 0, age=9), replica_set("b", 0, age=1)]
    assert decide.active_or_latest(None, empty) is empty[1]
    assert decide.active_or_latest(new, empty) is new
    assert decide.active_or_latest(None, []) is None


def test_resized_is_seen_by_what_the_sets_were_cut_for() -> None:
    found = deployment(5)
    assert decide.is_resized(found, [replica_set("a", 3, **{decide.DESIRED: "4"})])
    assert not decide.is_resized(found, [replica_set("a", 3, **{decide.DESIRED: "5"})])
    assert not decide.is_resized(found, [replica_set("a", 0, **{decide.DESIRED: "4"})]), "empty ones do not matter"
    assert not decide.is_resized(found, [replica_set("a", 3)])


def test_history_that_is_dropped() -> None:
    old = [replica_set(str(i), 0, **{decide.REVISION: str(i)}) for i in (3, 1, 2, 4)]
    found = deployment(1, revisionHistoryLimit=2)
    assert [r.metadata.name for r in decide.droppable(found, old)] == ["1", "2"]
    old[1].status.replicas = 1  # revision 1 still has a Pod
    assert [r.metadata.name for r in decide.droppable(found, old)] == ["2"]
    assert decide.droppable(deployment(1, revisionHistoryLimit=None), old) == []


def test_a_set_that_is_brought_back_remembers_its_revisions() -> None:
    found = deployment(1)
    found.metadata.annotations = {"kubernetes.io/change-cause": "me", notes.LAST_APPLIED: "{}"}
    again = notes.of_newest(found, replica_set("a", 1, **{decide.REVISION: "2"}), 4)
    assert again == {"kubernetes.io/change-cause": "me", decide.REVISION: "4", decide.HISTORY: "2"}
    third = notes.of_newest(found, replica_set("a", 1, **again), 6)
    assert third[decide.HISTORY] == "2,4"
    assert notes.of_newest(found, replica_set("a", 1, **third), 6) == third
    assert notes.of_new_set(deployment(3), 7) == {
        decide.REVISION: "7",
        decide.DESIRED: "3",
        decide.MAX: "4",
    }


# --- what is said of it ---


def progressing(reason: str, *, status: str = "True", ago: float = 0.0) -> apps_v1.DeploymentCondition:
    at = rfc3339(NOW - ago)
    return apps_v1.DeploymentCondition(
        type="Progressing", status=status, reason=reason, lastUpdateTime=at, lastTransitionTime=at
    )


def said(found: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, old: list[Any], **how: Any) -> dict[str, str]:
    status = with_conditions(found, counts(found, new, [*old, *([new] if new else [])]), new, old, NOW, **how)
    return {c.type: f"{c.status} {c.reason}: {c.message}" for c in status.conditions or ()}


SAME = {"replicas": 1, "updatedReplicas": 1}
JUST_MADE = replica_set("s", 1, 0)
JUST_MADE.status = apps_v1.ReplicaSetStatus()


@pytest.mark.parametrize(
    ("found", "new", "how", "expected"),
    [
        (
            deployment(1),
            JUST_MADE,
            {"created": True},
            'True NewReplicaSetCreated: Created new replica set "s"',
        ),
        (deployment(1, status=SAME), replica_set("s", 1, 0), {}, 'True FoundNewReplicaSet: Found new replica set "s"'),
        (deployment(1), None, {"failure": "no"}, "False ReplicaSetCreateError: no"),
        (
            deployment(1, conditions=[progressing("NewReplicaSetCreated", ago=5)]),
            replica_set("s", 1, 0),
            {},
            'True ReplicaSetUpdated: ReplicaSet "s" is progressing.',
        ),
        (
            deployment(1, conditions=[progressing("NewReplicaSetCreated", ago=5)], status={"observedGeneration": 1}),
            replica_set("s", 1),
            {},
            'True NewReplicaSetAvailable: ReplicaSet "s" has successfully progressed.',
        ),
        (
            deployment(1, conditions=[progressing("ReplicaSetUpdated", ago=601)], status=SAME),
            replica_set("s", 1, 0),
            {},
            'False ProgressDeadlineExceeded: ReplicaSet "s" has timed out progressing.',
        ),
        (
            deployment(1, conditions=[progressing("ReplicaSetUpdated", ago=599)], status=SAME),
            replica_set("s", 1, 0),
            {},
            "True ReplicaSetUpdated: None",
        ),
        (
            deployment(1, conditions=[progressing("NewReplicaSetAvailable", ago=9999)], status=SAME),
            replica_set("s", 1, 0),
            {},
            "True NewReplicaSetAvailable: None",
        ),
        (
            deployment(1, paused=True, conditions=[progressing("ReplicaSetUpdated")]),
            replica_set("s", 1, 0),
            {"is_rolling": False},
            "Unknown DeploymentPaused: Deployment is paused",
        ),
        (
            deployment(1, paused=True, conditions=[progressing("ProgressDeadlineExceeded", status="False")]),
            replica_set("s", 1, 0),
            {"is_rolling": False},
            "False ProgressDeadlineExceeded: None",
        ),
        (
            deployment(1, conditions=[progressing("DeploymentPaused", status="Unknown", ago=9999)], status=SAME),
            replica_set("s", 1, 0),
            {},
            "Unknown DeploymentResumed: Deployment is resumed",
        ),
        (deployment(1, progressDeadlineSeconds=None), replica_set("s", 1), {}, None),
    ],
)
def test_progress(
    found: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, how: dict[str, Any], expected: str | None
) -> None:
    assert said(found, new, [], **how).get("Progressing") == expected


@pytest.mark.parametrize(
    ("replicas", "available", "expected"),
    [
        (4, 4, "True MinimumReplicasAvailable: Deployment has minimum availability."),
        (4, 3, "True MinimumReplicasAvailable: Deployment has minimum availability."),
        (4, 2, "False MinimumReplicasUnavailable: Deployment does not have minimum availability."),
    ],
)
def test_available(replicas: int, available: int, expected: str) -> None:
    assert said(deployment(replicas), replica_set("s", replicas, available), [])["Available"] == expected


def test_available_without_rolling_means_all() -> None:
    found = deployment(4, kind="Recreate")
    assert said(found, replica_set("s", 4, 3), [])["Available"].startswith("False")
    assert said(found, replica_set("s", 4, 4), [])["Available"].startswith("True")


def test_a_failing_set_is_told_of_until_it_fails_no_more() -> None:
    new = replica_set("s", 1, 0)
    new.status.conditions = [
        apps_v1.ReplicaSetCondition(type="ReplicaFailure", status="True", reason="FailedCreate", message="quota")
    ]
    assert said(deployment(1), new, [])["ReplicaFailure"] == "True FailedCreate: quota"
    before = [apps_v1.DeploymentCondition(type="ReplicaFailure", status="True")]
    assert "ReplicaFailure" not in said(deployment(1, conditions=before), replica_set("s", 1), [])


def test_counts() -> None:
    found = deployment(4)
    status = counts(found, replica_set("new", 2, 1), [replica_set("old", 3, 3), replica_set("new", 2, 1)])
    assert (status.replicas, status.updatedReplicas, status.availableReplicas) == (5, 2, 4)
    assert (status.unavailableReplicas, status.readyReplicas, status.terminatingReplicas) == (1, 4, 0)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([progressing("ReplicaSetUpdated", ago=100)], 500.0),
        ([progressing("NewReplicaSetAvailable", ago=100)], None),
        ([progressing("ProgressDeadlineExceeded", ago=100)], None),
        (None, None),
    ],
)
def test_when_it_is_late(conditions: list[Any] | None, expected: float | None) -> None:
    found = deployment(1, conditions=conditions)
    assert deadline_in(found, found.status, NOW) == expected
