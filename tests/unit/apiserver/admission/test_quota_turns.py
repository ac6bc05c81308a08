"""A quota holds against many who ask at once, and whoever is refused or gives up holds nobody up."""

from __future__ import annotations

import asyncio

import pytest

from sampan.api.errors import Forbidden
from sampan.api.types import core_v1, meta_v1
from sampan.apiserver.contracts import AUTHENTICATED, MASTERS, User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build_for_tests
from sampan.client.api import Client

ADMIN = User(name="admin", groups=(MASTERS, AUTHENTICATED))


@pytest.fixture
async def client() -> Client:
    chain = await build_for_tests(security=cluster_security(None))
    client = Client(InProcessTransport(chain, user=ADMIN))
    for name in ("bounded", "free"):
        namespace = core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=name))
        await client.resource(core_v1.Namespace).create(namespace)
    spec = core_v1.ResourceQuotaSpec(hard={"configmaps": "5", "services.nodeports": "3"})
    quota = core_v1.ResourceQuota(metadata=meta_v1.ObjectMeta(name="quota", namespace="bounded"), spec=spec)
    await client.resource(core_v1.ResourceQuota).create(quota)
    return client


async def make(client: Client, name: str, namespace: str = "bounded") -> str:
    made = core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace))
    return (await client.resource(core_v1.ConfigMap).create(made)).metadata.name or ""


async def test_of_many_at_once_only_so_many_pass(client: Client) -> None:
    answers = await asyncio.gather(*(make(client, f"c{i}") for i in range(30)), return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in answers) == 5
    assert {type(answer) for answer in answers} == {str, Forbidden}
    assert len(await asyncio.gather(*(make(client, f"c{i}", "free") for i in range(30)))) == 30
    await client.resource(core_v1.ConfigMap).delete("c0", namespace="bounded")
    assert await make(client, "next") == "next"


async def test_who_gives_up_does_not_hold_the_others_up(client: Client) -> None:
    asking = [asyncio.create_task(make(client, f"c{i}")) for i in range(20)]
    await asyncio.sleep(0)
    for task in asking[::2]:
        task.cancel()
    await asyncio.wait(asking)
    left = 5 - len((await client.resource(core_v1.ConfigMap).list(namespace="bounded")).items)
    async with asyncio.timeout(10):
        for i in range(left):
            assert await make(client, f"after{i}")
        with pytest.raises(Forbidden, match="exceeded quota"):
            await make(client, "too-many")


async def test_where_addresses_are_given_out_as_well(client: Client) -> None:
    async def serve(name: str) -> core_v1.Service:
        spec = core_v1.ServiceSpec(type="NodePort", ports=[core_v1.ServicePort(port=80)])
        meta = meta_v1.ObjectMeta(name=name, namespace="bounded")
        return await client.resource(core_v1.Service).create(core_v1.Service(metadata=meta, spec=spec))

    answers = await asyncio.gather(*(serve(f"s{i}") for i in range(12)), return_exceptions=True)
    assert sum(isinstance(answer, core_v1.Service) for answer in answers) == 3


async def test_changes_that_take_more_take_turns_as_well(client: Client) -> None:
    services = client.resource(core_v1.Service)
    for i in range(12):
        spec = core_v1.ServiceSpec(ports=[core_v1.ServicePort(port=80)])
        meta = meta_v1.ObjectMeta(name=f"s{i}", namespace="bounded")
        await services.create(core_v1.Service(metadata=meta, spec=spec))
    grow = {"spec": {"type": "NodePort"}}
    asking = [services.patch(f"s{i}", grow, namespace="bounded") for i in range(12)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(answer) for answer in answers} == {core_v1.Service, Forbidden}
    types = [service.spec.type for service in (await services.list(namespace="bounded")).items]
    assert types.count("NodePort") == 3
