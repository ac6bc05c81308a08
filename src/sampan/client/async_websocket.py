"""An upgraded connection for components: asyncio's streams under the frames of `sampan.client.websocket`."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence

from sampan.client.connection import Address
from sampan.client.sync_dial import dial
from sampan.client.tls import explain
from sampan.client.transport import RequestHeaders, Response, TransportError, UpgradeRefused
from sampan.client.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    WebSocketError,
    accept_for,
    frame,
    new_key,
)


async def open_websocket(
    address: Address,
    target: str,
    headers: RequestHeaders,
    subprotocols: Sequence[str],
    *,
    tls: ssl.SSLContext | None,
    proxy: str = "",
    server_name: str = "",
) -> AsyncWebSocket:
    wire = await asyncio.to_thread(dial, address, proxy, None)
    wire.setblocking(False)
    try:
        reader, writer = await asyncio.open_connection(
            sock=wire, ssl=tls, server_hostname=(server_name or address.host) if tls is not None else None
        )
    except ssl.SSLError as error:
        raise explain(error, address.url) from error
    key = new_key()
    try:
        writer.write(_handshake(address, target, headers, subprotocols, key))
        status, answered = await _answer_head(reader)
        if status != 101:
            size = int(answered.get("content-length", "0"))
            raise UpgradeRefused(Response(status, answered, await reader.readexactly(size)))
        if answered.get("sec-websocket-accept") != accept_for(key):
            raise TransportError("the server's answer is no WebSocket handshake", server=address.url)
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        writer.close()
        raise TransportError(f"the handshake failed: {error}", server=address.url) from error
    except BaseException:
        writer.close()
        raise
    return AsyncWebSocket(reader, writer, answered.get("sec-websocket-protocol", ""))


class AsyncWebSocket:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, subprotocol: str) -> None:
        self._reader = reader
        self._writer = writer
        self._frames: list[Frame] = []
        self._parser = FrameReader()
        self.subprotocol = subprotocol

    async def send(self, message: bytes) -> None:
        await self._send(BINARY, message)

    async def receive(self) -> bytes | None:
        parts: list[bytes] = []
        while True:
            while self._frames:
                got = self._frames.pop(0)
                if got.opcode == PING:
                    await self._send(PONG, got.payload)
                elif got.opcode == CLOSE:
                    await self.close()
                    return None
                elif got.opcode in (CONTINUATION, TEXT, BINARY):
                    parts.append(got.payload)
                    if got.final:
                        return b"".join(parts)
            try:
                data = await self._reader.read(65536)
            except OSError as error:
                raise WebSocketError(str(error)) from error
            if not data:
                return None
            self._frames = self._parser.feed(data)

    async def close(self) -> None:
        if self._writer.is_closing():
            return
        try:
            await self._send(CLOSE, (1000).to_bytes(2, "big"))
        except WebSocketError:
            pass  # the peer is gone already
        self._writer.close()

    async def _send(self, opcode: int, payload: bytes) -> None:
        try:
            self._writer.write(frame(opcode, payload, mask=os.urandom(4)))
            await self._writer.drain()
        except OSError as error:
            raise WebSocketError(str(error)) from error


def _handshake(address: Address, target: str, headers: RequestHeaders, subprotocols: Sequence[str], key: str) -> bytes:
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {address.authority}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    if subprotocols:
        lines.append(f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}")
    for name, value in headers.items():
        lines += [f"{name}: {one}" for one in ((value,) if isinstance(value, str) else value)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _answer_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    headers = {}
    for line in head[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return status, headers
