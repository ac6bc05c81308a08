"""What containers and sandboxes use, from their cgroups, their processes and their own layers."""

from __future__ import annotations

import asyncio

from sampan.runtime.measures import ContainerStats, SandboxStats
from sampan.runtime.node import Container, Node
from sampan.runtime.records import FsInfo, NamespaceMode
from sampan.runtime.state import Phase
from sampan.runtime.usage import network, processes, usage


async def container_stats(node: Node, container_id: str) -> ContainerStats:
    container = node.container(container_id)
    layer = await node.images.rootfs_usage(container_id)
    return await asyncio.to_thread(_of, node, container, layer)


def _of(node: Node, container: Container, layer: FsInfo) -> ContainerStats:
    record = container.record
    stats = ContainerStats(
        id=record.id, name=record.config.name, sandbox_id=record.sandbox_id, at=node.now(),
        started_at=record.started_at, writable_bytes=layer.used_bytes, writable_inodes=layer.used_inodes,
        log_path=record.log_path,
    )  # fmt: skip
    if record.phase is Phase.RUNNING:
        stats.running = True
        used = usage(node.tree, record.cgroup_path)
        stats.cpu, stats.memory, stats.io = used.cpu, used.memory, used.io
        stats.processes = processes(node.tree, record.cgroup_path)
    return stats


async def sandbox_stats(node: Node, sandbox_id: str) -> SandboxStats:
    record = node.sandbox(sandbox_id).record
    containers = [await container_stats(node, c.record.id) for c in node.containers_of(sandbox_id)]
    used = await asyncio.to_thread(usage, node.tree, record.cgroup_path)
    own_network = record.ready and record.config.namespaces.network is not NamespaceMode.NODE
    return SandboxStats(
        id=sandbox_id, at=node.now(), cpu=used.cpu, memory=used.memory, io=used.io, pids=used.pids,
        network=network(record.pid) if own_network else [], containers=containers,
    )  # fmt: skip
