"""`/stats/summary`: what the node and its Pods use, in the shape of Kubernetes' stats API (`stats.k8s.io/v1alpha1`)."""

import asyncio
import time
from typing import Any

import msgspec
from aiohttp import web

from sampan.client.clock import rfc3339
from sampan.kubelet.node.facts import process_numbers
from sampan.kubelet.server.usage import Disk, Measures, NodeUsage, PodUsage
from sampan.runtime.contract import ContainerStats, MemoryStats, NetworkStats
from sampan.runtime.usage import network

Json = dict[str, Any]
LONG_ENOUGH = 100_000_000  # nanoseconds between two looks, for a rate to say something
RENEWED = 5_000_000_000


class Summary:
    def __init__(self, node_name: str, measures: Measures) -> None:
        self._node_name = node_name
        self._measures = measures
        self._began = rfc3339(time.time())
        self._before: dict[str, tuple[int, int]] = {}

    async def serve(self, request: web.Request) -> web.Response:
        """`?only_cpu_and_memory=true` leaves the rest away."""
        brief = request.query.get("only_cpu_and_memory", "") in ("1", "true")
        pods = await self._measures.pods(disk=not brief)
        node = await asyncio.to_thread(self._measures.node)
        body = self.of(node, pods, brief=brief)
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    def of(self, node: NodeUsage, pods: list[PodUsage], *, brief: bool = False) -> Json:
        now = rfc3339(time.time())
        told: Json = {
            "nodeName": self._node_name,
            "systemContainers": self._system(pods, now),
            "startTime": self._began,
            "cpu": self._cpu(now, "node", node.cpu),
            "memory": {**_memory(now, node.memory), "availableBytes": node.available},
        }
        if not brief:
            most, running = process_numbers()
            told |= {
                "network": _network(now, network(1)),
                "fs": _fs(now, node.disk),
                "runtime": {"imageFs": _fs(now, node.disk), "containerFs": _fs(now, node.disk)},
                "rlimit": {"time": now, "maxpid": most, "curproc": running},
                "swap": {"time": now, "swapUsageBytes": node.memory.swap},
            }
        result = {"node": told, "pods": [self._pod(usage, node, now, brief=brief) for usage in pods]}
        self._forget(pods)
        return result

    def _system(self, pods: list[PodUsage], now: str) -> list[Json]:
        """The node's own parts. Kubelet and container runtime are one process here, told of under either name."""
        cpu, memory = self._measures.own()
        told = [
            {"name": name, "startTime": self._began, "cpu": self._cpu(now, name, cpu.total),
             "memory": _memory(now, memory)}
            for name in ("kubelet", "runtime")
        ]  # fmt: skip
        whole = [usage.stats for usage in pods]
        sums = {f: sum(getattr(s.memory, f) for s in whole) for f in MemoryStats.__struct_fields__}
        cpu_of_all = self._cpu(now, "pods", sum(s.cpu.total for s in whole))
        return [
            *told,
            {"name": "pods", "startTime": self._began, "cpu": cpu_of_all, "memory": _memory(now, MemoryStats(**sums))},
        ]

    def _pod(self, usage: PodUsage, node: NodeUsage, now: str, *, brief: bool) -> Json:
        meta, stats = usage.pod.metadata, usage.stats
        told: Json = {
            "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "startTime": usage.pod.status.startTime,
            "containers": [self._container(c, usage, node, now, brief=brief) for c in usage.containers],
            "cpu": self._cpu(now, stats.id, stats.cpu.total),
            "memory": _memory(now, stats.memory),
        }
        if brief:
            return told
        volumes = [
            {"name": v.name, **({"pvcRef": {"name": v.claim, "namespace": meta.namespace}} if v.claim else {}),
             **_fs(now, v.disk)}
            for v in usage.volumes
        ]  # fmt: skip
        if stats.network:
            told["network"] = _network(now, stats.network)
        if volumes:
            told["volume"] = volumes
        own = [v.disk for v in usage.volumes if not v.claim]
        used = sum(d.used for d in own) + sum(c.writable_bytes for c in usage.containers)
        files = sum(d.inodes_used for d in own) + sum(c.writable_inodes for c in usage.containers)
        logged = usage.logs.values()
        told["ephemeral-storage"] = _fs(
            now, node.disk, used=used + sum(b for b, _ in logged), files=files + sum(n for _, n in logged)
        )
        told["process_stats"] = {"process_count": stats.pids}
        told["swap"] = {"time": now, "swapUsageBytes": stats.memory.swap}
        return told

    def _container(self, stats: ContainerStats, usage: PodUsage, node: NodeUsage, now: str, *, brief: bool) -> Json:
        told: Json = {
            "name": stats.name,
            "startTime": rfc3339(stats.started_at / 1e9),
            "cpu": self._cpu(now, stats.id, stats.cpu.total),
            "memory": _memory(now, stats.memory),
        }
        if not brief:
            logged = usage.logs.get(stats.name, (0, 0))
            told["rootfs"] = _fs(now, node.disk, used=stats.writable_bytes, files=stats.writable_inodes)
            told["logs"] = _fs(now, node.disk, used=logged[0], files=logged[1])
            told["swap"] = {"time": now, "swapUsageBytes": stats.memory.swap}
        return told

    def _cpu(self, now: str, key: str, total: int) -> Json:
        """The rate since whoever asked last, when that was long enough ago to say something."""
        at = time.monotonic_ns()
        before = self._before.get(key)
        result: Json = {"time": now, "usageCoreNanoSeconds": total}
        if before is not None and at - before[0] > LONG_ENOUGH:
            result["usageNanoCores"] = max(0, (total - before[1]) * 1_000_000_000 // (at - before[0]))
        if before is None or at - before[0] > RENEWED:
            self._before[key] = (at, total)
        return result

    def _forget(self, pods: list[PodUsage]) -> None:
        known = {"node", "kubelet", "runtime", "pods"}
        for usage in pods:
            known |= {usage.stats.id, *(c.id for c in usage.containers)}
        self._before = {key: value for key, value in self._before.items() if key in known}


def _memory(now: str, stats: MemoryStats) -> Json:
    return {
        "time": now,
        "usageBytes": stats.usage,
        "workingSetBytes": stats.working_set,
        "rssBytes": stats.rss,
        "pageFaults": stats.page_faults,
        "majorPageFaults": stats.major_page_faults,
    }


def _fs(now: str, disk: Disk, *, used: int | None = None, files: int | None = None) -> Json:
    return {
        "time": now,
        "availableBytes": disk.available,
        "capacityBytes": disk.capacity,
        "usedBytes": disk.used if used is None else used,
        "inodesFree": disk.inodes_free,
        "inodes": disk.inodes,
        "inodesUsed": disk.inodes_used if files is None else files,
    }


def _network(now: str, interfaces: list[NetworkStats]) -> Json:
    listed = [
        {
            "name": i.name,
            "rxBytes": i.received_bytes,
            "rxErrors": i.received_errors,
            "txBytes": i.sent_bytes,
            "txErrors": i.sent_errors,
        }
        for i in interfaces
    ]
    main = next((i for i in listed if i["name"] == "eth0"), listed[0] if listed else {"name": ""})
    return {"time": now, **main, "interfaces": listed}
