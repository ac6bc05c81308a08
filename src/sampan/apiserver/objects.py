"""A stored object as the cache keeps it: the very bytes that clients receive.

The store holds the object's JSON without a resourceVersion: `{"kind":"Pod","apiVersion":"v1","metadata":{…},…}`. The
cache keeps its *tail*, `"metadata":{"resourceVersion":"7",…},…}`: all that follows the kind and the opening brace. A
GET answers `{` + kind and apiVersion + tail; a LIST joins tails, as items of a list say no kind; a watch event wraps
a GET's bytes. Nothing is decoded on a read unless a selector, a table or a partial view asks; what those made is kept.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.scheme import ResourceInfo
from sampan.storage.contract import KeyValue

_METADATA = b'"metadata":{'
_MARK = b'"metadata":{"resourceVersion":"'


# In `views`: the version that an object was written in, for resources that keep several.
VERSION = "version"


class _Meta(msgspec.Struct, gc=False):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct, gc=False):
    metadata: _Meta


_labels = msgspec.json.Decoder(_Labelled)
NO_LABELS: dict[str, str] = {}


class CachedObject:
    """One version of one object. Immutable but for what is computed from it once."""

    __slots__ = ("_labels", "key", "name", "namespace", "revision", "tail", "views")

    def __init__(self, key: str, namespace: str, name: str, revision: int, tail: bytes) -> None:
        self.key = key
        self.namespace = namespace
        self.name = name
        self.revision = revision
        self.tail = tail
        self._labels: dict[str, str] | None = None
        # Whatever was computed from this version: fields, table rows, partial metadata, other versions' bytes.
        self.views: dict[Any, Any] | None = None

    @property
    def labels(self) -> dict[str, str]:
        if self._labels is None:
            self._labels = _labels.decode(b"{" + self.tail).metadata.labels or NO_LABELS
        return self._labels

    def at_revision(self, revision: int) -> CachedObject:
        """The same content under another revision: what a watcher sees of an object that left its selector."""
        rest = self.tail[self.tail.index(b'"', len(_MARK)) :]
        return CachedObject(self.key, self.namespace, self.name, revision, _MARK + str(revision).encode() + rest)


def cached(kv: KeyValue, namespace: str, name: str, key: str) -> CachedObject:
    value = kv.value
    at = value.index(_METADATA) + len(_METADATA)
    return CachedObject(key, namespace, name, kv.revision, splice(value[at:], kv.revision))


def version_of(value: bytes) -> str:
    """The version that stored bytes say they are in."""
    head = value[: value.index(_METADATA)]
    return head.rpartition(b'"apiVersion":"')[2].partition(b'"')[0].rpartition(b"/")[2].decode()


def splice(after_metadata: bytes, revision: int) -> bytes:
    """The tail of an object, from what follows `"metadata":{` in the stored bytes."""
    return b'"metadata":{"resourceVersion":"%d",%s' % (revision, after_metadata)


def head(info: ResourceInfo) -> bytes:
    """What stands before the tail of an object served as this resource."""
    return b'{"kind":"%s","apiVersion":"%s",' % (info.kind.encode(), info.api_version.encode())
