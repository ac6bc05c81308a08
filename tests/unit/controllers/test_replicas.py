"""The table of ReplicaSets and ReplicationControllers, and what all owners of Pods share."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types import apps_v1, meta_v1
from sampan.controllers.owned_pods import claim, deletion_order, next_available, owner_reference
from sampan.controllers.pod_control import slow_start
from sampan.controllers.replicas.decide import Tally, conditions, plan, tally
from tests.unit.controllers.pods import NOW, names, pod


@pytest.mark.parametrize(
    ("wanted", "pods", "create", "delete"),
    [
        (3, [], 3, []),
        (0, [], 0, []),
        (1, [pod("a", ready=9)], 0, []),
        (1, [pod("a", ready=9, going=True)], 1, []),
        (1, [pod("a", phase="Failed")], 1, []),
        (1, [pod("a", phase="Succeeded")], 1, []),
        (1, [pod("a", ready=9), pod("b", phase="Pending", node="")], 0, ["b"]),
        (0, [pod("a", ready=9), pod("b")], 0, ["b", "a"]),
        (900, [], 500, []),
    ],
)
def test_how_many(wanted: int, pods: list[Any], create: int, delete: list[str]) -> None:
    decided = plan(wanted, pods, NOW)
    assert (decided.create, names(decided.delete)) == (create, delete)


def cost(value: str) -> dict[str, str]:
    return {"controller.kubernetes.io/pod-deletion-cost": value}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("a", node="", phase="Pending"), pod("b", phase="Pending")),
        (pod("a", phase="Pending"), pod("b", phase="Unknown")),
        (pod("a", phase="Unknown"), pod("b", phase="Running")),
        (pod("a"), pod("b", ready=9)),
        (pod("a", ready=9, annotations=cost("-5")), pod("b", ready=9)),
        (pod("a", ready=9), pod("b", ready=9, annotations=cost("3"))),
        (pod("a", ready=9, annotations=cost("no number")), pod("b", ready=9, annotations=cost("1"))),
        (pod("a", ready=10), pod("b", ready=100)),
        (pod("a", ready=9, restarts=3), pod("b", ready=9, restarts=1)),
        (pod("a", ready=9, age=10), pod("b", ready=9, age=1000)),
        (pod("a", ready=9, age=1000), pod("b", ready=9, age=1001)),  # of one magnitude: by uid, not by age
    ],
)
def test_who_goes_first(first: Any, second: Any) -> None:
    assert names(deletion_order([second, first], NOW)) == ["a", "b"]
    assert names(deletion_order([first, second], NOW)) == ["a", "b"]


def test_the_crowded_node_goes_first() -> None:
    pods = [pod("a", ready=9, node="one"), pod("b", ready=9, node="two"), pod("c", ready=9, node="two")]
    assert names(deletion_order(pods, NOW))[0] == "b"
    assert names(deletion_order(pods, NOW, {"one": 5, "two": 2}))[0] == "a", "kindred Pods count too"


@pytest.mark.parametrize(
    ("pods", "min_ready", "expected"),
    [
        ([pod("a", ready=9), pod("b")], 0, Tally(replicas=2, labelled=0, ready=1, available=1)),
        ([pod("a", ready=9, labels={"x": "1", "y": "2"})], 0, Tally(replicas=1, labelled=1, ready=1, available=1)),
        ([pod("a", ready=9)], 10, Tally(replicas=1, ready=1, available=0, again_in=1.0)),
        ([pod("a", ready=9), pod("b", ready=4)], 10, Tally(replicas=2, ready=2, again_in=1.0)),
        ([pod("a", going=True, ready=9)], 0, Tally(terminating=1)),
        ([pod("a", going=True, phase="Failed"), pod("b", phase="Succeeded")], 0, Tally()),
    ],
)
def test_counts(pods: list[Any], min_ready: int, expected: Tally) -> None:
    assert tally(pods, {"x": "1"}, min_ready, NOW) == expected


def test_a_failure_stands_as_it_was_first_said() -> None:
    kind = apps_v1.ReplicaSetCondition
    first = conditions([], ("FailedCreate", "no quota"), NOW, kind)
    assert [(c.type, c.status, c.reason, c.message) for c in first or ()] == [
        ("ReplicaFailure", "True", "FailedCreate", "no quota")
    ]
    assert conditions(first or (), ("FailedCreate", "another"), NOW + 9, kind) == first
    assert conditions(first or (), None, NOW + 9, kind) is None
    other = kind(type="Mine", status="True")
    assert conditions([other], None, NOW, kind) == [other]


def test_whose_pods() -> None:
    meta = meta_v1.ObjectMeta(name="rs", namespace="n", uid="1")
    ours = owner_reference("apps/v1", "ReplicaSet", meta)
    other = owner_reference("apps/v1", "ReplicaSet", meta_v1.ObjectMeta(name="rs", uid="2"))
    pods = [
        pod("mine", labels={"a": "b"}, owner=ours),
        pod("strayed", labels={"a": "c"}, owner=ours),
        pod("orphan", labels={"a": "b"}),
        pod("stranger", labels={"a": "c"}),
        pod("theirs", labels={"a": "b"}, owner=other),
        pod("going", labels={"a": "b"}, going=True),
    ]
    found = claim(meta, pods, lambda labels: labels.get("a") == "b")
    assert (names(found.mine), names(found.adopt), names(found.release)) == (["mine"], ["orphan"], ["strayed"])
    meta.deletionTimestamp = "2026-01-01T00:00:00Z"
    found = claim(meta, pods, lambda labels: labels.get("a") == "b")
    assert (names(found.mine), names(found.adopt), names(found.release)) == (["mine"], [], [])


def test_when_to_look_again() -> None:
    pods = [pod("a", ready=4), pod("b", ready=20), pod("c")]
    assert next_available(pods, 10, NOW) == 6.0
    assert next_available(pods, None, NOW) is None


@pytest.mark.parametrize(("fails_at", "tried"), [(None, 10), (0, 1), (2, 3), (5, 7)])
async def test_slow_start(fails_at: int | None, tried: int) -> None:
    attempts: list[int] = []

    def attempt(number: int) -> Any:
        async def run() -> object:
            attempts.append(number)
            if number == fails_at:
                raise ValueError(number)
            return number

        return run

    listed = [attempt(i) for i in range(10)]
    if fails_at is None:
        assert await slow_start(listed) == 10
    else:
        with pytest.raises(ValueError, match=str(fails_at)):
            await slow_start(listed)
    assert len(attempts) == tried
