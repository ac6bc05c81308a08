"""Several servers that say at the same moment where the `kubernetes` Service leads."""

from __future__ import annotations

import asyncio

import pytest

from sampan.api.errors import Conflict
from sampan.api.types import core_v1, discovery_v1
from sampan.apiserver.bootstrap.servers import ATTEMPTS, Address, publish
from sampan.client.fake import FakeServer

ENDPOINTS = "/api/v1/namespaces/default/endpoints/kubernetes"
THREE = [Address(6443, f"10.0.0.{n}") for n in (1, 2, 3)]


def ips(server: FakeServer) -> list[str]:
    endpoints = server.get(core_v1.Endpoints, "kubernetes", namespace="default")
    assert endpoints is not None
    return [address.ip for subset in endpoints.subsets or () for address in subset.addresses or ()]


async def test_all_write_at_once() -> None:
    server = FakeServer()
    await asyncio.gather(*(publish(server.client(), THREE) for _ in range(3)))
    assert ips(server) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    (found,) = server.all(discovery_v1.EndpointSlice, namespace="default")
    assert [endpoint.addresses for endpoint in found.endpoints or ()] == [["10.0.0.1"], ["10.0.0.2"], ["10.0.0.3"]]


async def test_who_was_overtaken_writes_again() -> None:
    server = FakeServer()
    await publish(server.client(), THREE[:1])
    server.fail("PUT", ENDPOINTS, Conflict("the object has been modified"), times=2)
    await publish(server.client(), THREE)
    assert len(ips(server)) == 3


async def test_one_that_is_overtaken_for_ever_says_so() -> None:
    server = FakeServer()
    await publish(server.client(), THREE[:1])
    server.fail("PUT", ENDPOINTS, Conflict("modified"), times=ATTEMPTS)
    with pytest.raises(Conflict):
        await publish(server.client(), THREE)
