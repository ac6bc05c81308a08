"""An agent learns of servers that come and go while it runs: the `kubernetes` Service leads to all of them.

What it has learned is kept in a file, so that at its next start the server it was told of once may be gone.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from sampan.api.types import discovery_v1
from sampan.client.api import Client
from sampan.client.connection import ConnectionSettings
from sampan.client.failover import FailoverTransport
from sampan.client.http import connect
from sampan.client.informer import Informer
from sampan.cluster.config import write_if_new

log = logging.getLogger(__name__)

NAMESPACE, SELECTOR = "default", "kubernetes.io/service-name=kubernetes"


class Following(Struct, frozen=True):
    """`file`: where what is learned is kept. `known_as`: how the cluster calls the server that is named first."""

    file: Path
    known_as: str = ""


@asynccontextmanager
async def client_of(api: ConnectionSettings, following: Following | None, *, user_agent: str) -> AsyncIterator[Client]:
    """Of the servers that were named, and those that are learned of meanwhile."""
    if following is None:
        client, task = connect(api, user_agent=user_agent), None
    else:
        transport = FailoverTransport(api)
        transport.also(read(following))
        client = Client(transport, user_agent=user_agent)
        task = asyncio.create_task(follow(client, transport, following))
    try:
        yield client
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await client.close()


async def follow(client: Client, transport: FailoverTransport, following: Following) -> None:
    """Until cancelled."""
    informer = Informer(client.resource(discovery_v1.EndpointSlice), namespace=NAMESPACE, label_selector=SELECTOR)
    changed = asyncio.Event()
    informer.add_key_handler(lambda _: changed.set())
    informer.start()
    try:
        while True:
            await changed.wait()
            changed.clear()
            there = addresses(informer.store)
            if not there:
                continue  # between two servers' writes; nobody would be left to ask
            others = [url for url in there if url != following.known_as]
            if transport.also(others):
                log.info("the cluster's servers: %s", ", ".join(there))
            await asyncio.to_thread(write_if_new, following.file, "\n".join(others).encode())
    finally:
        await informer.stop()


def addresses(slices: Iterable[discovery_v1.EndpointSlice]) -> list[str]:
    return sorted(
        f"https://{f'[{ip}]' if ':' in ip else ip}:{port.port}"
        for found in slices
        for port in found.ports or ()
        for endpoint in found.endpoints or ()
        for ip in endpoint.addresses
    )


def read(following: Following) -> list[str]:
    """What was known last."""
    try:
        return following.file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []
