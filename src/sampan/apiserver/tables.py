"""Server-side printing: objects as rows of cells, which kubectl prints as they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.apiserver.codec import encode
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.views import View, metadata_of

if TYPE_CHECKING:
    from sampan.apiserver.cache import Event
    from sampan.apiserver.endpoint import Endpoint


class TableView(View):
    """`include`: what stands beside the cells: None, Metadata or the whole Object."""

    lasting = False  # rows say how old things are

    def __init__(self, endpoint: Endpoint, version: str = "v1", *, include: str = "Metadata") -> None:
        super().__init__(endpoint)
        self.include = include
        self.version = version.encode()
        self.list_head = b'{"kind":"Table","apiVersion":"meta.k8s.io/%s",' % self.version
        self.key = ("table", version, include)
        self._definitions = encode(
            [
                {
                    "name": c.name,
                    "type": c.type,
                    "format": c.format,
                    "description": c.description,
                    "priority": c.priority,
                }
                for c in endpoint.strategy.columns
            ]
        )
        self._cells_key = ("cells", endpoint.info.group, endpoint.info.version)
        self._first = True

    def row(self, obj: CachedObject) -> bytes:
        return b'{"cells":%s"object":%s}' % (self._cells(obj), self._object(obj))

    def _cells(self, obj: CachedObject) -> bytes:
        """Cells say how old things are: they are true for a second, for all who look within it."""
        now = self.endpoint.now()
        second = int(now.timestamp())
        views = obj.views
        if views is None:
            views = obj.views = {}
        kept: tuple[int, bytes] | None = views.get(self._cells_key)
        if kept is None or kept[0] != second:
            strategy, typed = self.endpoint.strategy, self.endpoint.decode(obj)
            conditions = strategy.row_conditions(typed)
            said = b'"conditions":%s,' % encode(conditions) if conditions else b""
            kept = views[self._cells_key] = (second, b"%s,%s" % (encode(strategy.cells(typed, now)), said))
        return kept[1]

    def whole(self, obj: CachedObject) -> bytes:
        return self.list([obj], b'{"resourceVersion":"%d"}' % obj.revision)

    def list(self, objects: Sequence[CachedObject], metadata: bytes, end: bytes = b"") -> bytes:
        return b'%s"metadata":%s,"columnDefinitions":%s,"rows":[%s]}%s' % (
            self.list_head,
            metadata,
            self._definitions,
            b",".join([self.row(o) for o in objects]),
            end,
        )

    def added(self, obj: CachedObject) -> bytes:
        return b'{"type":"ADDED","object":%s}' % self._event_table(obj)

    def frame(self, kind: str, event: Event) -> bytes:
        obj = event.object
        if kind == "LEFT":
            assert event.previous is not None
            obj, kind = event.previous.at_revision(event.revision), "DELETED"
        return b'{"type":"%s","object":%s}' % (kind.encode(), self._event_table(obj))

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        note = b',"annotations":{"k8s.io/initial-events-end":"true"}' if initial_events_end else b""
        row = b'{"cells":[],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%s",' % self.version
        row += b'"metadata":{"resourceVersion":"%d"%s}}}' % (revision, note)
        return (
            b'{"type":"BOOKMARK","object":%s"metadata":{"resourceVersion":"%d"},"columnDefinitions":null,"rows":[%s]}}'
            % (
                self.list_head,
                revision,
                row,
            )
        )

    def _event_table(self, obj: CachedObject) -> bytes:
        """Only a watch's first event says the columns."""
        definitions = self._definitions if self._first else b"null"
        self._first = False
        return b'%s"metadata":{"resourceVersion":"%d"},"columnDefinitions":%s,"rows":[%s]}' % (
            self.list_head,
            obj.revision,
            definitions,
            self.row(obj),
        )

    def _object(self, obj: CachedObject) -> bytes:
        if self.include == "None":
            return b"null"
        if self.include == "Object":
            return self.endpoint.view.whole(obj)
        return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%s","metadata":%s}' % (
            self.version,
            metadata_of(obj),
        )
