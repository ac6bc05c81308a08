"""Churn, for as long as you like: `python -m bench.soak --minutes 60` (as root). What a cluster holds at the end is
what it held at the start, and it answers as fast, or something leaks.

Each round a Deployment is created, looked into (exec, logs, port-forward), scaled up and down, rolled and deleted;
watchers come and go, a bare Pod comes and goes. Between two rounds nothing is left to do, and memory, open files,
threads, processes, disk, the host's mounts, routes and cgroups and the time of an answer are noted.

Events are deleted with the rest, as they live for an hour: what a cluster is asked to remember is no leak.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import plot
from bench.cluster import POD_RANGE, Cluster, fresh
from bench.history import PLOTS
from bench.processes import holdings

DEPLOYMENTS, PODS = "/apis/apps/v1/namespaces/default/deployments", "/api/v1/namespaces/default/pods"
WATCHERS, PROBES = 20, 40
WAIT_SECONDS = 90
# What may be more at the end than at the start: (share of the start, and so many more)
ALLOWED = {
    "memory, MB": (0.10, 10.0),
    "open files": (0.0, 8.0),
    "threads": (0.0, 4.0),
    "processes": (0.0, 0.0),
    "disk, MB": (0.25, 40.0),
    "mounts": (0.0, 0.0),
    "routes to Pods": (0.0, 0.0),
    "cgroups": (0.0, 0.0),
    "get, p50 ms": (0.5, 1.0),
    "create, p50 ms": (0.5, 3.0),
}
Reading = dict[str, float]


class Soak:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._round = 0

    def round(self) -> None:
        """Everything that people do to a Deployment, once."""
        self._round += 1
        self._cluster.request("POST", DEPLOYMENTS, deployment("web", replicas=4))
        self._until_available(4)
        watchers = [self._watcher() for _ in range(WATCHERS)]
        assert self._sampan("exec", "deploy/web", "--", "echo", "hello") == "hello\n"
        assert "serving" in self._sampan("logs", "deploy/web", "--tail=5")
        self._forward()
        for replicas in (7, 2):
            self._patch({"spec": {"replicas": replicas}})
            self._until_available(replicas)
        self._patch({"spec": {"template": {"metadata": {"annotations": {"round": str(self._round)}}}}})
        self._until_available(2)
        for watcher in watchers:
            watcher.close()
        self._cluster.create_pod("alone")
        self._until(lambda: any(p["metadata"]["name"] == "alone" and is_ready(p) for p in self._pods()))
        self._cluster.request("DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": "Foreground"})
        self._cluster.request("DELETE", f"{PODS}/alone", {"gracePeriodSeconds": 0})
        self._until(lambda: not self._pods() and not self._items(DEPLOYMENTS))
        self._cluster.request("DELETE", "/api/v1/namespaces/default/events", {})

    def reading(self) -> Reading:
        held = holdings(self._cluster.processes())
        disk = subprocess.run(["du", "-sk", str(self._cluster.paths.root)], capture_output=True, text=True).stdout
        return {
            "memory, MB": held.memory_mb,
            "open files": held.files,
            "threads": held.threads,
            "processes": held.processes,
            "disk, MB": int(disk.split()[0]) / 1024,
            **self._of_the_host(),
            "get, p50 ms": self._median_ms(lambda _: self._cluster.request("GET", "/api/v1/namespaces/default")),
            "create, p50 ms": self._median_ms(self._make_and_remove),
        }

    def _of_the_host(self) -> Reading:
        """Of this cluster alone: others may live on the host."""
        root = str(self._cluster.paths.root)
        mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if root in line]
        command = ["ip", "-o", "route", "show", "root", POD_RANGE]
        routes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        name = self._cluster.paths.name
        groups = sum(name in group for _, below, _ in os.walk("/sys/fs/cgroup") for group in below)
        return {"mounts": len(mounts), "routes to Pods": len(routes), "cgroups": groups}

    def _median_ms(self, work: Callable[[int], object]) -> float:
        took = []
        for number in range(PROBES):
            began = time.perf_counter()
            work(number)
            took.append((time.perf_counter() - began) * 1000)
        return statistics.median(took)

    def _make_and_remove(self, number: int) -> None:
        maps = "/api/v1/namespaces/default/configmaps"
        self._cluster.request("POST", maps, {"metadata": {"name": f"probe-{number}"}})
        self._cluster.request("DELETE", f"{maps}/probe-{number}", {})

    def _watcher(self) -> ssl.SSLSocket:
        """A connection that watches Pods and is never read from, as one that hangs."""
        connection = self._cluster.tls()
        connection.sendall(f"GET {PODS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return connection

    def _forward(self) -> None:
        """A few bytes through a port-forward."""
        command = [sys.executable, "-m", "sampan", "port-forward", "deploy/web", ":8080"]
        with subprocess.Popen(command, env=self._cluster.env, stdout=subprocess.PIPE, text=True) as forwarding:
            try:
                assert forwarding.stdout is not None
                line = forwarding.stdout.readline()  # Forwarding from 127.0.0.1:PORT -> 8080
                port = int(line.split("->")[0].strip().rpartition(":")[2])
                with socket.create_connection(("127.0.0.1", port), timeout=10) as through:
                    through.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    assert through.recv(100).startswith(b"HTTP/1."), "nobody answered through the port-forward"
            finally:
                forwarding.terminate()

    def _sampan(self, *words: str) -> str:
        command = [sys.executable, "-m", "sampan", *words]
        done = subprocess.run(command, env=self._cluster.env, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def _patch(self, change: dict[str, Any]) -> None:
        self._cluster.request("PATCH", f"{DEPLOYMENTS}/web", change, media="application/merge-patch+json")

    def _until_available(self, replicas: int) -> None:
        def holds() -> bool:
            found = json.loads(self._cluster.request("GET", f"{DEPLOYMENTS}/web"))
            status, meta = found["status"], found["metadata"]
            counts = [status.get(f, 0) for f in ("replicas", "updatedReplicas", "availableReplicas")]
            return status.get("observedGeneration") == meta["generation"] and counts == [replicas] * 3

        self._until(holds)

    def _pods(self) -> list[dict[str, Any]]:
        return self._items(PODS)

    def _items(self, path: str) -> list[dict[str, Any]]:
        return list(json.loads(self._cluster.request("GET", path))["items"])

    @staticmethod
    def _until(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {WAIT_SECONDS} s")
            time.sleep(0.1)


def is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def deployment(name: str, *, replicas: int) -> dict[str, Any]:
    program = "mkdir -p /tmp/w; echo hello > /tmp/w/index.html; echo serving; exec httpd -f -p 8080 -h /tmp/w"
    container = {"name": "main", "image": "sampan.local/busybox:1.36", "command": ["sh", "-c", program]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    selector = {"matchLabels": {"app": name}}
    body = {"replicas": replicas, "selector": selector, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def grown(readings: list[Reading]) -> dict[str, tuple[float, float, bool]]:
    """Of each figure what it was after the first third, what it is in the last, and whether that is too much.

    The first third is for what a cluster fills once and keeps: its caches, its ring of recent events, the pages of its
    database that compaction gives back.
    """
    third = max(1, len(readings) // 3)
    early, late = readings[third : 2 * third] or readings[:1], readings[-third:]
    found = {}
    for name, (share, more) in ALLOWED.items():
        before = statistics.median(r[name] for r in early)
        after = statistics.median(r[name] for r in late)
        found[name] = (before, after, after > before * (1 + share) + more)
    return found


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two rounds")
    options = parser.parse_args(argv)
    minutes = options.minutes
    readings: list[Reading] = []
    with fresh() as cluster:
        soak = Soak(cluster)
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end or len(readings) < 3:
            soak.round()
            time.sleep(options.pause)
            readings.append(soak.reading())
            shown = "  ".join(f"{name} {figure:.1f}" for name, figure in readings[-1].items())
            print(f"{len(readings):4}  {shown}", flush=True)
    return report(readings, minutes)


def report(readings: list[Reading], minutes: float) -> int:
    found = grown(readings)
    print(f"\n{len(readings)} rounds in {minutes:g} minutes\n{'':20}{'middle third':>14}{'last third':>14}")
    for name, (before, after, over) in found.items():
        print(f"{name:20}{before:14.1f}{after:14.1f}   {'GROWS' if over else 'ok'}")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / f"soak-{time.strftime('%Y%m%d-%H%M%S')}.json").write_text(json.dumps(readings, indent=1) + "\n")
    charts = [
        plot.Chart(name, "round", "", {name: [(n, r[name]) for n, r in enumerate(readings, 1)]}, logarithmic=False)
        for name in ALLOWED
    ]
    PLOTS.mkdir(exist_ok=True)
    (PLOTS / "soak.svg").write_text(plot.svg(charts, columns=4))
    return 1 if any(over for _, _, over in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
