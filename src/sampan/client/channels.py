"""What the messages of an upgraded connection mean: one byte of channel number, then the channel's bytes.

exec and attach use channels 0 to 4; `v5.channel.k8s.io` adds a message that closes one direction (the end of stdin).
Port-forwarding over `v4.channel.k8s.io` has a data and an error channel for every forwarded port. Pure helpers, for the
blocking and the async connection alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

STDIN, STDOUT, STDERR, ERROR, RESIZE = 0, 1, 2, 3, 4
CLOSE = 255

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
EXEC_PROTOCOLS = (V5, V4)
PORT_FORWARD_PROTOCOLS = (V4,)


class Message(NamedTuple):
    channel: int
    data: bytes


def pack(channel: int, data: bytes) -> bytes:
    return bytes((channel,)) + data


def unpack(message: bytes) -> Message:
    """ValueError for an empty message, which belongs to no channel."""
    if not message:
        raise ValueError("a message without a channel number")
    return Message(message[0], message[1:])


def close_of(channel: int, subprotocol: str) -> bytes | None:
    """The message that ends one channel; None where the protocol cannot say it (before v5)."""
    return bytes((CLOSE, channel)) if subprotocol == V5 else None


def resize(width: int, height: int) -> bytes:
    return pack(RESIZE, msgspec.json.encode({"Width": width, "Height": height}))


class ExitStatus(NamedTuple):
    """How a command ended: `code` is None when it was not the command that failed, and `message` says what did."""

    code: int | None
    message: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0


def exit_status(data: bytes) -> ExitStatus:
    """What came on the error channel: a Status."""
    try:
        status: Any = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return ExitStatus(None, data.decode(errors="replace"))
    if not isinstance(status, dict):
        return ExitStatus(None, data.decode(errors="replace"))
    if status.get("status") == "Success":
        return ExitStatus(0)
    message = status.get("message") or ""
    if status.get("reason") == "NonZeroExitCode":
        for cause in (status.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode" and str(cause.get("message", "")).lstrip("-").isdigit():
                return ExitStatus(int(cause["message"]), message)
    return ExitStatus(None, message)


def data_channel(index: int) -> int:
    """Of the index-th forwarded port."""
    return 2 * index


def error_channel(index: int) -> int:
    return 2 * index + 1


def forwarded_port(data: bytes) -> int:
    """The first message on each channel of a forwarded port repeats the port, little endian."""
    return int.from_bytes(data[:2], "little")
