"""Owners, finalizers, conditions; and what Pods ask for."""

from typing import Any

import pytest

from sampan.api import meta, pod_resources
from sampan.api.types.apps_v1 import ReplicaSet
from sampan.api.types.core_v1 import Pod, PodCondition
from sampan.api.types.meta_v1 import ObjectMeta

from . import golden


def test_owners() -> None:
    owner = ReplicaSet(metadata=ObjectMeta(name="rs", uid="u1"))
    reference = meta.owner_reference(owner, api_version="apps/v1", kind="ReplicaSet")
    pod = Pod(metadata=ObjectMeta(name="p", namespace="n", ownerReferences=[reference]))
    assert meta.is_controlled_by(pod, owner)
    assert meta.is_owned_by(pod, owner)
    assert meta.controller_of(pod) is reference
    assert not meta.is_controlled_by(pod, ReplicaSet(metadata=ObjectMeta(name="rs", uid="u2")))
    assert meta.controller_of(owner) is None
    assert meta.key(pod) == "n/p"
    assert meta.split_key("n/p") == ("n", "p")
    assert meta.split_key("p") == ("", "p")


def test_finalizers() -> None:
    pod = Pod(metadata=ObjectMeta(name="p", finalizers=["a/b"]))
    assert meta.has_finalizer(pod, "a/b")
    assert meta.with_finalizer(pod, "c/d") == ["a/b", "c/d"]
    assert meta.with_finalizer(pod, "a/b") == ["a/b"]
    assert meta.without_finalizer(pod, "a/b") is None
    assert pod.metadata.finalizers == ["a/b"]


def test_conditions_move_their_transition_time_only_with_the_status() -> None:
    before = [
        PodCondition(type="Ready", status="False", lastTransitionTime="t0"),
        PodCondition(type="X", status="True"),
    ]
    same = meta.with_condition(before, PodCondition(type="Ready", status="False", reason="Why"), now="t1")
    assert (same[0].lastTransitionTime, same[0].reason) == ("t0", "Why")
    flipped = meta.with_condition(before, PodCondition(type="Ready", status="True"), now="t1")
    assert flipped[0].lastTransitionTime == "t1"
    new = meta.with_condition(before, PodCondition(type="New", status="True"), now="t1")
    assert [c.type for c in new] == ["Ready", "X", "New"]
    assert new[2].lastTransitionTime == "t1"
    assert before[0].status == "False"
    assert meta.is_true(flipped, "Ready")
    assert not meta.is_true(before, "Ready")
    assert meta.condition(before, "gone") is None
    assert [c.type for c in meta.without_condition(before, "Ready")] == ["X"]


def container(
    requests: dict[str, Any] | None = None, limits: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def pod_of(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (
            pod_of(container({"cpu": "100m"}), container({"cpu": "0.2", "memory": "1Gi"})),
            {"cpu": "300m", "memory": "1Gi"},
        ),
        (
            pod_of(container({"cpu": "1"}), initContainers=[container({"cpu": "3"}), container({"cpu": "2"})]),
            {"cpu": "3"},
        ),
        (pod_of(container({"cpu": "1"}), initContainers=[container({"cpu": "500m"}, **SIDECAR)]), {"cpu": "1500m"}),
        (
            pod_of(
                container({"cpu": "1"}),
                initContainers=[
                    container({"cpu": "2"}, **SIDECAR),
                    container({"cpu": "4"}),
                    container({"cpu": "1"}, **SIDECAR),
                ],
            ),
            {"cpu": "6"},
        ),
        (pod_of(container({"cpu": "1"}), overhead={"cpu": "250m", "memory": "1Mi"}), {"cpu": "1250m", "memory": "1Mi"}),
        (pod_of(container({"cpu": "1"}), resources={"requests": {"cpu": "5"}}), {"cpu": "5"}),
        (pod_of(container()), {}),
    ],
)
def test_requests(pod: dict[str, Any], expected: dict[str, str]) -> None:
    assert {k: str(v) for k, v in pod_resources.requests(pod).items()} == expected
    numbers = {k: pod_resources.number(k, v) for k, v in expected.items()}
    assert pod_resources.request_numbers(pod) == numbers


def test_limits_take_overhead_only_where_there_is_a_limit() -> None:
    pod = pod_of(container(limits={"cpu": "1"}), overhead={"cpu": "250m", "memory": "1Mi"})
    assert {k: str(v) for k, v in pod_resources.limits(pod).items()} == {"cpu": "1250m"}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("pod", "qos"),
    [
        (pod_of(container()), "BestEffort"),
        (pod_of(container({"cpu": "0"})), "BestEffort"),
        (pod_of(container(BOTH, BOTH)), "Guaranteed"),
        (pod_of(container({"cpu": "1000m", "memory": "1024Mi"}, BOTH)), "Guaranteed"),
        (pod_of(container(BOTH, BOTH), container()), "Burstable"),
        (pod_of(container({"cpu": "500m", "memory": "1Gi"}, BOTH)), "Burstable"),
        (pod_of(container({"cpu": "1"})), "Burstable"),
        (pod_of(container({}, {"cpu": "1"})), "Burstable"),
        (pod_of(container(BOTH, BOTH), initContainers=[container()]), "Burstable"),
        (pod_of(container({"example.com/x": "1"})), "BestEffort"),
    ],
)
def test_qos(pod: dict[str, Any], qos: str) -> None:
    assert pod_resources.qos_class(pod) == qos


def test_the_recorded_qos() -> None:
    pods = [r["response"]["body"] for r in golden.rows("defaults.json") if r["name"].startswith("pods ")]
    assert pods
    for pod in pods:
        assert pod_resources.qos_class(pod) == pod["status"]["qosClass"]


def test_ports() -> None:
    pod = pod_of(
        {"name": "a", "ports": [{"name": "web", "containerPort": 80, "hostPort": 8080}]},
        initContainers=[
            {"name": "i", "ports": [{"name": "init", "containerPort": 1}]},
            {
                "name": "s",
                "restartPolicy": "Always",
                "ports": [{"name": "side", "containerPort": 2, "protocol": "UDP"}],
            },
        ],
    )
    assert pod_resources.port_number(pod, "web") == 80
    assert pod_resources.port_number(pod, 99) == 99
    assert pod_resources.port_number(pod, "side", "UDP") == 2
    assert pod_resources.port_number(pod, "side") is None
    assert pod_resources.port_number(pod, "init") is None
    assert pod_resources.host_ports(pod) == [("0.0.0.0", "TCP", 8080)]
