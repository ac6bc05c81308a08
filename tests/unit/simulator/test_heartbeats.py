"""Leases are renewed in time however many nodes there are, and no faster than there is need."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict

import pytest

from sampan.api.types import coordination_v1, core_v1, meta_v1
from sampan.client.clock import FakeClock, parse_time, settle
from sampan.client.fake import FakeServer
from sampan.simulator.heartbeats import LONGEST, NAMESPACE, Heartbeats, pace


@pytest.mark.parametrize("nodes", [1, 3, 50, 500, 5000, 16_000])
def test_the_pace_reaches_every_node_in_its_time(nodes: int) -> None:
    tick, quota = pace(nodes)
    assert nodes / quota * tick <= LONGEST + tick
    assert quota / tick <= nodes / 9, "no more than the interval asks for"


async def test_each_lease_is_renewed_within_the_interval_and_one_that_is_silent_is_not() -> None:
    clock = FakeClock()
    server = FakeServer(clock=clock)
    nodes = {f"n{i}": core_v1.Node(metadata=meta_v1.ObjectMeta(name=f"n{i}", uid=f"u{i}")) for i in range(7)}
    silent: set[str] = set()
    beats = Heartbeats(server.client(), clock, lambda name: None if name in silent else nodes.get(name))
    for name in nodes:
        beats.add(name)
    leases = server.client().resource(coordination_v1.Lease)
    renewed: dict[str, set[float]] = defaultdict(set)
    task = asyncio.create_task(beats.run())
    try:
        for _ in range(60):
            await clock.advance(1.0)
            await settle()
            for lease in (await leases.list(namespace=NAMESPACE)).items:
                renewed[lease.metadata.name or ""].add(parse_time(lease.spec.renewTime or ""))
            if clock.now() - 1_767_225_600.0 == 30:
                silent.add("n3")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert set(renewed) == set(nodes)
    for name, times in renewed.items():
        ordered = sorted(times)
        assert max(b - a for a, b in itertools.pairwise(ordered)) <= 12
        last = clock.now() - ordered[-1]
        assert last > 25 if name == "n3" else last <= 12
    assert (await leases.get("n0", namespace=NAMESPACE)).metadata.ownerReferences[0].uid == "u0"  # type: ignore[index]
