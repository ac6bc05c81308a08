"""The server of `sampan server` in this process, with its controllers' queues in sight."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sampan.api.types import core_v1
from sampan.apiserver.chain import Chain
from sampan.apiserver.server import Server
from sampan.client.api import Client
from sampan.client.workqueue import WorkQueue
from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import Pki
from sampan.cluster.server import ServerOptions, own_client, run_server
from sampan.storage.contract import Store

if TYPE_CHECKING:
    from sampan.controllers.contract import Controller

TURNS = 20  # of the event loop between two looks: enough for an event to pass from the store to a queue
LOOK_EVERY = 0.01
QUIET_LOOKS = 3


class ControlPlane:
    def __init__(
        self, config: ClusterConfig, pki: Pki, directory: Path, listener: socket.socket, *, simulated: int
    ) -> None:
        self.config = config
        self._pki = pki
        self._directory = directory
        self._simulated = simulated
        self._listener = listener
        self._store: Store | None = None
        self._client: Client | None = None
        self._controllers: list[Controller] = []

    async def run(self, ready: Callable[[], None]) -> None:
        """Until cancelled. With simulated nodes it is ready when they are there."""
        options = ServerOptions(
            config=self.config,
            data_dir=self._directory / "server",
            pki=self._pki,
            listeners=(self._listener,),
            made=self._controllers.extend,
        )

        def serving(server: Server) -> None:
            del server
            if not self._simulated:
                ready()

        def beside(chain: Chain, store: Store, /) -> Iterable[Coroutine[None, None, None]]:
            self._store, self._client = store, own_client(chain)
            if self._simulated:
                from sampan import simulator

                config = simulator.SimulatorConfig(nodes=self._simulated)
                yield simulator.run(own_client(chain), config, ready=ready)

        await run_server(options, ready=serving, beside=beside)

    async def settled(self, revision: int) -> None:
        """Returns when the store is at `revision` at least, every controller has seen what there is, none works, the
        scheduler and the nodes have had their say about every Pod, and nothing has been written meanwhile."""
        quiet, last = 0, -1
        while quiet < QUIET_LOOKS:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            now = await self._revision()
            still = now == last and now >= revision and self._idle()
            quiet = quiet + 1 if still and await self._pods_seen() else 0
            last = now
            await asyncio.sleep(LOOK_EVERY)

    def _idle(self) -> bool:
        """Work that waits for its time (a back-off, a CronJob's next run) does not count: it may be hours away."""
        synced = all(i.has_synced for c in self._controllers for i in c.context.awaited)
        queues = (q for c in self._controllers for q in vars(c).values() if isinstance(q, WorkQueue))
        return bool(self._controllers) and synced and not any(len(q) or q.processing for q in queues)

    async def _pods_seen(self) -> bool:
        assert self._client is not None
        return all(map(is_seen, (await self._client.resource(core_v1.Pod).list()).items))

    async def _revision(self) -> int:
        if self._store is None:
            return -1
        return (await self._store.range(prefix="/registry/namespaces/", limit=1)).revision


def is_seen(pod: core_v1.Pod) -> bool:
    """Its node has reported about this very generation of it; without a node: the scheduler has said why not. What
    stands behind a gate is nobody's yet."""
    if pod.spec.nodeName:
        return (pod.status.observedGeneration or 0) >= (pod.metadata.generation or 0)
    return bool(pod.spec.schedulingGates) or any(c.type == "PodScheduled" for c in pod.status.conditions or ())
