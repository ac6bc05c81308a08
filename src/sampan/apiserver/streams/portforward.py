"""port-forward: an error and a data stream for each connection, over SPDY, or over SPDY inside a WebSocket.

Each pair becomes a WebSocket of its own to the kubelet, so one broken connection ends nothing but itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sampan.api.errors import ApiError
from sampan.apiserver.request import RawConnection, Request, Upgrade
from sampan.apiserver.streams.kubelet import KubeletSocket
from sampan.apiserver.streams.session import SpdySession, SpdyStream
from sampan.client.channels import CLOSE as CHANNEL_CLOSE
from sampan.client.channels import pack, unpack
from sampan.client.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameReader,
    WebSocketError,
    accept_for,
    frame,
)

PROTOCOL = "portforward.k8s.io"
TUNNELLED = "SPDY/3.1+portforward.k8s.io"

Dial = Callable[[int], Awaitable[KubeletSocket]]


def over_spdy(dial: Dial) -> Upgrade:
    headers = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", PROTOCOL)]
    return Upgrade(headers, lambda raw: _Forwarder(raw, dial).run())


def over_websocket(request: Request, dial: Dial) -> Upgrade:
    headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Accept", accept_for(request.header("sec-websocket-key"))),
        ("Sec-WebSocket-Protocol", TUNNELLED),
    ]
    return Upgrade(headers, lambda raw: _Forwarder(Tunnel(raw), dial).run())


class Tunnel:
    """The bytes that binary messages of a WebSocket carry."""

    def __init__(self, raw: RawConnection) -> None:
        self._raw = raw
        self._parser = FrameReader()

    async def read(self) -> bytes:
        while data := await self._raw.read():
            try:
                frames = self._parser.feed(data)
            except WebSocketError:
                return b""
            parts = []
            for got in frames:
                if got.opcode in (BINARY, TEXT, CONTINUATION):
                    parts.append(got.payload)
                elif got.opcode == PING:
                    await self._raw.write(frame(PONG, got.payload))
                elif got.opcode == CLOSE:
                    return b""
            if any(parts):  # kubectl sends empty messages, too: they are no end
                return b"".join(parts)
        return b""

    async def write(self, data: bytes) -> None:
        await self._raw.write(frame(BINARY, data))

    def close(self) -> None:
        self._raw.close()


class _Forwarder:
    """One client. Streams find each other by their request's number."""

    def __init__(self, raw: RawConnection, dial: Dial) -> None:
        self._raw = raw
        self._dial = dial
        self._session = SpdySession(raw, self._opened)
        self._waiting: dict[str, dict[str, SpdyStream]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            await self._session.run()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._raw.close()

    def _opened(self, stream: SpdyStream) -> None:
        headers = stream.headers
        # Clients of old gave no number: there the error stream comes right before its data stream.
        key = headers.get("requestid") or str(stream.number - (2 if headers.get("streamtype") == "data" else 0))
        pair = self._waiting.setdefault(key, {})
        pair[headers.get("streamtype", "")] = stream
        if "data" in pair and "error" in pair:
            del self._waiting[key]
            task = asyncio.ensure_future(self._forward(pair["data"], pair["error"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, data: SpdyStream, error: SpdyStream) -> None:
        port = data.headers.get("port", "")
        try:
            try:
                socket = await self._dial(int(port) if port.isdigit() else 0)
            except ApiError as refused:
                await error.write(f"error forwarding port {port}: {refused.message}".encode())
                return
            await _pump(data, error, socket)
        except ConnectionError:
            pass
        finally:
            for stream in (data, error):
                try:
                    await stream.close()
                except ConnectionError:
                    pass
                self._session.forget(stream)


async def _pump(data: SpdyStream, error: SpdyStream, socket: KubeletSocket) -> None:
    inward = asyncio.ensure_future(_inward(data, socket))
    try:
        greeted: set[int] = set()
        while (message := await socket.receive()) is not None:
            if not message:
                continue
            channel, content = unpack(message)
            if channel not in greeted:
                greeted.add(channel)  # the first message on a channel is the port again
                content = content[2:]
            if content:
                await (data if channel == 0 else error).write(content)
    finally:
        inward.cancel()
        await asyncio.gather(inward, return_exceptions=True)
        socket.close()


async def _inward(data: SpdyStream, socket: KubeletSocket) -> None:
    while content := await data.read():
        await socket.send(pack(0, content))
    await socket.send(bytes((CHANNEL_CLOSE, 0)))  # the client will say no more: the container sees the end of its input
