"""Whatever a cluster goes through, no decision over-commits a node or goes where a filter says no."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.api.pod_resources import number, request_numbers
from sampan.api.types import core_v1
from sampan.scheduler.pod_info import PodInfo
from tests.unit.scheduler.objects import node, pod, scheduler

NAMES = st.sampled_from(["a", "b", "c"])
ZONES = st.sampled_from(["1", "2"])
CPUS = st.sampled_from(["500m", "1", "2"])


@st.composite
def nodes(draw: st.DrawFn) -> core_v1.Node:
    taints = [{"key": "t", "effect": "NoSchedule"}] if draw(st.integers(0, 3)) == 0 else []
    pods = draw(st.integers(1, 4))
    return node(draw(NAMES), cpu=draw(CPUS), pods=pods, labels={"zone": draw(ZONES)}, taints=taints)


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    wish: dict[str, Any] = {"cpu": draw(CPUS)}
    if draw(st.booleans()):
        resources = {"requests": {"cpu": draw(CPUS)}}
        container = {"name": "b", "image": "busybox", "resources": resources}
        wish["initContainers" if draw(st.booleans()) else "extra"] = [container]
    if draw(st.booleans()):
        wish["nodeSelector"] = {"zone": draw(ZONES)}
    if draw(st.booleans()):
        wish["tolerations"] = [{"operator": "Exists"}]
    if draw(st.integers(0, 5)) == 0:
        away = {"labelSelector": {"matchLabels": {"app": "w"}}, "topologyKey": "kubernetes.io/hostname"}
        wish["labels"] = {"app": "w"}
        wish["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [away]}}
    return wish


STEPS = st.one_of(
    st.tuples(st.just("node"), nodes()),
    st.tuples(st.just("node gone"), NAMES),
    st.tuples(st.just("pod"), wishes()),
    st.tuples(st.just("pod"), wishes()),
    st.tuples(st.just("pod gone"), st.integers(0, 20)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_no_placement_breaks_a_rule(steps: list[tuple[str, Any]]) -> None:
    made = scheduler()
    cache = made.world.cache
    known: dict[str, core_v1.Node] = {}
    placed: dict[str, tuple[core_v1.Pod, str]] = {}
    for at, (what, value) in enumerate(steps):
        if what == "node":
            known[value.metadata.name] = value
            cache.set_node(value)
        elif what == "node gone":
            known.pop(value, None)
            cache.remove_node(value)
            for uid in [uid for uid, (_, on) in placed.items() if on == value]:
                del placed[uid]
                cache.remove_pod(uid)
        elif what == "pod gone" and placed:
            uid = sorted(placed)[value % len(placed)]
            del placed[uid]
            cache.remove_pod(uid)
        elif what == "pod":
            wish = {k: v for k, v in value.items() if k != "extra"}
            newcomer = pod(f"p{at}", **wish)
            if "extra" in value:
                newcomer.spec.containers += pod("x", containers=value["extra"]).spec.containers
            decision = made.decide(PodInfo(newcomer))
            good = [n for n in known if allowed(newcomer, known[n], [p for p, on in placed.values() if on == n])]
            assert (decision.node in good) if good else decision.node == ""
            if decision.node:
                cache.assume(PodInfo(newcomer), decision.node)
                placed[f"p{at}"] = (newcomer, decision.node)


def allowed(newcomer: core_v1.Pod, on: core_v1.Node, there: list[core_v1.Pod]) -> bool:
    """The rules once more, the slow and plain way."""
    amounts = on.status.allocatable or {}
    cpu = sum(request_numbers(p).get("cpu", 0) for p in [*there, newcomer])
    if cpu > number("cpu", amounts["cpu"]) or len(there) >= int(amounts["pods"]):
        return False
    if on.spec.taints and not newcomer.spec.tolerations:
        return False
    labels = on.metadata.labels or {}
    if any(labels.get(k) != v for k, v in (newcomer.spec.nodeSelector or {}).items()):
        return False
    apart = (newcomer.metadata.labels or {}).get("app") == "w"
    return not (apart and any((p.metadata.labels or {}).get("app") == "w" for p in there))
