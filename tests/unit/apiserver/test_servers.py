"""Several servers that say at the same moment where the `kubernetes` Service leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from sampan.api.errors import Conflict
from sampan.api.types import core_v1, discovery_v1
from sampan.apiserver.bootstrap.servers import ATTEMPTS, Address, Servers, publish
from sampan.client.fake import FakeServer
from sampan.storage.memory import open_store

ENDPOINTS = "/api/v1/namespaces/default/endpoints/kubernetes"
THREE = [Address(6443, f"10.0.0.{n}") for n in (1, 2, 3)]


def ips(server: FakeServer) -> list[str]:
    endpoints = server.get(core_v1.Endpoints, "kubernetes", namespace="default")
    assert endpoints is not None
    return [address.ip for subset in endpoints.subsets or () for address in subset.addresses or ()]


def knows(*servers: Address) -> Callable[[], Awaitable[Sequence[Address]]]:
    async def look() -> Sequence[Address]:
        return servers

    return look


async def test_all_write_at_once() -> None:
    server = FakeServer()
    await asyncio.gather(*(publish(server.client(), knows(*THREE)) for _ in range(3)))
    assert ips(server) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    (found,) = server.all(discovery_v1.EndpointSlice, namespace="default")
    assert [endpoint.addresses for endpoint in found.endpoints or ()] == [["10.0.0.1"], ["10.0.0.2"], ["10.0.0.3"]]


async def test_who_was_overtaken_writes_again() -> None:
    server = FakeServer()
    await publish(server.client(), knows(THREE[0]))
    server.fail("PUT", ENDPOINTS, Conflict("the object has been modified"), times=2)
    await publish(server.client(), knows(*THREE))
    assert len(ips(server)) == 3


async def test_one_that_is_overtaken_for_ever_says_so() -> None:
    server = FakeServer()
    await publish(server.client(), knows(THREE[0]))
    server.fail("PUT", ENDPOINTS, Conflict("modified"), times=ATTEMPTS)
    with pytest.raises(Conflict):
        await publish(server.client(), knows(*THREE))


async def test_nobody_is_written_out_who_came_meanwhile() -> None:
    """The slow one looks again, since what it would write over is not what it has read."""
    server = FakeServer()
    await publish(server.client(), knows(THREE[0]))
    looks = []

    async def slow() -> Sequence[Address]:
        looks.append(1)
        if len(looks) > 1:
            return THREE
        await publish(server.client(), knows(*THREE))
        return THREE[:1]

    await publish(server.client(), slow)
    assert len(ips(server)) == 3


async def test_a_port_that_a_newcomer_has_stays_listed() -> None:
    server = FakeServer()
    elsewhere = Address(7443, "10.0.0.4")
    await publish(server.client(), knows(THREE[0]))

    async def slow() -> Sequence[Address]:
        if not server.get(discovery_v1.EndpointSlice, "kubernetes-7443", namespace="default"):
            await publish(server.client(), knows(THREE[0], elsewhere))
            return THREE[:1]
        return (THREE[0], elsewhere)

    await publish(server.client(), slow)
    assert len(server.all(discovery_v1.EndpointSlice, namespace="default")) == 2
    await publish(server.client(), knows(THREE[0]))
    assert len(server.all(discovery_v1.EndpointSlice, namespace="default")) == 1


async def test_a_server_says_that_it_is_there_in_two_places_at_once() -> None:
    store = await open_store()
    store.shared = True  # type: ignore[misc] # as on an etcd
    own = Servers(store, THREE[0])
    await asyncio.gather(*(own.announce() for _ in range(8)))
    assert await own.there() == [THREE[0]]
    await store.close()
