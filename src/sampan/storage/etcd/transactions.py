"""Writes to etcd: one transaction each, in turn for each key, heard of before they return, and under a guard where
several processes decide on more than one key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from sampan.storage.contract import GuardMoved, KeyExists, KeyNotFound, RevisionConflict
from sampan.storage.etcd.gateway import Gateway
from sampan.storage.etcd.wire import Body, LeaseResponse, Message, OperationResponse, TxnResponse, compare, read

_GUARDS = "sampan/guards/"  # beside what is stored: all of that starts with a slash


class Transactions:
    """`heard` waits until an etcd revision has been handed on here."""

    def __init__(
        self, gateway: Gateway, heard: Callable[[int], Awaitable[None]], lease_seconds: Callable[[float], int]
    ) -> None:
        self._gateway = gateway
        self._heard = heard
        self._lease_seconds = lease_seconds
        self._guards: dict[str, int] = {}  # by guard: the revision of its last write that is known here
        self._writing: dict[str, tuple[asyncio.Lock, int]] = {}  # by key: the lock and how many want it
        self._idle = asyncio.Event()

    async def run(
        self, *, when: list[Body], then: list[Body], otherwise: list[Body], guards: Sequence[str] = ()
    ) -> TxnResponse:
        """Returns when everything up to this transaction, refused or not, has been handed on here."""
        if not guards:
            return await self._send(when, then, otherwise)
        keys = {guard: (_GUARDS + guard).encode() for guard in guards}
        known = {guard: self._guards.get(guard, 0) for guard in guards}
        answer = await self._send(
            [*when, *(compare(raw, "MOD", "EQUAL", known[guard]) for guard, raw in keys.items())],
            [*then, *({"request_put": {"key": raw, "value": b""}} for raw in keys.values())],
            [*otherwise, *map(read, keys.values())],
        )
        if answer.succeeded:
            self._guards |= dict.fromkeys(keys, answer.header.revision)
            return answer
        now = dict(zip(keys, map(_mod_revision, answer.responses[-len(keys) :]), strict=True))
        self._guards |= now
        if now != known:
            raise GuardMoved(guard=", ".join(guard for guard in keys if now[guard] != known[guard]))
        return answer

    async def _send(self, when: list[Body], then: list[Body], otherwise: list[Body]) -> TxnResponse:
        body = {"compare": when, "success": then, "failure": otherwise}
        answer = await self._gateway.write("/v3/kv/txn", body, TxnResponse)
        await self._heard(answer.header.revision)
        return answer

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Writes to one key go one after the other, in the order they came."""
        lock, wanted = self._writing.get(key) or (asyncio.Lock(), 0)
        self._writing[key] = (lock, wanted + 1)
        try:
            async with lock:
                yield
        finally:
            lock, wanted = self._writing[key]
            if wanted == 1:
                del self._writing[key]
                if not self._writing:
                    self._idle.set()
            else:
                self._writing[key] = (lock, wanted - 1)

    @asynccontextmanager
    async def lease(self, ttl_seconds: float | None) -> AsyncIterator[Body]:
        """A lease of its own for the key, so that its end is a write of its own. A refused write gives it back."""
        if ttl_seconds is None:
            yield {}
            return
        body = {"TTL": max(self._lease_seconds(ttl_seconds), 1)}
        lease = (await self._gateway.write("/v3/lease/grant", body, LeaseResponse)).ID
        try:
            yield {"lease": lease}
        except (GuardMoved, KeyExists, KeyNotFound, RevisionConflict):
            await self._gateway.write("/v3/lease/revoke", {"ID": lease}, Message)
            raise

    async def finished(self) -> None:
        """Nobody begins a write any more: returns when the last one is done."""
        while self._writing:
            self._idle.clear()
            await self._idle.wait()


def _mod_revision(answer: OperationResponse) -> int:
    found = answer.response_range
    return found.kvs[0].mod_revision if found is not None and found.kvs else 0
