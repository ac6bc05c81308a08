"""What the embedded store promises beyond the contract: writes of different keys too keep the order they came in."""

from __future__ import annotations

import asyncio

from sampan.storage import memory


async def test_batches_keep_the_order_of_their_callers() -> None:
    store = await memory.open_store()
    made = await asyncio.gather(*(store.create(key=f"/n/{number:05}", value=b"x") for number in range(1200)))
    assert [kv.revision for kv in made] == list(range(2, 1202))
    await store.close()
