"""The server of `sampan server` in this process, on loopback, with its controllers' queues in sight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sampan.apiserver.chain import Chain
from sampan.apiserver.server import Server
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
    def __init__(self, config: ClusterConfig, pki: Pki, directory: Path, *, simulated: int = 0) -> None:
        self.config = config
        self._pki = pki
        self._directory = directory
        self._simulated = simulated
        self._store: Store | None = None
        self._controllers: list[Controller] = []

    async def run(self, ready: Callable[[], None]) -> None:
        """Until cancelled."""
        options = ServerOptions(
            config=self.config,
            data_dir=self._directory / "server",
            pki=self._pki,
            hosts=(self.config.host,),
            made=self._controllers.extend,
        )

        def serving(server: Server) -> None:
            del server
            if not self._simulated:
                ready()

        def beside(chain: Chain, store: Store, /) -> Iterable[Coroutine[None, None, None]]:
            self._store = store
            if self._simulated:
                from sampan import simulator

                yield simulator.run(
                    own_client(chain), simulator.SimulatorConfig(nodes=self._simulated), ready=lambda: ready()
                )

        await run_server(options, ready=serving, beside=beside)

    async def settled(self) -> None:
        """Returns when every controller has seen what there is, none works, and nothing has been written meanwhile."""
        quiet, last = 0, -1
        while quiet < QUIET_LOOKS:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            revision = await self._revision()
            quiet = quiet + 1 if revision == last and self._idle() else 0
            last = revision
            await asyncio.sleep(LOOK_EVERY)

    def _idle(self) -> bool:
        """Work that waits for its time (a back-off, a CronJob's next run) does not count: it may be hours away."""
        synced = all(i.has_synced for c in self._controllers for i in c.context.awaited)
        queues = (q for c in self._controllers for q in vars(c).values() if isinstance(q, WorkQueue))
        return bool(self._controllers) and synced and not any(len(q) or q.processing for q in queues)

    async def _revision(self) -> int:
        if self._store is None:
            return -1
        return (await self._store.range(prefix="/registry/namespaces/", limit=1)).revision
