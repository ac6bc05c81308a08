"""Conditions and taints of Nodes, and when their Pods have to go."""

import pytest

from sampan.api import times
from sampan.api.types.core_v1 import (
    Node,
    NodeCondition,
    NodeSpec,
    NodeStatus,
    Pod,
    PodSpec,
    PodStatus,
    Taint,
    Toleration,
)
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.controllers.node_lifecycle.decide import (
    NO_EXECUTE,
    NO_SCHEDULE,
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
    Zone,
    eviction_rate,
    taints,
    unknown_conditions,
    zone_state,
)
from sampan.controllers.pod_gc.decide import OUT_OF_SERVICE, Fate, fate, too_many
from sampan.controllers.taint_eviction.decide import leave_at, tolerates

NOW = "2026-01-01T00:00:00Z"
AT = times.parse(NOW)


def node(ready: str | None = "True", *, cordoned: bool = False, has: list[Taint] | None = None, **others: str) -> Node:
    conditions = [NodeCondition(type=k, status=v) for k, v in others.items()]
    if ready is not None:
        conditions.append(NodeCondition(type="Ready", status=ready))
    return Node(
        metadata=ObjectMeta(name="n", creationTimestamp=NOW),
        spec=NodeSpec(unschedulable=cordoned or None, taints=has),
        status=NodeStatus(conditions=conditions or None),
    )


def taint(key: str, effect: str = NO_SCHEDULE, value: str | None = None, added: str | None = NOW) -> Taint:
    return Taint(key=key, effect=effect, value=value, timeAdded=added)


MINE = taint("mine")
PRESSURE = "node.kubernetes.io/memory-pressure"


@pytest.mark.parametrize(
    ("found", "evict", "expected"),
    [
        (node(), True, None),
        (node(has=[MINE]), True, None),
        (node("False"), True, {(NOT_READY, NO_SCHEDULE), (NOT_READY, NO_EXECUTE)}),
        (node("False"), False, {(NOT_READY, NO_SCHEDULE)}),
        (node("Unknown"), True, {(UNREACHABLE, NO_SCHEDULE), (UNREACHABLE, NO_EXECUTE)}),
        (
            node("Unknown", has=[taint(NOT_READY), taint(NOT_READY, NO_EXECUTE)]),
            True,
            {(UNREACHABLE, NO_SCHEDULE), (UNREACHABLE, NO_EXECUTE)},
        ),
        (node(has=[MINE, taint(UNREACHABLE), taint(UNREACHABLE, NO_EXECUTE)]), True, {("mine", NO_SCHEDULE)}),
        (node(cordoned=True), True, {(UNSCHEDULABLE, NO_SCHEDULE)}),
        (node(has=[taint(UNSCHEDULABLE)]), True, set()),
        (node(MemoryPressure="True"), True, {(PRESSURE, NO_SCHEDULE)}),
        (node(MemoryPressure="Unknown", has=[taint(PRESSURE)]), True, set()),
        (node(None, has=[taint(NOT_READY)]), True, None),
        (node(has=[taint(PRESSURE, NO_EXECUTE)]), True, None),  # somebody's own wish
    ],
)
def test_taints(found: Node, evict: bool, expected: set[tuple[str, str]] | None) -> None:
    wanted = taints(found, NOW, evict=evict)
    assert (None if wanted is None else {(t.key, t.effect) for t in wanted}) == expected


def test_a_silent_node_is_unknown_in_everything() -> None:
    never = unknown_conditions(node(None), NOW)
    assert never is not None
    assert {(c.type, c.status, c.reason) for c in never} == {
        (kind, "Unknown", "NodeStatusNeverUpdated")
        for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
    }
    stopped = unknown_conditions(node("True", DiskPressure="False", Own="False"), NOW)
    assert stopped is not None
    said = {c.type: (c.status, c.reason, c.message) for c in stopped}
    assert said["Ready"] == ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    assert said["Own"][0] == "False"
    assert unknown_conditions(node("Unknown", MemoryPressure="Unknown", DiskPressure="Unknown", PIDPressure="Unknown"), NOW) is None  # fmt: skip  # noqa: E501 - one line of a table


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        ("1", Zone.NORMAL),
        ("0", Zone.FULL),
        ("10", Zone.NORMAL),
        ("100", Zone.NORMAL),  # two of three, but three must be bad
        ("1000", Zone.PARTIAL),
        ("1111000", Zone.NORMAL),
        ("", Zone.NORMAL),
    ],
)
def test_zones(ready: str, expected: Zone) -> None:
    assert zone_state([node("True" if r == "1" else "Unknown") for r in ready]) is expected


