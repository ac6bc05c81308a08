"""Bytes ↔ objects for one resource, in the typed lane and in the plain-dict lane.

Decoding is msgspec's, at C speed. A server written in Go may answer `null` where a list is required (an aggregated
ClusterRole's `rules`, an EndpointSlice's `endpoints`); only then is the slow path taken, which drops the nulls.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from sampan.api.scheme import ResourceInfo
from sampan.api.types.meta_v1 import ListMeta, ObjectMeta

T = TypeVar("T")


class PartialObjectMetadata(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """An object of any kind with its body left out."""

    kind: str | None = None
    apiVersion: str | None = None
    metadata: ObjectMeta = msgspec.field(default_factory=lambda: ObjectMeta())


class ObjectList(Generic[T]):
    """One answered list or page of it."""

    __slots__ = ("items", "metadata")

    def __init__(self, items: list[T], metadata: ListMeta) -> None:
        self.items = items
        self.metadata = metadata

    @property
    def resource_version(self) -> str:
        return self.metadata.resourceVersion or ""

    @property
    def continue_(self) -> str:
        return self.metadata.continue_ or ""


class WatchEvent(msgspec.Struct, Generic[T], gc=False):
    """ADDED, MODIFIED, DELETED or BOOKMARK (whose object has nothing but its revision and annotations)."""

    type: str
    object: T


class _List(msgspec.Struct, Generic[T], gc=False):
    metadata: ListMeta = msgspec.field(default_factory=lambda: ListMeta())
    items: list[T] | None = None


class RawEvent(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class Codec(Generic[T]):
    """One per type: building decoders costs more than using them."""

    def __init__(self, object_type: type[T]) -> None:
        self.type = object_type
        self._object: msgspec.json.Decoder[Any] = msgspec.json.Decoder(object_type)
        self._list: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_List[object_type])  # type: ignore[valid-type]
        self._event: msgspec.json.Decoder[Any] = msgspec.json.Decoder(WatchEvent[object_type])  # type: ignore[valid-type]

    def decode(self, body: bytes | msgspec.Raw) -> T:
        try:
            decoded: T = self._object.decode(body)
        except msgspec.ValidationError:
            decoded = msgspec.convert(without_nulls(msgspec.json.decode(body)), self.type)
        return decoded

    def decode_list(self, body: bytes, info: ResourceInfo) -> ObjectList[T]:
        """Items of a list say no kind of their own when the server is Kubernetes': it is filled in."""
        try:
            answer = self._list.decode(body)
        except msgspec.ValidationError:
            answer = msgspec.convert(without_nulls(msgspec.json.decode(body)), _List[self.type])  # type: ignore[name-defined]
        items: list[T] = answer.items or []
        for item in items:
            name_kind(item, info)
        return ObjectList(items, answer.metadata)

    def decode_event(self, line: bytes) -> WatchEvent[T]:
        event: WatchEvent[T] = self._event.decode(line)
        return event


_CODECS: dict[type[Any], Codec[Any]] = {}


def codec_for(object_type: type[T]) -> Codec[T]:
    codec = _CODECS.get(object_type)
    if codec is None:
        codec = _CODECS[object_type] = Codec(object_type)
    return codec


def name_kind(obj: object, info: ResourceInfo) -> None:
    """Give an object the kind and apiVersion that its address implies, where it says none."""
    if isinstance(obj, dict):
        if "kind" not in obj and info.kind:
            obj["kind"], obj["apiVersion"] = info.kind, info.api_version
    elif getattr(obj, "kind", "") is None and not isinstance(obj, PartialObjectMetadata):
        obj.kind, obj.apiVersion = info.kind, info.api_version  # type: ignore[attr-defined]


def namespace_of(obj: object) -> str:
    return _meta(obj, "namespace")


def name_of(obj: object) -> str:
    return _meta(obj, "name")


def resource_version_of(obj: object) -> str:
    return _meta(obj, "resourceVersion")


def uid_of(obj: object) -> str:
    return _meta(obj, "uid")


def key_of(obj: object) -> str:
    """`namespace/name`, or `name` of what has no namespace: the key of informers and work queues."""
    if isinstance(obj, dict):
        metadata = obj.get("metadata") or {}
        namespace, name = metadata.get("namespace"), metadata.get("name") or ""
    else:
        namespace, name = obj.metadata.namespace, obj.metadata.name or ""  # type: ignore[attr-defined]
    return f"{namespace}/{name}" if namespace else name


def split_key(key: str) -> tuple[str, str]:
    namespace, _, name = key.rpartition("/")
    return namespace, name


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def _meta(obj: object, field: str) -> str:
    if isinstance(obj, dict):
        return (obj.get("metadata") or {}).get(field) or ""
    return getattr(obj.metadata, field) or ""  # type: ignore[attr-defined]
