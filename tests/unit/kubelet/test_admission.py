"""The last check at the node."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.kubelet.admission import NodeAdmission, requests
from tests.unit.kubelet.pods import make_pod

ROOM = {"cpu": "2", "memory": "1Gi", "pods": "3"}
NODE = NodeAdmission({"disk": "ssd"}, ROOM, ["kernel.msg*"])


def asking(cpu: str = "0", memory: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "containers": [{"name": "a", "image": "i", "resources": {"requests": {"cpu": cpu, "memory": memory}}}],
        **more,
    }


def porting(port: int, **more: Any) -> dict[str, Any]:
    ports = [{"containerPort": 80, "hostPort": port, **more}]
    return {"containers": [{"name": "a", "image": "i", "ports": ports}]}


def sysctl(name: str) -> dict[str, Any]:
    return {"securityContext": {"sysctls": [{"name": name, "value": "1"}]}}


ROWS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str, str]] = {
    "fits": (asking("1"), [asking("1")], "", ""),
    "cpu": (
        asking("1500m"),
        [asking("1")],
        "OutOfcpu",
        "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
    ),
    "memory": (
        asking(memory="1Gi"),
        [asking(memory="1Mi")],
        "OutOfmemory",
        f"Node didn't have enough resource: memory, requested: {1 << 30}, used: {1 << 20}, capacity: {1 << 30}",
    ),
    "pods": (
        {},
        [{}, {}, {}],
        "OutOfpods",
        "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
    ),
    "what only the scheduler counts": (
        {"containers": [{"name": "a", "image": "i", "resources": {"requests": {"example.com/gpu": "1"}}}]},
        [],
        "",
        "",
    ),
    "selector": (
        {"nodeSelector": {"disk": "hdd"}},
        [],
        "NodeAffinity",
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ),
    "another system": (
        {"os": {"name": "windows"}},
        [],
        "PodOSNotSupported",
        "Failed to admit pod as the OS field doesn't match node OS",
    ),
    "this system": ({"os": {"name": "linux"}, "nodeSelector": {"disk": "ssd"}}, [], "", ""),
    "selects another system": (
        {"nodeSelector": {"kubernetes.io/os": "windows"}},
        [],
        "PodOSSelectorNodeLabelDoesNotMatch",
        "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    ),
    "selector fits": ({"nodeSelector": {"disk": "ssd"}}, [], "", ""),
    "port": (
        porting(8080),
        [porting(8080)],
        "NodePorts",
        "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    ),
    "port of another protocol": (porting(8080, protocol="UDP"), [porting(8080)], "", ""),
    "port of another address": (porting(8080, hostIP="10.0.0.1"), [porting(8080, hostIP="10.0.0.2")], "", ""),
    "unsafe sysctl": (
        sysctl("kernel.shmmax"),
        [],
        "SysctlForbidden",
        'forbidden sysctl: "kernel.shmmax" not allowlisted',
    ),
    "safe sysctl": (sysctl("net.ipv4.tcp_syncookies"), [], "", ""),
    "allowed sysctl": (sysctl("kernel.msgmax"), [], "", ""),
}


@pytest.mark.parametrize("name", ROWS)
def test_admission(name: str) -> None:
    spec, others, reason, message = ROWS[name]
    verdict = NODE.admit(make_pod(spec), [make_pod(o) for o in others])
    if not reason:
        assert verdict is None
        return
    assert verdict is not None
    assert (verdict.reason, verdict.message, verdict.rejected) == (reason, message, True)


def test_what_a_pod_asks_for_is_the_most_at_one_time() -> None:
    def part(name: str, cpu: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "image": "i", "resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "initContainers": [part("big", "3"), part("side", "1", restartPolicy="Always"), part("late", "1500m")],
        "containers": [part("a", "500m"), part("b", "500m")],
        "overhead": {"cpu": "100m"},
    }
    assert requests(make_pod(spec))["cpu"] == 3100


def test_a_resize_may_wait_or_be_impossible() -> None:
    impossible = NODE.fits(make_pod(asking("3")), [])
    assert impossible is not None
    assert (impossible.type, impossible.reason) == ("PodResizePending", "Infeasible")
    later = NODE.fits(make_pod(asking("1500m")), [make_pod(asking("1"))])
    assert later is not None
    assert later.reason == "Deferred"
    assert NODE.fits(make_pod(asking("1")), [make_pod(asking("1"))]) is None


def test_what_a_scheduler_placed_is_not_judged_by_labels_that_may_be_old() -> None:
    placed = core_v1.Pod(
        spec=core_v1.PodSpec(nodeSelector={"new": "label"}),
        status=core_v1.PodStatus(conditions=[core_v1.PodCondition(type="PodScheduled", status="True")]),
    )
    by_hand = core_v1.Pod(spec=core_v1.PodSpec(nodeSelector={"new": "label"}))
    assert NODE.admit(placed, []) is None
    refused = NODE.admit(by_hand, [])
    assert refused is not None
    assert refused.reason == "NodeAffinity"
