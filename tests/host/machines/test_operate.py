"""The section of docs/operate.md on growing from one machine to three, command by command."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.store import LocalImageStore
from tests.host.machines.machines import SAMPAN, Machine, Machines, able, node_is

pytestmark = pytest.mark.root
DOCUMENT = Path(__file__).parents[3] / "docs" / "operate.md"
STAYS = re.compile(r"etcd|sampan (server|agent)\b")


class Block(Struct, frozen=True):
    machines: list[int]
    lines: list[str]


def blocks() -> list[Block]:
    section = DOCUMENT.read_text().split("## From one machine to three")[1].split("\n## ")[0]
    found = []
    for body in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
        where, *lines = body.strip().splitlines()
        assert where.startswith("# on machine"), where
        found.append(Block([int(number) for number in re.findall(r"\d", where)], lines))
    return found


class Reader:
    """Types what the document says, at the machine that it says."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.printed = ""

    def follow(self, block: Block) -> None:
        for number in block.machines:
            for line in block.lines:
                self._type(self.machines[number - 1], number, line)

    def _type(self, machine: Machine, number: int, line: str) -> None:
        if "…" in line:  # the line that was printed, with what the document adds to it
            added = line.split("… ")[-1].split("…")[-1]
            line = f"{self.printed} {added}"
        for index, other in enumerate(self.machines.all, 1):
            line = line.replace(f"10.0.0.{index}", other.ip)
            line = re.sub(rf"\bm{index}\b", other.name, line)
        line = line.replace("10.0.0.N", machine.ip).replace("mN", machine.name)
        line = line.replace("/var/lib/etcd", str(machine.home / "etcd"))
        line = line.replace("/var/lib/sampan/sampan", str(machine.root))
        words = shlex.split(line)
        stays = STAYS.match(line)
        if words[0] == "sampan":
            words = [*SAMPAN, *words[1:]]
        if stays:
            machine.start(stays[1] or "etcd", words)
            return
        machine.env["KUBECONFIG"] = str(machine.kubeconfig)
        self.printed = machine.sampan(*words[len(SAMPAN) :]).strip()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    if not able():
        pytest.skip("needs root, etcd, nsenter and ip")
    made = Machines(tmp_path, f"o{os.getpid()}")
    try:
        yield made
    finally:
        made.down()


async def images(machine: Machine, where: str) -> None:
    store = LocalImageStore(machine.root / where / "images", owner=machine.name)
    await store.start()
    try:
        await build_example_images(store)
    finally:
        await store.close()


def test_from_one_machine_to_three(machines: Machines) -> None:
    first, second, third = machines.all
    for machine in machines.all:
        asyncio.run(images(machine, "agent"))
    machines.choose_ranges(nodes=1, node_grace=12)
    first.sampan("up", "--no-kubeconfig", "--quiet", "--address", first.ip)
    reader, steps = Reader(machines), blocks()
    first.env["KUBECONFIG"] = str(first.kubeconfig)
    sleep = ["--image=sampan.local/busybox:1.36", "--", "sleep", "100000"]
    first.sampan("create", "deployment", "before", *sleep)
    token = first.sampan("create", "token", "default").strip()

    etcd, move, servers, nodes, look, leave = steps[:3], steps[3], steps[4:6], steps[6:8], steps[8], steps[9:]
    for block in etcd:
        reader.follow(block)
    machines.wait(lambda: all(m.etcd_is_well() for m in machines.all))
    # As in the document, but for ~/.kube/config of whoever runs this test.
    reader.follow(
        Block(move.machines, [re.sub(r"^sampan up", "sampan up --no-kubeconfig", line) for line in move.lines])
    )
    assert "before" in first.sampan("get", "deployments")
    reader.follow(servers[0])
    assert reader.printed.startswith("sampan server --join")
    reader.follow(servers[1])
    for machine in (second, third):
        machines.wait_serving(machine)
        machine.env["KUBECONFIG"] = str(machine.kubeconfig)
    machines.wait(lambda: all(m.ip in first.sampan("get", "endpoints", "kubernetes") for m in machines.all))
    known = first.root / "agent" / "servers"  # to the agent that has been there all along
    machines.wait(lambda: known.exists() and all(m.ip in known.read_text() for m in (second, third)))
    assert first.ip not in known.read_text(), "its own server has a shorter way"
    reader.follow(nodes[0])
    assert all(m.ip in reader.printed for m in machines.all)
    reader.follow(nodes[1])
    for machine in (second, third):
        machines.wait(lambda m=machine: node_is(_node(machines, m), "True"), machine, "agent")
    reader.follow(look)
    # What was there is there, works on the new nodes, and who was trusted is trusted by all.
    first.sampan("scale", "deployment/before", "--replicas=6")
    machines.wait(lambda: first.sampan("get", "deployment", "before", "-o", "jsonpath={.status.readyReplicas}") == "6")
    assert second.name in first.sampan("get", "pods", "-o", "wide")
    for machine in machines.all:
        assert "system:serviceaccount:default:default" in machine.sampan("auth", "whoami", "--token", token)

    reader.follow(leave[0])
    for what in ("agent", "server"):
        third.end(what)
    machines.wait(lambda: node_is(_node(machines, third), "Unknown"))
    reader.follow(leave[1])
    reader.follow(leave[2])
    assert not third.root.exists()
    assert third.name not in first.sampan("get", "nodes")
    machines.wait(lambda: third.ip not in first.sampan("get", "endpoints", "kubernetes"))
    machines.wait(lambda: third.ip not in known.read_text())
    machines.wait(lambda: first.sampan("get", "deployment", "before", "-o", "jsonpath={.status.readyReplicas}") == "6")


def _node(machines: Machines, machine: Machine) -> dict[str, object]:
    found: dict[str, object] = machines.get(f"/api/v1/nodes/{machine.name}")
    return found
