"""An API server by itself, to try things out: `python -m sampan.apiserver --data-dir D --port P [--memory]`.

It makes its certificates, writes D/kubeconfig for an administrator and serves until it is interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop

from sampan.apiserver import devcerts
from sampan.apiserver.bootstrap.ensure import bootstrap
from sampan.apiserver.bootstrap.servers import Address
from sampan.apiserver.contracts import AUTHENTICATED, MASTERS, User
from sampan.apiserver.custom.registrar import Registrar
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.registry.core.service_alloc import DEFAULT_CIDR
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.server import Server, ServerConfig, serve
from sampan.apiserver.wiring import build
from sampan.client.api import Client
from sampan.storage.contract import Store

# The `kubernetes` Service needs an endpoint, and none of a Pod's own addresses will do (an address for documentation).
_OUTWARD = "192.0.2.1"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sampan.apiserver")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=6443)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--memory", action="store_true", help="keep everything in memory only")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    uvloop.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.data_dir
    devcerts.make(folder)
    store = await _open(arguments)
    chain = await build(
        store, address=f"{arguments.host}:{arguments.port}", security=cluster_security(folder / "serviceaccounts.key")
    )
    system = InProcessTransport(chain, user=User(name="system:apiserver", groups=(MASTERS, AUTHENTICATED)))
    client = Client(system, user_agent="sampan-apiserver")
    await bootstrap(
        chain.core,
        client,
        service_ip="10.96.0.1",
        service_cidr=DEFAULT_CIDR,
        port=arguments.port or 6443,
        servers=[Address(arguments.port or 6443, _OUTWARD)],
    )
    registrar = Registrar(chain.core, client)
    await registrar.load()
    config = ServerConfig(
        hosts=(arguments.host,),
        port=arguments.port,
        certificate=folder / "server.crt",
        key=folder / "server.key",
        client_ca=folder / "ca.crt",
    )

    def ready(server: Server) -> None:
        address = f"https://{arguments.host}:{server.port}"
        (folder / "kubeconfig").write_text(devcerts.kubeconfig(folder, address))
        sys.stdout.write(f"serving {address}; export KUBECONFIG={folder / 'kubeconfig'}\n")
        sys.stdout.flush()

    registering = asyncio.create_task(registrar.run())
    assert chain.router.aggregator is not None
    aggregating = asyncio.create_task(chain.router.aggregator.run(client))
    task = asyncio.ensure_future(serve(config, chain, ready=ready))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass
    finally:
        registering.cancel()
        aggregating.cancel()
        await store.close()


async def _open(arguments: argparse.Namespace) -> Store:
    if arguments.memory:
        from sampan.storage.memory import open_store

        return await open_store()
    from sampan.storage import sqlite

    return await sqlite.open_store(path=arguments.data_dir / "state.db")


if __name__ == "__main__":
    main()
