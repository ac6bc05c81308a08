"""The wire of netlink: messages, attributes, one socket that asks and hears the answer.

Packed by hand: the kernel's interface is stable and small, a message costs microseconds this way, and importing a
general library would take a tenth of the time in which a whole cluster has to start. Links and addresses are in
`links.py`, nftables in `nft/`, connection tracking in `conntrack.py`.

A netlink request is served inside `send`: when it returns, all answers wait in the socket. So calls here are short,
synchronous, and safe to make while the thread is inside another network namespace.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator

from .contract import NetworkError

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
F_REQUEST, F_ACK, F_ROOT, F_MATCH = 0x1, 0x4, 0x100, 0x200
F_REPLACE, F_EXCL, F_CREATE, F_APPEND = 0x100, 0x200, 0x400, 0x800
F_DUMP = F_ROOT | F_MATCH

_ERROR, _DONE = 2, 3
_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT_CHECK = 270, 10, 11, 12
_F_CAPPED, _F_ACK_TLVS = 0x100, 0x200
_NESTED, _TYPE_MASK = 0x8000, 0x3FFF
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33

_HEADER = struct.Struct("=IHHII")
_ATTR = struct.Struct("=HH")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class Refused(NetworkError):
    """The kernel's no, with its errno and, where it gives one, its own words."""

    def __init__(self, number: int, words: str = "", *, index: int = 0) -> None:
        super().__init__(f"{os.strerror(number)}{f' ({words})' if words else ''}")
        self.errno = number
        self.index = index  # which message of the request


def attr(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    return _ATTR.pack(size + 4, kind) + payload + _PADDING[size & 3]


def nest(kind: int, *attrs: bytes) -> bytes:
    return attr(kind | _NESTED, b"".join(attrs))


def attr_u8(kind: int, value: int) -> bytes:
    return attr(kind, bytes((value,)))


def attr_u32(kind: int, value: int) -> bytes:
    return attr(kind, value.to_bytes(4, "little" if _LITTLE else "big"))


def attr_str(kind: int, text: str) -> bytes:
    return attr(kind, text.encode() + b"\0")


_LITTLE = struct.pack("=H", 1) == b"\1\0"


def parse_attrs(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes from `offset` on; a nested one is parsed by calling this again on its payload."""
    found: dict[int, bytes] = {}
    end = len(data)
    while offset + 4 <= end:
        size, kind = _ATTR.unpack_from(data, offset)
        if size < 4:
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + size]
        offset += (size + 3) & ~3
    return found


def message(kind: int, flags: int, body: bytes, sequence: int = 0) -> bytes:
    return _HEADER.pack(16 + len(body), kind, flags, sequence, 0) + body + _PADDING[len(body) & 3]


class NetlinkSocket:
    """One socket of one netlink family, in the network namespace of the thread that opens it."""

    def __init__(self, family: int = NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        self._socket.bind((0, 0))
        for option in (_CAP_ACK, _EXT_ACK, _STRICT_CHECK):
            try:
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
            except OSError:
                pass  # an older kernel: answers are merely less talkative
        self._sent_buffer = 0
        self._grow(_SO_RCVBUFFORCE, 4 << 20)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> NetlinkSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _grow(self, option: int, size: int) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, option, size)
        except PermissionError:
            pass  # the default size carries all but bulk transactions

    def call(self, *requests: tuple[int, int, bytes], tolerate: tuple[int, ...] = ()) -> list[bytes]:
        """Send (type, flags, body) messages in one go, each acknowledged; answers' bodies, in order.

        All are tried even when one is refused; the first refusal whose errno is not tolerated is raised. Refusals to
        speak of an address family that is switched off (IPv6) are always tolerated.
        """
        packed = [message(kind, flags | F_REQUEST | F_ACK, body, at) for at, (kind, flags, body) in enumerate(requests)]
        answers: list[bytes] = []
        refused: Refused | None = None
        for _, at, body in self.exchange(b"".join(packed)):
            if isinstance(body, Refused):
                if refused is None and body.errno not in (errno.EAFNOSUPPORT, *tolerate):
                    refused = body
                    refused.index = at
            else:
                answers.append(body)
        if refused is not None:
            raise refused
        return answers

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Everything the kernel lists for this request: the messages' bodies."""
        self._socket.send(message(kind, F_REQUEST | F_DUMP, body))
        found: list[bytes] = []
        while True:
            for got, _, answer in self._split(self._socket.recv(1 << 17)):
                if isinstance(answer, Refused):
                    raise answer
                if got == _DONE:
                    return found
                found.append(answer)

    def exchange(self, data: bytes) -> Iterator[tuple[int, int, bytes | Refused]]:
        """Send raw messages; yield (type, sequence, body or refusal) of all that was answered at once."""
        if len(data) > max(self._sent_buffer, 100_000):
            self._sent_buffer = 2 * len(data)
            self._grow(_SO_SNDBUFFORCE, self._sent_buffer)
        self._socket.send(data)
        while True:
            try:
                received = self._socket.recv(1 << 17, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            for kind, sequence, body in self._split(received):
                if isinstance(body, Refused) or kind not in (_ERROR, _DONE):
                    yield kind, sequence, body

    @staticmethod
    def _split(data: bytes) -> Iterator[tuple[int, int, bytes | Refused]]:
        offset = 0
        while offset + 16 <= len(data):
            size, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
            body = data[offset + 16 : offset + size]
            offset += (size + 3) & ~3
            if kind == _ERROR:
                number = -int(struct.unpack_from("=i", body)[0])
                if number:
                    yield kind, sequence, Refused(number, _extended_words(body, flags))
                    continue
            yield kind, sequence, body


def _extended_words(body: bytes, flags: int) -> str:
    if not flags & _F_ACK_TLVS:
        return ""
    echoed = 16 if flags & _F_CAPPED else _HEADER.unpack_from(body, 4)[0]
    return parse_attrs(body, 4 + echoed).get(1, b"").rstrip(b"\0").decode(errors="replace")


def first(answers: Iterable[bytes]) -> bytes | None:
    return next(iter(answers), None)
