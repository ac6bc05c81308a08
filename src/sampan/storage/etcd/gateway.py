"""Calls and streams to whichever member of etcd answers.

A read goes from one endpoint to the next until one answers or the time is up. A write does so only while it is certain
that nobody has begun it (no connection, no leader); otherwise its outcome is unknown and the caller is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from sampan.storage.contract import StoreClosed, StoreFull, StoreUnavailable
from sampan.storage.etcd.address import EtcdAddress
from sampan.storage.etcd.connection import ANSWER_WITHIN, Connection, EtcdRefused, Unreachable
from sampan.storage.etcd.wire import Body, WatchResponse

T = TypeVar("T")
Connect = Callable[[EtcdAddress, str], Connection]

_WITHIN = 10.0  # seconds for a call, all endpoints together
_BETWEEN = 0.1  # seconds: between two rounds of all endpoints
_UNAVAILABLE = {4, 14}  # gRPC: deadline exceeded, unavailable
_EXHAUSTED = 8


def best() -> Connect:
    """gRPC where it is installed: etcd answers it twice as fast as through its gateway (docs/decisions/etcd.md)."""
    try:
        from sampan.storage.etcd.over_grpc import GrpcConnection
    except ImportError:
        from sampan.storage.etcd.over_json import JsonConnection

        return JsonConnection
    return GrpcConnection


class Gateway:
    def __init__(self, address: EtcdAddress, connect: Connect | None = None) -> None:
        self._address = address
        self._endpoints = address.endpoints
        self._connect = connect or best()
        self._connections: dict[str, Connection] = {}
        self._preferred = 0
        self._closed = False

    async def read(self, path: str, body: Body, kind: type[T]) -> T:
        """Something that may be asked twice."""
        return await self._call(path, body, kind, again=True)

    async def write(self, path: str, body: Body, kind: type[T]) -> T:
        return await self._call(path, body, kind, again=False)

    async def _call(self, path: str, body: Body, kind: type[T], *, again: bool) -> T:
        loop = asyncio.get_running_loop()
        end = loop.time() + _WITHIN
        for attempt in range(1_000_000):
            if attempt and attempt % len(self._endpoints) == 0:
                await asyncio.sleep(_BETWEEN)
            left = end - loop.time()
            endpoint = self._endpoints[self._preferred]
            seconds = min(left, ANSWER_WITHIN) if again else left
            try:
                # In a task, which a timeout needs: whoever calls may be driven by something else.
                return await asyncio.ensure_future(self._to(endpoint).ask(path, body, kind, seconds))
            except Unreachable as error:
                unbegun = not error.begun
                reason = f"{endpoint}: {error}"
            except EtcdRefused as answer:
                unbegun = "no leader" in str(answer)
                reason = f"{endpoint}: {answer}"
                if answer.code == _EXHAUSTED and "space" in str(answer):
                    raise StoreFull(str(answer)) from None
                if answer.code not in _UNAVAILABLE:
                    raise
            self.avoid(endpoint)
            if not (again or unbegun):
                raise StoreUnavailable(f"the outcome of a write is unknown: {reason}")
            if end - loop.time() < _BETWEEN:
                raise StoreUnavailable(f"no etcd answers, the last was {reason}")
        raise AssertionError("unreachable")

    async def watch(self, create: Body) -> AsyncGenerator[WatchResponse, None]:
        """The responses of one watch; ends with `StoreUnavailable` when the stream does."""
        endpoint = self._endpoints[self._preferred]
        try:
            async with aclosing(self._to(endpoint).watch(create)) as responses:
                async for response in responses:
                    yield response
        except Unreachable as error:
            raise StoreUnavailable(f"{endpoint}: {error}") from error

    def avoid(self, endpoint: str = "") -> None:
        """What comes next asks another endpoint (than this one, if it is still the preferred one)."""
        if not endpoint or self._endpoints[self._preferred] == endpoint:
            self._preferred = (self._preferred + 1) % len(self._endpoints)

    async def close(self) -> None:
        self._closed = True
        for connection in self._connections.values():
            await connection.close()

    def _to(self, endpoint: str) -> Connection:
        if self._closed:
            raise StoreClosed
        found = self._connections.get(endpoint)
        if found is None:
            found = self._connections[endpoint] = self._connect(self._address, endpoint)
        return found
