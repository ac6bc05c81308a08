"""Decoding by the tables of `fields.txt`.

Go writes every field that is no pointer, also when it is empty, and its JSON leaves most of those out again: so empty
strings, zeros and falses are dropped, unless the field is required or one of those that are pointers in Go, where a
zero means something.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import msgspec

from sampan.api.schema import type_schema

MAGIC = b"k8s\x00"

# Scalars that are pointers in Go: a zero, a false or an empty string of theirs was said on purpose.
_SCALARS = """
    activeDeadlineSeconds allocateLoadBalancerNodePorts allowPrivilegeEscalation allowVolumeExpansion
    attachRequired automountServiceAccountToken averageUtilization backoffLimit backoffLimitPerIndex
    blockOwnerDeletion collisionCount completions controller currentCPUUtilizationPercentage defaultMode
    deletionGracePeriodSeconds enableServiceLinks expirationSeconds failedJobsHistoryLimit fsGroup
    gracePeriodSeconds hostUsers immutable leaseDurationSeconds leaseTransitions manualSelector
    maxFailedIndexes minDomains minReplicas mode observedGeneration optional orphanDependents parallelism
    podInfoOnMount priority privileged progressDeadlineSeconds readOnlyRootFilesystem ready replicas
    requiresRepublish revisionHistoryLimit runAsGroup runAsNonRoot runAsUser seLinuxMount serving
    setHostnameAsFQDN shareProcessNamespace stabilizationWindowSeconds started startingDeadlineSeconds
    successfulJobsHistoryLimit suspend terminating terminationGracePeriodSeconds tolerationSeconds
    ttlSecondsAfterFinished
"""
POINTERS = frozenset(_SCALARS.split())
POINTER_STRINGS = frozenset({("core_v1.PersistentVolumeClaimSpec", "storageClassName")})


class BadProtobuf(ValueError):
    """The bytes are no such message."""


class Field(NamedTuple):
    name: str
    type: str
    repeated: bool
    is_map: bool


class Message(NamedTuple):
    name: str
    fields: dict[int, Field]
    required: frozenset[str]


@cache
def _lines() -> dict[str, str]:
    text = (resources.files(__package__) / "fields.txt").read_text(encoding="utf-8")
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


@cache
def message(name: str) -> Message | None:
    line = _lines().get(name)
    if line is None:
        return None
    fields = {}
    for token in line.split():
        number, wire_name, kind = token.split(":", 2)
        repeated, is_map = kind.startswith("*"), kind.startswith("{")
        fields[int(number)] = Field(wire_name, kind.strip("*{}"), repeated, is_map)
    try:
        required = type_schema(name).required
    except (KeyError, ModuleNotFoundError):
        required = frozenset()
    return Message(name, fields, required)


def decode_object(body: bytes) -> dict[str, Any]:
    """A whole body: the envelope, and in it the object that it names."""
    if not body.startswith(MAGIC):
        raise BadProtobuf("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    api_version = kind = ""
    raw = b""
    for number, value in _wire(body[len(MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            named = {n: v for n, v in _wire(value) if isinstance(v, bytes)}
            api_version, kind = named.get(1, b"").decode(), named.get(2, b"").decode()
        elif number == 2 and isinstance(value, bytes):
            raw = value
    group, _, version = api_version.rpartition("/")
    name = f"{group.split('.', 1)[0] or 'core'}_{version}.{kind}"
    table = message(name) or message(f"meta_v1.{kind}")
    if table is None:
        raise BadProtobuf(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"kind": kind, "apiVersion": api_version, **decode(table, raw)}


def decode(table: Message, data: bytes) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for number, value in _wire(data):
        field = table.fields.get(number)
        if field is None:
            continue  # newer than we are
        if field.name == "~":
            inner = message(field.type)
            if inner is not None and isinstance(value, bytes):
                result.update(decode(inner, value))
        elif field.is_map:
            key, item = _entry(field.type, value)
            result.setdefault(field.name, {})[key] = item
        elif field.repeated:
            items = result.setdefault(field.name, [])
            if isinstance(value, bytes) and field.type in ("i", "b"):
                items.extend(_packed(value, field.type))
            else:
                items.append(_value(field.type, value))
        else:
            said = _value(field.type, value)
            if said is not None and _kept(table, field, said):
                result[field.name] = said
    return result


def _kept(table: Message, field: Field, value: Any) -> bool:
    if value or isinstance(value, dict) or field.name in table.required:
        return True
    if isinstance(value, str):
        return (table.name, field.name) in POINTER_STRINGS
    return field.name in POINTERS


def _entry(kind: str, value: int | bytes) -> tuple[str, Any]:
    if not isinstance(value, bytes):
        raise BadProtobuf("a map's entry is a message")
    key, item = "", _empty(kind)
    for number, part in _wire(value):
        if number == 1 and isinstance(part, bytes):
            key = part.decode()
        elif number == 2:
            item = _value(kind, part)
    return key, item


def _empty(kind: str) -> Any:
    return {"s": "", "y": "", "i": 0, "b": False}.get(kind, {})


def _value(kind: str, value: int | bytes) -> Any:
    if isinstance(value, int):
        if kind == "b":
            return bool(value)
        return value - (1 << 64) if value >= 1 << 63 else value
    match kind:
        case "s":
            return value.decode()
        case "y":
            return base64.b64encode(value).decode()
        case "d":
            import struct

            return struct.unpack("<d", value)[0]
        case "%quantity":
            return next((v.decode() for n, v in _wire(value) if n == 1 and isinstance(v, bytes)), "0")
        case "%intorstr":
            parts = dict(_wire(value))
            text = parts.get(3, b"")
            return (
                _value("i", parts.get(2, 0)) if not parts.get(1) else text.decode() if isinstance(text, bytes) else ""
            )
        case "%time" | "%microtime":
            return _time(value, micro=kind == "%microtime")
        case "%raw" | "%fields":
            raw = next((v for n, v in _wire(value) if n == 1 and isinstance(v, bytes)), b"")
            return msgspec.json.decode(raw) if raw else None
    table = message(kind)
    return {} if table is None else decode(table, value)


def _time(data: bytes, *, micro: bool) -> str | None:
    parts = dict(_wire(data))
    seconds, nanos = _value("i", parts.get(1, 0)), _value("i", parts.get(2, 0))
    if not seconds and not nanos:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    if micro:
        return moment.replace(microsecond=nanos // 1000).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _packed(data: bytes, kind: str) -> Iterator[Any]:
    at = 0
    while at < len(data):
        number, at = _varint(data, at)
        yield _value(kind, number)


def _wire(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, form = tag >> 3, tag & 7
        if form == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if form == 2:
            size, at = _varint(data, at)
        elif form in (1, 5):
            size = 8 if form == 1 else 4
        else:
            raise BadProtobuf(f"illegal wire type {form}")
        if at + size > end:
            raise BadProtobuf("unexpected EOF")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise BadProtobuf("unexpected EOF")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
