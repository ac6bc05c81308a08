"""What containers and sandboxes use, from their cgroups and their own layers."""

from __future__ import annotations

from sampan.runtime.node import Container, Node
from sampan.runtime.records import ContainerStats, FsInfo, SandboxStats
from sampan.runtime.state import Phase


async def container_stats(node: Node, container_id: str) -> ContainerStats:
    container = node.container(container_id)
    layer = await node.images.rootfs_usage(container_id)
    return _of(node, container, layer)


def _of(node: Node, container: Container, layer: FsInfo) -> ContainerStats:
    record = container.record
    stats = ContainerStats(
        id=record.id, name=record.config.name, sandbox_id=record.sandbox_id, at=node.now(),
        writable_bytes=layer.used_bytes, writable_inodes=layer.used_inodes,
    )  # fmt: skip
    if record.phase is Phase.RUNNING:
        usage = node.tree.usage(record.cgroup_path)
        stats.cpu_nanoseconds, stats.memory, stats.pids = usage.cpu_nanoseconds, usage.memory, usage.pids
    return stats


async def sandbox_stats(node: Node, sandbox_id: str) -> SandboxStats:
    record = node.sandbox(sandbox_id).record
    containers = [await container_stats(node, c.record.id) for c in node.containers_of(sandbox_id)]
    usage = node.tree.usage(record.cgroup_path)
    return SandboxStats(
        id=sandbox_id, at=node.now(), cpu_nanoseconds=usage.cpu_nanoseconds, memory=usage.memory, pids=usage.pids,
        containers=containers,
    )
