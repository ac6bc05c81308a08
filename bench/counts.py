"""What the API server does per request, counted: figures that are the same on every machine, however busy it is.

`python -m bench.counts` prints them beside their limits, and continuous integration holds them to these
(`tests/unit/bench/test_counts.py`). A limit is a little above what is needed today. When one is passed, either the
change that passed it does too much, or it is worth it and moves the limit, for all to see.

A server is built in this process as a cluster has it (tokens, RBAC, all of admission), on the store in memory, and is
given bytes as from a socket. Calls are counted by the interpreter's own profiling hook, of Python and of C functions.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.administrator import make_administrator
from sampan.apiserver.bootstrap.ensure import bootstrap
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import AUTHENTICATED, MASTERS, User
from sampan.apiserver.http1 import Connection
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build
from sampan.client.api import Client
from sampan.storage import memory, sqlite

PODS = "/api/v1/namespaces/default/pods"
TIMES = 50
# The limits: what it took on 20 November 2026 and some more.
LIMITS = {
    "calls per create of a Pod": 690,
    "calls per create of a Pod unlike others": 1000,
    "calls per get": 140,
    "calls per list of 500, not changed since": 200,
    "calls per list of 500, changed since": 240,
    "calls per status patch": 1100,
    "calls per delete": 410,
    "calls per event and watcher, 100 watchers": 28,
    "bytes kept per Pod, KB": 6.2,
    "bytes written per create of 3 KB, KB": 14.0,
    "modules of a server that starts": 510,
    "modules of `sampan get`": 185,
    "modules of the store's process": 80,
}


class Wire:
    """The transport of a connection, without a socket."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.sent.append(bytes(data))

    def set_write_buffer_limits(self, **_: object) -> None: ...

    def get_extra_info(self, _: str) -> None: ...

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...


class World:
    """A server and a client's connection to it."""

    def __init__(self, chain: Chain, token: str) -> None:
        self.chain = chain
        self._head = f"Host: x\r\nAuthorization: Bearer {token}\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
        self.connection, self.wire = self.connect()

    @classmethod
    async def make(cls) -> World:
        chain = await build(await memory.open_store(), security=cluster_security(None))
        transport = InProcessTransport(chain, user=User(name="bench", groups=(MASTERS, AUTHENTICATED)))
        await bootstrap(chain.core, Client(transport))
        return cls(chain, await make_administrator(transport))

    def connect(self) -> tuple[Connection, Wire]:
        wire = Wire()
        connection = Connection(self.chain, set(), asyncio.get_running_loop())
        connection.connection_made(cast("Any", wire))
        return connection, wire

    def request(self, method: str, path: str, body: bytes = b"", media: str = "application/json") -> bytes:
        return f"{method} {path} HTTP/1.1\r\n{self._head % (media, len(body))}".encode() + body

    async def ask(self, data: bytes, status: int = 200) -> bytes:
        """The whole answer, head and body."""
        self.wire.sent.clear()
        self.connection.data_received(data)
        while not self.wire.sent or not self.connection.idle:
            await asyncio.sleep(0)
        answer = b"".join(self.wire.sent)
        assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:500]
        return answer


