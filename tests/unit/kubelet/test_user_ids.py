"""Pods with users of their own: which ones, for how long, and who is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.kubelet.user_ids import SIZE, NoMoreUsers, UserIds
from sampan.network.contract import IdRange
from sampan.runtime.contract import IdMapping
from tests.unit.kubelet.world import World


def test_ranges_do_not_meet_and_are_kept(tmp_path: Path) -> None:
    ids = UserIds(tmp_path / "ids")
    first, second = ids.give("a"), ids.give("b")
    assert first % SIZE == 0
    assert second - first == SIZE
    assert ids.give("a") == first
    again = UserIds(tmp_path / "ids")
    assert again.give("c") == second + SIZE
    again.release("a")
    again.release("never")
    assert UserIds(tmp_path / "ids").give("d") == first


def test_there_is_an_end(tmp_path: Path) -> None:
    ids = UserIds(tmp_path)
    given = {ids.give(str(number)) for number in range(250)}
    assert max(given) + SIZE <= 1 << 32
    with pytest.raises(NoMoreUsers, match="all 250 ranges"):
        ids.give("one more")


async def test_network_and_runtime_are_told_the_same(world: World) -> None:
    async with world.running():
        world.add({"hostUsers": False})
        await world.settle()
        assert world.condition("Ready") == "True"
        (config,) = world.runtime.sandbox_configs.values()
        assert config.ids is not None
        assert world.network.ids == {world.uid: IdRange(first=config.ids.first, size=SIZE)}
        assert isinstance(config.ids, IdMapping)
        file = world.config.root_dir / "user-ids" / world.uid
        assert int(file.read_text()) == config.ids.first
        await world.delete(grace=0)
        await world.pass_time(2)
        assert not file.exists()


async def test_others_have_the_users_of_the_host(world: World) -> None:
    async with world.running():
        world.add({"hostUsers": True})
        await world.settle()
        (config,) = world.runtime.sandbox_configs.values()
        assert config.ids is None
        assert world.network.ids == {}
