"""ControllerRevisions: one per template, found again, adopted, never a stranger's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.fake import FakeServer
from sampan.controllers.history import HASH_LABEL, History


def template(image: str) -> core_v1.PodTemplateSpec:
    return core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels={"app": "x"}),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="a", image=image)]),
    )


OWNER = meta_v1.ObjectMeta(name="d", namespace="n", uid="d1", annotations={"kubernetes.io/change-cause": "me"})


class Told:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.history = History(self.server.client(), "DaemonSet")

    @property
    def known(self) -> list[apps_v1.ControllerRevision]:
        return self.server.all(apps_v1.ControllerRevision, namespace="n")

    async def sync(self, image: str, **how: Any) -> apps_v1.ControllerRevision:
        return await self.history.sync(OWNER, template(image), None, how.get("known", self.known))


async def test_a_template_that_comes_back_is_the_newest_again() -> None:
    told = Told()
    first = await told.sync("i:1")
    second = await told.sync("i:2")
    assert (first.revision, second.revision) == (1, 2)
    assert first.metadata.annotations == OWNER.annotations
    assert first.metadata.labels == {"app": "x", HASH_LABEL: (first.metadata.name or "").removeprefix("d-")}
    again = await told.sync("i:1")
    assert (again.metadata.name, again.revision) == (first.metadata.name, 3)
    writes = len(told.server.writes())
    assert (await told.sync("i:1")).revision == 3
    assert len(told.server.writes()) == writes


async def test_a_cache_that_is_behind_makes_no_second_one() -> None:
    told = Told()
    first = await told.sync("i:1")
    again = await told.sync("i:1", known=[])
    assert again.metadata.name == first.metadata.name
    assert len(told.known) == 1


async def test_a_stranger_keeps_its_name() -> None:
    told = Told()
    first = await told.sync("i:1")
    (found,) = told.known
    assert found.metadata.ownerReferences is not None
    found.metadata.ownerReferences[0].uid = "another"
    told.server.add(found)
    second = await told.sync("i:1")
    assert second.metadata.name != first.metadata.name
    assert len(told.known) == 2


async def test_the_history_of_orphans_is_taken_over() -> None:
    told = Told()
    first = await told.sync("i:1")
    (found,) = told.known
    found.metadata.ownerReferences = None
    told.server.add(found)
    other = apps_v1.ControllerRevision(metadata=meta_v1.ObjectMeta(name="other", namespace="n", labels={"app": "y"}))
    told.server.add(other)
    adopted = await told.history.adopt(OWNER, told.known, lambda labels: labels.get("app") == "x")
    assert [r.metadata.name for r in adopted] == [first.metadata.name]
    assert (await told.sync("i:1")).metadata.uid == first.metadata.uid


@pytest.mark.parametrize(("limit", "left"), [(0, 1), (1, 2), (None, 4)])
async def test_old_ones_go(limit: int | None, left: int) -> None:
    told = Told()
    for image in ("i:1", "i:2", "i:3", "i:4"):
        newest = await told.sync(image)
    await told.history.trim(told.known, OWNER, {newest.metadata.name or ""}, limit)
    assert [r.revision for r in sorted(told.known, key=lambda r: r.revision)] == [1, 2, 3, 4][4 - left :]


async def test_its_bytes_are_in_the_order_in_which_kubernetes_writes_them() -> None:
    """Its conformance tests find a DaemonSet's present revision by comparing them."""
    told = Told()
    made = await told.sync("i:1")
    container = '{"image":"i:1","name":"a","resources":{}}'
    template = f'{{"$patch":"replace","metadata":{{"labels":{{"app":"x"}}}},"spec":{{"containers":[{container}]}}}}'
    assert msgspec.json.encode(made.data).decode() == f'{{"spec":{{"template":{template}}}}}'
