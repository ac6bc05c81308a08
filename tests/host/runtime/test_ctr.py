"""The node's own view: `sampan ctr` with and without a runtime that runs."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner

from sampan.cluster.ctr_commands import ctr_group
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


async def test_ps_logs_and_inspect(world: World) -> None:
    sandbox = await world.sandbox(name="kubia", namespace="ns")
    running = await world.container(sandbox, "sh", "-c", "echo out; echo err >&2; exec sleep 1000", name="app")
    ended = await world.container(sandbox, "sh", "-c", "exit 4", name="once")
    await world.ended(ended)

    async def ctr(*argv: str) -> tuple[int, str]:
        argv = (argv[0], "--root", world.config.state_dir, *argv[1:])
        result = await asyncio.to_thread(CliRunner().invoke, ctr_group, list(argv))
        return result.exit_code, result.output

    _, listed = await ctr("ps")
    header, *rows = listed.splitlines()
    assert " ".join(header.split()) == "CONTAINER IMAGE CREATED STATE NAME ATTEMPT POD ID POD NAMESPACE"
    assert len(rows) == 1
    assert rows[0].split()[0] == running[:13]
    assert {"busybox", "Running", "app", "kubia", "ns"} <= set(rows[0].split())
    _, everything = await ctr("ps", "-a")
    assert "Exited (4)" in everything
    assert (await ctr("ps", "-q"))[1].split() == [running[:13]]
    code, said = await ctr("logs", running[:6], "--tail", "5")
    assert (code, sorted(said.split())) == (0, ["err", "out"])
    document = json.loads((await ctr("inspect", running[:6]))[1])
    assert document["status"]["id"] == running
    assert document["pod"]["name"] == "kubia"
    assert document["spec"]["process"]["args"][0] == "sh"
    code, said = await ctr("logs", "zzz")
    assert (code, said) == (1, "Error: no container with an id that begins with 'zzz'\n")
    await world.runtime.close()
    assert "Running" in (await ctr("ps"))[1]
    await world.restart_closed()
