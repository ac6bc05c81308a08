"""What can be wrong before a cluster starts, each with the command that mends it."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from sampan.cluster.config import ClusterConfig, port_is_free
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.process import Daemon

PACKAGES = {"conmon": "conmon", "catatonit": "catatonit", "nft": "nftables"}
LEAST_DISK = 200 * 1024 * 1024


class Problem(Struct, frozen=True):
    what: str
    fix: str


def problems(paths: ClusterPaths, config: ClusterConfig, server: Daemon) -> list[Problem]:
    found = list(_host(paths))
    if config.nodes:
        found += _node_needs()
    if not server.pid and not port_is_free(config.port):
        free = "sampan up --port PORT"
        found.append(Problem(f"port {config.port} is taken by another process", f"choose another one: {free}"))
    return found


def _host(paths: ClusterPaths) -> Iterator[Problem]:
    top = paths.root
    while not top.exists():
        top = top.parent
    if not os.access(top, os.W_OK):
        yield Problem(f"{top} cannot be written", "run as root, or choose another place: SAMPAN_HOME=DIR sampan up")
    elif shutil.disk_usage(top).free < LEAST_DISK:
        yield Problem(
            f"less than {LEAST_DISK // 2**20} MiB are free below {top}", "free some space, or set SAMPAN_HOME"
        )


def _node_needs() -> list[Problem]:
    if sys.platform != "linux":
        return [Problem("Pods need Linux", "start a control plane without nodes: sampan up --nodes 0")]
    if os.geteuid() != 0:
        return [
            Problem(
                "a node needs root (namespaces, cgroups, network)",
                "run as root, or start a control plane without nodes: sampan up --nodes 0",
            )
        ]
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for tool, package in PACKAGES.items() if shutil.which(tool, path=search) is None]
    if shutil.which("crun", path=search) is None and shutil.which("runc", path=search) is None:
        missing.append("crun")
    found = []
    if missing:
        found.append(Problem(f"not installed: {', '.join(missing)}", f"apt-get install {' '.join(missing)}"))
    if not Path("/sys/fs/cgroup").is_dir() or not any(Path("/sys/fs/cgroup").iterdir()):
        found.append(Problem("no cgroups are mounted", "mount -t cgroup2 none /sys/fs/cgroup"))
    return found
