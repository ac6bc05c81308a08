"""Removes every trace that one node has on this machine: run as `python -m sampan.cluster.clear CLUSTER NODE`."""

import asyncio
import contextlib
import logging
import shutil
import sys

from sampan.cluster import config as configs
from sampan.cluster import joining
from sampan.cluster.agent import make_network, network_name, read_range
from sampan.cluster.local_agent import local_options
from sampan.cluster.nodes import spaces
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.runtimes import make_runtime
from sampan.kubelet.volumes.filesystems import unmount_below
from sampan.network.namespaces import enter
from sampan.proxy.run import cleanup
from sampan.runtime.contract import Runtime

log = logging.getLogger(__name__)


async def clear(paths: ClusterPaths, node: str) -> None:
    config, joined = configs.load(paths), joining.record(paths, node)
    if joined is not None:
        options = joined
    elif config is not None:
        options = local_options(paths, node, "", None, {}, [])
    else:
        return
    data = paths.agent(node)
    if data.is_dir():
        runtime = make_runtime(data, node)
        await runtime.start()
        await remove_all(runtime)
        await runtime.close()
        unmount_below(data)
        for leftover in (data / "kubelet" / "pods", data / "pod-logs"):
            await asyncio.to_thread(shutil.rmtree, leftover, ignore_errors=True)
    known = read_range(data / "pod-cidr")
    node_range = known or next(options.cluster_range.subnets(new_prefix=24))
    await cleanup(network_name(options.cluster, node))
    await make_network(options, node_range).teardown()


async def remove_all(runtime: Runtime) -> None:
    async def remove(sandbox_id: str) -> None:
        for container in await runtime.list_containers(sandbox_id=sandbox_id):
            await runtime.stop_container(container.id, 1.0)
        await runtime.remove_sandbox(sandbox_id)

    await asyncio.gather(*(remove(s.id) for s in await runtime.list_sandboxes()))


def main() -> None:
    name, node = sys.argv[1:3]
    paths = ClusterPaths.of(name)
    config = configs.load(paths)
    if config is not None and config.nodes > 1:
        found = [s.netns_path for s in spaces(config).nodes() if s.name == node]
        if found:
            with contextlib.suppress(OSError):
                enter(found[0])
    elif netns := joining.netns_of(paths, node):
        with contextlib.suppress(OSError):
            enter(netns)
    asyncio.run(clear(paths, node))


if __name__ == "__main__":
    main()
