"""A whole kubelet between an API server, a runtime and a network in memory; time passes when the test says so."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from sampan.api.types import core_v1
from sampan.client.clock import FakeClock, settle
from sampan.client.fake import FakeServer
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.run import Kubelet
from sampan.network.fake import FakeNetwork
from sampan.runtime.fake import FakeRuntime
from tests.unit.kubelet.pods import make_pod


async def in_the_loop(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Instead of `asyncio.to_thread`: what happens does not hang on when a thread gets its turn."""
    return function(*args, **kwargs)


class World:
    def __init__(self, path: Path) -> None:
        self.uid = str(uuid.uuid4())  # as in life: what is remembered by it is not another test's
        self.clock = FakeClock()
        self.server = FakeServer(clock=self.clock)
        self.runtime = FakeRuntime(now=lambda: int(self.clock.now() * 1e9), sleep=self.clock.sleep)
        self.runtime.add_image("app:1")
        self.network = FakeNetwork()
        self.config = KubeletConfig(
            node_name="node-a", root_dir=path / "kubelet", log_dir=path / "logs", node_ip="192.0.2.1"
        )
        self.kubelet = self.new_kubelet()

    def new_kubelet(self) -> Kubelet:
        client = self.server.client("kubelet")
        return Kubelet(client, self.config, runtime=self.runtime, network=self.network, clock=self.clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """As `Kubelet.run`, without the node's own object and API."""
        await self.kubelet.pods.remember(self.runtime)
        async with self.kubelet._sources():
            await self.kubelet.api_pods.wait_for_sync()
            try:
                yield
            finally:
                await self.kubelet.pods.stop()
                await self.kubelet.objects.close()
                await self.kubelet.recorder.stop()

    def add(self, spec: dict[str, Any] | None = None, **meta: Any) -> None:
        meta.setdefault("uid", self.uid)
        self.server.add(make_pod({"nodeName": "node-a", **(spec or {})}, **meta))

    async def delete(self, grace: int | None = None) -> None:
        await self.server.client().resource(core_v1.Pod).delete("p", namespace="ns", grace_period_seconds=grace)
        await self.settle()

    async def settle(self) -> None:
        await settle(150)

    async def pass_time(self, seconds: float, *, step: float = 1.0) -> None:
        left = seconds
        while left > 0:
            await self.clock.advance(min(step, left))
            left -= step
            await self.settle()

    @property
    def pod(self) -> core_v1.Pod:
        found = self.server.get(core_v1.Pod, "p", namespace="ns")
        assert found is not None
        return found

    @property
    def gone(self) -> bool:
        return self.server.get(core_v1.Pod, "p", namespace="ns") is None

    @property
    def state(self) -> dict[str, Any]:
        """Of its first container, as the API shows it."""
        one = (self.pod.status.containerStatuses or [])[0]
        return dict(msgspec.to_builtins(one.state))

    def condition(self, kind: str) -> str:
        return next((c.status for c in self.pod.status.conditions or () if c.type == kind), "")

    async def container_id(self, name: str = "a") -> str:
        found = [c for c in await self.runtime.list_containers() if c.name == name]
        return max(found, key=lambda c: c.attempt).id

    def reasons(self) -> list[str]:
        found = self.server.all(core_v1.Event, namespace="ns")
        return [e.reason or "" for e in found if e.involvedObject.uid == self.uid]

    def calls(self, method: str) -> int:
        return sum(1 for name, _ in self.runtime.calls if name == method)
