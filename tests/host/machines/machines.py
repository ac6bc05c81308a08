"""Machines that are network namespaces on one bridge, each with an etcd member, a server and an agent of one cluster.

Everything is started as an operator would start it: `sampan server`, `sampan token create`, and the lines it prints.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import msgspec

from sampan.client.connection import ConnectionSettings
from sampan.client.kubeconfig import load_settings
from sampan.cluster.config import ClusterConfig
from sampan.cluster.runtimes import images_root
from sampan.network import names
from sampan.network.nodes import NodeSpace, NodeSpaces
from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.store import LocalImageStore
from tests.host.kubelet.cluster import condition

BUSYBOX = "sampan.local/busybox:1.36"
PORT = 6443
SAMPAN = [sys.executable, "-m", "sampan"]
# What users type with: `SAMPAN_TEST_KUBECTL=kubectl` for the real one.
KUBECTL = [word for word in os.environ.get("SAMPAN_TEST_KUBECTL", "").split() if word] or SAMPAN


class Machine:
    """One network namespace, and a home of its own."""

    def __init__(self, name: str, space: NodeSpace, link: str, home: Path, cluster: str) -> None:
        self.name, self.space, self.link, self.home = name, space, link, home
        self.ip = space.ip
        self.env = {**os.environ, "SAMPAN_HOME": str(home), "SAMPAN_NAME": cluster}
        self.root = home / cluster
        self.kubeconfig = self.root / "kubeconfig"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.commands: dict[str, list[str]] = {}
        home.mkdir(parents=True)

    def inside(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net={self.space.netns_path}", "--", *command]

    def start(self, what: str, command: Sequence[str] = ()) -> None:
        """Again, with the command it had, when none is given."""
        if command:
            self.commands[what] = self.inside(command)
        with (self.home / f"{what}.log").open("ab") as log:
            self.processes[what] = subprocess.Popen(
                self.commands[what], env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def end(self, what: str, number: int = signal.SIGKILL) -> None:
        process = self.processes.pop(what, None)
        if process is not None:
            process.send_signal(number)
            process.wait(30)

    def alive(self, what: str) -> bool:
        return what in self.processes and self.processes[what].poll() is None

    def pause(self, what: str) -> None:
        self.processes[what].send_signal(signal.SIGSTOP)

    def resume(self, what: str) -> None:
        self.processes[what].send_signal(signal.SIGCONT)

    def etcd_is_well(self) -> bool:
        if not self.alive("etcd"):
            return False
        try:
            with urllib.request.urlopen(f"http://{self.ip}:2379/health", timeout=2) as answer:
                return bool(json.load(answer)["health"] == "true")
        except OSError:
            return False

    def etcd_leads(self) -> bool:
        url = f"http://{self.ip}:2379/v3/maintenance/status"
        with urllib.request.urlopen(urllib.request.Request(url, data=b"{}"), timeout=5) as answer:
            status = json.load(answer)
        return bool(status["leader"] == status["header"]["member_id"])

    def last_words(self, what: str) -> str:
        return (self.home / f"{what}.log").read_text(errors="replace")[-3000:]

    def sampan(self, *words: str) -> str:
        done = subprocess.run(self.inside([*SAMPAN, *words]), env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def cut_off(self) -> None:
        """The cable is out: nothing gets in or out of this machine."""
        subprocess.run(["ip", "link", "set", self.link, "down"], check=True)

    def plug_in(self) -> None:
        subprocess.run(["ip", "link", "set", self.link, "up"], check=True)

    async def make_images(self) -> None:
        store = LocalImageStore(images_root(self.root / "agents" / self.name), owner=self.name)
        await store.start()
        try:
            await build_example_images(store)
        finally:
            await store.close()


class Machines:
    """`tag` makes the names of everything on the host; it is the cluster's."""

    def __init__(self, folder: Path, tag: str, count: int = 3) -> None:
        self.tag, self.folder = tag, folder
        self.spaces = NodeSpaces(tag, IPv4Network(f"172.29.{os.getpid() % 250}.0/24"), run_dir=folder / "run")
        self.spaces.start()
        self.all: list[Machine] = []
        for number in range(1, count + 1):
            name = f"{tag}-m{number}"
            space = self.spaces.add(name)
            self.all.append(Machine(name, space, names.node_link(tag, name), folder / name, tag))

    def __getitem__(self, index: int) -> Machine:
        return self.all[index]

    # --- what an operator does ---

    def start_etcd(self, machines: Sequence[Machine] | None = None) -> None:
        machines = machines or self.all
        together = ",".join(f"{m.name}=http://{m.ip}:2380" for m in machines)
        for machine in machines:
            machine.start("etcd", etcd_command(machine, together))

    @property
    def datastore(self) -> str:
        return "etcd://" + ",".join(f"{m.ip}:2379" for m in self.all)

    def start_first_server(self, *words: str) -> None:
        first = self.all[0]
        self.choose_ranges(nodes=0)
        first.start(
            "server",
            [*SAMPAN, "server", "--datastore", self.datastore, "--address", first.ip, "--port", str(PORT), *words],
        )
        self.wait_serving(first)

    def choose_ranges(self, *, nodes: int, node_grace: float = 40) -> None:
        """Not the usual ones: a bridge's traffic may pass the rules of other clusters of this host."""
        own = os.getpid() % 60
        config = ClusterConfig(
            name=self.tag,
            nodes=nodes,
            pod_cidr=f"100.{64 + own}.0.0/16",
            service_cidr=f"198.18.{own * 4}.0/22",
            node_grace=node_grace,
        )
        self.all[0].root.mkdir(parents=True, exist_ok=True)
        (self.all[0].root / "cluster.json").write_bytes(msgspec.json.encode(config))

    def join_server(self, machine: Machine, *words: str) -> None:
        line = self.all[0].sampan("token", "create", "--server").split()
        machine.start("server", [*SAMPAN, *line[1:], "--address", machine.ip, *words])
        self.wait_serving(machine)

    def join_agents(self) -> None:
        asyncio.run(self._make_images())
        line = self.all[0].sampan("token", "create").split()
        for machine in self.all:
            machine.start("agent", [*SAMPAN, *line[1:], "--node", machine.name, "--node-ip", machine.ip])
        for machine in self.all:
            self.wait(lambda m=machine: node_is(self.get(f"/api/v1/nodes/{m.name}"), "True"), machine, "agent")

    async def _make_images(self) -> None:
        await asyncio.gather(*(machine.make_images() for machine in self.all))

    def wait_serving(self, machine: Machine, *, seconds: float = 60) -> None:
        self.wait(lambda: self.ready(machine), machine, "server", seconds=seconds)

    def leader(self, lease: str) -> Machine:
        """Whose server holds a Lease: its log says so last."""
        holder = self.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{lease}")["spec"][
            "holderIdentity"
        ]
        return next(m for m in self.all if f"{holder} leads kube-system/{lease}" in (m.home / "server.log").read_text())

    def settings(self, machine: Machine, servers: str) -> ConnectionSettings:
        """As its administrator, to these servers."""
        return msgspec.structs.replace(load_settings(str(machine.kubeconfig)), server=servers)

    def serving(self) -> Machine:
        """One whose server lives."""
        return next(machine for machine in self.all if machine.alive("server"))

    def ready(self, machine: Machine) -> bool:
        done = self.try_kubectl("get", "--raw", "/readyz", at=machine)
        return done.returncode == 0 and done.stdout == "ok"

    def down(self) -> None:
        for what in ("agent", "server", "etcd"):
            for machine in self.all:
                machine.plug_in()
                machine.end(what, signal.SIGTERM if what == "agent" and machine.alive(what) else signal.SIGKILL)
        for machine in self.all:
            subprocess.run(machine.inside([*SAMPAN, "down", "--purge"]), env=machine.env, check=False)
        self.spaces.teardown()

    # --- what a user does ---

    def try_kubectl(self, *words: str, at: Machine, given: str = "") -> subprocess.CompletedProcess[str]:
        env = {**at.env, "KUBECONFIG": str(at.kubeconfig)}
        return subprocess.run([*KUBECTL, *words], env=env, input=given, capture_output=True, text=True, check=False)

    def kubectl(self, *words: str, given: str = "", at: Machine | None = None, seconds: float = 60) -> str:
        """At one server, or at whichever answers: as somebody would who has three kubeconfigs and some patience."""
        until, words_said = time.monotonic() + seconds, ""
        while True:
            for machine in [at] if at is not None else self.all:
                if not machine.alive("server"):
                    continue
                done = self.try_kubectl("--request-timeout=10s", *words, at=machine, given=given)
                if done.returncode == 0 or "AlreadyExists" in done.stderr:
                    return done.stdout
                words_said = done.stdout + done.stderr
            assert time.monotonic() < until, f"{words}: {words_said}"
            time.sleep(0.3)

    def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "--raw", path))
        return found

    def create(self, *documents: dict[str, Any]) -> None:
        together = {"kind": "List", "apiVersion": "v1", "items": documents}
        self.kubectl("apply", "-f", "-", given=json.dumps(together))

    def report(self) -> str:
        """For whoever reads why a test failed."""
        seen = [
            self.try_kubectl(*words.split(), at=self.serving()).stdout
            for words in ("get po,no -A -o wide", "get events -A")
        ]
        ends = [f"--- {what} of {m.name}\n{m.last_words(what)}" for m in self.all for what in ("server", "agent")]
        return "\n".join(["", *seen, *ends])

    def wait(
        self, holds: Callable[[], bool], machine: Machine | None = None, what: str = "", *, seconds: float = 90
    ) -> None:
        until = time.monotonic() + seconds
        while not holds():
            said = machine.last_words(what) if machine is not None else ""
            if machine is not None and what in machine.processes:
                assert machine.processes[what].poll() is None, said
            assert time.monotonic() < until, f"not within {seconds} s. {said or self.report()}"
            time.sleep(0.2)


def etcd_command(machine: Machine, together: str, *, state: str = "new") -> list[str]:
    return [
        "etcd",
        f"--name={machine.name}",
        f"--data-dir={machine.home / 'etcd'}",
        f"--listen-client-urls=http://{machine.ip}:2379,http://127.0.0.1:2379",
        f"--advertise-client-urls=http://{machine.ip}:2379",
        f"--listen-peer-urls=http://{machine.ip}:2380",
        f"--initial-advertise-peer-urls=http://{machine.ip}:2380",
        f"--initial-cluster={together}",
        f"--initial-cluster-state={state}",
        "--logger=zap",
        "--log-level=error",
    ]


def node_is(node: dict[str, Any], status: str) -> bool:
    return condition(node, "Ready") == status


def able() -> bool:
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in ("etcd", "nsenter", "ip"))
