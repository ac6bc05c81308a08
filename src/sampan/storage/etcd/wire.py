"""The messages of etcd's JSON gateway, as far as they are used: names are etcd's, bytes travel as base64, 64-bit
numbers as text, and what is zero is left out."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.storage.contract import KeyValue

Body = dict[str, Any]

NOTHING = b"\0"  # as `key`: the first key there can be; as `range_end`: no end


class Message(msgspec.Struct, kw_only=True, gc=False):
    pass


class Header(Message):
    revision: int = 0


class Kv(Message):
    key: bytes
    value: bytes = b""
    create_revision: int = 0
    mod_revision: int = 0
    lease: int = 0


class RangeResponse(Message):
    header: Header = msgspec.field(default_factory=Header)
    kvs: list[Kv] = []
    more: bool = False
    count: int = 0


class DeleteResponse(Message):
    prev_kvs: list[Kv] = []


class OperationResponse(Message):
    response_range: RangeResponse | None = None
    response_delete_range: DeleteResponse | None = None


class TxnResponse(Message):
    header: Header = msgspec.field(default_factory=Header)
    succeeded: bool = False
    responses: list[OperationResponse] = []


class LeaseResponse(Message):
    ID: int = 0
    TTL: int = 0


class Event(Message):
    kv: Kv
    type: str = "PUT"
    prev_kv: Kv | None = None


class WatchResponse(Message):
    header: Header = msgspec.field(default_factory=Header)
    created: bool = False
    canceled: bool = False
    cancel_reason: str = ""
    compact_revision: int = 0
    fragment: bool = False
    events: list[Event] = []


class Failure(Message):
    """Of a call, and (with other names) of a stream."""

    code: int = 0
    grpc_code: int = 0
    message: str = ""
    error: str = ""


class StreamLine(Message):
    result: WatchResponse | None = None
    error: Failure | None = None


def range_end(prefix: bytes) -> bytes:
    """The first key behind all that start with `prefix`. UTF-8 has no byte 255, so the last one can be raised."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else NOTHING


def compare(key: bytes, target: str, result: str, revision: int) -> Body:
    return {"key": key, "target": target, "result": result, f"{target.lower()}_revision": revision}


def read(key: bytes, **options: Any) -> Body:
    return {"request_range": {"key": key, **options}}


def key_value(kv: Kv, offset: int, *, value: bytes | None = None) -> KeyValue:
    """`offset` is what the store's revisions are ahead of etcd's."""
    return KeyValue(
        key=kv.key.decode(),
        value=kv.value if value is None else value,
        revision=kv.mod_revision + offset,
        create_revision=kv.create_revision + offset,
    )
