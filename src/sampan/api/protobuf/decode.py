"""Protobuf → plain JSON objects.

Go writes every field that is no pointer, also when it is empty, and its JSON leaves most of those out again: so empty
strings, zeros and falses are dropped, unless the field is a pointer, where a zero means something, or one that the JSON
always has.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from sampan.api import times
from sampan.api.protobuf.tables import Field, Message, message, of_kind
from sampan.api.protobuf.wire import MAGIC, BadProtobuf, read, signed, varints

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EMPTY: dict[str, Any] = {"s": "", "y": "", "i": 0, "b": False}
_DEEPEST = 100


def decode_object(body: bytes) -> dict[str, Any]:
    """A whole body: the envelope, and in it the object that it names. Raises `BadProtobuf`, `UnicodeDecodeError`."""
    if not body.startswith(MAGIC):
        raise BadProtobuf("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    api_version = kind = ""
    raw = b""
    for number, value in read(body[len(MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            named = {n: v for n, v in read(value) if isinstance(v, bytes)}
            api_version, kind = named.get(1, b"").decode(), named.get(2, b"").decode()
        elif number == 2 and isinstance(value, bytes):
            raw = value
    table = of_kind(api_version, kind)
    if table is None:
        raise BadProtobuf(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"kind": kind, "apiVersion": api_version, **decode(table, raw)}


def decode(table: Message, data: bytes, depth: int = 0) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise BadProtobuf("exceeded max depth")
    result: dict[str, Any] = {}
    for number, value in read(data):
        field = table.fields.get(number)
        if field is None:
            continue  # newer than we are
        if field.inline:
            inner = message(field.type)
            if inner is not None:
                result.update(decode(inner, _bytes(value), depth + 1))
        elif field.is_map:
            key, item = _entry(field.type, _bytes(value), depth)
            result.setdefault(field.name, {})[key] = item
        elif field.repeated:
            items = result.setdefault(field.name, [])
            if isinstance(value, bytes) and field.type in ("i", "b"):
                items.extend(_value(field.type, number, depth) for number in varints(value))
            else:
                items.append(_value(field.type, value, depth))
        else:
            said = _value(field.type, value, depth)
            if said is not None and _kept(field, said):
                result[field.name] = said
    return result


def _kept(field: Field, value: Any) -> bool:
    return bool(value) or field.pointer or field.always or field.type not in _EMPTY


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise BadProtobuf("illegal wire type 0")
    return value


def _entry(kind: str, value: bytes, depth: int) -> tuple[str, Any]:
    key, item = "", _EMPTY.get(kind, {})
    for number, part in read(value):
        if number == 1:
            key = _bytes(part).decode()
        elif number == 2:
            item = _value(kind, part, depth)
    return key, item


def _value(kind: str, value: int | bytes, depth: int) -> Any:
    if kind in ("i", "b"):
        if isinstance(value, bytes):
            raise BadProtobuf("illegal wire type 2")
        return bool(value) if kind == "b" else signed(value)
    data = _bytes(value)
    match kind:
        case "s":
            return data.decode()
        case "y":
            return base64.b64encode(data).decode()
        case "%quantity":
            return next((v.decode() for n, v in read(data) if n == 1 and isinstance(v, bytes)), "") or "0"
        case "%intorstr":
            return _int_or_string(data)
        case "%time":
            return _time(data)
        case "%microtime":
            return _time(data, micro=True)
        case "%strings":
            return [_bytes(v).decode() for n, v in read(data) if n == 1]
        case "%raw":
            return _raw(data)
    table = message(kind)
    return {} if table is None else decode(table, data, depth + 1)


def _int_or_string(data: bytes) -> int | str:
    parts = dict(read(data))
    if parts.get(1):
        return _bytes(parts.get(3, b"")).decode()
    number = parts.get(2, 0)
    return signed(number) if isinstance(number, int) else 0


def _raw(data: bytes) -> Any:
    """Free JSON; or an object in protobuf, in its envelope."""
    raw = next((v for n, v in read(data) if n == 1 and isinstance(v, bytes)), b"")
    if raw.startswith(MAGIC):
        return decode_object(raw)
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise BadProtobuf(f"raw JSON: {error}") from None


def _time(data: bytes, *, micro: bool = False) -> str | None:
    """Nothing at all is no time; zeros are 1970."""
    if not data:
        return None
    parts = dict(read(data))
    seconds, nanos = parts.get(1, 0), parts.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        raise BadProtobuf("illegal wire type 2")
    try:
        moment = _EPOCH + timedelta(seconds=signed(seconds), microseconds=signed(nanos) // 1000 if micro else 0)
    except OverflowError:
        raise BadProtobuf("time out of range") from None
    return times.text_of(moment, micro=micro)
