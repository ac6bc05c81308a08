"""Each score by table, and what the weighted sum leads to."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types import core_v1, meta_v1
from sampan.scheduler.config import Profile
from sampan.scheduler.plugins import image_locality, node_affinity, node_resources, taint_toleration
from sampan.scheduler.scoring import reversed_, scaled, spanned
from tests.unit.scheduler.objects import info, node, node_info, scheduler

MB = 1024 * 1024


@pytest.mark.parametrize(
    ("strategy", "cpu", "memory", "score"),
    [
        ("LeastAllocated", "1", "2Gi", 75),
        ("LeastAllocated", "4", "8Gi", 0),
        ("LeastAllocated", "2", "8Gi", 25),
        ("MostAllocated", "1", "2Gi", 25),
        ("MostAllocated", "4", "8Gi", 100),
        ("RequestedToCapacityRatio", "2", "4Gi", 50),
    ],
)
def test_resources(strategy: str, cpu: str, memory: str, score: int) -> None:
    profile = Profile(strategy=strategy)
    assert node_resources.score_node(info(cpu=cpu, memory=memory), node_info(), profile) == score


@pytest.mark.parametrize(("cpu", "memory", "score"), [("2", "4Gi", 100), ("4", "4Gi", 75), ("1", "6Gi", 75)])
def test_balance(cpu: str, memory: str, score: int) -> None:
    assert node_resources.balance_score(info(cpu=cpu, memory=memory), node_info(), ("cpu", "memory")) == score


def test_pods_without_requests_are_not_drawn_to_balanced_nodes() -> None:
    assert node_resources.balance_score(info(), node_info(), ("cpu", "memory")) == 0


@pytest.mark.parametrize(
    ("shape", "cpu", "score"),
    [
        ([(0, 0), (100, 10)], "1", 25),
        ([(0, 10), (100, 0)], "1", 75),
        ([(0, 0), (50, 10), (100, 5)], "3", 75),
        ([(20, 3), (80, 9)], "4", 90),
    ],
)
def test_a_shape_of_ones_own(shape: list[tuple[int, int]], cpu: str, score: int) -> None:
    profile = Profile(strategy="RequestedToCapacityRatio", shape=shape, resource_weights={"cpu": 1})
    assert node_resources.score_node(info(cpu=cpu), node_info(), profile) == score


def test_special_resources_count_for_those_who_ask_for_them() -> None:
    profile = Profile(strategy="MostAllocated", resource_weights={"cpu": 1, "example.com/gpu": 3})
    made = node_info(node())
    made.allocatable["example.com/gpu"] = 4
    asks = {
        "containers": [{"name": "a", "image": "b", "resources": {"requests": {"cpu": "1", "example.com/gpu": "4"}}}]
    }
    assert node_resources.score_node(info(cpu="1"), made, profile) == 25
    assert node_resources.score_node(info(**asks), made, profile) == (25 + 3 * 100) // 4


@pytest.mark.parametrize(
    ("size", "having", "score"), [(10 * MB, 2, 0), (1000 * MB, 2, 100), (2000 * MB, 2, 100), (1000 * MB, 1, 48)]
)
def test_images(size: int, having: int, score: int) -> None:
    made = node_info(node(images=[{"names": ["busybox:latest"], "sizeBytes": size}]))
    assert image_locality.score_node(info(), made, {"busybox:latest": having}, 2) == score


def test_soft_taints_count_unless_tolerated() -> None:
    made = node_info(node(taints=[{"key": "a", "effect": "PreferNoSchedule"}, {"key": "b", "effect": "NoSchedule"}]))
    assert taint_toleration.score_node(info(), made) == 1
    assert taint_toleration.score_node(info(tolerations=[{"key": "a", "operator": "Exists"}]), made) == 0


def prefers(**weights: int) -> dict[str, Any]:
    terms = [
        {"weight": w, "preference": {"matchExpressions": [{"key": k, "operator": "Exists"}]}}
        for k, w in weights.items()
    ]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


def test_preferred_terms_add_up() -> None:
    made = node_info(node(labels={"ssd": "", "gpu": ""}))
    assert node_affinity.score_node(info(affinity=prefers(ssd=5, gpu=10, tape=50)), made) == 15


def test_normalising() -> None:
    assert scaled([0, 5, 10]) == [0, 50, 100]
    assert reversed_([0, 1, 2]) == [100, 50, 0]
    assert reversed_([0, 0]) == [100, 100]
    assert spanned([-10, 0, 10]) == [0, 50, 100]
    assert spanned([7, 7]) == [0, 0]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"cpu": "1"}, "empty"),
        ({"cpu": "1", "affinity": prefers(ssd=100)}, "busy"),
    ],
)
def test_the_sum_decides(wish: dict[str, Any], expected: str) -> None:
    made = scheduler(node("busy", labels={"ssd": ""}), node("empty"))
    made.world.cache.assume(info("r", cpu="1", memory="1Gi"), "busy")
    assert made.decide(info(**wish)).node == expected


def test_a_soft_taint_is_avoided_while_there_is_room_elsewhere() -> None:
    soft = node("soft", taints=[{"key": "a", "effect": "PreferNoSchedule"}])
    assert scheduler(soft, node("hard")).decide(info()).node == "hard"
    assert scheduler(soft).decide(info()).node == "soft"


def spread_scores(wish: dict[str, Any], there: dict[str, int], *nodes: core_v1.Node) -> list[int]:
    """On nodes with so many Pods `app: w` each."""
    made = scheduler(*nodes)
    for name, count in there.items():
        for at in range(count):
            made.world.cache.assume(info(f"{name}-{at}", labels={"app": "w"}), name)
    shape = made.shapes.of(info("new", labels={"app": "w"}, **wish), None)
    assert shape.spread is not None
    return shape.spread.scores([made.world.cache.nodes[n.metadata.name or ""] for n in nodes])


def soft(key: str, skew: int = 1) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "w"}}
    return {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector}


def test_soft_spreading_likes_the_emptier_domain_and_nodes_without_the_key_least() -> None:
    wish = {"topologySpreadConstraints": [soft("zone")]}
    nodes = node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"}), node("c")
    assert spread_scores(wish, {"a": 3, "b": 1}, *nodes) == [25, 100, 0]


def test_the_fuller_of_two_nodes_in_the_emptier_zone() -> None:
    wish = {"topologySpreadConstraints": [soft("zone"), soft("kubernetes.io/hostname")]}
    nodes = node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"}), node("c", labels={"zone": "2"})
    a, b, c = spread_scores(wish, {"a": 4, "b": 2}, *nodes)
    assert c > b > a


def test_the_default_constraints_do_not_ask_for_zones() -> None:
    made = scheduler(node("a"), node("b"))
    made.world.default_selector = lambda _: meta_v1.LabelSelector(matchLabels={"app": "w"})
    for at in range(3):
        made.world.cache.assume(info(f"r{at}", labels={"app": "w"}), "a")
    assert made.decide(info(labels={"app": "w"})).node == "b"
