"""Three members, each killed in turn under load: nothing acknowledged is lost, watchers miss nothing."""

from __future__ import annotations

import asyncio
import time

from sampan.storage import etcd
from sampan.storage.contract import StoreUnavailable, WatchEvent
from tests.unit.storage.etcd.member import Member


async def test_each_member_killed_in_turn(members: list[Member]) -> None:
    address = "etcd://" + ",".join(f"127.0.0.1:{member.port}" for member in members)
    store = await etcd.open_store(address)
    heard: list[WatchEvent] = []
    store.subscribe(prefix="/", callback=heard.extend)
    acknowledged: set[str] = set()
    unknown: set[str] = set()
    done = asyncio.Event()

    async def write(worker: int) -> None:
        number = 0
        while not done.is_set():
            number += 1
            key = f"/w/{worker}/{number}"
            try:
                await store.create(key=key, value=b"x")
            except StoreUnavailable:
                unknown.add(key)
            else:
                acknowledged.add(key)

    writers = [asyncio.ensure_future(write(worker)) for worker in range(4)]
    for member in members:
        await asyncio.to_thread(member.kill)
        before, begun = len(acknowledged), time.monotonic()
        while len(acknowledged) < before + 50:  # two of three are enough
            assert time.monotonic() < begun + 30
            await asyncio.sleep(0.05)
        await asyncio.to_thread(member.restart)
    done.set()
    await asyncio.gather(*writers)

    there = {kv.key for kv in (await store.range(prefix="/w/")).items}
    assert acknowledged <= there <= acknowledged | unknown
    assert [event.revision for event in heard] == list(range(2, await store.current_revision() + 1))
    assert {event.key for event in heard} == there
    await store.close()


async def test_a_minority_serves_nothing(members: list[Member]) -> None:
    """What is left alone must not answer from what it remembers."""
    store = await etcd.open_store("etcd://" + ",".join(f"127.0.0.1:{member.port}" for member in members))
    made = await store.create(key="/a", value=b"1")
    for member in members[:2]:
        member.kill()
    answers = await asyncio.gather(
        store.get(key="/a"),
        store.range(prefix="/"),
        store.update(key="/a", value=b"2", expected_revision=made.revision),
        return_exceptions=True,
    )
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    await store.close()
