"""What passes between a server and its store's process: frames of a length and a value, in Python's own `marshal`.

Both ends are the same interpreter, started from the same files, so the format need not outlive them; nothing else
packs bytes as fast.

    request   (number, method, arguments)
    answer    (number, PART | RESULT | FAULT, value)        a request has any number of parts, then one of the other two
"""

from __future__ import annotations

import marshal
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Request = tuple[int, str, tuple[Any, ...]]
    Answer = tuple[int, int, Any]

PART, RESULT, FAULT = 0, 1, 2

LENGTH = struct.Struct("<I")
_VERSION = 2  # later ones look for equal objects to share: slower, and there are none


def pack(message: Request | Answer) -> bytes:
    body = marshal.dumps(message, _VERSION)
    return LENGTH.pack(len(body)) + body


class Unpacker:
    """Finds messages in what arrives."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        if self._buffer:
            self._buffer += data
            data = bytes(self._buffer) if self._is_whole() else b""
        messages = []
        start = 0
        while len(data) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(data, start)
            end = start + LENGTH.size + length
            if len(data) < end:
                break
            messages.append(marshal.loads(data[start + LENGTH.size : end]))  # noqa: S302 - from our own process
            start = end
        if start or not self._buffer:
            self._buffer = bytearray(data[start:])
        return messages

    def _is_whole(self) -> bool:
        """Whether what has gathered holds a message, so that a long one is not copied with each piece of it."""
        return (
            len(self._buffer) >= LENGTH.size and len(self._buffer) >= LENGTH.size + LENGTH.unpack_from(self._buffer)[0]
        )
