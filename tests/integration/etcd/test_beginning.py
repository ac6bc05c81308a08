"""Three servers that begin at the same moment on one etcd: what all of them write at start is there once, and whole."""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import AsyncExitStack

import pytest

from sampan.api.types import apiregistration_v1, core_v1, discovery_v1, networking_v1, rbac_v1
from sampan.apiserver.bootstrap.servers import Address, Servers
from sampan.apiserver.chain import Chain
from sampan.cluster.config import ClusterConfig
from sampan.cluster.server import ensure_storage_class, own_client, prepare
from sampan.proxy import ensure_dns_service
from tests.integration.etcd.servers import api_server
from tests.unit.storage.etcd.member import Member

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")

ROUNDS = 4
SERVERS = [Address(6443, "10.0.0.1"), Address(6443, "10.0.0.2"), Address(7443, "10.0.0.2")]


async def begin(chain: Chain, address: Address, after: float) -> None:
    """What `sampan server` does, each step of which may meet the same step of another one."""
    config = ClusterConfig(name="many", service_cidr="10.96.0.0/25")
    own = Servers(chain.core.store, address)
    await asyncio.sleep(after)
    await prepare(chain, config, own)
    await ensure_storage_class(own_client(chain))
    await ensure_dns_service(own_client(chain), config.dns_ip)
    assert chain.router.aggregator is not None
    running = asyncio.ensure_future(chain.router.aggregator.run(own_client(chain)))
    await asyncio.wait([running], timeout=0.2)
    assert not running.done(), running
    running.cancel()


async def begin_together(member: Member) -> None:
    async with AsyncExitStack() as stack:
        chains = []
        for _ in SERVERS:
            client = await stack.enter_async_context(api_server(member.address))
            chains.append(client.transport._chain)  # type: ignore[attr-defined] # the in-process transport's own
        pairs = zip(chains, SERVERS, strict=True)
        await asyncio.gather(*(begin(chain, address, number * 0.002) for number, (chain, address) in enumerate(pairs)))
        client = own_client(chains[0])
        endpoints = await client.resource(core_v1.Endpoints).get("kubernetes", namespace="default")
        there = [(a.ip, p.port) for s in endpoints.subsets or () for p in s.ports or () for a in s.addresses or ()]
        assert there == [("10.0.0.1", 6443), ("10.0.0.2", 6443), ("10.0.0.2", 7443)]
        slices = await client.resource(discovery_v1.EndpointSlice).list(namespace="default")
        assert sorted(s.metadata.name or "" for s in slices.items) == ["kubernetes", "kubernetes-7443"]
        services = await client.resource(core_v1.Service).list()
        assert {s.metadata.name: s.spec.clusterIP for s in services.items} == {
            "kubernetes": "10.96.0.1",
            "kube-dns": "10.96.0.10",
        }
        assert len((await client.resource(rbac_v1.ClusterRole).list()).items) > 60
        assert (await client.resource(networking_v1.ServiceCIDR).get("kubernetes")).status.conditions
        own = await client.resource(apiregistration_v1.APIService).list()
        assert {c.status for s in own.items for c in s.status.conditions or ()} <= {"True"}


async def test_servers_that_begin_together(member: Member, caplog: pytest.LogCaptureFixture) -> None:
    """On a new etcd, and again where everything is there but this one Service."""
    caplog.set_level(logging.WARNING)
    for _ in range(ROUNDS):
        await begin_together(member)
        async with api_server(member.address) as client:
            await client.resource(core_v1.Service).delete("kubernetes", namespace="default")
            await client.resource(core_v1.Service).delete("kube-dns", namespace="kube-system")
            await client.resource(core_v1.Endpoints).delete("kubernetes", namespace="default")
    assert caplog.messages == []
