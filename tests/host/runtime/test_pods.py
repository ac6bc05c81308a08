"""What containers of one Pod share, and what each has for itself."""

from __future__ import annotations

import pytest

from sampan.runtime import contract as cri
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_a_container_runs_and_says_what_it_did(world: World) -> None:
    sandbox = await world.sandbox(name="kubia")
    container = await world.container(sandbox, "sh", "-c", "echo out; echo err >&2; hostname; exit 3")
    status = await world.ended(container)
    assert sorted(world.log(status).split()) == ["err", "kubia", "out"]
    assert (status.state, status.exit_code, status.reason) == (cri.ContainerState.EXITED, 3, "Error")
    assert status.created_at <= status.started_at <= status.finished_at + 1_000_000_000
