"""What a whole cluster reaches: start, idle, Pods, a full node, the command line. Each function takes a cluster of one
real node, made by `sampan up` in a directory of its own, and returns figures. Needs root.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.processes import cpu_seconds, family, memory_mb, wake_ups
from sampan.cluster import config as configs
from sampan.cluster.config import ClusterConfig
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki
from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.store import LocalImageStore

# Ranges that other clusters of this host, which know nothing of this one's directory, will not have picked; another
# number where two benches run at once.
INDEX = int(os.environ.get("SAMPAN_BENCH_INDEX", "97"))
POD_RANGE, SERVICE_RANGE = f"10.{120 + INDEX}.0.0/16", f"10.{21 + INDEX}.0.0/16"
ONE_BY_ONE, AT_ONCE = 12, 30
MOST_ON_A_NODE = 110
SETTLE_SECONDS, IDLE_SECONDS, STEADY_SECONDS, GIVE_UP_SECONDS = 5, 60, 30, 60
PODS = "/api/v1/namespaces/default/pods"


class Cluster:
    def __init__(self, home: Path, name: str) -> None:
        self.paths = ClusterPaths(name, home / name)
        self.env = {**os.environ, "SAMPAN_HOME": str(home), "KUBECONFIG": str(self.paths.kubeconfig)}
        self.started: dict[str, float] = {}
        self.port = 0
        self._connection: http.client.HTTPSConnection | None = None

    def up(self) -> None:
        self._configure()
        asyncio.run(self._images())
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "sampan", "up", "--name", self.paths.name, "--no-kubeconfig", "--quiet"],
            env=self.env,
        )
        self._until(lambda: self._answers("/readyz"))
        self.started["start to readyz, s"] = time.perf_counter() - began
        if process.wait():
            raise RuntimeError("the cluster did not start")
        self.started["start to node Ready, s"] = time.perf_counter() - began
        self._until(lambda: self._answers("/api/v1/namespaces/default/serviceaccounts/default"))

    def down(self) -> None:
        words = ["down", "--name", self.paths.name, "--purge"]
        subprocess.run([sys.executable, "-m", "sampan", *words], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def _configure(self) -> None:
        self.port = configs.free_port(26443, set())
        config = ClusterConfig(
            name=self.paths.name, index=INDEX, pod_cidr=POD_RANGE, service_cidr=SERVICE_RANGE, port=self.port,
            kubelet_port=configs.free_port(29250, set()),
        )  # fmt: skip
        configs.save(self.paths, config)

    async def _images(self) -> None:
        store = LocalImageStore(self.paths.agent(f"{self.paths.name}-1") / "images", owner=f"{self.paths.name}-1")
        await store.start()
        await build_example_images(store)
        await store.close()

    def tls(self) -> ssl.SSLSocket:
        """A connection of the administrator."""
        reached = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self._context().wrap_socket(reached, server_hostname="127.0.0.1")

    def _context(self) -> ssl.SSLContext:
        pki = Pki(self.paths.pki)
        context = ssl.create_default_context(cafile=str(pki.ca.certificate))
        admin = pki.pair("admin")
        context.load_cert_chain(admin.certificate, admin.key)
        return context

    def request(self, method: str, path: str, body: object = None, *, media: str = "application/json") -> Any:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self._context())
        try:
            headers = {"Content-Type": media}
            self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise
        if answer.status >= 400:
            raise OSError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content

    def _answers(self, path: str) -> bool:
        """Until somebody listens, a look costs next to nothing: it must not take the time of what it measures."""
        try:
            if self._connection is None:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            self.request("GET", path)
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _until(self, holds: Callable[[], bool], *, every: float = 0.005) -> None:
        end = time.monotonic() + GIVE_UP_SECONDS
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {GIVE_UP_SECONDS} s")
            time.sleep(every)

    def create_pod(self, name: str) -> None:
        container = {"name": "main", "image": "sampan.local/busybox:1.36", "command": ["sleep", "1000"]}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
        meta = {"name": name, "labels": {"app": "bench"}}
        self.request("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    def until_ready(self, count: int) -> None:
        """By polling on one connection; for many Pods less often, as each look costs the server more."""
        every = 0.002 if count == 1 else 0.02
        self._until(lambda: sum(map(_is_ready, self._pods())) == count, every=every)

    def remove_pods(self) -> None:
        """With no time to end: what is measured is ours, not theirs."""
        self.request("DELETE", PODS, {})
        self._until(lambda: not self._pods(), every=0.02)

    def _pods(self) -> list[dict[str, Any]]:
        return list(json.loads(self.request("GET", PODS))["items"])

    def until_calm(self) -> None:
        """Until the server has worked off what it was given: a second in which it uses next to nothing."""

        def calm() -> bool:
            before = cpu_seconds(self.processes())
            time.sleep(1)
            return cpu_seconds(self.processes()) - before < 0.05

        self._until(calm)

    def roots(self) -> list[int]:
        """Server and agent."""
        return [int(file.read_text().split()[0]) for file in self.paths.run.glob("*.pid")]

    def processes(self) -> list[int]:
        """And what they started."""
        return family(self.roots())


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


@contextmanager
def fresh() -> Iterator[Cluster]:
    """A cluster on a real disk, gone afterwards whatever happens."""
    home = Path(tempfile.mkdtemp(prefix="sampan-bench-", dir=os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")))
    cluster = Cluster(home, f"bench{os.getpid()}")
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()
        shutil.rmtree(home, ignore_errors=True)


def idle(cluster: Cluster) -> dict[str, float]:
    time.sleep(SETTLE_SECONDS)
    pids = cluster.processes()
    woken = wake_ups(pids)
    used = _share_used(pids, IDLE_SECONDS)
    return {
        "idle memory, MB": memory_mb(pids),
        "idle CPU, % of a core": used,
        "idle wake-ups, /min": (wake_ups(pids) - woken) * 60 / IDLE_SECONDS,
    }


def _share_used(pids: list[int], seconds: float) -> float:
    began, before = time.perf_counter(), cpu_seconds(pids)
    time.sleep(seconds)
    return (cpu_seconds(pids) - before) / (time.perf_counter() - began) * 100


def steady(cluster: Cluster) -> dict[str, float]:
    """As many Pods as a node takes, running, and nothing changes."""
    began = time.perf_counter()
    for number in range(MOST_ON_A_NODE):
        cluster.create_pod(f"steady-{number}")
    cluster.until_ready(MOST_ON_A_NODE)
    rate = MOST_ON_A_NODE / (time.perf_counter() - began)
    cluster.until_calm()
    pids = cluster.processes()
    figures = {
        f"{MOST_ON_A_NODE} Pods at once to Ready, /s": rate,
        f"{MOST_ON_A_NODE} Pods steady, CPU, % of a core": _share_used(pids, STEADY_SECONDS),
        f"{MOST_ON_A_NODE} Pods steady, memory, MB": memory_mb(pids),
    }
    cluster.remove_pods()
    return figures


def pods(cluster: Cluster) -> dict[str, float]:
    took = []
    for number in range(ONE_BY_ONE + 1):
        began = time.perf_counter()
        cluster.create_pod(f"one-{number}")
        cluster.until_ready(1)
        took.append((time.perf_counter() - began) * 1000)
        cluster.remove_pods()
    began = time.perf_counter()
    for number in range(AT_ONCE):
        cluster.create_pod(f"many-{number}")
    cluster.until_ready(AT_ONCE)
    rate = AT_ONCE / (time.perf_counter() - began)
    began = time.perf_counter()
    cluster.remove_pods()
    return {
        "one Pod to Ready, p50 ms": statistics.median(took[1:]),  # the first one wakes what sleeps
        f"{AT_ONCE} Pods at once to Ready, /s": rate,
        f"{AT_ONCE} Pods deleted to gone, /s": AT_ONCE / (time.perf_counter() - began),
    }


def cli(cluster: Cluster) -> dict[str, float]:
    commands = {"sampan get pods, p50 ms": [str(Path(sys.executable).with_name("sampan"))]}
    if shutil.which("kubectl"):
        commands["kubectl get pods, p50 ms"] = ["kubectl"]
    figures = {}
    for name, command in commands.items():
        took = []
        for _ in range(11):
            began = time.perf_counter()
            subprocess.run([*command, "get", "pods"], env=cluster.env, check=True, capture_output=True)
            took.append((time.perf_counter() - began) * 1000)
        figures[name] = statistics.median(took[1:])
    return figures
