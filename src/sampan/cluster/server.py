"""`sampan server`: API server, scheduler and controllers in one process and one event loop.

The scheduler and the controllers reach the API server through the in-process transport, each as its own user, so
authorisation treats them as it would from another machine.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path

from msgspec import Struct

from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.server import Server, ServerConfig, serve
from sampan.apiserver.wiring import build
from sampan.client.api import Client
from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import Pki, outward_address
from sampan.storage.contract import Store

log = logging.getLogger(__name__)

COMPONENTS = ("apiserver", "scheduler", "controllers")


class ServerOptions(Struct, kw_only=True):
    config: ClusterConfig
    data_dir: Path
    pki: Pki
    components: tuple[str, ...] = COMPONENTS
    memory: bool = False


async def run_server(options: ServerOptions, *, ready: Callable[[Server], None] = lambda _: None) -> None:
    """Until cancelled."""
    config = options.config
    store = await open_store(options)
    try:
        chain = await build(store, address=f"{outward_address() or config.host}:{config.port}")
        server = ServerConfig(
            hosts=("0.0.0.0",),  # noqa: S104 - Pods and other machines reach it; everything is authenticated
            port=config.port,
            certificate=options.pki.pair("apiserver").certificate,
            key=options.pki.pair("apiserver").key,
            client_ca=options.pki.ca.certificate,
        )

        def client_of(name: str, agent: str) -> Client:
            user = User(name=name, groups=("system:authenticated",))
            return Client(InProcessTransport(chain, user=user, user_agent=agent), user_agent=agent)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(server, chain, ready=ready))
            for start in component_starters(options, client_of):
                tasks.create_task(start())
    finally:
        await store.close()


async def run_components(kubeconfig: Path, components: tuple[str, ...]) -> None:
    """Scheduler and controllers alone, against any API server, each once in a cluster by leader election."""
    from sampan.client.kubeconfig import load_client

    clients: list[Client] = []

    def client_of(name: str, agent: str) -> Client:
        del name  # the kubeconfig's own user
        clients.append(load_client(str(kubeconfig), user_agent=agent))
        return clients[-1]

    try:
        async with asyncio.TaskGroup() as tasks:
            for start in component_starters(components, client_of, elect=True):
                tasks.create_task(start())
    finally:
        for client in clients:
            await client.close()


def component_starters(
    options: ServerOptions, client_of: Callable[[str, str], Client]
) -> list[Callable[[], Coroutine[None, None, None]]]:
    starters: list[Callable[[], Coroutine[None, None, None]]] = []
    if "scheduler" in options.components:
        from sampan import scheduler

        client = client_of("system:kube-scheduler", "kube-scheduler")
        starters.append(lambda: scheduler.run(client, scheduler.SchedulerConfig()))
    if "controllers" in options.components:
        from sampan import controllers

        manager = client_of("system:kube-controller-manager", "kube-controller-manager")
        settings = controllers.ControllersConfig(
            root_ca=options.pki.ca.certificate.read_text(encoding="ascii"),
            cluster_cidr=options.config.pod_cidr,
            volumes_dir=options.data_dir.parent / "volumes",
        )
        starters.append(lambda: controllers.run(manager, settings))
    return starters


async def open_store(options: ServerOptions) -> Store:
    if options.memory:
        from sampan.storage.memory import open_store as open_memory

        return await open_memory()
    from sampan.storage import sqlite

    options.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return await sqlite.open_store(path=options.data_dir / "state.db")


def run_until_stopped(main: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a component in the foreground; SIGTERM and SIGINT end it in order."""
    import uvloop

    async def supervised() -> None:
        task = asyncio.ensure_future(main())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            log.info("stopped")

    uvloop.run(supervised())
