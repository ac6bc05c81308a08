"""API server, scheduler and controllers on one event loop and the memory store, with their queues in sight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from sampan import controllers, scheduler
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import AUTHENTICATED, User
from sampan.apiserver.custom.registrar import Registrar
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.server import Server, ServerConfig, serve
from sampan.apiserver.wiring import build
from sampan.client.api import Client
from sampan.client.workqueue import WorkQueue
from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import Pki
from sampan.cluster.server import controller_clients, keep_prepared, own_client, prepare
from sampan.controllers.contract import Controller
from sampan.storage.contract import Store
from sampan.storage.memory import open_store

TURNS = 20  # of the event loop between two looks: enough for an event to pass from the store to a queue
LOOK_EVERY = 0.01
QUIET_LOOKS = 3


class ControlPlane:
    def __init__(self, config: ClusterConfig, pki: Pki, directory: Path) -> None:
        self.config = config
        self._pki = pki
        self._directory = directory
        self._store: Store | None = None
        self._controllers: list[Controller] = []

    async def run(self, ready: Callable[[], None]) -> None:
        """Until cancelled."""
        config, pki = self.config, self._pki
        store = self._store = await open_store()
        try:
            chain = await build(
                store,
                address=f"{config.host}:{config.port}",
                service_cidr=config.service_cidr,
                security=cluster_security(pki.service_account_key),
            )
            registrar = Registrar(chain.core, own_client(chain))
            await registrar.load()
            await prepare(chain, config)
            await self._serve(chain, registrar, ready)
        finally:
            await store.close()

    async def _serve(self, chain: Chain, registrar: Registrar, ready: Callable[[], None]) -> None:
        def client_of(name: str, agent: str, groups: tuple[str, ...] = ()) -> Client:
            user = User(name=name, groups=(*groups, AUTHENTICATED))
            return Client(InProcessTransport(chain, user=user, user_agent=agent), user_agent=agent)

        pki = self._pki
        pair = pki.pair("apiserver")
        listening = ServerConfig(
            hosts=(self.config.host,),
            port=self.config.port,
            certificate=pair.certificate,
            key=pair.key,
            client_ca=pki.ca.certificate,
        )
        settings = controllers.ControllersConfig(
            root_ca=pki.ca.certificate.read_text(encoding="ascii"),
            cluster_cidr=self.config.pod_cidr,
            volumes_dir=self._directory / "volumes",
        )

        def serving(server: Server) -> None:
            del server
            ready()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(listening, chain, ready=serving))
            tasks.create_task(registrar.run())
            tasks.create_task(keep_prepared(chain, self.config))
            placing = client_of("system:kube-scheduler", "kube-scheduler")
            tasks.create_task(scheduler.run(placing, scheduler.SchedulerConfig()))
            identities = controller_clients(client_of, controllers.MANAGER)
            tasks.create_task(controllers.run(identities, settings, made=self._controllers.extend))

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
        assert self._store is not None
        return (await self._store.range(prefix="/registry/namespaces/", limit=1)).revision
