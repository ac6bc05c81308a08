"""The process that plays a cluster's simulated nodes on this machine; it comes back with the cluster."""

from __future__ import annotations

from pathlib import Path

from sampan.cluster.paths import ClusterPaths
from sampan.cluster.process import Daemon


def simulator_daemon(paths: ClusterPaths) -> Daemon:
    return Daemon("simulator", paths.run, paths.logs)


def start(paths: ClusterPaths) -> None:
    """Unless it runs. From now on `sampan up` starts it as well."""
    _wanted(paths).touch()
    resume(paths)


def resume(paths: ClusterPaths) -> None:
    """For a cluster that is starting: whoever had simulated nodes before has them again."""
    daemon = simulator_daemon(paths)
    if _wanted(paths).exists() and not daemon.pid:
        daemon.start(["simulate", "run", "--name", paths.name])


def stop(paths: ClusterPaths) -> None:
    _wanted(paths).unlink(missing_ok=True)
    simulator_daemon(paths).stop()


def _wanted(paths: ClusterPaths) -> Path:
    return paths.root / "simulated"
