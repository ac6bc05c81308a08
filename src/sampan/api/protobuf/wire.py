"""The wire format: tags, varints, lengths. Knows nothing of Kubernetes but the bytes that its bodies begin with."""

from __future__ import annotations

from collections.abc import Iterator

MAGIC = b"k8s\x00"
VARINT, BYTES = 0, 2
_SMALL = [bytes([n]) for n in range(128)]
_MASK = 0xFFFFFFFFFFFFFFFF


class BadProtobuf(ValueError):
    """The bytes are no such message, or the object cannot be one."""


def varint(number: int) -> bytes:
    if 0 <= number < 128:
        return _SMALL[number]
    number &= _MASK  # negative numbers take ten bytes
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number: int, form: int) -> bytes:
    return varint(number << 3 | form)


def field(number: int, data: bytes) -> bytes:
    """A string, bytes or a message."""
    return tag(number, BYTES) + varint(len(data)) + data


def read(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values. Raises `BadProtobuf`."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, form = key >> 3, key & 7
        if not number:
            raise BadProtobuf("illegal tag 0")
        if form == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if form == BYTES:
            size, at = _varint(data, at)
        elif form in (1, 5):
            size = 8 if form == 1 else 4
        else:
            raise BadProtobuf(f"illegal wire type {form}")
        if at + size > end:
            raise BadProtobuf("unexpected EOF")
        yield number, data[at : at + size]
        at += size


def varints(data: bytes) -> Iterator[int]:
    """A packed list."""
    at = 0
    while at < len(data):
        number, at = _varint(data, at)
        yield number


def signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise BadProtobuf("unexpected EOF")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result & _MASK, at
        shift += 7
