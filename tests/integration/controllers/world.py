"""A control plane in this process, on the memory store: API server with RBAC and admission, and controllers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sampan.apiserver.bootstrap.ensure import bootstrap
from sampan.apiserver.bootstrap.servers import Address
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.custom.registrar import Registrar
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build
from sampan.client.api import Client
from sampan.client.clock import Clock
from sampan.controllers import MANAGER, ControllersConfig, run
from sampan.storage.memory import open_store

T = TypeVar("T")
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class World:
    def __init__(self, chain: Chain, volumes: Path) -> None:
        self.chain = chain
        self.volumes = volumes
        self.admin = self.client("admin", "system:masters")
        self._tasks: list[asyncio.Task[None]] = []
        endpoint = chain.core.endpoint("rbac.authorization.k8s.io", "v1", "clusterroles")
        # A server whose roles could not be made would let controllers do nothing at all.
        self.has_rbac = endpoint is not None and endpoint.cache.get("", "system:kube-controller-manager") is not None

    def client(self, name: str, *groups: str) -> Client:
        user = User(name=name, groups=(*groups, "system:authenticated"))
        return Client(InProcessTransport(self.chain, user=user, user_agent=name), user_agent=name)

    def controller_client(self, name: str) -> Client:
        if name == MANAGER:
            return self.client(f"system:{name}", *(() if self.has_rbac else ("system:masters",)))
        user = f"system:serviceaccount:kube-system:{name}"
        if not self.has_rbac:
            return self.client(user, "system:masters")
        return self.client(user, "system:serviceaccounts", "system:serviceaccounts:kube-system")

    def start(self, *names: str, clock: Clock | None = None, **options: Any) -> asyncio.Task[None]:
        """The controllers of these names, or all."""
        given = {"root_ca": CA, "volumes_dir": self.volumes, "controllers": names or ("*",), **options}
        config = ControllersConfig(**given)
        task = asyncio.create_task(run(self.controller_client, config, clock=clock))
        self._tasks.append(task)
        return task

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def kill(self, task: asyncio.Task[None]) -> None:
        """As abruptly as one process can: at whatever it awaits."""
        self._tasks.remove(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def until(self, condition: Callable[[], Any], *, timeout: float = 15.0, why: str = "") -> Any:
        """Wait until `condition` (async or not) is true; NotFound counts as false."""
        from sampan.api.errors import NotFound

        end = time.monotonic() + timeout
        last: Any = None
        while time.monotonic() < end:
            for task in self._tasks:
                if task.done():
                    task.result()
                    raise AssertionError("the controllers ended")
            try:
                last = condition()
                if asyncio.iscoroutine(last):
                    last = await last
                if last:
                    return last
            except NotFound as error:
                last = error
            await asyncio.sleep(0.02)
        raise AssertionError(f"not within {timeout} s: {why or condition} (last: {last!r})")

    async def gone(self, object_type: type[Any], name: str, *, namespace: str = "", timeout: float = 15.0) -> None:
        from sampan.api.errors import NotFound

        async def is_gone() -> bool:
            try:
                await self.admin.resource(object_type).get(name, namespace=namespace)
            except NotFound:
                return True
            return False

        await self.until(is_gone, timeout=timeout, why=f"{object_type.__name__} {namespace}/{name} is still there")


async def prepared(chain: Chain) -> None:
    await bootstrap(chain.core, own_client(chain), servers=[Address(6443, "10.0.0.1")])


def own_client(chain: Chain) -> Client:
    return Client(InProcessTransport(chain, user=User(name="setup", groups=("system:masters",))))


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await open_store()
    chain = await build(store, address="127.0.0.1:6443", security=cluster_security(None))
    registrar = Registrar(chain.core, own_client(chain))
    await registrar.load()
    await prepared(chain)
    made = World(chain, tmp_path / "volumes")
    registering = asyncio.create_task(registrar.run())
    try:
        yield made
    finally:
        try:
            await made.stop()
        finally:
            registering.cancel()
            await asyncio.gather(registering, return_exceptions=True)
            await store.close()
