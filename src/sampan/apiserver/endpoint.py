"""A served resource: its row, its codec, its strategy and its cache, joined once. What handlers are handed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from sampan.api import protobuf
from sampan.api.errors import ApiError, BadRequest, TooLarge, not_found
from sampan.api.quantity import QuantityError
from sampan.api.scheme import ResourceInfo
from sampan.apiserver.allocation import Allocator
from sampan.apiserver.cache import ResourceCache
from sampan.apiserver.codec import Codec, CustomCodec
from sampan.apiserver.objects import CachedObject, head
from sampan.apiserver.registry.strategy import Strategy
from sampan.apiserver.views import View

if TYPE_CHECKING:
    from sampan.apiserver.custom.conversion import Converter
    from sampan.apiserver.custom.reading import Reading

# Small patches must not make an object grow without end; somewhat more than a request's body may hold.
MAX_OBJECT = 4 * 1024 * 1024


class Kind:
    """A kind that bodies are read as: a served resource, or what a subresource takes (Scale, Binding, Eviction)."""

    def __init__(self, info: ResourceInfo) -> None:
        self.info = info
        self.codec: Codec = Codec(info) if info.module else CustomCodec(info)

    @cached_property
    def binary(self) -> bool:
        """Whether the kind has a protobuf form."""
        return bool(self.info.module) and protobuf.has_kind(self.info.api_version, self.info.kind)


@cache
def kind_of(group: str, version: str, kind: str) -> Kind:
    module = f"{group.split('.', 1)[0] or 'core'}_{version}"
    return Kind(ResourceInfo(group=group, version=version, resource="", kind=kind, singular="", module=module))


class Endpoint(Kind):
    """`cache` is shared by all versions of a resource; kinds stored in another version are converted on the way."""

    def __init__(
        self, info: ResourceInfo, strategy: Strategy, cache: ResourceCache, *, now: Callable[[], datetime]
    ) -> None:
        super().__init__(info)
        self.now = now
        # Objects of some kinds pass by themselves (Events).
        self.ttl_seconds: float | None = getattr(strategy, "ttl_seconds", None)
        self.strategy = strategy
        self.cache = cache
        storage = strategy.storage_info
        self.storage_codec = self.codec if storage is info else Codec(storage)
        self.storage_head = head(storage)
        self.allocator: Allocator | None = None
        self.allocating = asyncio.Lock()
        # Whether a delete answers the object it deleted, rather than a Status.
        self.returns_deleted: bool = getattr(strategy, "returns_deleted", False)
        self.convert_tail: Callable[[CachedObject], bytes] | None = None
        # Of a custom resource with a conversion webhook.
        self.converter: Converter | None = None
        # Of a custom resource that may be stored as an earlier schema had it.
        self.reading: Reading | None = None
        if storage is not info and info.module:
            self.convert_tail = self._converted

    @cached_property
    def view(self) -> View:
        return View(self)

    @cached_property
    def empty_body(self) -> bytes:
        """What follows the metadata of an empty object: a bookmark's `,"spec":{…},"status":{}`."""
        if self.info.type is None:
            return b""
        empty = self.codec.encode(self.info.type())
        return empty[empty.index(b'"metadata":{}') + len(b'"metadata":{}') : -1]

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The fields of an object at its top, in order, without those that only say its kind."""
        return tuple(sorted(set(self.codec.type.__struct_fields__) - {"kind", "apiVersion"}))

    def key(self, namespace: str, name: str) -> str:
        return f"{namespace}/{name}" if self.info.namespaced else name

    def find(self, namespace: str, name: str) -> CachedObject:
        found = self.cache.get(namespace, name)
        if found is None:
            raise self.not_found(name)
        return found

    def not_found(self, name: str) -> ApiError:
        return not_found(self.info.resource, name, group=self.info.group)

    def decode(self, obj: CachedObject) -> Any:
        """A fresh object, the caller's to change. Its resourceVersion is set."""
        if self.converter is not None:
            converted = self.codec.decode(b"{" + self.converter.tail(obj))
            converted.kind, converted.apiVersion = self.info.kind, self.info.api_version
            return converted
        stored = self.storage_codec.decode(b"{" + obj.tail)
        if self.reading is not None:
            served = self.reading.applied(obj, stored)
        else:
            served = stored if self.convert_tail is None else self.strategy.from_storage(stored)
        served.kind, served.apiVersion = self.info.kind, self.info.api_version
        return served

    def default(self, obj: Any) -> None:
        """The kind's defaults; an amount that cannot be read is found here."""
        try:
            self.strategy.default(obj)
        except QuantityError as error:
            info = self.info
            said = f'{info.kind} in version "{info.version}" cannot be handled as a {info.kind}: {error}'
            raise BadRequest(said) from None

    def encode(self, obj: Any) -> bytes:
        """The bytes to store."""
        if self.convert_tail is None or self.converter is not None or self.reading is not None:
            data = self.codec.encode(obj)
        else:
            data = self.storage_codec.encode(self.strategy.to_storage(obj))
        if len(data) > MAX_OBJECT:
            raise TooLarge(f"Request entity too large: limit is {MAX_OBJECT}")
        return data

    def whole(self, obj: Any) -> bytes:
        """The bytes to answer, of an object that is not in the cache (dry run)."""
        revision = obj.metadata.resourceVersion
        data = self.codec.encode(obj)
        if not revision:
            return data
        at = data.index(b'"metadata":{') + 12
        return b'%s"resourceVersion":"%s",%s' % (data[:at], revision.encode(), data[at:])

    def convert_with(self, converter: Converter) -> None:
        self.converter = converter
        self.convert_tail = converter.tail

    def read_with(self, reading: Reading) -> None:
        self.reading = reading
        self.convert_tail = reading.tail

    def _converted(self, obj: CachedObject) -> bytes:
        views = obj.views
        if views is None:
            views = obj.views = {}
        key = (self.info.group, self.info.version)
        tail: bytes | None = views.get(key)
        if tail is None:
            whole = self.whole(self.decode(obj))
            tail = views[key] = whole[whole.index(b'"metadata"') :]
        return tail
