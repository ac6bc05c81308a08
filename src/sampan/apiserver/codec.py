"""Bytes ↔ objects of one resource: the typed lane for built-in kinds, the plain-dict lane for custom ones.

Handlers see one shape in both lanes: `.kind`, `.apiVersion`, `.metadata` (an ObjectMeta). A custom resource's remaining
fields stand in `CustomObject.content`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.scheme import ResourceInfo
from sampan.api.types.meta_v1 import ObjectMeta

_encoder = msgspec.json.Encoder()
encode = _encoder.encode
decode_any = msgspec.json.Decoder().decode


class CustomObject(msgspec.Struct, kw_only=True):
    """An object of a kind that is known at run time only."""

    kind: str | None = None
    apiVersion: str | None = None
    metadata: ObjectMeta = msgspec.field(default_factory=lambda: ObjectMeta())
    content: dict[str, Any] = {}


class Codec:
    """The typed lane."""

    def __init__(self, info: ResourceInfo) -> None:
        self.info = info
        assert info.type is not None
        self.type: type[Any] = info.type
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(info.type)

    def decode(self, data: bytes) -> Any:
        """Raises `msgspec.ValidationError`, `msgspec.DecodeError`."""
        return self._decoder.decode(data)

    def from_dict(self, data: dict[str, Any]) -> Any:
        return msgspec.convert(data, self.type)

    def to_dict(self, obj: Any) -> dict[str, Any]:
        plain: dict[str, Any] = decode_any(encode(obj))
        return plain

    def encode(self, obj: Any) -> bytes:
        """As it is stored: with kind and apiVersion first, without a resourceVersion."""
        obj.kind, obj.apiVersion = self.info.kind, self.info.api_version
        revision, obj.metadata.resourceVersion = obj.metadata.resourceVersion, None
        data = encode(obj)
        obj.metadata.resourceVersion = revision
        return data

    def copy(self, obj: Any) -> Any:
        return self._decoder.decode(encode(obj))


class CustomCodec(Codec):
    """The plain-dict lane."""

    def __init__(self, info: ResourceInfo) -> None:
        self.info = info
        self.type = CustomObject

    def decode(self, data: bytes) -> CustomObject:
        return self.from_dict(decode_any(data))

    def from_dict(self, data: dict[str, Any]) -> CustomObject:
        content = dict(data)
        metadata = content.pop("metadata", None)
        return CustomObject(
            kind=content.pop("kind", None),
            apiVersion=content.pop("apiVersion", None),
            metadata=msgspec.convert(metadata if metadata is not None else {}, ObjectMeta),
            content=content,
        )

    def to_dict(self, obj: CustomObject) -> dict[str, Any]:
        metadata = decode_any(encode(obj.metadata))
        return {"kind": obj.kind, "apiVersion": obj.apiVersion, "metadata": metadata, **obj.content}

    def encode(self, obj: CustomObject) -> bytes:
        obj.kind, obj.apiVersion = self.info.kind, self.info.api_version
        revision, obj.metadata.resourceVersion = obj.metadata.resourceVersion, None
        plain = {"kind": obj.kind, "apiVersion": obj.apiVersion, "metadata": obj.metadata, **obj.content}
        data = encode(plain)
        obj.metadata.resourceVersion = revision
        return data

    def copy(self, obj: CustomObject) -> CustomObject:
        return self.from_dict(decode_any(encode({"metadata": obj.metadata, **obj.content})))
