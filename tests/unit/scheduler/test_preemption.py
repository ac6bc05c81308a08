"""Who has to go for a more important Pod, and on which node."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.types import policy_v1
from sampan.scheduler.nominations import Nominations
from sampan.scheduler.pod_info import PodInfo
from tests.unit.scheduler.objects import info, node, scheduler
from tests.unit.scheduler.test_filters import between, term


def budget(allowed: int, selector: dict[str, Any] | None = None, **status: Any) -> policy_v1.PodDisruptionBudget:
    chosen = {"matchLabels": {"app": "w"}} if selector is None else selector
    return msgspec.convert(
        {
            "metadata": {"name": "b", "namespace": "default"},
            "spec": {"selector": chosen},
            "status": {
                "disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, **status
            },
        },
        policy_v1.PodDisruptionBudget,
    )  # fmt: skip


def chosen(
    pod: PodInfo, running: dict[str, list[PodInfo]], *budgets: policy_v1.PodDisruptionBudget
) -> tuple[str, set[str]]:
    made = scheduler(*(node(name, cpu="2") for name in running), budgets=budgets)
    for name, pods in running.items():
        for each in pods:
            made.world.cache.assume(each, name)
    decision = made.decide(pod)
    assert not decision.node
    found = decision.preempt
    return (found.node, {v.name for v in found.victims}) if found else ("", set())


BIG: dict[str, Any] = {"cpu": "2", "priority": 100}


def test_the_least_important_goes_and_whoever_may_stay_stays() -> None:
    there = [info("low", cpu="1", priority=1), info("mid", cpu="1", priority=5)]
    assert chosen(info(cpu="1", priority=100), {"a": there}) == ("a", {"low"})
    assert chosen(info(**BIG), {"a": there}) == ("a", {"low", "mid"})


def test_equals_and_betters_never_go() -> None:
    assert chosen(info(cpu="1", priority=5), {"a": [info("r", cpu="2", priority=5)]}) == ("", set())
    assert chosen(info(cpu="1", priority=5), {"a": [info("r", cpu="2", priority=6)]}) == ("", set())


def test_preemption_policy_never() -> None:
    assert chosen(info(preemptionPolicy="Never", **BIG), {"a": [info("r", cpu="2")]}) == ("", set())


def test_the_node_with_the_least_important_victim() -> None:
    running = {"a": [info("x", cpu="2", priority=9)], "b": [info("y", cpu="2", priority=3)]}
    assert chosen(info(**BIG), running) == ("b", {"y"})


def test_the_one_that_started_last() -> None:
    old = info("old", cpu="2", status={"startTime": "2026-01-01T00:00:00Z"})
    young = info("young", cpu="2", status={"startTime": "2026-01-02T00:00:00Z"})
    assert chosen(info(**BIG), {"a": [old], "b": [young]}) == ("b", {"young"})


def test_budgets_outweigh_priority_but_do_not_forbid() -> None:
    kept = info("kept", cpu="2", priority=1, labels={"app": "w"})
    free = info("free", cpu="2", priority=50, labels={"app": "other"})
    assert chosen(info(**BIG), {"a": [kept], "b": [free]}, budget(0)) == ("b", {"free"})
    assert chosen(info(**BIG), {"a": [kept], "b": [free]}, budget(1)) == ("a", {"kept"})
    assert chosen(info(**BIG), {"a": [kept]}, budget(0)) == ("a", {"kept"})


def test_a_budget_without_selector_and_pods_already_leaving_do_not_count() -> None:
    kept = info("kept", cpu="2", priority=1, labels={"app": "w"})
    free = info("free", cpu="2", priority=50)
    running = {"a": [kept], "b": [free]}
    assert chosen(info(**BIG), running, budget(0, {})) == ("a", {"kept"})
    leaving = budget(0, disruptedPods={"kept": "2026-01-01T00:00:00Z"})
    assert chosen(info(**BIG), running, leaving) == ("a", {"kept"})


def test_room_made_for_somebody_is_not_taken_by_others() -> None:
    made = scheduler(node("a", cpu="2"))
    made.world.nominated.put(info("guest", cpu="2", priority=50), "a")
    decision = made.decide(info("late", cpu="1", priority=10))
    assert (decision.node, decision.preempt) == ("", None)
    assert made.decide(info("vip", cpu="1", priority=90)).node == "a"


def test_beside_a_guest_and_small_fry_nobody_dies_in_vain() -> None:
    made = scheduler(node("a", cpu="2"))
    made.world.cache.assume(info("tiny", cpu="1m"), "a")
    made.world.nominated.put(info("guest", cpu="1900m", priority=50), "a")
    decision = made.decide(info("late", cpu="1", priority=10))
    assert (decision.node, decision.preempt) == ("", None)


def test_messages() -> None:
    made = scheduler(node("a", cpu="2"))
    made.world.cache.assume(info("r", cpu="2", priority=5), "a")
    assert made.decide(info(**BIG)).message == "0/1 nodes are available: 1 Insufficient cpu."
    assert made.decide(info(cpu="1", priority=5)).message == (
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are "
        "available: 1 No preemption victims found for incoming pod."
    )


def test_room_is_not_kept_in_vain() -> None:
    made = scheduler(node("a", cpu="2"))
    made.world.cache.assume(info("r", cpu="2", priority=5), "a")
    assert made.decide(info(cpu="1", priority=5)).hopeless
    assert not made.decide(info(**BIG)).hopeless


def test_anti_affinity_is_solved_by_removing_who_is_in_the_way() -> None:
    away = {"affinity": between("podAntiAffinity", term("web"))}
    web = info("web", labels={"app": "web"}, priority=1)
    other = info("other", labels={"app": "other"}, priority=1)
    assert chosen(info(priority=9, **away), {"a": [web, other]}) == ("a", {"web"})
    guarded = info("guarded", priority=1, affinity=between("podAntiAffinity", term("vip")))
    assert chosen(info(priority=9, labels={"app": "vip"}), {"a": [guarded, other]}) == ("a", {"guarded"})


def test_anti_affinity_of_a_pod_on_another_node_of_the_zone_is_not_solved_here() -> None:
    made = scheduler(node("a", labels={"zone": "1"}), node("b", labels={"zone": "1"}))
    made.world.cache.assume(info("web", labels={"app": "web"}, priority=1), "a")
    made.world.cache.assume(info("small", priority=1), "b")
    decision = made.decide(info(priority=9, affinity=between("podAntiAffinity", term("web", "zone"))))
    assert decision.preempt is not None
    assert (decision.preempt.node, [v.name for v in decision.preempt.victims]) == ("a", ["web"])


def test_a_skew_is_solved_by_removing_pods_of_the_fuller_domain() -> None:
    constraint = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "w"}},
    }
    made = scheduler(node("a"), node("b", taints=[{"key": "t", "effect": "NoSchedule"}]))
    made.world.cache.assume(info("w1", labels={"app": "w"}, priority=1), "a")
    made.world.cache.assume(info("other", labels={"app": "x"}, priority=1), "a")
    decision = made.decide(info(priority=9, labels={"app": "w"}, topologySpreadConstraints=[constraint]))
    assert decision.preempt is not None
    assert [v.name for v in decision.preempt.victims] == ["w1"]


def test_trying_out_leaves_nothing_behind() -> None:
    made = scheduler(node("a", cpu="2"))
    made.world.cache.assume(info("web", cpu="2", labels={"app": "web"}, priority=1), "a")
    wish = {"cpu": "1", "affinity": between("podAntiAffinity", term("web"))}
    first = made.decide(info(priority=9, **wish))
    assert first.preempt is not None
    assert made.decide(info(priority=9, **wish)).preempt is not None
    made.world.cache.remove_pod("web")
    assert made.decide(info(priority=9, **wish)).node == "a"


def test_pods_of_one_shape_are_told_the_same_without_another_look() -> None:
    made = scheduler(*(node(f"n{at}", cpu="1") for at in range(5)))
    first, second = made.decide(info("p", cpu="3")), made.decide(info("q", cpu="3"))
    assert first is second
    made.world.cache.set_node(node("n9", cpu="4"))
    assert made.decide(info("q", cpu="3")).node == "n9"
    assert made.decide(info("vip", cpu="3", priority=5)) is not first


def test_one_nomination_a_pod_and_guests_by_importance() -> None:
    nominations = Nominations()
    nominations.put(info("g", priority=5), "a")
    nominations.put(info("g", priority=5), "b")
    nominations.put(info("h", priority=1), "b")
    assert nominations.guests_before(info("p", priority=3), "a") == []
    assert [g.name for g in nominations.guests_before(info("p", priority=3), "b")] == ["g"]
    assert [g.name for g in nominations.less_important(5, "b")] == ["h"]
    assert nominations.drop("g")
    assert not nominations.drop("g")
    assert nominations.node_of("h") == "b"


def test_special_resources_are_freed_by_who_holds_them() -> None:
    def holding(name: str, gpus: str, priority: int) -> PodInfo:
        resources = {"requests": {"example.com/gpu": gpus}}
        return info(name, priority=priority, containers=[{"name": "a", "image": "b", "resources": resources}])

    made = scheduler(node("a"))
    made.world.cache.nodes["a"].allocatable["example.com/gpu"] = 2
    made.world.cache.assume(holding("one", "1", 1), "a")
    made.world.cache.assume(holding("two", "1", 2), "a")
    made.world.cache.assume(info("none", priority=0), "a")
    decision = made.decide(holding("vip", "1", 9))
    assert decision.preempt is not None
    assert [v.name for v in decision.preempt.victims] == ["one"]
