"""Protobuf both ways: byte strings as Go writes them, what a real Kubernetes answered, and objects of every type."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.api import protobuf
from sampan.api.protobuf.decode import decode
from sampan.api.protobuf.encode import encode
from sampan.api.protobuf.tables import Message, _lines, message
from sampan.api.protobuf.wire import BadProtobuf, field, read, varint

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "golden"


def _all() -> list[str]:
    return sorted(_lines())


# --- byte strings ---------------------------------------------------------------------------------------------

KNOWN: list[tuple[str, dict[str, Any], str]] = [
    # What is no pointer is always there; times and quantities are messages.
    ("core_v1.ContainerPort", {"containerPort": 80}, "0a00 1000 1850 2200 2a00"),
    ("core_v1.ContainerPort", {"name": "a", "containerPort": 8080, "protocol": "TCP"},
     "0a0161 1000 18903f 2203544350 2a00"),
    ("core_v1.Toleration", {"key": "k", "tolerationSeconds": 0}, "0a016b 1200 1a00 2200 2800"),
    ("core_v1.Toleration", {"key": "k", "tolerationSeconds": -1}, "0a016b 1200 1a00 2200 28ffffffffffffffffff01"),
    ("core_v1.EmptyDirVolumeSource", {"sizeLimit": "1Gi"}, "0a00 12050a03314769"),
    ("core_v1.ResourceRequirements", {"limits": {"memory": "1Gi", "cpu": "1"}},
     "0a0a0a0363707512030a0131 0a0f0a066d656d6f727912050a03314769"),
    ("core_v1.TCPSocketAction", {"port": 80}, "0a06080010501a00 1200"),
    ("core_v1.TCPSocketAction", {"port": "http"}, "0a0a080110001a0468747470 1200"),
    ("core_v1.Secret", {"data": {"k": "aGk="}},
     "0a10 0a00 1200 1a00 2200 2a00 3200 3800 4200 12070a016b12026869 1a00"),
    ("meta_v1.OwnerReference", {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": False},
     "0a03506f64 1a0170 220175 2a027631 3000"),
    ("core_v1.ContainerStateRunning", {"startedAt": "1970-01-01T00:00:00Z"}, "0a0408001000"),
    ("core_v1.ContainerStateRunning", {"startedAt": "2026-01-02T03:04:05Z"}, "0a0808a5ebdcca061000"),
    ("core_v1.ContainerStateRunning", {}, "0a00"),
    ("coordination_v1.LeaseSpec", {"renewTime": "0001-01-01T00:00:02.000000Z"}, "220d088292b8c398feffffff011000"),
    ("coordination_v1.LeaseSpec", {"renewTime": "1970-01-01T00:00:01.000002Z"}, "2205080110d00f"),
    ("core_v1.Volume", {"name": "v", "emptyDir": {}}, "0a0176 12041202 0a00"),
    ("authentication_v1.UserInfo", {"extra": {"k": ["a", "b"]}}, "0a00 1200 220b0a016b12060a01610a0162"),
    ("core_v1.PodOS", {"name": "é"}, "0a02c3a9"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "obj", "wire"), KNOWN)
def test_known_bytes(name: str, obj: dict[str, Any], wire: str) -> None:
    table = message(name)
    assert table is not None
    expected = bytes.fromhex(wire.replace(" ", ""))
    assert encode(table, obj).hex() == expected.hex()
    assert _without_empty(decode(table, expected)) == _without_empty(obj)


def test_the_envelope() -> None:
    obj = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Orphan"}
    body = protobuf.encode_object(obj)
    named = field(1, field(1, b"v1") + field(2, b"DeleteOptions"))
    raw = b"\x08\x00" + field(4, b"Orphan")
    assert body == b"k8s\x00" + named + field(2, raw) + b"\x1a\x00\x22\x00"
    assert protobuf.decode_object(body) == obj


def test_what_is_raw_is_escaped_as_go_does() -> None:
    """Kubernetes' conformance tests compare the bytes of a ControllerRevision."""
    body = protobuf.encode_object({"kind": "ControllerRevision", "apiVersion": "apps/v1", "data": {"a": "1<2>&"}})
    assert rb'{"a":"1\u003c2\u003e\u0026"}' in body
    assert protobuf.decode_object(body)["data"] == {"a": "1<2>&"}


