"""An IPAddress per cluster address that is held: it comes and goes with its Service, and nobody else's is touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from sampan.api.types.core_v1 import Service, ServiceSpec
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.api.types.networking_v1 import IPAddress, IPAddressSpec, ParentReference
from sampan.apiserver.cluster_addresses import FAMILY, MANAGED_BY, MANAGER, ClusterAddresses, holder_of
from sampan.client.fake import FakeServer


def service(name: str, *addresses: str) -> Service:
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(clusterIP=addresses[0], clusterIPs=list(addresses)),
    )


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    made = FakeServer()
    made.add(service("old", "10.96.0.5"), service("headless", "None"))
    parent = ParentReference(group="mygroup", resource="myresources", namespace="foo", name="bar")
    made.add(IPAddress(metadata=ObjectMeta(name="10.96.0.9"), spec=IPAddressSpec(parentRef=parent)))
    task = asyncio.create_task(ClusterAddresses(made.client()).run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(server: FakeServer, is_so: Callable[[dict[str, IPAddress]], bool]) -> dict[str, IPAddress]:
    objects = server.client().resource(IPAddress)
    async with asyncio.timeout(10):
        while True:
            found = {each.metadata.name or "": each for each in (await objects.list()).items}
            if is_so(found):
                return found
            await asyncio.sleep(0.01)


async def test_they_come_and_go_with_their_services(server: FakeServer) -> None:
    services = server.client().resource(Service)
    found = await until(server, lambda now: len(now) == 2)
    assert found["10.96.0.5"].metadata.labels == {FAMILY: "IPv4", MANAGED_BY: MANAGER}
    assert holder_of(found["10.96.0.5"]) == ("services", "default", "old")
    await services.create(service("new", "10.96.0.6"))
    await until(server, lambda now: "10.96.0.6" in now)
    await services.delete("new", namespace="default")
    await until(server, lambda now: set(now) == {"10.96.0.5", "10.96.0.9"})  # another's stays


async def test_one_that_somebody_deletes_is_made_again(server: FakeServer) -> None:
    found = await until(server, lambda now: len(now) == 2)
    first = found["10.96.0.5"].metadata.uid
    await server.client().resource(IPAddress).delete("10.96.0.5")
    await until(server, lambda now: "10.96.0.5" in now and now["10.96.0.5"].metadata.uid != first)


async def test_an_address_that_changes_hands_names_its_new_holder(server: FakeServer) -> None:
    await until(server, lambda now: len(now) == 2)
    services = server.client().resource(Service)
    await services.delete("old", namespace="default")
    await services.create(service("other", "10.96.0.5"))
    await until(server, lambda now: "10.96.0.5" in now and holder_of(now["10.96.0.5"])[2] == "other")
