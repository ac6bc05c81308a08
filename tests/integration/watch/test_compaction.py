"""The store forgets its history under the server's feet: pages and watches go on as long as the server itself
remembers, and are told so, in Kubernetes' words, when it does not."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sampan.apiserver.chain import Chain
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.wiring import build
from sampan.storage import sqlite

from .test_torture import ADMIN, BASE, Watcher, Writer


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[tuple[Chain, InProcessTransport]]:
    """A server on SQLite; again and again on the same file."""
    store = await sqlite.open_store(path=path)
    try:
        chain = await build(store)
        transport = InProcessTransport(chain, user=ADMIN)
        await transport.request("POST", "/api/v1/namespaces", body=b'{"metadata":{"name":"default"}}')
        yield chain, transport
    finally:
        await store.close()


async def _make(transport: InProcessTransport, count: int) -> None:
    bodies = [json.dumps({"metadata": {"name": f"o-{n:02}"}, "data": {"turn": "0"}}).encode() for n in range(count)]
    answers = await asyncio.gather(*(transport.request("POST", BASE, body=b) for b in bodies))
    assert {a.status for a in answers} == {201}


async def _page(transport: InProcessTransport, **query: str) -> tuple[int, dict[str, Any]]:
    answer = await transport.request("GET", BASE, query=query)
    return answer.status, json.loads(answer.body)


def _names(page: dict[str, Any]) -> list[str]:
    return [i["metadata"]["name"] for i in page["items"]]


async def test_pages_go_on_across_a_compaction(tmp_path: Path) -> None:
    async with serving(tmp_path / "state.db") as (chain, transport):
        await _make(transport, 20)
        _, first = await _page(transport, limit="7")
        await transport.request("DELETE", f"{BASE}/o-10")
        await transport.request("POST", BASE, body=b'{"metadata":{"name":"o-99"}}')
        await chain.core.store.compact(revision=chain.core.caches.revision)
        code, second = await _page(transport, limit="7", **{"continue": first["metadata"]["continue"]})
        assert code == 200
        _, third = await _page(transport, limit="7", **{"continue": second["metadata"]["continue"]})
        assert _names(first) + _names(second) + _names(third) == [f"o-{n:02}" for n in range(20)]
        revisions = {p["metadata"]["resourceVersion"] for p in (first, second, third)}
        assert len(revisions) == 1


async def test_a_page_from_before_a_restart_and_a_compaction_is_gone_and_can_go_on_otherwise(tmp_path: Path) -> None:
    async with serving(tmp_path / "state.db") as (chain, transport):
        await _make(transport, 20)
        _, first = await _page(transport, limit="7")
        token = first["metadata"]["continue"]
        await transport.request("DELETE", f"{BASE}/o-10")
        await transport.request("POST", BASE, body=b'{"metadata":{"name":"o-99"}}')
        await chain.core.store.compact(revision=chain.core.caches.revision)
    async with serving(tmp_path / "state.db") as (_, transport):
        code, status = await _page(transport, limit="7", **{"continue": token})
        assert (code, status["reason"]) == (410, "Expired")
        assert "The provided continue parameter is too old" in status["message"]
        again = status["metadata"]["continue"]
        said = json.loads(base64.urlsafe_b64decode(again + "=="))
        assert said["rv"] == -1
        code, rest = await _page(transport, **{"continue": again})
        assert code == 200
        assert _names(rest) == [f"o-{n:02}" for n in range(7, 20) if n != 10] + ["o-99"]


async def test_a_watch_from_before_a_restart_and_a_compaction_is_told_to_list_again(tmp_path: Path) -> None:
    async with serving(tmp_path / "state.db") as (chain, transport):
        await _make(transport, 3)
        before = chain.core.caches.revision - 1
        await chain.core.store.compact(revision=chain.core.caches.revision)
    async with serving(tmp_path / "state.db") as (_, transport):
        query = {"watch": "1", "resourceVersion": str(before)}
        async with transport.stream("GET", BASE, query=query) as stream:
            events = [json.loads(frame) async for frame in stream]
        assert [(e["type"], e["object"]["code"]) for e in events] == [("ERROR", 410)]


async def test_torture_with_compactions_and_a_restart(tmp_path: Path) -> None:
    """Three lives of one store; the watchers carry their views and revisions from one to the next."""
    chance = random.Random(11)
    carried: list[Watcher] = []
    for life in range(3):
        async with serving(tmp_path / "state.db") as (chain, transport):
            if not carried:
                carried = [
                    Watcher(transport, "on=y" if n % 2 else "", random.Random(chance.random())) for n in range(8)
                ]
            compacting = asyncio.create_task(_compact(chain))
            for watcher in carried:
                watcher.transport, watcher.done, watcher.target = transport, asyncio.Event(), 0
            watching = [asyncio.create_task(_resume(w) if life else w.run()) for w in carried]
            writers = [Writer(transport, n, random.Random(chance.random())) for n in range(4)]
            await asyncio.gather(*(w.run() for w in writers))
            end = {"metadata": {"name": f"end-{life}", "labels": {"on": "y"}}, "data": {"turn": "end"}}
            last = json.loads((await transport.request("POST", BASE, body=json.dumps(end).encode())).body)
            for watcher in carried:
                watcher.target = int(last["metadata"]["resourceVersion"])
                watcher.done.set()
            await asyncio.wait_for(asyncio.gather(*watching), 60)
            compacting.cancel()
            for watcher in carried:
                seen = dict(watcher.view)
                await watcher.list()
                assert seen == watcher.view
    assert sum(w.resumes for w in carried) > len(carried)


async def _resume(watcher: Watcher) -> None:
    """Without listing first: from where the last life left it."""
    listing, watcher.list = watcher.list, _nothing  # type: ignore[method-assign]
    running = asyncio.ensure_future(watcher.run())
    await asyncio.sleep(0)
    watcher.list = listing  # type: ignore[method-assign]
    await running


async def _nothing() -> None: ...


async def _compact(chain: Chain) -> None:
    while True:
        await asyncio.sleep(0.02)
        await chain.core.store.compact(revision=chain.core.caches.revision)
