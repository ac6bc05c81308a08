"""Plain JSON objects → protobuf, byte for byte as Kubernetes writes it: fields by their numbers, scalars and structs
that are no pointers always, maps by their keys.

A message's writers are made once, from its table; what is absent but always written is a constant then.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from sampan.api.protobuf.tables import Field, Message, message, of_kind
from sampan.api.protobuf.wire import BYTES, MAGIC, VARINT, BadProtobuf, field, tag, varint

# From a value to what stands behind the tag.
Form = Callable[[Any], bytes]


class Writer:
    """One field of a message. `absent`: what is written when the object has nothing there."""

    __slots__ = ("absent", "form", "inline", "is_map", "name", "repeated", "tag")

    def __init__(self, of: Field) -> None:
        self.name = of.name
        self.inline = of.inline
        self.repeated = of.repeated
        self.is_map = of.is_map
        scalar = of.type in ("i", "b")
        self.tag = tag(of.number, VARINT if scalar and not of.is_map else BYTES)
        self.form = form_of(of.type)
        self.absent = b""
        if not (of.repeated or of.is_map or of.pointer or of.inline or of.type in ("y", "%raw")):
            self.absent = self.tag + _zero(of.type)
        elif of.type == "%raw" and not of.pointer and not of.repeated:
            self.absent = self.tag + varint(0)


@cache
def writers(name: str) -> tuple[Writer, ...]:
    table = message(name)
    return () if table is None else tuple(Writer(table.fields[n]) for n in sorted(table.fields))


def encode_object(obj: dict[str, Any]) -> bytes:
    """A whole body. Raises `BadProtobuf` for kinds that have no protobuf."""
    api_version, kind = str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")
    table = of_kind(api_version, kind)
    if table is None:
        raise BadProtobuf(f"no protobuf for kind {kind} in {api_version}")
    return enveloped(api_version, kind, encode(table, obj))


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    named = field(1, api_version.encode()) + field(2, kind.encode())
    return b"".join((MAGIC, field(1, named), b"\x12", varint(len(raw)), raw, b"\x1a\x00\x22\x00"))


def encode(table: Message, obj: dict[str, Any]) -> bytes:
    """Raises `BadProtobuf` for values of another shape."""
    try:
        return _message(table.name, obj)
    except (AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise BadProtobuf(f"{table.name}: {error}") from error


def _message(name: str, obj: dict[str, Any]) -> bytes:
    parts: list[bytes] = []
    for writer in writers(name):
        if writer.inline:
            parts += (writer.tag, writer.form(obj))
            continue
        value = obj.get(writer.name)
        if value is None:
            if writer.absent:
                parts.append(writer.absent)
        elif writer.repeated:
            for item in value:
                parts += (writer.tag, writer.form(item))
        elif writer.is_map:
            for key in sorted(value):
                entry = field(1, key.encode()) + b"\x12" + writer.form(value[key])
                parts += (writer.tag, varint(len(entry)), entry)
        else:
            parts += (writer.tag, writer.form(value))
    return b"".join(parts)


def form_of(kind: str) -> Form:
    known = _FORMS.get(kind)
    if known is not None:
        return known

    def nested(value: Any) -> bytes:
        data = _message(kind, value)
        return varint(len(data)) + data

    return nested


def _zero(kind: str) -> bytes:
    if kind in ("i", "b"):
        return b"\0"
    if kind == "%intorstr":
        return _int_or_string(0)
    if kind == "%quantity":
        return _quantity("0")
    if kind in ("s", "%time", "%microtime"):
        return b"\0"
    return form_of(kind)({})


def _sized(data: bytes) -> bytes:
    return varint(len(data)) + data


def _string(value: str) -> bytes:
    data = value.encode()
    return varint(len(data)) + data


def _integer(value: int) -> bytes:
    return varint(int(value))


def _boolean(value: bool) -> bytes:
    return b"\x01" if value else b"\0"


def _binary(value: str) -> bytes:
    return _sized(base64.b64decode(value))


def _quantity(value: Any) -> bytes:
    return _sized(field(1, str(value).encode()))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return _sized(b"\x08\x01\x10\x00" + field(3, value.encode()))
    return _sized(b"\x08\x00\x10" + varint(value) + b"\x1a\x00")


def _time(value: str) -> bytes:
    if not value:
        return b"\0"
    moment = datetime.fromisoformat(value)
    return _sized(b"\x08" + varint(int(moment.timestamp() // 1)) + b"\x10\x00")


def _micro_time(value: str) -> bytes:
    if not value:
        return b"\0"
    moment = datetime.fromisoformat(value)
    nanos = moment.microsecond * 1000
    return _sized(b"\x08" + varint(int(moment.replace(microsecond=0).timestamp())) + b"\x10" + varint(nanos))


_ESCAPED = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))


def _raw(value: Any) -> bytes:
    """JSON as Go writes it, which some clients compare by its bytes."""
    text = msgspec.json.encode(value)
    for plain, escaped in _ESCAPED:
        text = text.replace(plain, escaped)
    return _sized(field(1, text))


def _strings(value: list[str]) -> bytes:
    return _sized(b"".join(field(1, item.encode()) for item in value))


_FORMS: dict[str, Form] = {
    "s": _string,
    "i": _integer,
    "b": _boolean,
    "y": _binary,
    "%quantity": _quantity,
    "%intorstr": _int_or_string,
    "%time": _time,
    "%microtime": _micro_time,
    "%raw": _raw,
    "%strings": _strings,
}
