"""What Pods and the node use: `/stats/summary` for people, `/metrics/resource` for the metrics API."""

import shutil
import time

import msgspec
from aiohttp import web
from prometheus_client import generate_latest

from sampan.client.clock import rfc3339
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.node.facts import Machine, meminfo
from sampan.kubelet.pods import Pods
from sampan.kubelet.worker import Phase, PodWorker
from sampan.runtime.contract import ContainerStats, NotFound, Runtime, SandboxStats

JIFFY = 10_000_000  # nanoseconds of a clock tick


class Stats:
    def __init__(self, config: KubeletConfig, pods: Pods, runtime: Runtime, machine: Machine) -> None:
        self._config = config
        self._pods = pods
        self._runtime = runtime
        self._machine = machine
        self._before: dict[str, tuple[int, int]] = {}

    async def _of_pods(self) -> list[tuple[PodWorker, SandboxStats]]:
        found = []
        for worker in self._pods:
            if worker.phase is not Phase.SYNC:
                continue
            for sandbox in await self._runtime.list_sandboxes(pod_uid=worker.uid):
                try:
                    found.append((worker, await self._runtime.sandbox_stats(sandbox.id)))
                except NotFound:
                    continue
                break
        return found

    async def summary(self, request: web.Request) -> web.Response:
        del request
        now = rfc3339(time.time())
        memory = meminfo()
        used = memory["MemTotal"] - memory.get("MemAvailable", 0)
        disk = shutil.disk_usage(self._config.root_dir)
        body = {
            "node": {
                "nodeName": self._config.node_name,
                "startTime": now,
                "cpu": self._cpu(now, "node", cpu_nanoseconds()),
                "memory": {
                    "time": now,
                    "availableBytes": memory.get("MemAvailable", 0),
                    "usageBytes": used,
                    "workingSetBytes": used,
                },
                "fs": {
                    "time": now,
                    "availableBytes": disk.free,
                    "capacityBytes": disk.total,
                    "usedBytes": disk.used,
                },
            },
            "pods": [self._pod(w, s, now) for w, s in await self._of_pods()],
        }
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    def _pod(self, worker: PodWorker, stats: SandboxStats, now: str) -> dict[str, object]:
        meta = worker.pod.metadata
        return {
            "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "startTime": worker.pod.status.startTime,
            "containers": [self._container(c, now) for c in stats.containers],
            "cpu": self._cpu(now, stats.id, stats.cpu_nanoseconds),
            "memory": {
                "time": now,
                "usageBytes": stats.memory.usage,
                "workingSetBytes": stats.memory.working_set,
                "rssBytes": stats.memory.rss,
            },
        }

    def _container(self, stats: ContainerStats, now: str) -> dict[str, object]:
        return {
            "name": stats.name,
            "cpu": self._cpu(now, stats.id, stats.cpu_nanoseconds),
            "memory": {
                "time": now,
                "usageBytes": stats.memory.usage,
                "workingSetBytes": stats.memory.working_set,
                "rssBytes": stats.memory.rss,
            },
            "rootfs": {"time": now, "usedBytes": stats.writable_bytes, "inodesUsed": stats.writable_inodes},
        }

    def _cpu(self, now: str, key: str, total: int) -> dict[str, object]:
        """The rate since whoever asked last, when that was long enough ago to say something."""
        at = time.monotonic_ns()
        before = self._before.get(key)
        result: dict[str, object] = {"time": now, "usageCoreNanoSeconds": total}
        if before is not None and at - before[0] > 100_000_000:
            result["usageNanoCores"] = max(0, (total - before[1]) * 1_000_000_000 // (at - before[0]))
        if before is None or at - before[0] > 5_000_000_000:
            self._before[key] = (at, total)
        return result

    async def metrics(self, request: web.Request) -> web.Response:
        """As Kubernetes' kubelets: cumulative CPU seconds and working sets, by node, Pod and container."""
        del request
        lines = [
            "# TYPE node_cpu_usage_seconds_total counter",
            f"node_cpu_usage_seconds_total {cpu_nanoseconds() / 1e9} {int(time.time() * 1000)}",
            "# TYPE node_memory_working_set_bytes gauge",
            f"node_memory_working_set_bytes {self._node_memory()} {int(time.time() * 1000)}",
            "# TYPE container_cpu_usage_seconds_total counter",
        ]
        cpu, memory = [], []
        for worker, stats in await self._of_pods():
            meta = worker.pod.metadata
            at = stats.at // 1_000_000
            for container in stats.containers:
                labels = f'{{container="{container.name}",namespace="{meta.namespace}",pod="{meta.name}"}}'
                cpu.append(f"container_cpu_usage_seconds_total{labels} {container.cpu_nanoseconds / 1e9} {at}")
                memory.append(f"container_memory_working_set_bytes{labels} {container.memory.working_set} {at}")
            labels = f'{{namespace="{meta.namespace}",pod="{meta.name}"}}'
            cpu.append(f"pod_cpu_usage_seconds_total{labels} {stats.cpu_nanoseconds / 1e9} {at}")
            memory.append(f"pod_memory_working_set_bytes{labels} {stats.memory.working_set} {at}")
        text = "\n".join([*lines, *cpu, "# TYPE container_memory_working_set_bytes gauge", *memory, ""])
        return web.Response(text=text)

    async def own_metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=generate_latest(), content_type="text/plain")

    @staticmethod
    def _node_memory() -> int:
        memory = meminfo()
        return memory["MemTotal"] - memory.get("MemAvailable", 0)


def cpu_nanoseconds() -> int:
    """CPU time that the machine has spent on anything since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        numbers = [int(n) for n in file.readline().split()[1:9]]
    busy = sum(numbers) - numbers[3] - numbers[4]
    return busy * JIFFY