class Counter:
    """Counts the calls that are made while it is on. What the event loop itself does is not among them."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        del frame, argument
        if event in ("call", "c_call"):
            self.calls += 1

    @contextmanager
    def on(self) -> Iterator[None]:
        before = sys.getprofile()
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(before)


def pod(name: str, *, image: str = "busybox:1.36") -> bytes:
    resources = {"requests": {"cpu": "10m", "memory": "16Mi"}}
    container = {"name": "main", "image": image, "command": ["sleep", "1000"], "resources": resources}
    meta, spec = {"name": name, "labels": {"app": "bench"}}, {"containers": [container]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}).encode()


async def count_requests() -> dict[str, float]:
    world = await World.make()
    figures: dict[str, float] = {}

    async def count(name: str, requests: Callable[[int], bytes], status: int = 200, times: int = TIMES) -> None:
        await world.ask(requests(0), status)  # what is done once for all is not counted
        counter = Counter()
        with counter.on():
            for number in range(1, times + 1):
                await world.ask(requests(number), status)
        figures[name] = counter.calls / times

    await count("calls per create of a Pod", lambda n: world.request("POST", PODS, pod(f"a{n}")), 201)
    await count(
        "calls per create of a Pod unlike others",
        lambda n: world.request("POST", PODS, pod(f"b{n}", image=f"busybox:{n}")), 201,
    )  # fmt: skip
    await count("calls per get", lambda _: world.request("GET", f"{PODS}/a1"))
    for number in range(500):
        await world.ask(world.request("POST", PODS, pod(f"c{number}")), 201)
    listing = world.request("GET", f"{PODS}?limit=500")
    await count("calls per list of 500, not changed since", lambda _: listing)
    figures["calls per list of 500, changed since"] = await _count_changed_list(world, listing)
    await count("calls per status patch", lambda n: _status(world, n))
    await count("calls per delete", lambda n: world.request("DELETE", f"{PODS}/b{n}"), times=20)
    figures["calls per event and watcher, 100 watchers"] = await _count_events(world, watchers=100)
    await world.chain.core.store.close()
    return figures


async def _count_changed_list(world: World, listing: bytes) -> float:
    counter = Counter()
    for number in range(5):
        await world.ask(world.request("POST", PODS, pod(f"d{number}")), 201)
        with counter.on():
            await world.ask(listing)
    return counter.calls / 5


def _status(world: World, number: int) -> bytes:
    ready = "True" if number % 2 else "False"
    body = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}
    media = "application/strategic-merge-patch+json"
    return world.request("PATCH", f"{PODS}/a1/status", json.dumps(body).encode(), media)


async def _count_events(world: World, *, watchers: int, events: int = 20) -> float:
    """What one more watcher of a write costs: the calls with watchers, less those without."""

    async def write(name: str) -> int:
        counter = Counter()
        with counter.on():
            for number in range(events):
                await world.ask(world.request("POST", PODS, pod(f"{name}{number}")), 201)
                for _ in range(5):  # rounds of the loop in which the streams write
                    await asyncio.sleep(0)
        return counter.calls

    alone = await write("e")
    watch = world.request("GET", f"{PODS}?watch=1&resourceVersion={world.chain.core.caches.revision}")
    wires = []
    for _ in range(watchers):
        connection, wire = world.connect()
        connection.data_received(watch)
        wires.append(wire)
    await asyncio.sleep(0.05)
    before = [len(w.sent) for w in wires]
    together = await write("f")
    assert all(len(w.sent) - b == events for w, b in zip(wires, before, strict=True)), "an event for every watcher"
    return (together - alone) / (events * watchers)


async def bytes_kept(pods: int = 1000) -> dict[str, float]:
    """Memory that a stored Pod of 2 KB takes: its bytes, and all that knows of it."""
    world = await World.make()
    for number in range(100):
        await world.ask(world.request("POST", PODS, pod(f"a{number}")), 201)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(pods):
        await world.ask(world.request("POST", PODS, pod(f"b{number:05}")), 201)
    kept = (tracemalloc.get_traced_memory()[0] - before) / pods
    tracemalloc.stop()
    await world.chain.core.store.close()
    return {"bytes kept per Pod, KB": kept / 1000}


async def bytes_written(creates: int = 500) -> dict[str, float]:
    """What the store's process writes for an object, as it asks the system to; one by one, as a single client does."""
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as folder:
        store = await sqlite.open_store(path=Path(folder) / "store.db")
        await store.create(key="/registry/x/warm", value=bytes(3000))
        await asyncio.sleep(0.2)  # the log is laid out when nobody waits
        pid = _child_named("sampan-store")
        before = _written(pid)
        for number in range(creates):
            await store.create(key=f"/registry/x/{number:05}", value=os.urandom(3000))
        figure = (_written(pid) - before) / creates
        await store.close()
    return {"bytes written per create of 3 KB, KB": figure / 1000}


def _child_named(name: str) -> int:
    for thread in Path("/proc/self/task").iterdir():
        for child in (thread / "children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == name:
                return int(child)
    raise RuntimeError(f"no child is called {name}")


def _written(pid: int) -> int:
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["wchar"])


_SRC = str(Path(__file__).parent.parent / "src")
# How each is started, and what it imports before it is of use.
_IMPORTS = {
    "modules of a server that starts": ((), "import sampan.cluster.server"),
    "modules of `sampan get`": ((), "import sampan.cli.main, sampan.cli.get"),
    "modules of the store's process": (
        ("-I", "-S"), f"import sys; sys.path.append({_SRC!r}); import sampan.storage.disk.serve",
    ),
}  # fmt: skip


def modules() -> dict[str, float]:
    """What is imported before the first answer: most of the time of a start."""
    figures = {}
    for name, (options, program) in _IMPORTS.items():
        command = [sys.executable, *options, "-c", program + "; import sys; print(len(sys.modules))"]
        figures[name] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return figures


def run() -> dict[str, float]:
    figures = uvloop.run(count_requests())
    figures |= uvloop.run(bytes_kept())
    figures |= uvloop.run(bytes_written())
    return figures | modules()


def main() -> int:
    passed = 0
    for name, figure in run().items():
        over = figure > LIMITS[name]
        passed += over
        print(f"{name:48}{figure:10,.1f}   limit {LIMITS[name]:8,.1f}{'   PASSED OVER' if over else ''}")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
