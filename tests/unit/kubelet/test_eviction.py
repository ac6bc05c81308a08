"""Who has to go, in which order, and in whose words."""

from __future__ import annotations

import pytest
from msgspec import structs

from sampan.api.types import core_v1
from sampan.kubelet.config import EvictionThreshold
from sampan.kubelet.eviction import (
    NodeMeasure,
    PodUsage,
    choose,
    has_disk_limits,
    over_limit,
    pressures,
    refusal,
    shortages,
)
from tests.unit.kubelet.pods import make_pod

GI = 1 << 30
MI = 1 << 20
WELL = NodeMeasure(memory_available=8 * GI, disk_available=50 * GI, disk_total=100 * GI)
NO_MEMORY = NodeMeasure(memory_available=50 * MI, disk_available=50 * GI, disk_total=100 * GI)
THRESHOLD = EvictionThreshold()
MEMORY_PRESSURE = frozenset({"MemoryPressure"})


@pytest.mark.parametrize(
    ("measure", "wanted"),
    [
        (WELL, set()),
        (NO_MEMORY, {"MemoryPressure"}),
        (NodeMeasure(memory_available=GI, disk_available=GI, disk_total=100 * GI), {"DiskPressure"}),
        (NodeMeasure(memory_available=GI, disk_available=5 * GI, disk_total=100 * GI), set()),
        (NodeMeasure(memory_available=GI, disk_available=GI, disk_total=5 * GI), set()),
        (NodeMeasure(memory_available=GI, disk_available=GI // 4, disk_total=5 * GI), {"DiskPressure"}),
        (structs.replace(WELL, inodes_available=4_000, inodes_total=100_000), {"DiskPressure"}),
        (structs.replace(WELL, pids_available=1_000, pids_total=32_768), {"PIDPressure"}),
        (structs.replace(WELL, pids_available=10_000, pids_total=32_768), set()),
    ],
)
def test_pressures(measure: NodeMeasure, wanted: set[str]) -> None:
    assert pressures(measure, THRESHOLD) == wanted


def test_an_empty_dir_over_its_limit() -> None:
    pod = make_pod({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]})
    assert has_disk_limits(pod)
    assert over_limit(pod, PodUsage(volumes={"v": MI})) is None
    verdict = over_limit(pod, PodUsage(volumes={"v": 8 * MI}))
    assert verdict is not None
    assert (verdict.reason, verdict.message) == ("Evicted", 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ')


def test_an_empty_dir_in_memory_is_the_kernels_business() -> None:
    pod = make_pod({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi", "medium": "Memory"}}]})
    assert over_limit(pod, PodUsage(volumes={"v": 8 * MI})) is None


def test_a_container_over_its_ephemeral_storage() -> None:
    small = {"name": "a", "image": "app:1", "resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    pod = make_pod({"containers": [small, {"name": "b", "image": "app:1"}]})
    verdict = over_limit(pod, PodUsage(writable={"a": 2 * MI, "b": 900 * MI}))
    assert verdict is not None
    assert verdict.message == 'Container a exceeded its local ephemeral storage limit "1Mi". '
    assert over_limit(pod, PodUsage(writable={"a": MI // 2, "b": 900 * MI})) is None


def test_a_pod_over_the_sum_of_its_containers() -> None:
    small = {"name": "a", "image": "app:1", "resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    verdict = over_limit(make_pod({"containers": [small]}), PodUsage(volumes={"v": 2 * MI}))
    assert verdict is not None
    assert verdict.message == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "


def asking(name: str, memory: str, priority: int = 0) -> core_v1.Pod:
    resources = {"requests": {"memory": memory}} if memory else {}
    spec = {"containers": [{"name": "a", "image": "app:1", "resources": resources}], "priority": priority}
    return make_pod(spec, name=name, uid=name)


@pytest.mark.parametrize(
    ("pods", "wanted"),
    [
        ([("asked", "100Mi", 0, 90), ("greedy", "10Mi", 0, 60)], "greedy"),
        ([("low", "", 0, 60), ("high", "", 1000, 600)], "low"),
        ([("small", "", 0, 60), ("large", "", 0, 600)], "large"),
        ([("critical", "", 2_000_000_000, 900), ("other", "100Mi", 0, 10)], "other"),
    ],
)
def test_the_order(pods: list[tuple[str, str, int, int]], wanted: str) -> None:
    made = [(asking(n, m, p), PodUsage(memory=used * MI)) for n, m, p, used in pods]
    chosen = choose(shortages(NO_MEMORY, THRESHOLD)[0], made)
    assert chosen is not None
    assert chosen[0].metadata.name == wanted
    assert chosen[1].disrupted


def test_the_words() -> None:
    chosen = choose(shortages(NO_MEMORY, THRESHOLD)[0], [(make_pod(), PodUsage(memory=20 * MI))])
    assert chosen is not None
    assert chosen[1].message == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51200Ki. "
        "Container a was using 20480Ki, request is 0, has larger consumption of memory. "
    )


def test_whoever_has_most_processes_goes_when_they_run_out() -> None:
    low = structs.replace(WELL, pids_available=1_000, pids_total=32_768)
    pods = [(asking(name, "100Mi"), PodUsage(memory=GI, pids=pids)) for name, pids in (("few", 3), ("many", 9_000))]
    chosen = choose(shortages(low, THRESHOLD)[0], pods)
    assert chosen is not None
    assert chosen[0].metadata.name == "many"
    said = "The node was low on resource: pids. Threshold quantity: 1638, available: 1000. "
    assert chosen[1].message == said


def test_nobody_is_left_to_evict() -> None:
    critical = make_pod({"priority": 2_000_000_000})
    assert choose(shortages(NO_MEMORY, THRESHOLD)[0], [(critical, PodUsage(memory=GI))]) is None


def test_who_is_let_in_under_pressure() -> None:
    modest = make_pod()
    asks = make_pod({"containers": [{"name": "a", "image": "i", "resources": {"requests": {"memory": "1Mi"}}}]})
    refused = refusal(modest, MEMORY_PRESSURE)
    assert refused is not None
    assert refused.message == "The node had condition: [MemoryPressure]. "
    assert refusal(asks, MEMORY_PRESSURE) is None
    assert refusal(asks, frozenset({"DiskPressure"})) is not None
    assert refusal(modest, frozenset()) is None
    assert refusal(make_pod({"priority": 2_000_001_000}), frozenset({"DiskPressure"})) is None
