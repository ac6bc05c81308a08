"""Keeps simulated Nodes known: their Leases renewed a few at a time.

With thousands of nodes the Leases are most of what the server has to write. So they are renewed in turn, evenly over
an interval that grows with their number, and stays below half of what a cluster lets a node be silent (40 s).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from itertools import islice

from sampan.api.errors import AlreadyExists, ApiError, NotFound
from sampan.api.types import coordination_v1, core_v1, meta_v1
from sampan.client import calls
from sampan.client.api import MERGE_PATCH, Client
from sampan.client.calls import WriteOptions
from sampan.client.clock import Clock, rfc3339_micro
from sampan.client.transport import TransportError
from sampan.simulator.nodes import each

NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
SHORTEST, LONGEST = 10.0, 18.0
PER_SECOND = 50  # renewals, as long as that is not too seldom for each
TICK = 0.5  # seconds at least between two batches
log = logging.getLogger(__name__)


def pace(nodes: int) -> tuple[float, int]:
    """How many Leases to renew every so many seconds."""
    interval = min(max(SHORTEST, nodes / PER_SECOND), LONGEST)
    count = math.ceil(nodes * TICK / interval)
    return (count * interval / nodes, count) if nodes else (interval, 0)


class Heartbeats:
    def __init__(self, client: Client, clock: Clock, alive: Callable[[str], core_v1.Node | None]) -> None:
        """`alive` finds a Node by name; None for one that is gone, or silent."""
        self._client = client
        self._leases = client.resource(coordination_v1.Lease)
        self._clock = clock
        self._alive = alive
        self._ring: dict[str, None] = {}  # whose turn is next comes first
        self._new: dict[str, None] = {}
        self._wake = asyncio.Event()

    def add(self, name: str) -> None:
        """Its first Lease comes at once."""
        if name not in self._ring and name not in self._new:
            self._new[name] = None
            self._wake.set()

    def remove(self, name: str) -> None:
        self._ring.pop(name, None)
        self._new.pop(name, None)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            tick, quota = pace(len(self._ring))
            timer = self._clock.call_later(tick, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()
            batch = list(self._new) or list(islice(self._ring, quota))
            for name in batch:
                self._new.pop(name, None)
                self._ring.pop(name, None)
                self._ring[name] = None
            await self._renew(batch)

    async def _renew(self, batch: Iterable[str]) -> None:
        async def one(name: str) -> None:
            node = self._alive(name)
            if node is None:
                return
            try:
                await self._renew_one(name, node)
            except (ApiError, TransportError) as error:
                log.info("node %s: lease not renewed: %s", name, error)

        await each(batch, one)

    async def _renew_one(self, name: str, node: core_v1.Node) -> None:
        now = rfc3339_micro(self._clock.now())
        body = b'{"spec":{"renewTime":"%s"}}' % now.encode()
        call = calls.patch(self._leases.info, NAMESPACE, name, body, MERGE_PATCH, WriteOptions())
        try:
            await self._client.send(call)  # nobody reads the answer
        except NotFound:
            await self._create(name, node, now)

    async def _create(self, name: str, node: core_v1.Node, now: str) -> None:
        owner = meta_v1.OwnerReference(apiVersion="v1", kind="Node", name=name, uid=node.metadata.uid or "")
        lease = coordination_v1.Lease(
            kind="Lease",
            apiVersion="coordination.k8s.io/v1",
            metadata=meta_v1.ObjectMeta(name=name, namespace=NAMESPACE, ownerReferences=[owner]),
            spec=coordination_v1.LeaseSpec(holderIdentity=name, leaseDurationSeconds=LEASE_SECONDS, renewTime=now),
        )
        try:
            await self._leases.create(lease)
        except AlreadyExists:
            pass
