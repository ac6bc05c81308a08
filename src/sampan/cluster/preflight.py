"""What can be wrong before a cluster starts, each with the command that mends it."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from sampan.cluster.claims import other_of_that_name
from sampan.cluster.config import ClusterConfig, free_port, port_is_free
from sampan.cluster.paths import DEFAULT_NAME, ClusterPaths
from sampan.cluster.process import Daemon

PACKAGES = {"conmon": "conmon", "catatonit": "catatonit", "nft": "nftables"}
INSTALLERS = {"apt-get": "apt-get install", "dnf": "dnf install", "zypper": "zypper install", "pacman": "pacman -S"}
LEAST_DISK = 200 * 1024 * 1024


class Problem(Struct, frozen=True):
    what: str
    fix: str


def problems(paths: ClusterPaths, config: ClusterConfig, server: Daemon | None) -> list[Problem]:
    """`server` None: who asks listens on the port already."""
    found = list(_host(paths))
    if config.nodes:
        found += _node_needs()
        if (other := other_of_that_name(paths)) is not None:
            stop = f"SAMPAN_HOME={other.parent} sampan down --name {paths.name}"
            found.append(
                Problem(
                    f"another cluster {paths.name!r} runs on this machine, from {other}",
                    f"choose another name: sampan up --name NAME, or stop that one: {stop}",
                )
            )
    if server is not None and not server.pid and not port_is_free(config.port):
        instead = f"{_up(paths)} --port {free_port(config.port + 1, set())}"
        found.append(Problem(f"port {config.port} is taken by another process", f"choose another one: {instead}"))
    return found


def _up(paths: ClusterPaths) -> str:
    return "sampan up" if paths.name == DEFAULT_NAME else f"sampan up --name {paths.name}"


def _host(paths: ClusterPaths) -> Iterator[Problem]:
    top = paths.root
    while not top.exists():
        top = top.parent
    if not os.access(top, os.W_OK):
        yield Problem(f"{top} cannot be written", f"run as root, or choose another place: SAMPAN_HOME=DIR {_up(paths)}")
    elif shutil.disk_usage(top).free < LEAST_DISK:
        yield Problem(
            f"less than {LEAST_DISK // 2**20} MiB are free below {top}",
            f"free some space (df -h {top}), or choose another place: SAMPAN_HOME=DIR {_up(paths)}",
        )


def _node_needs() -> list[Problem]:
    alone = "start a control plane without nodes: sampan up --nodes 0"
    if sys.platform != "linux":
        return [Problem("Pods need Linux", alone)]
    if os.geteuid() != 0:
        return [
            Problem(
                "a node needs root (namespaces, cgroups, network)",
                f"run as root, or {alone}",
            )
        ]
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for tool, package in PACKAGES.items() if shutil.which(tool, path=search) is None]
    if shutil.which("crun", path=search) is None and shutil.which("runc", path=search) is None:
        missing.append("crun")
    found = []
    if missing:
        there = [words for tool, words in INSTALLERS.items() if shutil.which(tool, path=search)]
        install = there[0] if there else INSTALLERS["apt-get"]
        found.append(Problem(f"not installed: {', '.join(missing)}", f"{install} {' '.join(missing)}"))
    if not Path("/sys/fs/cgroup").is_dir() or not any(Path("/sys/fs/cgroup").iterdir()):
        found.append(Problem("no cgroups are mounted", "mount -t cgroup2 none /sys/fs/cgroup"))
    return found
