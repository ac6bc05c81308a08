"""The frames of RFC 6455, and a small blocking client of them. No extensions; messages are binary.

The framing is pure (`frame`, `FrameReader`); `SyncWebSocket` adds a socket. One thread may send while another receives.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
from typing import NamedTuple, Protocol

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    final: bool


class WebSocketError(Exception):
    """The peer broke the protocol, or the connection."""


class Wire(Protocol):
    """What is needed of a connected socket."""

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, size: int, /) -> bytes: ...

    def shutdown(self, how: int, /) -> None: ...

    def close(self) -> None: ...


def new_key() -> str:
    return base64.b64encode(os.urandom(16)).decode()


def accept_for(key: str) -> str:
    """The answer that proves that the server understood the handshake."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def frame(opcode: int, payload: bytes, *, mask: bytes | None = None) -> bytes:
    """One final frame; clients mask theirs."""
    masked = 0x80 if mask is not None else 0
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, masked | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, masked | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, masked | 127)) + size.to_bytes(8, "big")
    return head + payload if mask is None else head + mask + apply_mask(payload, mask)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """As one exclusive-or of two big integers: byte by byte would be the slowest part of a copy."""
    size = len(payload)
    if not size:
        return payload
    stretched = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(stretched, "little")).to_bytes(size, "little")


class FrameReader:
    """Fed bytes as they come, gives frames as they are complete."""

    def __init__(self, *, limit: int = 64 << 20) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[Frame]:
        self._buffer += data
        frames = []
        while (found := self._one()) is not None:
            frames.append(found)
        return frames

    def _one(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if buffer[0] & 0x70:
            raise WebSocketError("reserved bits are set, but no extension was agreed on")
        size, at = buffer[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(buffer[2:10], "big"), 10
        masked = bool(buffer[1] & 0x80)
        begin = at + (4 if masked else 0)
        if len(buffer) < at:
            return None
        if size > self._limit:
            raise WebSocketError(f"a frame of {size} bytes is too large")
        if len(buffer) < begin + size:
            return None
        payload = bytes(buffer[begin : begin + size])
        if masked:
            payload = apply_mask(payload, bytes(buffer[at:begin]))
        found = Frame(buffer[0] & 0x0F, payload, bool(buffer[0] & 0x80))
        del buffer[: begin + size]
        return found


class SyncWebSocket:
    def __init__(self, wire: Wire, subprotocol: str, *, received: bytes = b"") -> None:
        """`received` came together with the answer to the handshake."""
        self.subprotocol = subprotocol
        self._wire = wire
        self._reader = FrameReader()
        self._frames = self._reader.feed(received)
        self._sending = threading.Lock()
        self._closed = False

    def send(self, message: bytes) -> None:
        self._send(BINARY, message)

    def receive(self) -> bytes | None:
        """The next message, None when the peer has closed. Pings are answered on the way."""
        parts: list[bytes] = []
        while True:
            while self._frames:
                got = self._frames.pop(0)
                if got.opcode == PING:
                    self._send(PONG, got.payload)
                elif got.opcode == CLOSE:
                    self._answer_close(got.payload)
                    return None
                elif got.opcode in (CONTINUATION, TEXT, BINARY):
                    parts.append(got.payload)
                    if got.final:
                        return b"".join(parts)
            try:
                data = self._wire.recv(65536)
            except OSError as error:
                if self._closed:
                    return None
                raise WebSocketError(str(error)) from error
            if not data:
                return None
            self._frames = self._reader.feed(data)

    def ping(self, payload: bytes = b"") -> None:
        self._send(PING, payload)

    def close(self) -> None:
        """Also wakes a thread that waits in `receive`."""
        if self._closed:
            return
        self._answer_close((1000).to_bytes(2, "big"))
        self._closed = True
        try:
            self._wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._wire.close()

    def _answer_close(self, payload: bytes) -> None:
        try:
            self._send(CLOSE, payload)
        except (OSError, WebSocketError):
            pass  # the peer is gone already

    def _send(self, opcode: int, payload: bytes) -> None:
        data = frame(opcode, payload, mask=os.urandom(4))
        with self._sending:
            try:
                self._wire.sendall(data)
            except OSError as error:
                raise WebSocketError(str(error)) from error
