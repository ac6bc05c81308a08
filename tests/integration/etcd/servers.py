"""API servers in this process, on an etcd of one member or three."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sampan.api.errors import AlreadyExists
from sampan.api.types import core_v1, meta_v1
from sampan.apiserver.contracts import AUTHENTICATED, MASTERS, User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build
from sampan.client.api import Client
from sampan.storage import etcd
from tests.ports import free_ports
from tests.unit.storage.etcd.member import Member, launch

ADMIN = User(name="admin", groups=(MASTERS, AUTHENTICATED))


@asynccontextmanager
async def api_server(address: str) -> AsyncIterator[Client]:
    store = await etcd.open_store(address)
    chain = await build(store, service_cidr="10.96.0.0/25", security=cluster_security(None))
    client = Client(InProcessTransport(chain, user=ADMIN))
    try:
        await client.resource(core_v1.Namespace).create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="default")))
    except AlreadyExists:
        pass
    yield client
    await store.close()


def three_members(folder: Path) -> list[Member]:
    ports = free_ports(6)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    together = ",".join(f"m{i}={urls[3 + i]}" for i in range(3))
    made = []
    for i in range(3):
        own = folder / f"m{i}"
        own.mkdir()
        command = [
            "etcd",
            f"--name=m{i}",
            f"--data-dir={own / 'etcd'}",
            f"--listen-client-urls={urls[i]}",
            f"--advertise-client-urls={urls[i]}",
            f"--listen-peer-urls={urls[3 + i]}",
            f"--initial-advertise-peer-urls={urls[3 + i]}",
            f"--initial-cluster={together}",
            "--logger=zap",
            "--log-level=error",
        ]
        made.append(Member(launch(command, own), ports[i], own, command))
    for member in made:
        member.wait_healthy()
    return made
