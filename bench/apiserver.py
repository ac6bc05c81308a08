"""What the API server reaches alone, with nothing that reacts to it: `python -m bench.apiserver`. TLS, RBAC, full
admission, SQLite with every write on disk; the load comes from `wrk` on the same machine.

The client is a ServiceAccount that RBAC has made an administrator, so every request has its token verified and its
right looked up. All is measured three times, each time on a new server, and the medians count.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load import Found, Load
from bench.processes import family, memory_mb

SECONDS, RUNS = 3.0, 3
MANY = 17_000
PODS = "/api/v1/namespaces/default/pods"


class Bench:
    """A server process on a store in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.token = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Seconds from the command to a server that says it is ready."""
        began = time.perf_counter()
        command = [sys.executable, "-m", "bench.apiserver", "serve", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline() or 0)
        while self.get("/readyz")[0] != 200:
            assert self.process.poll() is None, "the server ended"
            time.sleep(0.005)
        took = time.perf_counter() - began
        self.token = (self.folder / "token").read_text() if (self.folder / "token").exists() else ""
        return took

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def load(self) -> Load:
        return Load(self.port, self.token, self.pids)

    def pids(self) -> list[int]:
        assert self.process is not None
        return [self.process.pid]

    def get(self, path: str) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                return answer.status, answer.read()
        except OSError:
            return 0, b""

    def fill(self, wanted: int) -> None:
        """At least so many Pods."""
        for turn in range(40):
            page = json.loads(self.get(f"{PODS}?limit=1")[1])
            there = page["metadata"].get("remainingItemCount", 0) + len(page["items"])
            if there >= wanted:
                return
            seconds = 1 if wanted - there < 5000 else 2
            self.load().create_pods(PODS, prefix=f"fill{turn}", clients=16, seconds=seconds)
        raise RuntimeError(f"fewer than {wanted} Pods could be made in time")


@contextmanager
def server() -> Iterator[Bench]:
    """Not started yet."""
    where = os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="sampan-bench-", dir=where) as folder:
        bench = Bench(Path(folder))
        try:
            yield bench
        finally:
            bench.stop()


def once() -> dict[str, float]:
    figures: dict[str, float] = {}

    def note(what: str, found: Found) -> None:
        figures[f"{what}, /s"] = found.rate
        figures[f"{what}, CPU ms"] = found.cpu_ms

    with server() as bench:
        figures["API server alone, start to readyz, s"] = bench.start()
        load = bench.load()
        for clients in (1, 16):
            what = f"create Pods, {clients} client{'s' if clients > 1 else ''}"
            note(what, load.create_pods(PODS, prefix=f"c{clients}", clients=clients, seconds=SECONDS))
        note("get a Pod, 16 clients", load.run(f"{PODS}/c1-10", clients=16, seconds=SECONDS))
        note("list 500 Pods, 4 clients", load.run(f"{PODS}?limit=500", clients=4, seconds=SECONDS))
        bench.fill(MANY)
        note("list 17,000 Pods, 1 client", load.run(f"{PODS}?limit={MANY}", clients=1, seconds=SECONDS))
        figures["memory with 17,000 Pods, MB"] = memory_mb(family(bench.pids()))
        bench.stop()
        figures["restart with 17,000 Pods to readyz, s"] = bench.start()
    return figures


def run(runs: int = RUNS) -> dict[str, float]:
    found = [once() for _ in range(runs)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


async def serve(folder: Path) -> None:
    from bench.administrator import make_administrator
    from sampan.apiserver import devcerts
    from sampan.apiserver.bootstrap.ensure import bootstrap
    from sampan.apiserver.contracts import AUTHENTICATED, MASTERS, User
    from sampan.apiserver.inprocess import InProcessTransport
    from sampan.apiserver.secure import cluster_security
    from sampan.apiserver.server import Server, ServerConfig
    from sampan.apiserver.wiring import build
    from sampan.client.api import Client
    from sampan.cluster.datastores import open_datastore

    devcerts.make(folder)
    other = folder / "datastore"  # `bench.etcd` writes it
    store = await open_datastore(other.read_text() if other.exists() else "", folder / "state.db")
    chain = await build(store, security=cluster_security(folder / "serviceaccounts.key"))
    transport = InProcessTransport(chain, user=User(name="bench", groups=(MASTERS, AUTHENTICATED)))
    await bootstrap(chain.core, Client(transport))
    (folder / "token").write_text(await make_administrator(transport))
    server = Server(
        chain,
        ServerConfig(port=0, certificate=folder / "server.crt", key=folder / "server.key", client_ca=folder / "ca.crt"),
    )
    await server.start()
    print(server.port, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        import uvloop

        uvloop.run(serve(Path(sys.argv[2])))
        return
    from bench import table

    print("\n".join(table.lines(run(), table.BUDGETS)))


if __name__ == "__main__":
    main()
