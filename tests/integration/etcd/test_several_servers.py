"""Two API servers on one etcd: what one has acknowledged the other shows, and neither gives out what the other has."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator

import pytest

from sampan.api.errors import ApiError, Forbidden, NotFound, ServiceUnavailable
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.storage import etcd
from tests.integration.etcd.servers import api_server
from tests.unit.storage.etcd.member import Member

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")


@pytest.fixture
async def servers(member: Member) -> AsyncIterator[tuple[Client, Client]]:
    async with api_server(member.address) as one, api_server(member.address) as other:
        yield one, other


def config_map(name: str, **data: str) -> core_v1.ConfigMap:
    return core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace="default"), data=data)


async def test_reads_are_fresh_on_either(servers: tuple[Client, Client]) -> None:
    one, other = (client.resource(core_v1.ConfigMap) for client in servers)
    for number in range(30):
        await one.create(config_map(f"c{number}", a="1"))
        found = await other.get(f"c{number}", namespace="default")
        found.data = {"a": "2"}
        await other.update(found)
        assert (await one.get(f"c{number}", namespace="default")).data == {"a": "2"}
        assert len((await one.list(namespace="default")).items) == number + 1
        if number % 2:
            await other.delete(f"c{number}", namespace="default")
            with pytest.raises(NotFound):
                await one.get(f"c{number}", namespace="default")
            await one.create(config_map(f"c{number}", a="3"))


async def test_patches_of_both_are_all_kept(servers: tuple[Client, Client]) -> None:
    await servers[0].resource(core_v1.ConfigMap).create(config_map("shared"))

    async def patch(client: Client, who: str) -> None:
        for number in range(25):
            await client.resource(core_v1.ConfigMap).patch(
                "shared", {"data": {f"{who}{number}": "x"}}, namespace="default"
            )

    await asyncio.gather(patch(servers[0], "a"), patch(servers[1], "b"))
    found = await servers[0].resource(core_v1.ConfigMap).get("shared", namespace="default")
    assert len(found.data or {}) == 50


async def test_addresses_and_ports_are_given_out_once(servers: tuple[Client, Client]) -> None:
    """Of 120 addresses 100 are asked for on both servers at once: chance alone would give many of them twice."""

    async def make(client: Client, name: str) -> core_v1.Service:
        return await client.resource(core_v1.Service).create(
            core_v1.Service(
                metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
                spec=core_v1.ServiceSpec(type="NodePort", ports=[core_v1.ServicePort(port=80)]),
            )
        )

    made = await asyncio.gather(*(make(servers[i % 2], f"s{i}") for i in range(100)))
    assert len({service.spec.clusterIP for service in made}) == 100
    assert len({(service.spec.ports or [])[0].nodePort for service in made}) == 100
    taken = made[0].spec.clusterIP
    for client in servers:
        with pytest.raises(ApiError, match="already allocated"):
            await client.resource(core_v1.Service).create(
                core_v1.Service(
                    metadata=meta_v1.ObjectMeta(name="late", namespace="default"),
                    spec=core_v1.ServiceSpec(clusterIP=taken, ports=[core_v1.ServicePort(port=80)]),
                )
            )


async def test_a_quota_holds_over_both(servers: tuple[Client, Client]) -> None:
    """Of what one kind of guard keeps apart, and of what two do."""
    hard = {"configmaps": "15", "services.nodeports": "7"}
    quota = core_v1.ResourceQuota(
        metadata=meta_v1.ObjectMeta(name="quota", namespace="default"), spec=core_v1.ResourceQuotaSpec(hard=hard)
    )
    await servers[0].resource(core_v1.ResourceQuota).create(quota)

    async def serve(client: Client, name: str) -> core_v1.Service:
        spec = core_v1.ServiceSpec(type="NodePort", ports=[core_v1.ServicePort(port=80)])
        meta = meta_v1.ObjectMeta(name=name, namespace="default")
        return await client.resource(core_v1.Service).create(core_v1.Service(metadata=meta, spec=spec))

    maps = [servers[i % 2].resource(core_v1.ConfigMap).create(config_map(f"c{i}")) for i in range(40)]
    services = [serve(servers[i % 2], f"s{i}") for i in range(20)]
    answers = await asyncio.gather(*maps, *services, return_exceptions=True)
    assert {type(answer) for answer in answers} == {core_v1.ConfigMap, core_v1.Service, Forbidden}
    for client in servers:
        assert len((await client.resource(core_v1.ConfigMap).list(namespace="default")).items) == 15
        assert len((await client.resource(core_v1.Service).list(namespace="default")).items) == 7


async def test_a_watch_goes_on_at_another_server(servers: tuple[Client, Client]) -> None:
    one, other = (client.resource(core_v1.ConfigMap) for client in servers)
    first = await one.create(config_map("first"))
    seen: list[str] = []
    async with asyncio.timeout(20):
        async with one.watch(namespace="default", resource_version=first.metadata.resourceVersion or "") as events:
            await other.create(config_map("second"))
            async for event in events:
                seen.append(event.object.metadata.name)
                at = event.object.metadata.resourceVersion
                break
        await one.create(config_map("third"))
        await other.create(config_map("fourth"))
        async with other.watch(namespace="default", resource_version=at) as events:
            async for event in events:
                seen.append(event.object.metadata.name)
                if len(seen) == 3:
                    break
    assert seen == ["second", "third", "fourth"]


async def test_cut_off_from_etcd_nothing_is_answered_as_fresh(member: Member, servers: tuple[Client, Client]) -> None:
    maps = servers[0].resource(core_v1.ConfigMap)
    await maps.create(config_map("here"))
    os.kill(member.process.pid, signal.SIGSTOP)
    try:
        answers = await asyncio.gather(
            maps.get("here", namespace="default"),
            maps.list(namespace="default"),
            maps.create(config_map("new")),
            return_exceptions=True,
        )
        assert {type(answer) for answer in answers} == {ServiceUnavailable}
    finally:
        os.kill(member.process.pid, signal.SIGCONT)
    assert (await maps.get("here", namespace="default")).metadata.name == "here"


async def test_a_server_whose_history_was_compacted_away_reads_everything_anew(member: Member) -> None:
    async with api_server(member.address) as one:
        await one.resource(core_v1.ConfigMap).create(config_map("before"))
        store = one.transport._chain.core.store  # type: ignore[attr-defined] # the in-process transport's own
        feed = store._feed
        stream = feed._stream
        feed._gateway.watch, watch = _nothing, feed._gateway.watch
        feed.start_again()
        await asyncio.wait([stream])
        async with api_server(member.address) as other:
            await other.resource(core_v1.ConfigMap).create(config_map("meanwhile"))
            await other.resource(core_v1.ConfigMap).delete("before", namespace="default")
            await other.transport._chain.core.store.compact(  # type: ignore[attr-defined]
                revision=await store.current_revision()
            )
        feed._gateway.watch = watch
        async with asyncio.timeout(30):
            while True:
                try:
                    names = [o.metadata.name for o in (await one.resource(core_v1.ConfigMap).list()).items]
                    break
                except ServiceUnavailable:
                    await asyncio.sleep(0.2)
        assert names == ["meanwhile"]


async def _nothing(create: object) -> AsyncIterator[object]:
    await asyncio.sleep(0.1)
    raise etcd.gateway.StoreUnavailable("out of reach")
    yield create
