"""etcd's gRPC messages, as far as they are used: from the very bodies that the JSON gateway takes, into the same types.

Protocol Buffers are simple enough for a table and two short functions; generated code would bring a library of its
own. Field numbers are etcd's (`rpc.proto`, `kv.proto`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sampan.storage.etcd.wire import (
    Body,
    DeleteResponse,
    Event,
    Header,
    Kv,
    LeaseResponse,
    Message,
    OperationResponse,
    RangeResponse,
    TxnResponse,
    WatchResponse,
)

T = TypeVar("T")

_VARINT, _BYTES = 0, 2

# What is sent: a field's number, and the message or the names of the enumeration that it holds.
_Fields = dict[str, tuple[int, Any]]
_RANGE: _Fields = {
    "key": (1, None), "range_end": (2, None), "limit": (3, None), "revision": (4, None), "keys_only": (8, None),
    "count_only": (9, None),
}  # fmt: skip
_PUT: _Fields = {"key": (1, None), "value": (2, None), "lease": (3, None)}
_DELETE: _Fields = {"key": (1, None), "range_end": (2, None), "prev_kv": (3, None)}
_COMPARE: _Fields = {
    "result": (1, ("EQUAL", "GREATER", "LESS", "NOT_EQUAL")), "target": (2, ("VERSION", "CREATE", "MOD", "VALUE")),
    "key": (3, None), "create_revision": (5, None), "mod_revision": (6, None),
}  # fmt: skip
_OPERATION: _Fields = {"request_range": (1, _RANGE), "request_put": (2, _PUT), "request_delete_range": (3, _DELETE)}
_TXN: _Fields = {"compare": (1, _COMPARE), "success": (2, _OPERATION), "failure": (3, _OPERATION)}
_WATCH: _Fields = {
    "key": (1, None), "range_end": (2, None), "start_revision": (3, None), "progress_notify": (4, None),
    "prev_kv": (6, None), "fragment": (8, None),
}  # fmt: skip

# By the gateway's path: gRPC's method, and what it takes.
METHODS: dict[str, tuple[str, _Fields]] = {
    "/v3/kv/range": ("/etcdserverpb.KV/Range", _RANGE),
    "/v3/kv/txn": ("/etcdserverpb.KV/Txn", _TXN),
    "/v3/kv/compaction": ("/etcdserverpb.KV/Compact", {"revision": (1, None), "physical": (2, None)}),
    "/v3/lease/grant": ("/etcdserverpb.Lease/LeaseGrant", {"TTL": (1, None), "ID": (2, None)}),
    "/v3/lease/revoke": ("/etcdserverpb.Lease/LeaseRevoke", {"ID": (1, None)}),
    "/v3/lease/timetolive": ("/etcdserverpb.Lease/LeaseTimeToLive", {"ID": (1, None)}),
}
WATCH = ("/etcdserverpb.Watch/Watch", {"create_request": (1, _WATCH)})


def encode(body: Body, fields: _Fields) -> bytes:
    parts: list[bytes] = []
    for name, value in body.items():
        number, kind = fields[name]
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, dict):
                one = encode(one, kind)
            elif isinstance(one, str):
                one = kind.index(one)
            if isinstance(one, bytes):
                parts += (_varint(number << 3 | _BYTES), _varint(len(one)), one)
            else:
                parts += (_varint(number << 3 | _VARINT), _varint(int(one)))
    return b"".join(parts)


def _varint(number: int) -> bytes:
    if number < 128:
        return bytes((number,))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


# What is received, by type: a field's name by its number, what becomes of its value, and whether there may be several.
_Reader = Callable[[Any], Any]
_READERS: dict[type, dict[int, tuple[str, _Reader, bool]]] = {}


def _reads(kind: type, **fields: tuple[int, _Reader | type, bool]) -> None:
    def reader(of: Any) -> _Reader:
        return (lambda data: decode(data, of)) if isinstance(of, type) and issubclass(of, Message) else of

    _READERS[kind] = {number: (name, reader(of), many) for name, (number, of, many) in fields.items()}


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _event_type(number: int) -> str:
    return "DELETE" if number else "PUT"


_reads(Message)
_reads(Header, revision=(3, _signed, False))
_reads(
    Kv,
    key=(1, bytes, False),
    create_revision=(2, _signed, False),
    mod_revision=(3, _signed, False),
    value=(5, bytes, False),
    lease=(6, _signed, False),
)
_reads(RangeResponse, header=(1, Header, False), kvs=(2, Kv, True), more=(3, bool, False), count=(4, _signed, False))
_reads(DeleteResponse, prev_kvs=(3, Kv, True))
_reads(OperationResponse, response_range=(1, RangeResponse, False), response_delete_range=(3, DeleteResponse, False))
_reads(TxnResponse, header=(1, Header, False), succeeded=(2, bool, False), responses=(3, OperationResponse, True))
_reads(LeaseResponse, ID=(2, _signed, False), TTL=(3, _signed, False))
_reads(Event, type=(1, _event_type, False), kv=(2, Kv, False), prev_kv=(3, Kv, False))
_reads(
    WatchResponse,
    header=(1, Header, False),
    created=(3, bool, False),
    canceled=(4, bool, False),
    compact_revision=(5, _signed, False),
    cancel_reason=(6, _text, False),
    fragment=(7, bool, False),
    events=(11, Event, True),
)


def decode(data: bytes, kind: type[T]) -> T:
    fields, at, end = _READERS[kind], 0, len(data)
    values: dict[str, Any] = {}
    while at < end:
        tag, at = _number(data, at)
        value: Any
        if tag & 7 == _BYTES:
            size, at = _number(data, at)
            value, at = data[at : at + size], at + size
        elif tag & 7 == _VARINT:
            value, at = _number(data, at)
        else:
            raise ValueError(f"not a message of etcd's: wire type {tag & 7}")
        field = fields.get(tag >> 3)
        if field is None:
            continue
        name, read, many = field
        if many:
            values.setdefault(name, []).append(read(value))
        else:
            values[name] = read(value)
    return kind(**values)


def _number(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    number, shift = 0, 0
    while byte & 128:
        number |= (byte & 127) << shift
        shift += 7
        at += 1
        byte = data[at]
    return number | byte << shift, at + 1
