"""What the node tells of its use: the summary and the metrics, of a Pod in a runtime that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sampan.kubelet.server.configz import configuration
from sampan.kubelet.server.exposition import Exposition
from sampan.kubelet.server.metrics import Metrics
from sampan.kubelet.server.summary import Summary
from sampan.kubelet.server.usage import Measures
from tests.unit.kubelet.world import World

PROBE = {"exec": {"command": ["x"]}, "periodSeconds": 5}
VOLUME = {"volumes": [{"name": "scratch", "emptyDir": {}}]}
ONE = {"name": "a", "image": "app:1", "readinessProbe": PROBE, "resources": {"limits": {"memory": "64Mi"}}}


class Scrape:
    def __init__(self, world: World) -> None:
        kubelet = world.kubelet
        measures = Measures(world.config.root_dir, kubelet.pods, world.runtime, kubelet.volumes.paths)
        self.summary = Summary("node-a", measures)
        self.metrics = Metrics("node-a", kubelet.pods, measures, kubelet.prober.tallies)

    async def read(self, handler: Any, query: str = "") -> str:
        response: web.Response = await handler(make_mocked_request("GET", f"/{query}"))
        assert isinstance(response.body, bytes)
        return response.body.decode()


@pytest.fixture
async def scrape(world: World) -> Any:
    async with world.running():
        world.add({"containers": [ONE], **VOLUME})
        await world.pass_time(2)
        yield Scrape(world)


async def test_the_summary(scrape: Scrape) -> None:
    told = json.loads(await scrape.read(scrape.summary.serve))
    assert {c["name"] for c in told["node"]["systemContainers"]} == {"kubelet", "runtime", "pods"}
    for part in ("cpu", "memory", "network", "fs", "runtime", "rlimit", "swap"):
        assert told["node"][part], part
    (pod,) = told["pods"]
    assert pod["podRef"]["name"] == "p"
    assert pod["network"]["name"] == "eth0"
    assert [v["name"] for v in pod["volume"]] == ["scratch"]
    assert pod["ephemeral-storage"]["inodes"] > 0
    assert pod["process_stats"]["process_count"] == 2
    (container,) = pod["containers"]
    assert container["memory"]["workingSetBytes"] == 1_000_000
    assert {"rootfs", "logs", "startTime"} <= set(container)


async def test_the_summary_of_cpu_and_memory_alone(scrape: Scrape) -> None:
    told = json.loads(await scrape.read(scrape.summary.serve, "?only_cpu_and_memory=true"))
    assert "fs" not in told["node"]
    assert set(told["pods"][0]) == {"podRef", "startTime", "containers", "cpu", "memory"}


async def test_resource_metrics(scrape: Scrape) -> None:
    text = await scrape.read(scrape.metrics.resource)
    labels = 'container="a",namespace="ns",pod="p"'
    for name in ("cpu_usage_seconds_total", "memory_working_set_bytes", "start_time_seconds"):
        assert f"container_{name}{{{labels}}} " in text
    assert 'pod_memory_working_set_bytes{namespace="ns",pod="p"} 1000000 ' in text
    assert "\nresource_scrape_error 0\n" in text


async def test_cadvisor_metrics(scrape: Scrape) -> None:
    text = await scrape.read(scrape.metrics.cadvisor)
    assert "\ncontainer_spec_memory_limit_bytes{" in text
    assert f" {64 * 1024 * 1024}\n" in text
    assert 'container_network_receive_bytes_total{container="",' in text
    assert text.count("# TYPE container_memory_rss gauge") == 1


async def test_probes_are_counted(scrape: Scrape, world: World) -> None:
    text = await scrape.read(scrape.metrics.probes)
    of = f'container="a",namespace="ns",pod="p",probe_type="Readiness",pod_uid="{world.uid}"'
    assert f'prober_probe_total{{{of},result="successful"}} 1\n' in text
    await world.delete(grace=0)
    await world.pass_time(3)
    assert "prober_probe_total" not in await scrape.read(scrape.metrics.probes)


async def test_its_own_metrics(scrape: Scrape) -> None:
    text = await scrape.read(scrape.metrics.own)
    assert "\nkubelet_running_pods 1\n" in text
    assert 'kubelet_running_containers{container_state="running"} 1' in text
    assert 'kubelet_node_name{node="node-a"} 1' in text


def test_labels_are_escaped() -> None:
    told = Exposition()
    told.add("m", 1.5, {"a": 'x"y\\z\n'})
    assert str(told) == '# TYPE m gauge\nm{a="x\\"y\\\\z\\n"} 1.5\n'


def test_how_it_is_set(world: World) -> None:
    told = configuration(world.config)["kubeletconfig"]
    assert told["kind"] == "KubeletConfiguration"
    assert told["maxPods"] == 110
    assert told["evictionHard"]["memory.available"] == "102400Ki"
