"""Requests and limits as the kernel is told them."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.kubelet import admission, resources
from tests.unit.kubelet.pods import make_pod

GI = 1 << 30


def spec(*amounts: dict[str, Any], init: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "containers": [{"name": f"c{at}", "image": "i", "resources": a} for at, a in enumerate(amounts)],
        "initContainers": init or None,
    }


SMALL = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
EQUAL = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}


@pytest.mark.parametrize(
    ("given", "shares", "quota", "memory"),
    [
        ({}, 2, 0, 0),
        (SMALL, 102, 20_000, 128 << 20),
        ({"limits": {"cpu": "1"}}, 1024, 100_000, 0),
        ({"requests": {"cpu": "1m"}, "limits": {"cpu": "1m"}}, 2, 1_000, 0),
        ({"requests": {"cpu": "0"}, "limits": {"cpu": "1"}}, 2, 100_000, 0),
    ],
)
def test_of_a_container(given: dict[str, Any], shares: int, quota: int, memory: int) -> None:
    pod = make_pod(spec(given))
    made = resources.container_resources(pod, pod.spec.containers[0], node_memory=16 * GI)
    assert (made.cpu_shares, made.cpu_quota, made.memory_limit) == (shares, quota, memory)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([{}], "BestEffort"),
        ([SMALL], "Burstable"),
        ([EQUAL], "Guaranteed"),
        ([EQUAL, {}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
    ],
)
def test_qos(given: list[dict[str, Any]], wanted: str) -> None:
    assert resources.qos_class(make_pod(spec(*given))) == wanted


@pytest.mark.parametrize(
    ("given", "priority", "wanted"),
    [
        ({}, 0, 1000),
        (EQUAL, 0, -997),
        ({}, 2_000_000_000, -997),
        ({"requests": {"memory": "8Gi"}}, 0, 500),
        ({"requests": {"memory": "16Gi"}}, 0, 3),
        ({"requests": {"memory": "1Ki"}}, 0, 999),
    ],
)
def test_who_the_kernel_kills_first(given: dict[str, Any], priority: int, wanted: int) -> None:
    pod = make_pod(spec(given) | {"priority": priority})
    made = resources.container_resources(pod, pod.spec.containers[0], node_memory=16 * GI)
    assert made.oom_score_adj == wanted


def test_a_pods_own_limits_are_the_sums_where_all_are_limited() -> None:
    made = resources.pod_cgroup(make_pod(spec(SMALL, SMALL)))
    assert made is not None
    assert (made.cpu_shares, made.cpu_quota, made.memory_limit) == (204, 40_000, 256 << 20)
    unlimited = resources.pod_cgroup(make_pod(spec(SMALL, {})))
    assert unlimited is not None
    assert (unlimited.cpu_quota, unlimited.memory_limit) == (0, 0)


def test_what_a_pod_has_as_a_whole_counts_instead() -> None:
    whole = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    pod = make_pod(spec(SMALL, {}) | {"resources": whole})
    made = resources.pod_cgroup(pod)
    assert made is not None
    assert (made.cpu_shares, made.cpu_quota, made.memory_limit) == (512, 100_000, GI)
    assert resources.qos_class(pod) == "Burstable"
    assert admission.requests(pod)["cpu"] == 500
    equal = make_pod(spec({}) | {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}})
    assert resources.qos_class(equal) == "Guaranteed"
    assert resources.qos_class(make_pod(spec({}) | {"resources": {}})) == "BestEffort"


def test_a_large_init_container_raises_the_pods_limit() -> None:
    large = {"name": "i", "image": "i", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    made = resources.pod_cgroup(make_pod(spec(SMALL, init=[large])))
    assert made is not None
    assert (made.cpu_quota, made.memory_limit) == (100_000, GI)


def test_amounts_of_the_pod_as_a_whole() -> None:
    assert resources.pod_amounts(make_pod(spec(SMALL, SMALL))) == (
        {"cpu": "200m", "memory": "128Mi"},
        {"cpu": "400m", "memory": "256Mi"},
    )
    assert resources.pod_amounts(make_pod(spec(SMALL, {})))[1] == {}
