"""`sampan down`: stop everything of a cluster and leave the host as it was; `--purge` removes its data as well."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from sampan.client.kubeconfig_files import KubeconfigError
from sampan.cluster import config as configs
from sampan.cluster import kubeconfigs
from sampan.cluster.claims import release
from sampan.cluster.config import ClusterConfig
from sampan.cluster.nodes import remove_nodes
from sampan.cluster.paths import RECORD, ClusterPaths
from sampan.cluster.process import Daemon
from sampan.cluster.simulating import simulator_daemon
from sampan.cluster.up import agent_daemon, server_daemon

RUN = Path("/run/sampan")


def down(paths: ClusterPaths, *, purge: bool) -> bool:
    """True when there was something to stop. Also clears up after a crash or a reboot."""
    config = configs.load(paths)
    joined = _leave(paths)
    if config is None:
        if joined and purge:
            shutil.rmtree(paths.root, ignore_errors=True)
        return joined
    for daemon in _daemons(paths, config):
        daemon.stop()
    if sys.platform == "linux" and os.geteuid() == 0 and config.nodes:
        _clear_nodes(paths, config)
    try:
        kubeconfigs.forget_peoples(paths)
    except (KubeconfigError, OSError) as error:
        sys.stderr.write(f"warning: the kubeconfig still has the context {paths.context!r}: {error}\n")
    if purge:
        shutil.rmtree(paths.root, ignore_errors=True)
    return True


def _leave(paths: ClusterPaths) -> bool:
    """Nodes of this machine that joined a cluster, elsewhere or here. Their agents run in the foreground, in somebody
    else's care, and have ended before."""
    nodes = [record.parent.name for record in paths.root.glob(f"agents/*/{RECORD}")]
    for node in nodes:
        _clear(paths, node)
    return bool(nodes)


def _clear(paths: ClusterPaths, node: str) -> None:
    command = [sys.executable, "-m", "sampan.cluster.clear", paths.name, node]
    subprocess.run(command, check=False, cwd="/")


def _daemons(paths: ClusterPaths, config: ClusterConfig) -> list[Daemon]:
    """Agents first: a node that outlives its API server would wait for it."""
    agents = [agent_daemon(paths, node) for node in config.node_names]
    return [simulator_daemon(paths), *agents, server_daemon(paths)]


def _clear_nodes(paths: ClusterPaths, config: ClusterConfig) -> None:
    """Every container, mount, cgroup, interface and rule of this machine's nodes; each node in a process of its own,
    as it has to enter the node's namespace."""
    for node in config.node_names:
        _clear(paths, node)
    remove_nodes(config)
    release(paths)
    for empty in (RUN / paths.name, RUN):
        with contextlib.suppress(OSError):
            empty.rmdir()
