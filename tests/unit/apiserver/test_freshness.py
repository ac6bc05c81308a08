"""Which requests wait for what other servers wrote, and what a server does that is cut off from its store."""

from __future__ import annotations

import pytest

from sampan.apiserver.cache import Caches
from sampan.apiserver.freshness import CUT_OFF_AFTER, UNREADY_AFTER, Freshness, wants_fresh
from sampan.apiserver.request import Request
from sampan.apiserver.requestinfo import request_info
from sampan.storage.contract import Compacted, StoreUnavailable
from sampan.storage.engine import EmbeddedStore
from sampan.storage.memory import open_store

PODS = "/api/v1/namespaces/default/pods"


def wants(method: str, query: str = "", *, watch: bool = False) -> bool:
    return wants_fresh(Request(method, PODS, query), request_info(method, PODS, watch=watch), revision=100)


@pytest.mark.parametrize(
    ("query", "fresh"),
    [
        ("", True),
        ("limit=5", True),
        ("limit=5&continue=abc", True),
        ("resourceVersion=0", False),
        ("resourceVersion=100", False),
        ("resourceVersion=101", True),
        ("resourceVersion=nonsense", True),
    ],
)
def test_reads(query: str, fresh: bool) -> None:
    assert wants("GET", query) is fresh
    assert wants("GET", query, watch=True) is fresh


def test_writes_are_decided_on_what_is_fresh() -> None:
    assert wants("POST")
    assert wants("PUT", "resourceVersion=0")


class CutOff:
    """A store whose others cannot be reached while `away`."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store, self.away = store, False

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    async def barrier(self) -> int:
        if self.away:
            raise StoreUnavailable("away")
        return await self.store.barrier()


async def test_a_server_that_is_cut_off_refuses_and_comes_back() -> None:
    store = CutOff(await open_store())
    caches = Caches(store)  # type: ignore[arg-type] # it is one by its `__getattr__`
    await caches.start()
    now = 0.0
    fresh = Freshness(caches, now=lambda: now)
    request, info = Request("GET", PODS), request_info("GET", PODS)
    old = Request("GET", PODS, "resourceVersion=0")
    await fresh.before(request, info)
    store.away = True
    with pytest.raises(StoreUnavailable):
        await fresh.before(request, info)
    await fresh.before(old, info)
    assert not fresh.wrong()
    now = UNREADY_AFTER + 1
    assert fresh.wrong()
    now = CUT_OFF_AFTER + 1
    await fresh.look()
    with pytest.raises(StoreUnavailable):
        await fresh.before(old, info)
    store.away = False
    await fresh.look()
    await fresh.before(request, info)
    assert not fresh.wrong()
    await store.store.close()


async def test_what_was_missed_is_made_up_for() -> None:
    store = await open_store()
    caches = Caches(store)
    pods = caches.cache("pods", namespaced=True)
    for name in ("a", "b", "c"):
        await store.create(key=f"/registry/pods/d/{name}", value=b'{"metadata":{"name":"x"}}')
    await caches.start()
    told: list[tuple[str, bool]] = []
    pods.listeners.append(lambda event: told.append((event.object.name, event.deleted)))
    caches._subscription.close()
    caches.lost = Compacted(requested=1, compact_revision=2)
    await store.delete(key="/registry/pods/d/a")
    b = await store.get(key="/registry/pods/d/b")
    assert b is not None
    await store.update(key=b.key, value=b'{"metadata":{"name":"y"}}', expected_revision=b.revision)
    await store.create(key="/registry/pods/d/e", value=b'{"metadata":{"name":"x"}}')
    await caches.start_again()
    assert caches.lost is None
    assert told == [("a", True), ("b", False), ("e", False)]
    assert pods.keys == ["d/b", "d/c", "d/e"]
    assert pods.oldest == caches.revision == await store.current_revision()
    await store.create(key="/registry/pods/d/f", value=b'{"metadata":{"name":"x"}}')
    assert pods.get("d", "f") is not None
    await store.close()