def test_what_is_raw_may_be_json_or_protobuf() -> None:
    table = message("meta_v1.WatchEvent")
    assert table is not None
    inner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}
    for raw in (json.dumps(inner).encode(), protobuf.encode_object(inner)):
        decoded = decode(table, field(1, b"ADDED") + field(2, field(1, raw)))
        assert decoded["type"] == "ADDED"
        assert _without_empty(decoded["object"]) == inner


def test_packed_lists_and_unknown_fields_are_read() -> None:
    table = message("core_v1.PodSecurityContext")
    assert table is not None
    packed = b"\x22" + varint(3) + b"\x01\x02\x03"
    assert decode(table, packed)["supplementalGroups"] == [1, 2, 3]
    assert decode(table, field(999, b"newer") + packed)["supplementalGroups"] == [1, 2, 3]


# --- what a real Kubernetes answered --------------------------------------------------------------------------


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "kind" in value and "apiVersion" in value and "metadata" in value:
            yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


_MICRO = ("eventTime", "acquireTime", "renewTime", "lastObservedTime")


def _real(value: Any) -> Any:
    """Placeholders made real."""
    if isinstance(value, dict):
        micro = {k: "2026-01-02T03:04:05.000001Z" for k in _MICRO if value.get(k) == "<time>"}
        return {k: _real(v) for k, v in value.items()} | micro
    if isinstance(value, list):
        return [_real(v) for v in value]
    return {"<time>": "2026-01-02T03:04:05Z", "<rv>": "7"}.get(value, value) if isinstance(value, str) else value


def _without_empty(value: Any) -> Any:
    """Absent, null and empty lists and maps are one thing to protobuf, and to Go's JSON of most fields."""
    if isinstance(value, dict):
        plain = {k: _without_empty(v) for k, v in value.items()}
        return {k: v for k, v in plain.items() if v not in (None, [], {}, "", 0, False)}
    if isinstance(value, list):
        return [_without_empty(v) for v in value]
    return value


@pytest.mark.skipif(not GOLDEN.exists(), reason="the recorded answers are not here")
@pytest.mark.parametrize("name", ["defaults", "updates", "bootstrap", "pods"])
def test_what_a_real_kubernetes_answered(name: str) -> None:
    seen = 0
    rows = _real(json.loads((GOLDEN / f"{name}.json").read_text()))
    for obj in _objects([row.get("response", row) for row in rows]):
        if not protobuf.has_kind(obj["apiVersion"], obj["kind"]) or obj["kind"] in ("Table", "List"):
            continue
        try:
            again = protobuf.decode_object(protobuf.encode_object(obj))
        except BadProtobuf as error:
            if "<" in str(obj) or "fromisoformat" in str(error):
                continue  # requests with wrong values, and placeholders inside of texts
            raise
        for claim in (obj.get("spec") or {}).get("volumeClaimTemplates") or ():
            del claim["kind"], claim["apiVersion"]  # what stands inside of others says no kind in protobuf
        assert _without_empty(again) == _without_empty(obj)
        seen += 1
    assert seen > 9


# --- objects of every type ------------------------------------------------------------------------------------


