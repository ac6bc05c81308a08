"""kill -9 under load: nothing that was acknowledged is lost, watches go on where they were, and it is ready at once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import Any

MAPS = "/api/v1/namespaces/default/configmaps"


class Process:
    """A server of its own, on SQLite."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self.port = 0
        self.context: ssl.SSLContext | None = None

    async def start(self) -> float:
        began = time.perf_counter()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sampan.apiserver", "--data-dir", str(self.folder), "--port", "0",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = (await asyncio.wait_for(self.process.stdout.readline(), 20)).decode()
        self.port = int(line.split("https://127.0.0.1:")[1].split(";")[0])
        self.context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        self.context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        return time.perf_counter() - began

    async def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def connect(self) -> Connection:
        return Connection(*await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context))


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, method: str, path: str, body: Any = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        self.writer.write(head.encode() + data)
        self.status = int((await self.reader.readuntil(b"\r\n")).split()[1])

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        await self.send(method, path, body)
        headers = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        size = int(headers.split(b"content-length:")[1].split(b"\r\n")[0])
        return self.status, json.loads(await self.reader.readexactly(size))

    async def watch(self, path: str) -> None:
        await self.send("GET", path)
        await self.reader.readuntil(b"\r\n\r\n")

    async def events(self) -> list[dict[str, Any]]:
        size = int(await self.reader.readline(), 16)
        if not size:
            return []
        chunk = await self.reader.readexactly(size)
        await self.reader.readexactly(2)
        return [json.loads(line) for line in chunk.splitlines()]


async def _write(server: Process, writer: int, acknowledged: dict[str, str]) -> None:
    """Until the server dies."""
    connection = await server.connect()
    try:
        for turn in range(10_000):
            name = f"w{writer}-{turn % 50}"
            body = {"metadata": {"name": name}, "data": {"turn": str(turn)}}
            code, answer = await connection.ask(
                "PUT" if name in acknowledged else "POST", _path(name, acknowledged), body
            )
            assert code in (200, 201), answer
            acknowledged[name] = str(turn)
    except (OSError, asyncio.IncompleteReadError, ValueError):
        pass


def _path(name: str, acknowledged: dict[str, str]) -> str:
    return f"{MAPS}/{name}" if name in acknowledged else MAPS


async def test_nothing_acknowledged_is_lost_and_watches_resume(tmp_path: Path) -> None:
    server = Process(tmp_path)
    await server.start()
    first = await server.connect()
    await first.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})
    _, present = await first.ask("GET", MAPS)
    revision, seen = int(present["metadata"]["resourceVersion"]), {}
    await first.watch(f"{MAPS}?watch=1&resourceVersion={revision}")
    acknowledged: dict[str, str] = {}
    writers = [asyncio.create_task(_write(server, n, acknowledged)) for n in range(4)]

    def take(events: list[dict[str, Any]]) -> None:
        nonlocal revision
        for event in events:
            assert event["type"] in ("ADDED", "MODIFIED"), event
            meta = event["object"]["metadata"]
            assert int(meta["resourceVersion"]) > revision
            revision = int(meta["resourceVersion"])
            seen[meta["name"]] = event["object"]["data"]["turn"]

    while len(seen) < 60:
        take(await asyncio.wait_for(first.events(), 20))
    await server.kill()
    await asyncio.gather(*writers)

    await server.start()
    again = await server.connect()
    _, now = await again.ask("GET", MAPS)
    stored = {i["metadata"]["name"]: i["data"]["turn"] for i in now["items"] if "turn" in i.get("data", {})}
    for name, turn in acknowledged.items():
        assert int(stored[name]) >= int(turn), f"{name}: {turn} was acknowledged, {stored[name]} is there"
    end = int(now["metadata"]["resourceVersion"])
    if revision < end:
        await again.watch(f"{MAPS}?watch=1&resourceVersion={revision}&timeoutSeconds=2")
        while revision < end and (events := await asyncio.wait_for(again.events(), 10)):
            take(events)
    assert seen == stored, "the watch that went on does not show what is there"
    await server.kill()
    third = Process(tmp_path)
    assert await third.start() < 5
    await third.kill()
