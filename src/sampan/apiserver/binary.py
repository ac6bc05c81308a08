"""Objects as protobuf, for the clients that prefer it: Go operators, and Kubernetes' own components.

What an object is in protobuf is computed once per version of it and kept, as other views are; a list joins, an event
is encoded once for all watchers. The first list of many objects takes long to make, so it is made in small steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sampan.api import protobuf
from sampan.api.protobuf.encode import encode
from sampan.api.protobuf.tables import Message, message, of_kind
from sampan.api.protobuf.wire import field, varint
from sampan.apiserver.codec import decode_any
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.views import View, metadata_of

if TYPE_CHECKING:
    from sampan.apiserver.cache import Event
    from sampan.apiserver.endpoint import Endpoint

# Objects that are encoded in one round of the event loop.
_STEP = 20


class BinaryView(View):
    """`partial`: the version of meta.k8s.io in which only the metadata is asked for; empty: whole objects."""

    batch = 50

    def __init__(self, endpoint: Endpoint, partial: str = "") -> None:
        super().__init__(endpoint)
        info = endpoint.info
        self._partial = bool(partial)
        self._api = f"meta.k8s.io/{partial}" if partial else info.api_version
        self._kind = "PartialObjectMetadata" if partial else info.kind
        self._list_kind = "PartialObjectMetadataList" if partial else info.list_kind
        table = message("meta_v1.PartialObjectMetadata") if partial else of_kind(info.api_version, info.kind)
        assert table is not None, f"{info.kind} has no protobuf"
        self._table: Message = table
        self.key = ("protobuf", info.group, info.version, partial)

    def whole(self, obj: CachedObject) -> bytes:
        return protobuf.enveloped(self._api, self._kind, self._raw(obj))

    async def prepare(self, objects: Sequence[CachedObject]) -> None:
        """So that `list` finds everything made."""
        for start in range(0, len(objects), _STEP):
            for obj in objects[start : start + _STEP]:
                self._raw(obj)
            await asyncio.sleep(0)

    def list(self, objects: Sequence[CachedObject], metadata: bytes, end: bytes = b"") -> bytes:
        parts = [field(1, _encoded("ListMeta", decode_any(metadata)))]
        for obj in objects:
            raw = self._raw(obj)
            parts += (b"\x12", varint(len(raw)), raw)
        return protobuf.enveloped(self._api, self._list_kind, b"".join(parts))

    def added(self, obj: CachedObject) -> bytes:
        return _event("ADDED", self.whole(obj))

    def frame(self, kind: str, event: Event) -> bytes:
        frame = event.frames.get((kind, self.key))
        if frame is None:
            obj = event.object
            if kind == "LEFT":
                assert event.previous is not None
                obj = event.previous.at_revision(event.revision)
            frame = event.frames[kind, self.key] = _event("DELETED" if kind == "LEFT" else kind, self.whole(obj))
        return frame

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(revision)}
        if initial_events_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        raw = encode(self._table, {"metadata": meta})
        return _event("BOOKMARK", protobuf.enveloped(self._api, self._kind, raw))

    def error(self, status: dict[str, Any]) -> bytes:
        return _event("ERROR", protobuf.encode_object(status))

    def _raw(self, obj: CachedObject) -> bytes:
        views = obj.views
        if views is None:
            views = obj.views = {}
        raw: bytes | None = views.get(self.key)
        if raw is None:
            json = b'{"metadata":%s}' % metadata_of(obj) if self._partial else b"{" + self.tail(obj)
            raw = views[self.key] = encode(self._table, decode_any(json))
        return raw


def _encoded(name: str, obj: dict[str, Any]) -> bytes:
    table = message(f"meta_v1.{name}")
    assert table is not None
    return encode(table, obj)


def _event(kind: str, whole: bytes) -> bytes:
    """A WatchEvent behind its length in four bytes; the object in it is a whole body."""
    event = field(1, kind.encode()) + field(2, field(1, whole))
    return len(event).to_bytes(4, "big") + event
