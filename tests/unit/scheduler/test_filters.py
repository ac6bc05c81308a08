"""Each filter by table: what a node's state and a Pod's wish come to, in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import Profile
from sampan.scheduler.filtering import LocalJudge
from tests.unit.scheduler.objects import info, node, node_info, scheduler

TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
TOLERATION = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
TAINTED = "node(s) had untolerated taint(s)"
NOT_CHOSEN = "node(s) didn't match Pod's node affinity/selector"
judge_alone = LocalJudge(Profile(), NodeCache()).refusal
GPU = {"key": "gpu", "operator": "In", "values": ["true"]}


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


@pytest.mark.parametrize(
    ("on", "wish", "running", "reasons"),
    [
        ({}, {}, [], ()),
        ({"unschedulable": True}, {}, [], ("node(s) were unschedulable",)),
        (
            {"unschedulable": True},
            {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]},
            [],
            (),
        ),
        ({}, {"nodeName": "other"}, [], ("node(s) didn't match the requested node name",)),
        ({"taints": [TAINT]}, {}, [], (TAINTED,)),
        ({"taints": [TAINT]}, {"tolerations": [TOLERATION]}, [], ()),
        ({"taints": [TAINT]}, {"tolerations": [{"operator": "Exists"}]}, [], ()),
        ({"taints": [TAINT]}, {"tolerations": [TOLERATION | {"value": "x"}]}, [], (TAINTED,)),
        ({"taints": [TAINT | {"effect": "PreferNoSchedule"}]}, {}, [], ()),
        ({}, {"nodeSelector": {"gpu": "true"}}, [], (NOT_CHOSEN,)),
        ({"labels": {"gpu": "true"}}, {"nodeSelector": {"gpu": "true"}}, [], ()),
        ({}, {"affinity": required({"matchExpressions": [GPU]})}, [], (NOT_CHOSEN,)),
        ({"labels": {"gpu": "true"}}, {"affinity": required({"matchExpressions": [GPU]})}, [], ()),
        ({}, {"affinity": required({})}, [], (NOT_CHOSEN,)),
        (
            {},
            {"affinity": required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]})},
            [],
            (),
        ),
        ({"cpu": "1"}, {"cpu": "1"}, [], ()),
        ({"cpu": "1"}, {"cpu": "1"}, [{"cpu": "1m"}], ("Insufficient cpu",)),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "2Gi"}, [], ("Insufficient cpu", "Insufficient memory")),
        ({"pods": 1}, {}, [{}], ("Too many pods",)),
        (
            {},
            {"ports": [{"containerPort": 80, "hostPort": 80}]},
            [{"ports": [{"containerPort": 80, "hostPort": 80, "hostIP": "127.0.0.1"}]}],
            ("node(s) didn't have free ports for the requested pod ports",),
        ),
        (
            {},
            {"ports": [{"containerPort": 80, "hostPort": 80, "hostIP": "127.0.0.2"}]},
            [{"ports": [{"containerPort": 80, "hostPort": 80, "hostIP": "127.0.0.1"}]}],
            (),
        ),
    ],
)  # fmt: skip
def test_filters_of_one_node(
    on: dict[str, Any], wish: dict[str, Any], running: list[dict[str, Any]], reasons: tuple[str, ...]
) -> None:
    there = [info(f"r{at}", **each) for at, each in enumerate(running)]
    refusal = judge_alone(info(**wish), node_info(node("n", **on), *there))
    assert (refusal.reasons if refusal else ()) == reasons


@pytest.mark.parametrize(("asked", "final"), [("1", False), ("2", True)])
def test_more_than_a_node_has_is_final(asked: str, final: bool) -> None:
    refusal = judge_alone(info(cpu=asked), node_info(node(cpu="1"), info("r", cpu="1")))
    assert refusal is not None
    assert refusal.final is final


USELESS = (
    "no new claims to deallocate, preemption: 0/{0} nodes are available: {0} Preemption is not helpful for scheduling."
)


def test_the_sentence_counts_each_reason() -> None:
    made = scheduler(node("a", taints=[TAINT]), node("b", cpu="1"), node("c", cpu="1"))
    assert made.decide(info(cpu="3")).message == (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. " + USELESS.format(3)
    )


def test_no_nodes_at_all() -> None:
    assert scheduler().decide(info()).message == "no nodes available to schedule pods"


def test_a_missing_claim() -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    said = scheduler(node()).decide(info(volumes=[volume])).message
    assert said == '0/1 nodes are available: persistentvolumeclaim "c" not found. not found'


def term(app: str, key: str = "kubernetes.io/hostname") -> dict[str, Any]:
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}


def between(kind: str, *terms: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


@pytest.mark.parametrize(
    ("wish", "running", "reason"),
    [
        ({"affinity": between("podAffinity", term("web"))}, {}, "node(s) didn't match pod affinity rules"),
        ({"affinity": between("podAffinity", term("web"))}, {"labels": {"app": "web"}}, ""),
        ({"affinity": between("podAffinity", term("me")), "labels": {"app": "me"}}, {}, ""),
        (
            {"affinity": between("podAntiAffinity", term("web"))},
            {"labels": {"app": "web"}},
            "node(s) didn't match pod anti-affinity rules",
        ),
        (
            {"labels": {"app": "me"}},
            {"affinity": between("podAntiAffinity", term("me"))},
            "node(s) didn't satisfy existing pods anti-affinity rules",
        ),
    ],
)
def test_between_pods(wish: dict[str, Any], running: dict[str, Any], reason: str) -> None:
    made = scheduler(node("a"))
    made.world.cache.assume(info("r", **running), "a")
    decision = made.decide(info(**wish))
    assert (decision.node, f"1 {reason}." in decision.message) == (("", True) if reason else ("a", False))


def test_affinity_terms_are_met_by_one_pod_not_by_two() -> None:
    made = scheduler(node("a"))
    made.world.cache.assume(info("x", labels={"app": "web"}), "a")
    made.world.cache.assume(info("y", labels={"tier": "db"}), "a")
    other = {"labelSelector": {"matchLabels": {"tier": "db"}}, "topologyKey": "kubernetes.io/hostname"}
    both = info(affinity=between("podAffinity", term("web"), other))
    assert made.decide(both).node == ""


def test_spread_keeps_the_skew() -> None:
    spread = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "w"}},
    }
    made = scheduler(node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"}, cpu="2"), node("c"))
    made.world.cache.assume(info("r", labels={"app": "w"}), "a")
    small = info("s", labels={"app": "w"}, topologySpreadConstraints=[spread])
    assert made.decide(small).node == "b"
    big = info("t", cpu="3", labels={"app": "w"}, topologySpreadConstraints=[spread])
    assert made.decide(big).message.startswith(
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints, "
        "1 node(s) didn't match pod topology spread constraints (missing required label). "
    )
