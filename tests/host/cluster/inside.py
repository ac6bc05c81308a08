"""Runs in namespaces of its own (processes, mounts, network), where everything that changes is the clusters' doing:
starts them, has them run Pods, stops them, and says in one line of JSON what they left behind.

    python -m tests.host.cluster.inside DIRECTORY NODES NAME...
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.host.cluster.footprint import Footprint, footprint, left

ROOT = Path(__file__).resolve().parents[3]
WEB = """
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3,
    "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
      "volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}],
      "containers": [{"name": "web", "image": "sampan.local/kubia",
                      "volumeMounts": [{"name": "memory", "mountPath": "/memory"}]}]}}}},
  {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "NodePort",
    "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}]}
"""


class Clusters:
    def __init__(self, directory: Path, nodes: int, names: list[str]) -> None:
        self.directory, self.nodes, self.names = directory, nodes, names
        self.env = {**os.environ, "SAMPAN_HOME": str(directory / "home"), "KUBECONFIG": str(directory / "kubeconfig")}

    def run(self, *words: str, name: str = "", given: str = "", seconds: float = 0) -> str:
        """`seconds`: for how long it is tried again."""
        env = self.env | ({"KUBECONFIG": f"{self.directory}/home/{name}/kubeconfig"} if name else {})
        begun = time.monotonic()
        while True:
            done = subprocess.run(
                [sys.executable, "-m", "sampan", *words],
                env=env, input=given, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if not done.returncode:
                return done.stdout
            if time.monotonic() - begun > seconds:
                raise SystemExit(f"sampan {' '.join(words)}: {done.stdout}{done.stderr}")
            time.sleep(0.2)

    def up(self) -> None:
        for name in self.names:
            self.run("up", "--name", name, "--nodes", str(self.nodes))

    def down(self, *words: str) -> None:
        for name in self.names:
            self.run("down", "--name", name, *words)

    def have_pods(self) -> None:
        for name in self.names:
            self.run("image", "examples", "--name", name)
            self.run("create", "-f", "-", name=name, given=WEB)
        self.serve()

    def serve(self) -> None:
        """Every cluster has its own Pods, and they answer by their Service's name; after a start not at once."""
        for name in self.names:
            self.run("wait", "--for=condition=Available", "deployment/web", "--timeout=60s", name=name)
            asks = ("exec", "deploy/web", "--", "wget", "-qO-", "http://web.default.svc")
            answer = self.run(*asks, name=name, seconds=30)
            assert answer.startswith("You've hit web-"), answer


def network() -> None:
    """As on a machine in a network: an address, and a way out."""
    for words in ("link set lo up", "link add out0 type veth peer name out1", "address add 192.0.2.77/24 dev out0",
                  "link set out0 addrgenmode none", "link set out1 addrgenmode none",
                  "link set out0 up", "link set out1 up", "route add default via 192.0.2.1"):  # fmt: skip
        subprocess.run(["ip", *words.split()], check=True)


def remains(before: Footprint, names: list[str]) -> dict[str, list[str]]:
    """What is left when the kernel has had the time to take network namespaces down, which it does behind our back."""
    end = time.monotonic() + 60
    while (found := left(before, footprint(names))) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def steady(names: list[str]) -> Footprint:
    """Without the settings that change by themselves."""
    first, second = footprint(names), footprint(names)
    moving = {line.partition(" = ")[0] for line in first["sysctls"] ^ second["sysctls"]}
    forget = {line for line in second["sysctls"] if line.partition(" = ")[0] in moving}
    return second | {"sysctls": second["sysctls"] - forget, "moving": moving}


def main() -> None:
    directory, nodes, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    os.chdir(ROOT)
    network()
    clusters = Clusters(directory, nodes, names)
    before = steady(names)
    clusters.up()
    clusters.have_pods()
    shown = len(left(before, footprint(names)))
    stopped: dict[str, list[str]] = {}
    if nodes == len(names) == 1:  # once is enough: stopped, looked at, and started again
        clusters.down()
        stopped = remains(before, names)
        clusters.up()
        clusters.serve()
    clusters.down("--purge")
    purged = remains(before, names)
    data = sorted(str(path) for path in directory.glob("home/*"))
    print(json.dumps({"kinds_while_up": shown, "down": stopped, "purge": purged, "data": data}))


if __name__ == "__main__":
    main()
