"""The verbs on one resource, async and typed; `sampan.client.api.Client` makes these."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sampan.api.scheme import ResourceInfo
from sampan.client import calls
from sampan.client.answers import error_of
from sampan.client.calls import APPLY_PATCH, MERGE_PATCH, Call, ListOptions, WriteOptions
from sampan.client.codec import (
    Codec,
    ObjectList,
    PartialObjectMetadata,
    WatchEvent,
    codec_for,
    name_kind,
    name_of,
    namespace_of,
)
from sampan.client.transport import Response, StreamResponse
from sampan.client.watch import WatchDecoder

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from sampan.client.api import Client

T = TypeVar("T")
S = TypeVar("S")


class ResourceClient(Generic[T]):
    """The verbs on one resource. `namespace` is needed for one object; without it, list and watch see all namespaces.

    Writes take `field_manager`, `dry_run` and `field_validation` ("Strict", "Warn", "Ignore").
    """

    def __init__(self, client: Client, info: ResourceInfo, codec: Codec[T]) -> None:
        self.client = client
        self.info = info
        self._codec = codec
        self._metadata_only = codec.type is PartialObjectMetadata

    @property
    def object_type(self) -> builtins.type[T]:
        return self._codec.type

    async def get(self, name: str, *, namespace: str = "", resource_version: str = "", subresource: str = "") -> T:
        call = calls.get(self.info, namespace, name, resource_version=resource_version, subresource=subresource)
        return await self._object(call)

    async def list(
        self,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        resource_version_match: str = "",
        limit: int = 0,
        continue_: str = "",
    ) -> ObjectList[T]:
        """Everything at once, or one page when `limit` is set. For large lists see `list_pages`."""
        options = ListOptions(
            label_selector, field_selector, resource_version, resource_version_match, limit, continue_
        )
        call = calls.list_(self.info, namespace, options)
        if self._metadata_only:
            call.headers["accept"] = calls.METADATA_LIST
        response = await self.client.send(call)
        return self._codec.decode_list(response.body, self.info)

    async def list_pages(
        self,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        limit: int = 500,
    ) -> AsyncIterator[ObjectList[T]]:
        """The pages of one revision. Raises `Expired` when the server forgot that revision between two pages."""
        continue_ = ""
        while True:
            page = await self.list(
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                resource_version="" if continue_ else resource_version,
                limit=limit,
                continue_=continue_,
            )
            yield page
            continue_ = page.continue_
            if not continue_:
                return

    def watch(
        self,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
        timeout_seconds: int = 0,
        send_initial_events: bool = False,
        shared: bool = False,
    ) -> WatchStream[T]:
        """An async context manager over the events; it ends when the server ends it.

        `shared` events may be the same objects as other watchers of this process get: they are decoded once, and must
        not be changed.
        """
        call = calls.watch(
            self.info,
            namespace,
            ListOptions(label_selector, field_selector, resource_version),
            bookmarks=bookmarks,
            timeout_seconds=timeout_seconds,
            send_initial_events=send_initial_events,
        )
        if self._metadata_only:
            call.headers["accept"] = calls.METADATA_ONLY
        return WatchStream(self.client, call, self._codec, shared=shared)

    async def create(
        self,
        obj: T,
        *,
        namespace: str = "",
        field_manager: str = "",
        dry_run: bool = False,
        field_validation: str = "",
    ) -> T:
        name_kind(obj, self.info)
        options = self._options(dry_run, field_manager, field_validation)
        return await self._object(calls.create(self.info, self._namespace(obj, namespace), obj, options))

    async def create_subresource(
        self,
        name: str,
        subresource: str,
        obj: Any,
        *,
        namespace: str = "",
        answer: type[S],
        field_manager: str = "",
        dry_run: bool = False,
    ) -> S:
        """`pods/NAME/binding`, `pods/NAME/eviction`, `serviceaccounts/NAME/token`; `answer` is what comes back
        (`meta_v1.Status` for the first two)."""
        call = calls.create_subresource(
            self.info, namespace, name, subresource, obj, self._options(dry_run, field_manager, "")
        )
        response = await self.client.send(call)
        return codec_for(answer).decode(response.body)

    async def update(
        self,
        obj: T,
        *,
        namespace: str = "",
        subresource: str = "",
        field_manager: str = "",
        dry_run: bool = False,
        field_validation: str = "",
    ) -> T:
        """Replaces the object; `Conflict` when its resourceVersion is not the newest."""
        name_kind(obj, self.info)
        options = self._options(dry_run, field_manager, field_validation)
        where = self._namespace(obj, namespace)
        return await self._object(calls.update(self.info, where, name_of(obj), obj, options, subresource=subresource))

    async def update_status(self, obj: T, *, namespace: str = "", field_manager: str = "") -> T:
        return await self.update(obj, namespace=namespace, subresource="status", field_manager=field_manager)

    async def patch(
        self,
        name: str,
        body: Any,
        *,
        namespace: str = "",
        type: str = MERGE_PATCH,  # noqa: A002 - the API's own word
        subresource: str = "",
        field_manager: str = "",
        dry_run: bool = False,
        field_validation: str = "",
    ) -> T:
        """`body` is a dict (a list for JSON_PATCH), a typed object, or bytes."""
        options = self._options(dry_run, field_manager, field_validation)
        call = calls.patch(self.info, namespace, name, body, type, options, subresource=subresource)
        return await self._object(call)

    async def apply(
        self,
        obj: Any,
        *,
        field_manager: str = "",
        namespace: str = "",
        force: bool = False,
        subresource: str = "",
        dry_run: bool = False,
        field_validation: str = "",
    ) -> T:
        """Server-side apply. `obj` (typed or dict) says only the fields that the manager wants to own."""
        name_kind(obj, self.info)
        options = self._options(dry_run, field_manager or self.client.user_agent, field_validation)
        where = self._namespace(obj, namespace)
        call = calls.patch(
            self.info, where, name_of(obj), obj, APPLY_PATCH, options, subresource=subresource, force=force
        )
        return await self._object(call)

    async def delete(
        self,
        name: str,
        *,
        namespace: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
        uid: str = "",
        resource_version: str = "",
        dry_run: bool = False,
    ) -> bytes:
        """The answer is the object as it is now, or a Status when it is gone: bytes, as few callers read it."""
        options = calls.delete_options(
            grace_period_seconds=grace_period_seconds,
            propagation_policy=propagation_policy,
            uid=uid,
            resource_version=resource_version,
            dry_run=dry_run,
        )
        response = await self.client.send(calls.delete(self.info, namespace, name, options))
        return response.body

    async def delete_collection(
        self,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
        dry_run: bool = False,
    ) -> None:
        options = calls.delete_options(
            grace_period_seconds=grace_period_seconds, propagation_policy=propagation_policy, dry_run=dry_run
        )
        which = ListOptions(label_selector, field_selector)
        await self.client.send(calls.delete_collection(self.info, namespace, which, options))

    async def _object(self, call: Call) -> T:
        if self._metadata_only:
            call.headers["accept"] = calls.METADATA_ONLY
        response = await self.client.send(call)
        obj = self._codec.decode(response.body)
        name_kind(obj, self.info)
        return obj

    def _namespace(self, obj: object, namespace: str) -> str:
        if not self.info.namespaced:
            return ""
        found = namespace or namespace_of(obj)
        if not found:
            raise ValueError(f"a namespace is needed to write one of {self.info.qualified}")
        return found

    def _options(self, dry_run: bool, field_manager: str, field_validation: str) -> WriteOptions:
        return WriteOptions(dry_run, field_manager or self.client.field_manager, field_validation)


class WatchStream(Generic[T]):
    def __init__(self, client: Client, call: Call, codec: Codec[T], *, shared: bool) -> None:
        self._client = client
        self._shared = shared
        self._call = call
        self._codec = codec
        self._opened: AbstractAsyncContextManager[StreamResponse] | None = None
        self._response: StreamResponse | None = None

    async def __aenter__(self) -> WatchStream[T]:
        opened = self._client.open(self._call)
        response = await opened.__aenter__()
        self._opened = opened
        if response.status >= 400:
            body = b"".join([chunk async for chunk in response])
            await self.__aexit__(None, None, None)
            raise error_of(Response(response.status, response.headers, body), method="GET", path=self._call.path)
        self._response = response
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.__aexit__(kind, error, trace)

    def __aiter__(self) -> AsyncIterator[WatchEvent[T]]:
        return self._events()

    async def _events(self) -> AsyncIterator[WatchEvent[T]]:
        assert self._response is not None, "enter the watch before iterating it"
        cache = self._client.event_cache if self._shared else None
        decoder = WatchDecoder(self._codec, framed=self._response.framed, cache=cache)
        async for chunk in self._response:
            for event in decoder.feed(chunk):
                yield event
