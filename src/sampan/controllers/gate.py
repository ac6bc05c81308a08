"""A controller has only so many requests under way at a time: a thousand new Pods must not be why somebody's request is
refused. What is more waits here, in order. Watches are not counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from sampan.client.api import Client
from sampan.client.transport import (
    Query,
    RequestHeaders,
    Response,
    StreamResponse,
    Transport,
    Upgraded,
)

AT_ONCE = 64  # a server takes a few hundred writes at a time, of all clients together


class Gate:
    """A transport in front of another."""

    def __init__(self, transport: Transport, *, at_once: int = AT_ONCE) -> None:
        self._transport = transport
        self._slots = asyncio.Semaphore(at_once)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        async with self._slots:
            return await self._transport.request(method, path, query=query, headers=headers, body=body, timeout=timeout)

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
    ) -> AbstractAsyncContextManager[StreamResponse]:
        return self._transport.stream(method, path, query=query, headers=headers, body=body)

    async def upgrade(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Upgraded:
        return await self._transport.upgrade(path, query=query, headers=headers, subprotocols=subprotocols)

    async def close(self) -> None:
        await self._transport.close()


def gated(client: Client) -> Client:
    client.transport = Gate(client.transport)
    return client
