"""A write told to many: `python -m bench.fanout`. 100 watchers over TLS, each on a connection of its own; 1,000 objects
are created, 100 a second. How long from the create's first byte until each watcher has its event, and what one delivery
costs the server. The client is this process, on the same cores; its own share is in the times.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from typing import cast

import uvloop

from bench.apiserver import Bench, server
from bench.processes import cpu_seconds, family

WATCHERS, EVENTS, RATE = 100, 1000, 100.0
MAPS = "/api/v1/namespaces/default/configmaps"
_NAME = re.compile(rb'"name":"e-(\d+)"')
_KEPT = 64  # bytes: longer than the name, so that one that comes in two reads is found


class Watcher(asyncio.Protocol):
    """Notes when an object's name arrived first."""

    def __init__(self, request: bytes) -> None:
        self.arrived: dict[int, float] = {}
        self.begun = asyncio.Event()
        self._request = request
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.begun.set()
        seen = self._tail + data
        for found in _NAME.finditer(seen):
            self.arrived.setdefault(int(found[1]), now)
        self._tail = seen[-_KEPT:]


class Writer(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.answers += data.count(b"HTTP/1.1 201")


async def measure(bench: Bench, *, watchers: int, events: int, rate: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(cafile=str(bench.folder / "ca.crt"))
    head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {bench.token}\r\n"
    listening = []
    for _ in range(watchers):
        request = f"GET {MAPS}?watch=1 HTTP/1.1\r\n{head}\r\n".encode()
        _, watcher = await loop.create_connection(
            lambda request=request: Watcher(request), "127.0.0.1", bench.port, ssl=context
        )
        listening.append(watcher)
    await asyncio.gather(*(w.begun.wait() for w in listening))
    _, writer = await loop.create_connection(Writer, "127.0.0.1", bench.port, ssl=context)
    assert writer.transport is not None
    sent: dict[int, float] = {}
    pids = family(bench.pids())
    began, before = time.perf_counter(), cpu_seconds(pids)
    for number in range(events):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        body = json.dumps({"metadata": {"name": f"e-{number}"}, "data": {"text": "x" * 1500}})
        sent[number] = time.perf_counter()
        writer.transport.write(f"POST {MAPS} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    end = time.monotonic() + 30
    while any(len(w.arrived) < events for w in listening):
        assert time.monotonic() < end, f"{writer.answers} writes, and some events never came"
        await asyncio.sleep(0.01)
    used = cpu_seconds(pids) - before
    late = sorted(at - sent[number] for w in listening for number, at in w.arrived.items())
    return {
        "watch fan-out, 100 x 1,000, p50 ms": late[len(late) // 2] * 1000,
        "watch fan-out, 100 x 1,000, p99 ms": late[len(late) * 99 // 100] * 1000,
        "watch fan-out, CPU per delivery, µs": used / (watchers * events) * 1e6,
    }


def run() -> dict[str, float]:
    with server() as bench:
        bench.start()
        return uvloop.run(measure(bench, watchers=WATCHERS, events=EVENTS, rate=RATE))


if __name__ == "__main__":
    for name, figure in run().items():
        print(f"{name:48}{figure:10,.2f}")
