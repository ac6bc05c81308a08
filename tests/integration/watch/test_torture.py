"""Writers write, watchers break off and resume: each watcher's view ends equal to a list, and no event was lost,
repeated or out of order on the way."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sampan.api.errors import Expired
from sampan.apiserver import cache as cache_module
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
BASE = "/api/v1/namespaces/default/configmaps"
WRITERS, WATCHERS, WRITES = 8, 12, 150


async def server() -> tuple[Chain, InProcessTransport]:
    chain = await build_for_tests()
    transport = InProcessTransport(chain, user=ADMIN)
    await transport.request("POST", "/api/v1/namespaces", body=b'{"metadata":{"name":"default"}}')
    return chain, transport


class Writer:
    """Creates, changes and deletes its own few objects; their label comes and goes."""

    def __init__(self, transport: InProcessTransport, number: int, chance: random.Random) -> None:
        self.transport = transport
        self.number = number
        self.chance = chance

    async def run(self) -> None:
        for turn in range(WRITES):
            name = f"o-{self.number}-{self.chance.randrange(4)}"
            body = {"metadata": {"name": name, "labels": {"on": self.chance.choice("yn")}}, "data": {"turn": str(turn)}}
            what = self.chance.random()
            if what < 0.25:
                answer = await self.transport.request("DELETE", f"{BASE}/{name}")
                assert answer.status in (200, 404), answer.body
            else:
                answer = await self.transport.request("PUT", f"{BASE}/{name}", body=json.dumps(body).encode())
                if answer.status == 404:
                    answer = await self.transport.request("POST", BASE, body=json.dumps(body).encode())
                assert answer.status in (200, 201), answer.body
            if what < 0.5:
                await asyncio.sleep(0)


async def _no_pause(watcher: Watcher) -> None: ...


class Watcher:
    def __init__(self, transport: InProcessTransport, selector: str, chance: random.Random) -> None:
        self.transport = transport
        self.selector = selector
        self.chance = chance
        self.view: dict[str, str] = {}
        self.revision = 0
        self.relists = 0
        self.resumes = 0
        self.done = asyncio.Event()

    async def run(self) -> None:
        await self.list()
        await self.pause(self)
        while not (self.done.is_set() and self.revision >= self.target):
            try:
                await self.watch(self.chance.randrange(1, 40))
                self.resumes += 1
            except Expired:
                self.relists += 1
                await self.list()

    target = 0
    pause: Callable[[Watcher], Awaitable[None]] = staticmethod(_no_pause)

    async def list(self) -> None:
        query = {"labelSelector": self.selector} if self.selector else None
        answer = json.loads((await self.transport.request("GET", BASE, query=query)).body)
        self.revision = int(answer["metadata"]["resourceVersion"])
        self.view = {i["metadata"]["name"]: i["data"]["turn"] for i in answer["items"] if "turn" in i.get("data", {})}

    async def watch(self, events: int) -> None:
        query = {"watch": "1", "resourceVersion": str(self.revision), "timeoutSeconds": "1", "allowWatchBookmarks": "1"}
        if self.selector:
            query["labelSelector"] = self.selector
        async with self.transport.stream("GET", BASE, query=query) as stream:
            async for frame in stream:
                self.take(json.loads(frame))
                events -= 1
                if events <= 0 or (self.done.is_set() and self.revision >= self.target):
                    return
                if self.chance.random() < 0.1:
                    await asyncio.sleep(0.001)

    def take(self, event: dict[str, Any]) -> None:
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            assert obj["code"] == 410
            raise Expired(obj["message"])
        revision, name = int(obj["metadata"]["resourceVersion"]), obj["metadata"].get("name")
        if kind == "BOOKMARK":
            assert revision >= self.revision
            self.revision = revision
            return
        assert revision > self.revision, "an event came twice or out of order"
        self.revision = revision
        if kind == "ADDED":
            assert name not in self.view, "added twice: the delete before was lost"
            self.view[name] = obj["data"]["turn"]
        elif kind == "MODIFIED":
            assert name in self.view, "modified before it was added"
            self.view[name] = obj["data"]["turn"]
        else:
            assert kind == "DELETED"
            assert self.view.pop(name, None) is not None, "deleted before it was added"


@pytest.mark.parametrize("ring", [64, 8192])
async def test_every_view_ends_equal_to_a_list(ring: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "RING", ring)
    chain, transport = await server()
    chance = random.Random(7)
    watchers = [Watcher(transport, "on=y" if n % 2 else "", random.Random(chance.random())) for n in range(WATCHERS)]
    cache = chain.core.caches.cache("configmaps", namespaced=True)

    async def fall_behind(watcher: Watcher) -> None:
        """One takes so long that the ring has forgotten where it was."""
        while cache.oldest <= watcher.revision:
            await asyncio.sleep(0.001)

    if ring == 64:
        watchers[0].pause = fall_behind
    watching = [asyncio.create_task(w.run()) for w in watchers]
    await asyncio.gather(*(Writer(transport, n, random.Random(chance.random())).run() for n in range(WRITERS)))
    end = {"metadata": {"name": "end", "labels": {"on": "y"}}, "data": {"turn": "end"}}
    last = json.loads((await transport.request("POST", BASE, body=json.dumps(end).encode())).body)
    for watcher in watchers:
        watcher.target = int(last["metadata"]["resourceVersion"])
        watcher.done.set()
    await asyncio.wait_for(asyncio.gather(*watching), 60)
    for watcher in watchers:
        seen = watcher.view
        await watcher.list()
        assert seen == watcher.view
    if ring == 8192:
        assert not any(w.relists for w in watchers), "a ring that holds everything never expires"
    else:
        assert any(w.relists for w in watchers), "nobody ever fell behind: the test does not test"
    assert sum(w.resumes for w in watchers) > WATCHERS
    assert not chain.core.endpoint("", "v1", "configmaps").cache.watchers, "a watcher was leaked"  # type: ignore[union-attr]


async def test_a_watcher_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampan.apiserver.watcher.MAX_QUEUED", 50)
    chain, transport = await server()
    async with transport.stream("GET", BASE, query={"watch": "1", "timeoutSeconds": "60"}) as stream:
        for n in range(60):
            body = json.dumps({"metadata": {"name": f"o-{n}"}}).encode()
            assert (await transport.request("POST", BASE, body=body)).status == 201
        assert [frame async for frame in stream] == []
    assert not chain.core.endpoint("", "v1", "configmaps").cache.watchers  # type: ignore[union-attr]


async def test_pages_show_one_revision_while_writers_write() -> None:
    _, transport = await server()
    for n in range(20):
        body = json.dumps({"metadata": {"name": f"o-{n:02}"}, "data": {"turn": "0"}}).encode()
        await transport.request("POST", BASE, body=body)
    pages, token, revision = [], "", ""
    while True:
        query = {"limit": "6"} | ({"continue": token} if token else {})
        page = json.loads((await transport.request("GET", BASE, query=query)).body)
        pages.append([(i["metadata"]["name"], i["data"]["turn"]) for i in page["items"]])
        revision = revision or page["metadata"]["resourceVersion"]
        assert page["metadata"]["resourceVersion"] == revision
        token = page["metadata"].get("continue", "")
        if not token:
            break
        changed = json.dumps({"metadata": {"name": "o-19"}, "data": {"turn": "changed"}}).encode()
        await transport.request("PUT", f"{BASE}/o-19", body=changed)
        await transport.request("DELETE", f"{BASE}/o-{len(pages) + 10:02}")
        await transport.request("POST", BASE, body=b'{"metadata":{"name":"o-99"},"data":{"turn":"new"}}')
    assert [len(p) for p in pages] == [6, 6, 6, 2]
    assert [pair for page in pages for pair in page] == [(f"o-{n:02}", "0") for n in range(20)]


async def test_initial_events_end_with_a_bookmark_that_says_so() -> None:
    _, transport = await server()
    for n in range(3):
        await transport.request("POST", BASE, body=json.dumps({"metadata": {"name": f"o-{n}"}}).encode())
    query = {"watch": "1", "sendInitialEvents": "true", "allowWatchBookmarks": "true"}
    query["resourceVersionMatch"] = "NotOlderThan"
    seen = []
    async with transport.stream("GET", BASE, query=query) as stream:
        async for frame in stream:
            event = json.loads(frame)
            seen.append((event["type"], event["object"]["metadata"].get("name")))
            if event["type"] == "BOOKMARK":
                assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
                assert event["object"]["kind"] == "ConfigMap"
                break
    named = [s for s in seen if s[1] is None or s[1].startswith("o-")]
    assert named == [("ADDED", "o-0"), ("ADDED", "o-1"), ("ADDED", "o-2"), ("BOOKMARK", None)]


async def test_a_state_that_is_told_by_events_is_no_table() -> None:
    _, transport = await server()
    await transport.request("POST", BASE, body=b'{"metadata":{"name":"one"}}')
    query = {"watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    async with transport.stream("GET", BASE, query=query, headers={"Accept": table}) as stream:
        assert stream.status == 406
    # A client that can do with objects gets them; and a plain watch may be of rows.
    for asked, accept, kind in ((query, f"{table},application/json", "ConfigMap"), ({"watch": "1"}, table, "Table")):
        async with transport.stream("GET", BASE, query=asked, headers={"Accept": accept}) as stream:
            async for frame in stream:
                assert json.loads(frame)["object"]["kind"] == kind
                break
