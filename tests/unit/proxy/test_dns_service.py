"""The Service of cluster DNS, which each of several servers makes sure of at its start."""

from __future__ import annotations

import pytest

from sampan.api.errors import AlreadyExists, ApiError, Invalid
from sampan.api.types import core_v1, meta_v1
from sampan.client.fake import FakeRequest, FakeServer
from sampan.proxy import ensure_dns_service


@pytest.mark.parametrize("refusal", [AlreadyExists("it is there"), Invalid("provided IP is already allocated")])
async def test_another_server_makes_it_meanwhile(refusal: ApiError) -> None:
    server = FakeServer()

    def overtake(request: FakeRequest) -> Exception | None:
        if request.method != "POST":
            return None
        meta = meta_v1.ObjectMeta(name="kube-dns", namespace="kube-system")
        server.add(core_v1.Service(kind="Service", apiVersion="v1", metadata=meta))
        return refusal

    server.react(overtake)
    await ensure_dns_service(server.client())


async def test_an_address_that_is_really_taken_is_told() -> None:
    server = FakeServer()
    server.fail("POST", "/services", Invalid("provided IP is already allocated"))
    with pytest.raises(Invalid):
        await ensure_dns_service(server.client())
