"""Pods of one shape share a ranking of the nodes; here is what must not be mistaken for the same."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.scheduler.cache import NodeCache
from sampan.scheduler.filtering import Local, LocalJudge
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from tests.unit.scheduler.objects import info, node, pod, scheduler
from tests.unit.scheduler.test_filters import between, term


def container(name: str) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "resources": {"requests": {"cpu": "1"}}}


def test_an_init_container_is_not_one_more_that_runs() -> None:
    made = scheduler(node("a", cpu="1"))
    assert made.decide(info("i", initContainers=[container("x")], containers=[container("y")])).node == "a"
    both = info("b", containers=[container("x"), container("y")])
    assert made.decide(both).node == ""


def test_resources_of_the_whole_pod_are_part_of_the_shape() -> None:
    made = scheduler(node("a", cpu="2"))
    assert made.decide(info("small", resources={"requests": {"cpu": "1"}})).node == "a"
    assert made.decide(info("large", resources={"requests": {"cpu": "3"}})).node == ""


def test_a_node_made_anew_is_judged_anew() -> None:
    made = scheduler(node("a", cpu="4"))
    assert made.decide(info("p", cpu="2")).node == "a"
    made.world.cache.remove_node("a")
    made.world.cache.set_node(node("a", cpu="1"))
    assert made.decide(info("q", cpu="2")).node == ""


def test_a_ranking_follows_what_is_placed_and_gone() -> None:
    made = scheduler(node("a", cpu="1"), node("b", cpu="1"))
    first = made.decide(info("p0", cpu="1")).node
    made.world.cache.assume(info("p0", cpu="1"), first)
    second = made.decide(info("p1", cpu="1")).node
    assert {first, second} == {"a", "b"}
    made.world.cache.assume(info("p1", cpu="1"), second)
    assert made.decide(info("p2", cpu="1")).node == ""
    made.world.cache.remove_pod("p0")
    assert made.decide(info("p2", cpu="1")).node == first


def test_the_first_of_a_shape_that_is_bound_does_not_bind_the_others() -> None:
    made = scheduler(node("a", cpu="1"), node("b", cpu="1"))
    first = info("p0", cpu="1")
    on = made.decide(first).node
    made.world.cache.assume(first, on)
    made.world.cache.set_pod(pod("p0", cpu="1", nodeName=on))
    assert made.decide(info("p1", cpu="1")).node == ("b" if on == "a" else "a")


@pytest.mark.parametrize("wish", [{}, {"labels": {"app": "w"}, "affinity": between("podAntiAffinity", term("w"))}])
def test_a_placement_costs_one_look_at_one_node_however_many_there_are(
    wish: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    judge = LocalJudge.judge

    def counting(self: LocalJudge, pod: PodInfo, on: NodeInfo) -> Local:
        nonlocal looked
        looked += 1
        return judge(self, pod, on)

    monkeypatch.setattr(LocalJudge, "judge", counting)
    costs = []
    for size in (30, 300):
        made = scheduler(*(node(f"n{at}") for at in range(size)))
        for at in range(21):
            if at == 1:
                looked = 0  # the first of a shape looks at every node
            pod_ = info(f"p{at}", **wish)
            made.world.cache.assume(pod_, made.decide(pod_).node)
        costs.append(looked)
    assert costs == [20, 20]


def test_labels_that_nobody_asks_about_make_no_shape_of_their_own() -> None:
    made = scheduler(node("a"))
    shapes = {id(made.shapes.of(info(f"p{at}", labels={"index": str(at)}), None)) for at in range(5)}
    assert len(shapes) == 1
    made.world.cache.assume(info("r", affinity=between("podAntiAffinity", term("w"))), "a")
    assert made.decide(info("q", labels={"app": "w"})).node == ""
    assert made.decide(info("s", labels={"app": "x"})).node == "a"


def test_a_part_of_a_large_cluster_has_nodes_of_every_zone() -> None:
    cache = NodeCache()
    for at in range(6):
        cache.set_node(node(f"n{at}", labels={"topology.kubernetes.io/zone": "a" if at < 4 else "b"}))
    assert cache.ordered == ["n0", "n4", "n1", "n5", "n2", "n3"]
    cache.remove_node("n4")
    cache.set_node(node("n3", labels={"topology.kubernetes.io/zone": "b"}))
    assert cache.ordered == ["n0", "n3", "n1", "n5", "n2"]
