"""A WebSocket client's bytes, passed on to the kubelet as they are, and back: no frame is read on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sampan.apiserver.request import Answer, RawConnection, Reply, Request, Upgrade
from sampan.apiserver.streams.kubelet import KubeletConnection

_PASSED = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions", "origin")


async def relay(
    request: Request, connection: KubeletConnection, target: str, *, identity: Sequence[tuple[str, str]] = ()
) -> Answer:
    """The answer to the client: the kubelet's own. `identity`: headers that say who asks."""
    headers = {"Connection": "Upgrade", "Upgrade": request.header("upgrade") or "websocket"}
    headers |= {k: request.headers[k].replace("\n", ", ") for k in _PASSED if k in request.headers}
    try:
        method = request.method if request.method != "HEAD" else "GET"
        answered = await connection.ask(method, target, [*headers.items(), *identity])
        if answered.status != 101:
            body = await connection.read_body(answered)
            connection.close()
            return Reply(answered.status, body, answered.headers.get("content-type", "text/plain; charset=utf-8"))
    except BaseException:
        connection.close()
        raise
    passed = [(k, v) for k, v in answered.headers.items() if k.startswith(("sec-websocket", "upgrade", "connection"))]
    return Upgrade(passed, lambda raw: pipe(raw, connection))


async def pipe(client: RawConnection, connection: KubeletConnection) -> None:
    """Until either side has ended; then both."""
    tasks = [asyncio.ensure_future(_up(client, connection)), asyncio.ensure_future(_down(client, connection))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connection.close()


async def _up(client: RawConnection, connection: KubeletConnection) -> None:
    while data := await client.read():
        connection.writer.write(data)
        await connection.writer.drain()


async def _down(client: RawConnection, connection: KubeletConnection) -> None:
    while data := await connection.reader.read(65536):
        await client.write(data)