@pytest.mark.parametrize(
    ("state", "size", "others", "expected"),
    [
        (Zone.NORMAL, 3, [], 0.1),
        (Zone.FULL, 3, [], 0.0),
        (Zone.FULL, 3, [Zone.FULL], 0.0),
        (Zone.FULL, 3, [Zone.NORMAL], 0.1),
        (Zone.PARTIAL, 50, [], 0.0),
        (Zone.PARTIAL, 51, [], 0.01),
    ],
)
def test_eviction_rates(state: Zone, size: int, others: list[Zone], expected: float) -> None:
    assert eviction_rate(state, size, others, 0.1) == expected


# -- tolerations

DRIVES = taint("k", NO_EXECUTE, "v")


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        (Toleration(operator="Exists"), True),
        (Toleration(key="k", operator="Exists"), True),
        (Toleration(key="k", operator="Exists", effect=NO_EXECUTE), True),
        (Toleration(key="k", operator="Exists", effect=NO_SCHEDULE), False),
        (Toleration(key="k", operator="Equal", value="v"), True),
        (Toleration(key="k", value="v"), True),
        (Toleration(key="k", operator="Equal", value="w"), False),
        (Toleration(key="other", operator="Exists"), False),
    ],
)
def test_tolerates(toleration: Toleration, expected: bool) -> None:
    assert tolerates(toleration, DRIVES) is expected


def seconds(limit: int | None) -> Toleration:
    return Toleration(key="k", operator="Exists", effect=NO_EXECUTE, tolerationSeconds=limit)


@pytest.mark.parametrize(
    ("tolerations", "found", "expected"),
    [
        ([], [], None),
        ([], [taint("k")], None),
        ([], [DRIVES], AT + 10),
        ([seconds(None)], [DRIVES], None),
        ([seconds(300)], [DRIVES], AT + 300),
        ([seconds(300), seconds(60)], [DRIVES], AT + 60),
        ([seconds(300)], [taint("k", NO_EXECUTE, added=None)], AT + 10 + 300),
        ([seconds(0)], [DRIVES], AT),
        ([seconds(-5)], [DRIVES], AT),
        ([seconds(300)], [DRIVES, taint("other", NO_EXECUTE)], AT + 10),
        ([seconds(300)], [DRIVES, taint("other")], AT + 300),
    ],
)
def test_when_a_pod_leaves(tolerations: list[Toleration], found: list[Taint], expected: float | None) -> None:
    assert leave_at(tolerations, found, AT + 10) == expected


# -- Pods that nobody will finish


def pod(name: str = "p", on: str | None = "n", *, gone: bool = False, phase: str = "Running", born: str = NOW) -> Pod:
    meta = ObjectMeta(name=name, creationTimestamp=born, deletionTimestamp=NOW if gone else None)
    return Pod(metadata=meta, spec=PodSpec(nodeName=on), status=PodStatus(phase=phase))


OUT = [taint(OUT_OF_SERVICE, NO_EXECUTE)]


@pytest.mark.parametrize(
    ("found", "where", "expected"),
    [
        (pod(), node(), Fate.STAY),
        (pod(), None, Fate.ORPHANED),
        (pod(phase="Succeeded"), None, Fate.ORPHANED),
        (pod(on=None), None, Fate.STAY),
        (pod(on=None, gone=True), None, Fate.UNSCHEDULED),
        (pod(gone=True), node(), Fate.STAY),
        (pod(gone=True), node("Unknown", has=OUT), Fate.OUT_OF_SERVICE),
        (pod(gone=True), node("True", has=OUT), Fate.STAY),
        (pod(), node("Unknown", has=OUT), Fate.STAY),
    ],
)
def test_fates(found: Pod, where: Node | None, expected: Fate) -> None:
    assert fate(found, where) is expected


def test_the_oldest_finished_pods_go_evicted_ones_first() -> None:
    old = pod("old", phase="Succeeded", born="2026-01-01T00:00:00Z")
    new = pod("new", phase="Failed", born="2026-01-03T00:00:00Z")
    evicted = pod("evicted", phase="Failed", born="2026-01-04T00:00:00Z")
    evicted.status.reason = "Evicted"
    pods = [new, old, pod("running"), evicted]
    assert [p.metadata.name for p in too_many(pods, 1)] == ["evicted", "old"]
    assert too_many(pods, 3) == []
    assert too_many(pods, 0) == []
