"""etcd's messages as bytes: what cannot be seen in a conversation with a real etcd."""

from __future__ import annotations

import pytest

from sampan.storage.etcd.proto import METHODS, WATCH, decode, encode
from sampan.storage.etcd.wire import Event, Kv, LeaseResponse, RangeResponse, WatchResponse

RANGE = METHODS["/v3/kv/range"][1]


def test_what_is_sent() -> None:
    assert encode({"key": b"\0", "count_only": True}, RANGE) == b"\x0a\x01\x00\x48\x01"
    assert encode({"revision": 300}, RANGE) == b"\x20\xac\x02"
    compare = {"key": b"k", "target": "CREATE", "result": "EQUAL", "create_revision": 0}
    body = encode(
        {"compare": [compare], "success": [{"request_put": {"key": b"k", "value": b""}}]}, METHODS["/v3/kv/txn"][1]
    )
    assert body == b"\x0a\x09\x1a\x01k\x10\x01\x08\x00\x28\x00\x12\x07\x12\x05\x0a\x01k\x12\x00"
    assert encode({"create_request": {"prev_kv": True}}, WATCH[1]) == b"\x0a\x02\x30\x01"


def test_what_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        encode({"serializable": True}, RANGE)


def test_what_is_received() -> None:
    kv = b"\x0a\x01k\x10\x05\x18\xac\x02\x20\x01\x2a\x03abc"
    found = decode(b"\x0a\x04\x08\x07\x18\x09\x12" + bytes([len(kv)]) + kv + b"\x20\x01", RangeResponse)
    assert (found.header.revision, found.count, found.more) == (9, 1, False)
    assert found.kvs == [Kv(key=b"k", value=b"abc", create_revision=5, mod_revision=300)]
    deleted = decode(b"\x5a\x07\x08\x01\x12\x03\x0a\x01k", WatchResponse)
    assert deleted.events == [Event(type="DELETE", kv=Kv(key=b"k"))]


def test_a_lease_that_has_ended_has_less_than_no_time() -> None:
    assert decode(b"\x18" + b"\xff" * 9 + b"\x01", LeaseResponse).TTL == -1


def test_what_is_no_such_message() -> None:
    with pytest.raises(ValueError, match="wire type"):
        decode(b"\x0d\x00\x00\x00\x00", RangeResponse)
