"""One real node beside a cluster in this process: an agent in a process of its own, on this host. Needs root."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sampan.cluster import config as configs
from sampan.cluster.claims import claim, release
from sampan.cluster.config import ClusterConfig
from sampan.cluster.nodes import NodePlan, make_nodes
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki
from sampan.cluster.preflight import problems
from sampan.cluster.process import Daemon

READY_SECONDS = 30.0


class RealNode:
    def __init__(self, paths: ClusterPaths, config: ClusterConfig) -> None:
        self._paths, self._config = paths, config
        self._env = {**os.environ, "SAMPAN_HOME": str(paths.root.parent)}
        [self._plan] = make_nodes(config)
        self._daemon = Daemon(f"agent-{self.name}", paths.run, paths.logs)

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def plan(self) -> NodePlan:
        return self._plan

    def check(self) -> None:
        found = problems(self._paths, self._config, None)
        if found:
            raise RuntimeError("; ".join(f"{p.what} ({p.fix})" for p in found))

    def start(self, pki: Pki) -> None:
        configs.save(self._paths, self._config)
        pki.ensure(self._config, {self._plan.name: self._plan.ip})
        claim(self._paths)
        self._daemon.start(
            ["agent", "--name", self._paths.name, "--node", self._plan.name, "--node-ip", self._plan.ip], env=self._env
        )

    def wait(self, is_ready: Callable[[str], bool]) -> None:
        end = time.monotonic() + READY_SECONDS
        while not is_ready(self.name):
            if not self._daemon.pid or time.monotonic() > end:
                raise RuntimeError(f"the node did not start:\n{self._daemon.last_words()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Every container, mount, interface and rule of it goes."""
        self._daemon.stop()
        command = [sys.executable, "-m", "sampan.cluster.clear", self._paths.name, self.name]
        subprocess.run(command, env=self._env, cwd="/", check=False, capture_output=True)
        release(self._paths)

    def image(self, *words: str) -> None:
        """`sampan image …` at this node's store."""
        command = [sys.executable, "-m", "sampan", "image", *words, "--name", self._paths.name]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"sampan image {' '.join(words)}: {done.stderr or done.stdout}")

    def load(self, image: str) -> None:
        """An archive (docker save, OCI), an image that this machine's docker or podman has, or one of a registry."""
        if Path(image).exists():
            self.image("load", str(Path(image).absolute()))
            return
        for tool in ("docker", "podman"):
            archive = self._paths.root / "image.tar"
            try:
                saved = subprocess.run([tool, "save", "-o", str(archive), image], capture_output=True, check=False)
            except FileNotFoundError:
                continue
            if saved.returncode == 0:
                self.image("load", str(archive))
                archive.unlink()
                return
        self.image("pull", image)
