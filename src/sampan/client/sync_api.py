"""The blocking client of the command line: plain dicts by default, typed where asked for, tables where wanted.

The verbs build the same calls as `sampan.client.api`; answers come back decoded, errors as `sampan.api.errors` types.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec

from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.client import calls
from sampan.client.answers import error_of, warnings_of
from sampan.client.calls import MERGE_PATCH, Call, ListOptions, WriteOptions
from sampan.client.codec import Codec, ObjectList, WatchEvent, codec_for, name_kind, name_of, namespace_of
from sampan.client.connection import ConnectionSettings
from sampan.client.sync_http import SyncHttpTransport, SyncStream
from sampan.client.transport import Query, RequestHeaders, Response, UpgradeRefused
from sampan.client.watch import WatchDecoder
from sampan.client.websocket import SyncWebSocket
from sampan.version import __version__

T = TypeVar("T")

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class SyncClient:
    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        user_agent: str = "sampan",
        on_warning: Callable[[str], object] | None = None,
    ) -> None:
        self.settings = settings
        self.transport = SyncHttpTransport(settings)
        self._headers: RequestHeaders = {"user-agent": f"{user_agent}/{__version__}"}
        self._on_warning = on_warning

    def resource(self, object_type: type[T]) -> SyncResourceClient[T]:
        return SyncResourceClient(self, BUILT_IN_SCHEME.for_type(object_type), codec_for(object_type))

    def of(self, info: ResourceInfo) -> SyncResourceClient[dict[str, Any]]:
        """Plain dicts of a resource that discovery or the scheme described."""
        return SyncResourceClient(self, info, codec_for(dict))

    def send(self, call: Call, *, timeout: float | None = None) -> Response:
        response = self.transport.request(
            call.method,
            call.path,
            query=call.query,
            headers={**self._headers, **call.headers},
            body=call.body,
            timeout=timeout,
        )
        if response.status >= 400:
            raise error_of(response, method=call.method, path=call.path)
        self.warn(response.headers)
        return response

    def open(self, call: Call) -> SyncStream:
        """A stream that the server agreed to: log follow, a watch as bytes."""
        stream = self.transport.stream(
            call.method, call.path, query=call.query, headers={**self._headers, **call.headers}, body=call.body
        )
        if stream.status >= 400:
            with stream:
                response = Response(stream.status, stream.headers, stream.read())
            raise error_of(response, method=call.method, path=call.path)
        self.warn(stream.headers)
        return stream

    def upgrade(self, path: str, *, query: Query | None = None, subprotocols: tuple[str, ...] = ()) -> SyncWebSocket:
        try:
            return self.transport.upgrade(path, query=query, headers=self._headers, subprotocols=subprotocols)
        except UpgradeRefused as refused:
            raise error_of(refused.response, method="GET", path=path) from None

    def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        call = Call(method, path, dict(query or {}), dict(headers or {}), body)
        return self.send(call, timeout=timeout)

    def warn(self, headers: Mapping[str, str]) -> None:
        if self._on_warning is not None:
            for text in warnings_of(headers):
                self._on_warning(text)

    def close(self) -> None:
        self.transport.close()


class SyncResourceClient(Generic[T]):
    """The verbs on one resource; see `sampan.client.api.ResourceClient`.

    `accept` (for example `TABLE`) asks for another shape, which comes back as plain data from `get_as` and `pages_as`.
    """

    def __init__(self, client: SyncClient, info: ResourceInfo, codec: Codec[T]) -> None:
        self.client = client
        self.info = info
        self._codec = codec

    def get(self, name: str, *, namespace: str = "", subresource: str = "") -> T:
        return self._object(calls.get(self.info, namespace, name, subresource=subresource))

    def get_as(self, accept: str, name: str, *, namespace: str = "") -> dict[str, Any]:
        call = calls.get(self.info, namespace, name)
        call.headers["accept"] = accept
        answer: dict[str, Any] = msgspec.json.decode(self.client.send(call).body)
        return answer

    def list(self, options: ListOptions | None = None, *, namespace: str = "") -> ObjectList[T]:
        response = self.client.send(calls.list_(self.info, namespace, options or ListOptions()))
        return self._codec.decode_list(response.body, self.info)

    def list_pages(
        self, options: ListOptions | None = None, *, namespace: str = "", limit: int = 500
    ) -> Iterator[ObjectList[T]]:
        for body in self.pages(calls.JSON, options, namespace=namespace, limit=limit):
            yield self._codec.decode_list(body, self.info)

    def pages_as(
        self, accept: str, options: ListOptions | None = None, *, namespace: str = "", limit: int = 500
    ) -> Iterator[dict[str, Any]]:
        for body in self.pages(accept, options, namespace=namespace, limit=limit):
            yield msgspec.json.decode(body)

    def pages(
        self, accept: str, options: ListOptions | None = None, *, namespace: str = "", limit: int = 500
    ) -> Iterator[bytes]:
        """The answered pages as they came; `limit` 0 asks for everything at once."""
        wanted = (options or ListOptions())._replace(limit=limit)
        while True:
            call = calls.list_(self.info, namespace, wanted)
            call.headers["accept"] = accept
            body = self.client.send(call).body
            yield body
            continue_ = _PAGE.decode(body).metadata.get("continue")
            if not continue_:
                return
            wanted = wanted._replace(continue_=continue_, resource_version="", resource_version_match="")

    @contextmanager
    def watch(
        self, options: ListOptions | None = None, *, namespace: str = "", timeout_seconds: int = 0
    ) -> Iterator[Iterator[WatchEvent[T]]]:
        with self._watched(options, namespace, timeout_seconds, calls.JSON) as stream:
            decoder = WatchDecoder(self._codec)
            yield (event for chunk in stream for event in decoder.feed(chunk))

    @contextmanager
    def watch_as(
        self, accept: str, options: ListOptions | None = None, *, namespace: str = "", timeout_seconds: int = 0
    ) -> Iterator[Iterator[WatchEvent[dict[str, Any]]]]:
        with self._watched(options, namespace, timeout_seconds, accept) as stream:
            decoder = WatchDecoder(_PLAIN)
            yield (event for chunk in stream for event in decoder.feed(chunk))

    def create(self, obj: T, options: WriteOptions | None = None, *, namespace: str = "") -> T:
        name_kind(obj, self.info)
        where = self._namespace(obj, namespace)
        return self._object(calls.create(self.info, where, obj, options or WriteOptions()))

    def create_subresource(
        self, name: str, subresource: str, obj: object, options: WriteOptions | None = None, *, namespace: str = ""
    ) -> dict[str, Any]:
        call = calls.create_subresource(self.info, namespace, name, subresource, obj, options or WriteOptions())
        answer: dict[str, Any] = msgspec.json.decode(self.client.send(call).body)
        return answer

    def update(self, obj: T, options: WriteOptions | None = None, *, namespace: str = "", subresource: str = "") -> T:
        name_kind(obj, self.info)
        where = self._namespace(obj, namespace)
        call = calls.update(self.info, where, name_of(obj), obj, options or WriteOptions(), subresource=subresource)
        return self._object(call)

    def patch(
        self,
        name: str,
        body: object,
        options: WriteOptions | None = None,
        *,
        namespace: str = "",
        type: str = MERGE_PATCH,  # noqa: A002 - the API's own word
        subresource: str = "",
        force: bool = False,
    ) -> T:
        """With `type=APPLY_PATCH` this is server-side apply; the options' field manager is needed then."""
        call = calls.patch(
            self.info, namespace, name, body, type, options or WriteOptions(), subresource=subresource, force=force
        )
        return self._object(call)

    def delete(self, name: str, *, namespace: str = "", options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`options` as `calls.delete_options` makes them. The answer is the object or a Status."""
        response = self.client.send(calls.delete(self.info, namespace, name, options or {}))
        answer: dict[str, Any] = msgspec.json.decode(response.body)
        return answer

    def delete_collection(
        self, which: ListOptions | None = None, *, namespace: str = "", options: Mapping[str, Any] | None = None
    ) -> None:
        self.client.send(calls.delete_collection(self.info, namespace, which or ListOptions(), options or {}))

    def _watched(self, options: ListOptions | None, namespace: str, timeout_seconds: int, accept: str) -> SyncStream:
        call = calls.watch(
            self.info, namespace, options or ListOptions(), bookmarks=False, timeout_seconds=timeout_seconds
        )
        call.headers["accept"] = accept
        return self.client.open(call)

    def _object(self, call: Call) -> T:
        obj = self._codec.decode(self.client.send(call).body)
        name_kind(obj, self.info)
        return obj

    def _namespace(self, obj: object, namespace: str) -> str:
        return (namespace or namespace_of(obj) or self.client.settings.namespace) if self.info.namespaced else ""


class _Page(msgspec.Struct, gc=False):
    metadata: dict[str, Any] = {}


_PAGE = msgspec.json.Decoder(_Page)
_PLAIN: Codec[builtins.dict[str, Any]] = codec_for(dict)