class Maker:
    """Random objects of a message: zeros where they mean something, every field sooner or later."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def object(self, table: Message, depth: int = 0) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for known in table.fields.values():
            if known.inline:
                inner = message(known.type)
                made |= self.object(inner, depth) if inner is not None else {}
                continue
            if depth > 3 or self.chance.random() < 0.4:
                continue
            if known.is_map:
                made[known.name] = {f"k{n}": self.value(known.type, depth) for n in range(self.chance.randrange(1, 3))}
            elif known.repeated:
                made[known.name] = [self.value(known.type, depth) for _ in range(self.chance.randrange(1, 3))]
            else:
                value = self.value(known.type, depth)
                if value or known.pointer or known.always or isinstance(value, dict):
                    made[known.name] = value
        return made

    def value(self, kind: str, depth: int) -> Any:
        chance = self.chance
        match kind:
            case "s":
                return chance.choice(["", "x", "é" * 200, "a\x00b"])
            case "i":
                return chance.choice([0, 1, -1, 127, 128, 2**31 - 1, -(2**31)])
            case "b":
                return chance.choice([True, False])
            case "y":
                return base64.b64encode(chance.randbytes(chance.randrange(1, 200))).decode()
            case "%quantity":
                return chance.choice(["0", "100m", "1Gi"])
            case "%intorstr":
                return chance.choice([0, 80, -1, "25%", ""])
            case "%time":
                return chance.choice(["2026-01-02T03:04:05Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z"])
            case "%microtime":
                return chance.choice(["2026-01-02T03:04:05.000001Z", "1969-12-31T23:59:59.999999Z"])
            case "%raw":
                return chance.choice([{"a": [1, None, "x"]}, "text", 5])
            case "%strings":
                return ["a", "b"]
        table = message(kind)
        return {} if table is None else self.object(table, depth + 1)


def _like_go(table: Message, obj: dict[str, Any]) -> dict[str, Any]:
    """What always travels: structs and always-present scalars that the object does not mention."""
    made = dict(obj)
    for known in table.fields.values():
        inner = message(known.type)
        if known.inline:
            made |= _like_go(inner, obj) if inner is not None else {}
        elif known.repeated or known.is_map:
            if known.name in obj and inner is not None:
                plain = obj[known.name]
                made[known.name] = (
                    {k: _like_go(inner, v) for k, v in plain.items()}
                    if known.is_map
                    else [_like_go(inner, v) for v in plain]
                )
        elif inner is not None:
            if known.name in obj or not known.pointer:
                made[known.name] = _like_go(inner, obj.get(known.name, {}))
        elif known.name not in obj and not known.pointer:
            zero = {"%quantity": "0", "%intorstr": 0}.get(known.type)
            if zero is None and known.always:
                zero = {"s": "", "i": 0, "b": False}.get(known.type)
            if zero is not None:
                made[known.name] = zero
    return made


@pytest.mark.parametrize("name", _all())
def test_every_type_there_and_back(name: str) -> None:
    table = message(name)
    assert table is not None
    for seed in range(4):
        obj = Maker(seed).object(table)
        wire = encode(table, obj)
        assert decode(table, wire) == _like_go(table, obj)
        assert encode(table, decode(table, wire)) == wire, "what was read is written as it was"


# --- nonsense -------------------------------------------------------------------------------------------------


def test_nonsense_is_refused_and_never_more() -> None:
    chance = random.Random(1)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}
    good = protobuf.encode_object(pod)
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(4, len(data))
            data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        try:
            protobuf.decode_object(bytes(data))
        except (BadProtobuf, UnicodeDecodeError):
            pass
    for body in (b"", b"k8s", b"k8s\x00", b"k8s\x00\x0a", b"k8s\x00" + b"\xff" * 20, b"{}"):
        with pytest.raises(BadProtobuf):
            protobuf.decode_object(body)


def test_objects_of_another_shape_are_refused() -> None:
    for spec in ({"containers": "x"}, {"containers": [1]}, {"terminationGracePeriodSeconds": "x"}, "x"):
        with pytest.raises(BadProtobuf):
            protobuf.encode_object({"apiVersion": "v1", "kind": "Pod", "spec": spec})
    with pytest.raises(BadProtobuf):
        protobuf.encode_object({"apiVersion": "example.com/v1", "kind": "Boat"})
    assert [n for n, _ in read(field(3, b"x"))] == [3]
