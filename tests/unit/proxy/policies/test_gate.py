"""A Pod starts when its policies are in force, and not never."""

from __future__ import annotations

import asyncio

from sampan.network.fake import FakeNetwork
from sampan.proxy.policies.gate import Gate, PolicedNetwork


async def test_a_workload_waits_until_it_is_told() -> None:
    gate, heard, known = Gate(patience=60), [], set[str]()
    gate.on_change = heard.append
    network = PolicedNetwork(FakeNetwork(), gate)
    gate.tell(known.__contains__)
    waiting = asyncio.create_task(network.attach("pod"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert heard == ["pod"]
    assert not waiting.done()
    gate.tell(known.__contains__)
    await asyncio.sleep(0)
    assert not waiting.done()
    known.add("pod")
    gate.look_again()
    assert (await waiting).ip == gate.addresses["pod"]
    await network.attach("pod")  # again: nothing new
    assert heard == ["pod"]
    await network.detach("pod")
    assert heard == ["pod", "pod"]
    assert gate.addresses == {}


async def test_patience_ends() -> None:
    gate = Gate(patience=0)
    await gate.admit("pod", "10.0.0.1")
    gate = Gate(patience=0)
    gate.tell(lambda _: False)
    await gate.admit("pod", "10.0.0.1")
