"""How clients see cached objects: as they are, as PartialObjectMetadata, or (`tables.py`) as Table.

A view turns cached objects into bytes: one for a get, joined ones for a list, framed ones for a watch. What it computes
for one version of an object is kept on that version, so it is computed once per write however many clients ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.apiserver.codec import encode
from sampan.apiserver.objects import CachedObject, head
from sampan.apiserver.pieces import LONG, Pieces

if TYPE_CHECKING:
    from sampan.apiserver.cache import Event
    from sampan.apiserver.endpoint import Endpoint

_FEW = 100
META_V1 = b"meta.k8s.io/v1"


class _RawMetadata(msgspec.Struct, gc=False):
    metadata: msgspec.Raw


_raw_metadata = msgspec.json.Decoder(_RawMetadata)


class View:
    """The objects as they are. `lasting`: what is made of an object stays true until the object is written."""

    lasting = True
    # Events that a watcher is given at once.
    batch = 500

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.head = head(endpoint.info)
        self.list_head = b'{"kind":"%s","apiVersion":"%s",' % (
            endpoint.info.list_kind.encode(),
            endpoint.info.api_version.encode(),
        )
        # Lists of custom resources say each item's kind, lists of built-in ones do not.
        self.item_head = b"{" if endpoint.info.module else self.head
        self.tails_are_stored = endpoint.convert_tail is None
        self.key: object = (endpoint.info.group, endpoint.info.version)

    def tail(self, obj: CachedObject) -> bytes:
        return obj.tail if self.endpoint.convert_tail is None else self.endpoint.convert_tail(obj)

    def whole(self, obj: CachedObject) -> bytes:
        return self.head + self.tail(obj)

    def list(self, objects: Sequence[CachedObject], metadata: bytes, end: bytes = b"") -> bytes | Pieces:
        """Joined in one go, where it is not too long for that: it is copied once."""
        head, end = b'%s"metadata":%s,"items":[' % (self.list_head, metadata), b"]}" + end
        if not objects:
            return head + end
        start = self.item_head
        tails = [o.tail for o in objects] if self.tails_are_stored else [self.tail(o) for o in objects]
        if len(tails) > _FEW and sum(map(len, tails)) > LONG:
            return Pieces(head + start, tails, b"," + start, end)
        tails[0] = head + start + tails[0]
        tails[-1] += end
        return (b"," + start).join(tails)

    def added(self, obj: CachedObject) -> bytes:
        return b'{"type":"ADDED","object":%s}' % self.whole(obj)

    def frame(self, kind: str, event: Event) -> bytes:
        """LEFT: the object went out of the watcher's selector; it sees its last matching content deleted."""
        frame = event.frames.get((kind, self.key))
        if frame is None:
            obj = event.object
            if kind == "LEFT":
                assert event.previous is not None
                kept = event.frames.get(("left", self.endpoint.info.version))
                obj = kept if isinstance(kept, CachedObject) else event.previous.at_revision(event.revision)
            name = b"DELETED" if kind == "LEFT" else kind.encode()
            frame = b'{"type":"%s","object":%s}' % (name, self.whole(obj))
            event.frames[kind, self.key] = frame
        return frame

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        note = b',"annotations":{"k8s.io/initial-events-end":"true"}' if initial_events_end else b""
        return b'{"type":"BOOKMARK","object":%s"metadata":{"resourceVersion":"%d"%s}%s}}' % (
            self.head,
            revision,
            note,
            self.endpoint.empty_body,
        )

    def error(self, status: dict[str, Any]) -> bytes:
        return b'{"type":"ERROR","object":%s}' % encode(status)


class PartialView(View):
    """Metadata only."""

    def __init__(self, endpoint: Endpoint, version: str = "v1") -> None:
        super().__init__(endpoint)
        api = b"meta.k8s.io/" + version.encode()
        self.head = b'{"kind":"PartialObjectMetadata","apiVersion":"%s",' % api
        self.list_head = b'{"kind":"PartialObjectMetadataList","apiVersion":"%s",' % api
        self.key = ("partial", version)
        self.item_head = self.head
        self.tails_are_stored = False

    def tail(self, obj: CachedObject) -> bytes:
        return b'"metadata":%s}' % metadata_of(obj)

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        note = b',"annotations":{"k8s.io/initial-events-end":"true"}' if initial_events_end else b""
        return b'{"type":"BOOKMARK","object":%s"metadata":{"resourceVersion":"%d"%s}}}' % (self.head, revision, note)


def metadata_of(obj: CachedObject) -> bytes:
    """The JSON of an object's metadata."""
    views = obj.views
    if views is None:
        views = obj.views = {}
    found: bytes | None = views.get("metadata")
    if found is None:
        found = views["metadata"] = bytes(_raw_metadata.decode(b"{" + obj.tail).metadata)
    return found


def list_metadata(revision: int, continue_: str = "", remaining: int | None = None) -> bytes:
    if not continue_:
        return b'{"resourceVersion":"%d"}' % revision
    left = b"" if remaining is None else b',"remainingItemCount":%d' % remaining
    return b'{"resourceVersion":"%d","continue":"%s"%s}' % (revision, continue_.encode(), left)
