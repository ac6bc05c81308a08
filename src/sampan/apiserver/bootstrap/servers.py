"""Which API servers there are, and where the `kubernetes` Service leads.

On a store that several servers share, each keeps an entry with a short life there (as Kubernetes does), so that one
which ended without a word is no longer led to some seconds later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.client.api import Client
from sampan.client.resource_client import ResourceClient
from sampan.storage.contract import KeyExists, KeyNotFound, RevisionConflict, Store, StoreError

log = logging.getLogger(__name__)

PREFIX = "/registry/masterleases/"
LIFE_SECONDS = 15.0
RENEW_SECONDS = 5.0
LEAVE_SECONDS = 2.0
ATTEMPTS = 10
NAME, NAMESPACE = "kubernetes", "default"
Object = dict[str, Any]
Look = Callable[[], Awaitable[Sequence["Address"]]]


class Address(Struct, frozen=True, order=True):
    port: int
    ip: str

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.ip}:{self.port}"


class Servers:
    """This server among the others."""

    def __init__(self, store: Store, own: Address) -> None:
        self._store = store
        self._own = own

    async def announce(self) -> None:
        """Say that this one is here."""
        if not self._store.shared:
            return
        value = msgspec.json.encode(self._own)
        for left in reversed(range(ATTEMPTS)):
            there = await self._store.get(key=self._own.key)
            try:
                if there is None:
                    await self._store.create(key=self._own.key, value=value, ttl_seconds=LIFE_SECONDS)
                else:
                    await self._store.update(
                        key=self._own.key, value=value, expected_revision=there.revision, ttl_seconds=LIFE_SECONDS
                    )
            except (KeyExists, KeyNotFound, RevisionConflict):
                if not left:
                    raise
            else:
                return  # else its life has ended, or this server has said it elsewhere, between the look and the write

    async def there(self) -> list[Address]:
        if not self._store.shared:
            return [self._own]
        found = (await self._store.range(prefix=PREFIX)).items
        return sorted(msgspec.json.decode(kv.value, type=Address) for kv in found)

    async def run(self, tell: Callable[[], Awaitable[object]]) -> None:
        """Until cancelled, which is the end of this server. `tell` says to the others who is there."""
        if not self._store.shared:
            return
        try:
            while True:
                await asyncio.sleep(RENEW_SECONDS)
                try:
                    await self.announce()
                    await tell()
                except (ApiError, StoreError) as error:
                    log.warning("the addresses of the servers: %s", error)
        finally:
            await asyncio.shield(self._leave())

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._store.delete(key=self._own.key)
        except (KeyNotFound, RevisionConflict):
            pass
        except (StoreError, TimeoutError) as error:
            log.info("not taken off the list of servers: %s", error)


async def publish(client: Client, look: Look) -> None:
    """Endpoints and slices (one for each port) of the `kubernetes` Service, which no controller keeps.

    Servers that begin together all write them. Each reads what is written before it looks who is there, and writes only
    over what it has read: so whoever is last has seen everybody who wrote before.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            await _publish(client, look)
        except (AlreadyExists, Conflict, NotFound):
            if not left:
                raise
        else:
            return


async def _publish(client: Client, look: Look) -> None:
    plain = client.dynamic("", "v1", "endpoints")
    slices = client.dynamic("discovery.k8s.io", "v1", "endpointslices")
    whole = await _get(plain, NAME)
    found = await slices.list(namespace=NAMESPACE, label_selector=f"kubernetes.io/service-name={NAME}")
    written = {obj["metadata"]["name"]: obj for obj in found.items}
    servers = await look()
    ports = sorted({server.port for server in servers})
    by_port = {port: sorted(server.ip for server in servers if server.port == port) for port in ports}
    await _write(plain, whole, endpoints(by_port))
    for port, ips in by_port.items():
        wanted = slice_of(port, ips, first=port == ports[0])
        await _write(slices, written.pop(wanted["metadata"]["name"], None), wanted)
    for name, obj in written.items():
        await slices.delete(name, namespace=NAMESPACE, resource_version=obj["metadata"]["resourceVersion"])


async def _get(resource: ResourceClient[Object], name: str) -> Object | None:
    try:
        return await resource.get(name, namespace=NAMESPACE)
    except NotFound:
        return None


async def _write(resource: ResourceClient[Object], current: Object | None, wanted: Object) -> None:
    if current is None:
        await resource.create(wanted, namespace=NAMESPACE)
        return
    changed = {**current, **{k: v for k, v in wanted.items() if k not in ("metadata", "kind", "apiVersion")}}
    if msgspec.json.encode(changed) != msgspec.json.encode(current):
        await resource.update(changed)


def endpoints(by_port: dict[int, list[str]]) -> Object:
    return {
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{"addresses": [{"ip": ip} for ip in ips], "ports": [_port(port)]} for port, ips in by_port.items()],
    }


def slice_of(port: int, ips: list[str], *, first: bool) -> Object:
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": NAME if first else f"{NAME}-{port}",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": NAME},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips],
        "ports": [_port(port)],
    }


def _port(port: int) -> Object:
    return {"name": "https", "port": port, "protocol": "TCP"}
