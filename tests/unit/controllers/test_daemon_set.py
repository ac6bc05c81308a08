"""The table of DaemonSets: where a Pod belongs, and how an update goes over the nodes."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.controllers.daemon_set.decide import Fence, Newest, fence, is_updated, manage, placed_pods, roll, status_of
from sampan.controllers.daemon_set.places import Place, make_pod, node_of, places
from sampan.controllers.history import HASH_LABEL
from tests.unit.controllers.pods import NOW, names, pod

OLD, NEW = "old", "new"


def daemon(
    *, surge: Any = None, unavailable: Any = None, update: str = "RollingUpdate", min_ready: int = 0, **pod_spec: Any
) -> apps_v1.DaemonSet:
    rolling = apps_v1.RollingUpdateDaemonSet(maxSurge=surge, maxUnavailable=unavailable)
    template = core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels={"a": "b"}), spec=core_v1.PodSpec(containers=[], **pod_spec)
    )
    notes = {"deprecated.daemonset.template.generation": "7"}
    return apps_v1.DaemonSet(
        metadata=meta_v1.ObjectMeta(name="d", namespace="n", uid="d", generation=9, annotations=notes),
        spec=apps_v1.DaemonSetSpec(
            template=template,
            minReadySeconds=min_ready,
            updateStrategy=apps_v1.DaemonSetUpdateStrategy(type=update, rollingUpdate=rolling),
        ),
    )


def node(name: str, *taints: tuple[str, str], cordoned: bool = False, **labels: str) -> core_v1.Node:
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name, labels=labels),
        spec=core_v1.NodeSpec(
            taints=[core_v1.Taint(key=k, effect=e) for k, e in taints] or None, unschedulable=cordoned or None
        ),
    )


def on(where: str, name: str = "", digest: str = NEW, **how: Any) -> core_v1.Pod:
    how.setdefault("ready", 99)
    return pod(name or f"{where}-{digest}", node=where, labels={HASH_LABEL: digest}, **how)


RUN, STAY, AWAY = Place(True, True), Place(False, True), Place(False, False)


def only(key: str, value: str) -> core_v1.Affinity:
    term = core_v1.NodeSelectorTerm(
        matchExpressions=[core_v1.NodeSelectorRequirement(key=key, operator="In", values=[value])]
    )
    required = core_v1.NodeSelector(nodeSelectorTerms=[term])
    return core_v1.Affinity(nodeAffinity=core_v1.NodeAffinity(requiredDuringSchedulingIgnoredDuringExecution=required))


@pytest.mark.parametrize(
    ("found", "where", "expected"),
    [
        (daemon(), node("n"), RUN),
        (daemon(), node("n", cordoned=True), RUN),
        (daemon(), node("n", ("node.kubernetes.io/not-ready", "NoExecute")), RUN),
        (daemon(), node("n", ("node.kubernetes.io/disk-pressure", "NoSchedule")), RUN),
        (daemon(), node("n", ("mine", "NoSchedule")), STAY),
        (daemon(), node("n", ("mine", "NoExecute")), AWAY),
        (daemon(), node("n", ("mine", "PreferNoSchedule")), RUN),
        (daemon(tolerations=[core_v1.Toleration(operator="Exists")]), node("n", ("mine", "NoExecute")), RUN),
        (daemon(), node("n", ("node.kubernetes.io/network-unavailable", "NoSchedule")), STAY),
        (daemon(hostNetwork=True), node("n", ("node.kubernetes.io/network-unavailable", "NoSchedule")), RUN),
        (daemon(nodeSelector={"gpu": "yes"}), node("n"), AWAY),
        (daemon(nodeSelector={"gpu": "yes"}), node("n", gpu="yes"), RUN),
        (daemon(affinity=only("zone", "a")), node("n", zone="b"), AWAY),
        (daemon(affinity=only("zone", "a")), node("n", zone="a"), RUN),
        (daemon(nodeName="other"), node("n"), AWAY),
    ],
)
def test_where_it_belongs(found: Any, where: Any, expected: Place) -> None:
    assert places(found, [where]) == {"n": expected}


@pytest.mark.parametrize(
    ("found", "nodes", "pods", "create", "delete", "ended"),
    [
        (daemon(), [node("n")], [], ["n"], [], []),
        (daemon(), [node("n"), node("m")], [on("m")], ["n"], [], []),
        (daemon(), [node("n")], [on("n", going=True)], [], [], []),  # it has to be gone first
        (daemon(), [node("n")], [on("n", going=True, phase="Failed")], ["n"], [], []),
        (daemon(), [node("n")], [on("n", phase="Failed")], [], [], ["n-new"]),
        (daemon(), [node("n")], [on("n", phase="Succeeded")], [], [], ["n-new"]),
        (daemon(), [node("n")], [on("n", "late", age=1), on("n", "early", age=9)], [], ["late"], []),
        (daemon(), [node("n", ("mine", "NoExecute"))], [on("n")], [], ["n-new"], []),
        (daemon(), [node("n", ("mine", "NoSchedule"))], [on("n")], [], [], []),
        (daemon(), [node("n", ("mine", "NoSchedule"))], [], [], [], []),
        (daemon(), [], [on("lost")], [], [], []),  # for the Pod garbage collector
        # with surge an old and a new Pod may be side by side until the new one works
        (daemon(surge=1), [node("n")], [on("n", digest=OLD), on("n", ready=None)], [], [], []),
        (daemon(surge=1), [node("n")], [on("n", digest=OLD), on("n")], [], ["n-old"], []),
        (daemon(surge=1), [node("n")], [on("n", digest=OLD, ready=None), on("n", ready=None)], [], ["n-old"], []),
        (daemon(surge=1, min_ready=60), [node("n")], [on("n", digest=OLD), on("n", ready=9)], [], [], []),
        (daemon(surge=1), [node("n")], [on("n", "x", age=9), on("n", "y", age=1)], [], ["y"], []),
    ],
)
def test_one_on_each_node(
    found: Any, nodes: list[Any], pods: list[Any], create: list[str], delete: list[str], ended: list[str]
) -> None:
    decided = manage(found, places(found, nodes), placed_pods(pods), Newest(NEW), NOW)
    assert (decided.create, names(decided.delete), names(decided.ended)) == (create, delete, ended)


def test_a_pod_for_a_node_that_is_no_more_goes_before_it_is_placed() -> None:
    waiting = make_pod(daemon(), "lost", NEW)
    waiting.metadata.name = "w"
    assert node_of(waiting) == "lost"
    assert names(manage(daemon(), {}, placed_pods([waiting]), Newest(NEW), NOW).delete) == ["w"]


@pytest.mark.parametrize(
    ("found", "desired", "expected"),
    [
        (daemon(), 10, Fence(0, 1)),
        (daemon(unavailable="25%"), 10, Fence(0, 3)),
        (daemon(unavailable=0, surge="10%"), 11, Fence(2, 0)),
        (daemon(unavailable=0, surge=0), 10, Fence(0, 1)),
    ],
)
def test_how_far_an_update_may_go(found: Any, desired: int, expected: Fence) -> None:
    assert fence(found, desired) == expected


NODES = [node("a"), node("b"), node("c")]


@pytest.mark.parametrize(
    ("found", "pods", "create", "delete"),
    [
        (daemon(), [on("a", digest=OLD), on("b", digest=OLD), on("c")], [], ["a-old"]),
        (daemon(), [on("a", digest=OLD), on("b", digest=OLD), on("c", ready=None)], [], []),
        (daemon(), [on("a", digest=OLD, ready=None), on("b", digest=OLD), on("c", ready=None)], [], ["a-old"]),
        (daemon(), [on("a", digest=OLD, going=True), on("b", digest=OLD), on("c")], [], []),
        (
            daemon(unavailable=2),
            [on("a", digest=OLD), on("b", digest=OLD), on("c", digest=OLD)],
            [],
            ["a-old", "b-old"],
        ),
        (daemon(min_ready=60), [on("a", digest=OLD), on("b"), on("c", ready=9)], [], []),
        (daemon(update="OnDelete"), [on("a", digest=OLD)], [], []),
        (daemon(), [on("a"), on("b"), on("c")], [], []),
        # with surge: new ones beside the old ones
        (daemon(surge=1, unavailable=0), [on("a", digest=OLD), on("b", digest=OLD), on("c", digest=OLD)], ["a"], []),
        (
            daemon(surge=1, unavailable=0),
            [on("a", digest=OLD), on("a", ready=None), on("b", digest=OLD), on("c", digest=OLD)],
            [],
            [],
        ),
        (
            daemon(surge=1, unavailable=0),
            [on("a", digest=OLD), on("a"), on("b", digest=OLD), on("c", digest=OLD)],
            ["b"],
            ["a-old"],
        ),
        (
            daemon(surge=1, unavailable=0),
            [on("a", digest=OLD), on("a", ready=None), on("b", digest=OLD, ready=None), on("c", digest=OLD)],
            ["b"],  # an old one that does not work is replaced at once
            [],
        ),
    ],
)
def test_the_next_step_of_an_update(found: Any, pods: list[Any], create: list[str], delete: list[str]) -> None:
    decided = roll(found, places(found, NODES), placed_pods(pods), Newest(NEW), NOW)
    assert (decided.create, names(decided.delete)) == (create, delete)


def test_a_surging_pod_leaves_its_node_when_another_stands_in() -> None:
    found = daemon(surge=1, unavailable=0, nodeSelector={"x": "y"})
    nodes = [node("a"), node("b", x="y")]
    pods = [on("a", digest=OLD), on("b", ready=None)]
    assert names(roll(found, places(found, nodes), placed_pods(pods), Newest(NEW), NOW).delete) == []
    pods = [on("a", digest=OLD), on("b")]
    assert names(roll(found, places(found, nodes), placed_pods(pods), Newest(NEW), NOW).delete) == ["a-old"]


def test_status() -> None:
    nodes = [*NODES, node("d", ("mine", "NoSchedule")), node("e")]
    pods = [on("a"), on("b", digest=OLD, ready=None), on("d"), on("e", "young", age=1), on("e", "first", OLD, age=9)]
    status = status_of(daemon(), places(daemon(), nodes), placed_pods(pods), Newest(NEW), NOW)
    assert (status.desiredNumberScheduled, status.currentNumberScheduled, status.numberMisscheduled) == (4, 3, 1)
    assert (status.numberReady, status.numberAvailable, status.numberUnavailable) == (2, 2, 2)
    assert (status.updatedNumberScheduled, status.observedGeneration) == (1, 9)


def test_its_pod() -> None:
    made = make_pod(daemon(affinity=only("zone", "a")), "n1", NEW)
    assert made.metadata.labels == {"a": "b", "controller-revision-hash": NEW, "pod-template-generation": "7"}
    assert made.metadata.generateName == "d-"
    required = made.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution  # type: ignore[union-attr]
    assert required is not None
    (term,) = required.nodeSelectorTerms
    assert [(e.key, e.values) for e in term.matchExpressions or ()] == [("zone", ["a"])]
    assert [(f.key, f.values) for f in term.matchFields or ()] == [("metadata.name", ["n1"])]
    assert len(made.spec.tolerations or ()) == 6


def test_a_pod_is_of_the_present_template_by_its_hash_or_by_the_number_that_the_server_counts() -> None:
    made = make_pod(daemon(), "n1", OLD)  # of template 7
    assert is_updated(made, Newest(OLD, "8"))
    assert is_updated(made, Newest(NEW, "7"))
    assert not is_updated(made, Newest(NEW, "8"))
    assert not is_updated(on("n", digest=OLD), Newest(NEW))
