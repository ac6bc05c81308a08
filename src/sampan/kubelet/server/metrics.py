"""What Prometheus and its like scrape from a node, under the names that Kubernetes' kubelets have given it.

/metrics            the kubelet itself: its Pods, its process, and the disks behind PersistentVolumeClaims
/metrics/resource   CPU and memory of the node, its Pods and their containers (few, for the metrics API)
/metrics/cadvisor   all that is known of each container and of each Pod's network
/metrics/probes     how often each probe found what, and how long that took
"""

import asyncio
import time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sampan.api.types import core_v1
from sampan.kubelet.pod_state import is_static
from sampan.kubelet.pods import Pods
from sampan.kubelet.probes.tally import Tallies
from sampan.kubelet.server.cadvisor import container_metrics, network_metrics
from sampan.kubelet.server.exposition import Exposition
from sampan.kubelet.server.usage import Measures, PodUsage
from sampan.kubelet.worker import Phase
from sampan.version import GIT_VERSION


class Metrics:
    def __init__(self, node_name: str, pods: Pods, measures: Measures, probes: Tallies) -> None:
        self._node_name = node_name
        self._pods = pods
        self._measures = measures
        self._probes = probes
        self._began = time.time()

    async def own(self, request: web.Request) -> web.Response:
        del request
        told = Exposition()
        told.add("kubelet_node_name", 1, {"node": self._node_name})
        told.add("kubernetes_build_info", 1, {"git_version": GIT_VERSION, "platform": "linux"})
        living = [w.pod for w in self._pods if w.phase is Phase.SYNC]
        self._tell_pods(told, living)
        for usage in await self._measures.pods():
            _tell_volumes(told, usage)
        process = generate_latest().decode()  # of this Python and its process
        return _answer(str(told) + process)

    def _tell_pods(self, told: Exposition, living: list[core_v1.Pod]) -> None:
        states = dict.fromkeys(("created", "exited", "running", "unknown"), 0)
        listed = [
            s for p in living for s in [*(p.status.initContainerStatuses or ()), *(p.status.containerStatuses or ())]
        ]
        for status in listed:
            state = "running" if status.state.running else "exited" if status.state.terminated else "created"
            states[state] += 1
        running = sum(p.status.phase == "Running" for p in living)
        told.add("kubelet_running_pods", running)
        for state, number in states.items():
            told.add("kubelet_running_containers", number, {"container_state": state})
        static = sum(is_static(p) for p in living)
        for name in ("kubelet_active_pods", "kubelet_desired_pods"):
            told.add(name, static, {"static": "true"})
            told.add(name, len(living) - static, {"static": ""})
        told.add("kubelet_mirror_pods", static)

    async def resource(self, request: web.Request) -> web.Response:
        del request
        pods = await self._measures.pods(disk=False)
        node = await asyncio.to_thread(self._measures.node)
        now = time.time_ns()
        told = Exposition()
        told.count("node_cpu_usage_seconds_total", node.cpu / 1e9, at=now)
        told.add("node_memory_working_set_bytes", node.memory.working_set, at=now)
        told.add("node_swap_usage_bytes", node.memory.swap, at=now)
        for usage in pods:
            _tell_resources(told, usage)
        for name in ("scrape_error", "resource_scrape_error"):
            told.add(name, 0)
        return _answer(str(told))

    async def cadvisor(self, request: web.Request) -> web.Response:
        del request
        told = Exposition()
        told.add("cadvisor_version_info", 1, {"cadvisorRevision": "", "cadvisorVersion": "", "osVersion": ""})
        told.add("machine_cpu_cores", self._measures.cpus)
        told.add("machine_memory_bytes", self._measures.memory)
        for usage in await self._measures.pods():
            container_metrics(told, usage)
            network_metrics(told, usage)
        return _answer(str(told))

    async def probes(self, request: web.Request) -> web.Response:
        del request
        told = Exposition()
        for pod, container, kind, tally in self._probes:
            meta = pod.metadata
            labels = {"container": container, "namespace": meta.namespace, "pod": meta.name, "probe_type": kind.value}
            for result, number in tally.results.items():
                told.count("prober_probe_total", number, {**labels, "pod_uid": meta.uid, "result": result})
            told.histogram("prober_probe_duration_seconds", tally.buckets, tally.seconds, labels)
        return _answer(str(told))


def _answer(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _tell_resources(told: Exposition, usage: PodUsage) -> None:
    meta, stats = usage.pod.metadata, usage.stats
    for one in usage.containers:
        labels = {"container": one.name, "namespace": meta.namespace, "pod": meta.name}
        told.add("container_start_time_seconds", one.started_at / 1e9, labels)
        told.count("container_cpu_usage_seconds_total", one.cpu.total / 1e9, labels, at=one.at)
        told.add("container_memory_working_set_bytes", one.memory.working_set, labels, at=one.at)
        told.add("container_swap_usage_bytes", one.memory.swap, labels, at=one.at)
    labels = {"namespace": meta.namespace, "pod": meta.name}
    told.count("pod_cpu_usage_seconds_total", stats.cpu.total / 1e9, labels, at=stats.at)
    told.add("pod_memory_working_set_bytes", stats.memory.working_set, labels, at=stats.at)
    told.add("pod_swap_usage_bytes", stats.memory.swap, labels, at=stats.at)


def _tell_volumes(told: Exposition, usage: PodUsage) -> None:
    for volume in usage.volumes:
        if not volume.claim:
            continue
        disk = volume.disk
        labels = {"namespace": usage.pod.metadata.namespace, "persistentvolumeclaim": volume.claim}
        amounts = {
            "available_bytes": disk.available,
            "capacity_bytes": disk.capacity,
            "used_bytes": disk.used,
            "inodes": disk.inodes,
            "inodes_free": disk.inodes_free,
            "inodes_used": disk.inodes_used,
        }
        for name, amount in amounts.items():
            told.add(f"kubelet_volume_stats_{name}", amount, labels)
