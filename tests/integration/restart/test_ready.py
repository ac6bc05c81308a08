"""A server with ten thousand objects is ready almost as soon as one that has none."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from sampan.storage import sqlite

from .test_kill import Process

OBJECTS = 10_000
POD = {
    "kind": "Pod", "apiVersion": "v1",
    "metadata": {"name": "", "namespace": "default", "uid": "u", "labels": {"app": "web"}, "managedFields": [
        {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "2026-01-02T03:04:05Z",
         "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:containers": {'k:{"name":"c"}': {"f:image": {}}}}}},
    ]},
    "spec": {"containers": [{"name": "c", "image": "registry.example.com/web:1", "resources": {}}], "nodeName": "n"},
    "status": {"phase": "Running", "podIP": "10.0.0.1"},
}  # fmt: skip


def _cpu_seconds(pid: int) -> float:
    """Of a process and all below it, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(_cpu_seconds(int(child)) for child in children)


async def _start(folder: Path) -> tuple[float, float, int]:
    """Seconds until it is ready, seconds of CPU for it, and how many Pods it has."""
    server = Process(folder)
    wall = await server.start()
    assert server.process is not None
    cpu = _cpu_seconds(server.process.pid)
    client = await server.connect()
    assert await client.ask("GET", "/api/v1/pods?limit=1") is not None
    _, page = await client.ask("GET", "/api/v1/pods?limit=1")
    await server.kill()
    return wall, cpu, len(page["items"]) + page["metadata"].get("remainingItemCount", 0)


async def test_ready_with_ten_thousand_objects(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    for folder in (empty, full):
        folder.mkdir()
    store = await sqlite.open_store(path=full / "state.db")
    for start in range(0, OBJECTS, 500):
        pods = [{**POD, "metadata": {**POD["metadata"], "name": f"p-{n}"}} for n in range(start, start + 500)]  # type: ignore[dict-item]
        keys = [f"/registry/pods/default/p-{n}" for n in range(start, start + 500)]
        values = [json.dumps(p, separators=(",", ":")).encode() for p in pods]
        await asyncio.gather(*(store.create(key=k, value=v) for k, v in zip(keys, values, strict=True)))
    await store.close()
    await _start(empty)  # certificates and bootstrap objects are made
    await _start(full)
    _, without, none = await _start(empty)
    wall, cpu, count = await _start(full)
    assert (none, count) == (0, OBJECTS)
    assert cpu - without < 1.0, f"{cpu:.2f} s of CPU, {without:.2f} s without objects; {wall:.2f} s by the clock"
