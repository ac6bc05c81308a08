"""The client of components: typed verbs on resources, over any transport.

    client = Client(transport, user_agent="sampan-scheduler")
    pod = await client.resource(core_v1.Pod).get("web", namespace="default")
    async with client.resource(core_v1.Pod).watch(resource_version="12") as events:
        async for event in events: ...

Errors of the server are raised as `sampan.api.errors` types, a missing answer as `TransportError`. Custom resources
take the plain-dict lane (`client.dynamic`), and `client.metadata` reads only the metadata of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.client.answers import error_of, warnings_of
from sampan.client.calls import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Call
from sampan.client.codec import ObjectList, PartialObjectMetadata, WatchEvent, codec_for
from sampan.client.resource_client import ResourceClient, WatchStream
from sampan.client.transport import (
    Query,
    RequestHeaders,
    Response,
    StreamResponse,
    Transport,
    Upgraded,
    UpgradeRefused,
)
from sampan.client.watch import PROCESS_CACHE, EventCache
from sampan.version import __version__

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

__all__ = [
    "APPLY_PATCH",
    "JSON_PATCH",
    "MERGE_PATCH",
    "STRATEGIC_PATCH",
    "Client",
    "ObjectList",
    "PartialObjectMetadata",
    "ResourceClient",
    "WatchEvent",
    "WatchStream",
]

T = TypeVar("T")


class Client:
    """One identity towards one server. Cheap to derive (`with_user_agent`, `impersonating`): connections are shared."""

    def __init__(
        self,
        transport: Transport,
        *,
        user_agent: str = "sampan",
        field_manager: str = "",
        headers: RequestHeaders | None = None,
        event_cache: EventCache | None = None,
        on_warning: Callable[[str], object] | None = None,
    ) -> None:
        """`field_manager` goes with every write that names none; the server takes the user agent's name otherwise."""
        self.transport = transport
        self.user_agent = user_agent
        self.field_manager = field_manager
        self.event_cache = event_cache or PROCESS_CACHE
        self._on_warning = on_warning
        self._headers: dict[str, str | Sequence[str]] = {"user-agent": f"{user_agent}/{__version__}"}
        self._headers.update((headers or {}).items())

    def with_user_agent(self, user_agent: str, *, field_manager: str = "") -> Client:
        headers = {k: v for k, v in self._headers.items() if k != "user-agent"}
        return self._derived(user_agent, field_manager, headers)

    def impersonating(self, user: str, *, groups: tuple[str, ...] = (), uid: str = "") -> Client:
        """Act as somebody else, where this identity is allowed to."""
        headers = dict(self._headers) | {"impersonate-user": user}
        if groups:
            headers["impersonate-group"] = groups
        if uid:
            headers["impersonate-uid"] = uid
        return self._derived(self.user_agent, self.field_manager, headers)

    def resource(self, object_type: type[T]) -> ResourceClient[T]:
        return ResourceClient(self, _info_of(object_type), codec_for(object_type))

    def dynamic(
        self, group: str, version: str, plural: str, *, kind: str = "", namespaced: bool = True
    ) -> ResourceClient[dict[str, Any]]:
        """Plain dicts. For built-in resources kind and scope are known; for custom ones say them (see discovery)."""
        return ResourceClient(self, _info_for(group, version, plural, kind, namespaced), codec_for(dict))

    def metadata(
        self, group: str, version: str, plural: str, *, kind: str = "", namespaced: bool = True
    ) -> ResourceClient[PartialObjectMetadata]:
        """Metadata alone, of any kind; its writes are patch and delete."""
        info = _info_for(group, version, plural, kind, namespaced)
        return ResourceClient(self, info, codec_for(PartialObjectMetadata))

    async def send(self, call: Call, *, timeout: float | None = None) -> Response:
        """Any call; raises the server's error."""
        response = await self.transport.request(
            call.method,
            call.path,
            query=call.query,
            headers=self._headers | call.headers,
            body=call.body,
            timeout=timeout,
        )
        if response.status >= 400:
            raise error_of(response, method=call.method, path=call.path)
        if self._on_warning is not None:
            for text in warnings_of(response.headers):
                self._on_warning(text)
        return response

    def open(self, call: Call) -> AbstractAsyncContextManager[StreamResponse]:
        """A raw stream (log follow, a watch as bytes). Its status may be an error's: look before reading."""
        return self.transport.stream(
            call.method, call.path, query=call.query, headers=self._headers | call.headers, body=call.body
        )

    async def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """For what is no resource: `/version`, `/readyz`, discovery, openapi."""
        return await self.send(Call(method, path, dict(query or {}), dict(headers or {}), body))

    async def upgrade(self, path: str, *, query: Query | None = None, subprotocols: Sequence[str] = ()) -> Upgraded:
        """exec, attach, port-forward; see `sampan.client.channels`. Raises the server's error."""
        try:
            return await self.transport.upgrade(path, query=query, headers=self._headers, subprotocols=subprotocols)
        except UpgradeRefused as refused:
            raise error_of(refused.response, method="GET", path=path) from None

    async def close(self) -> None:
        await self.transport.close()

    def _derived(self, user_agent: str, field_manager: str, headers: RequestHeaders) -> Client:
        return Client(
            self.transport,
            user_agent=user_agent,
            field_manager=field_manager,
            headers=headers,
            event_cache=self.event_cache,
            on_warning=self._on_warning,
        )


_INFO_BY_TYPE: dict[type[Any], ResourceInfo] = {}


def _info_of(object_type: type[Any]) -> ResourceInfo:
    info = _INFO_BY_TYPE.get(object_type)
    if info is None:
        info = _INFO_BY_TYPE[object_type] = BUILT_IN_SCHEME.for_type(object_type)
    return info


def _info_for(group: str, version: str, plural: str, kind: str, namespaced: bool) -> ResourceInfo:
    known = BUILT_IN_SCHEME.resource(group, version, plural)
    if known is not None:
        return known
    return ResourceInfo(
        group=group, version=version, resource=plural, kind=kind, singular=kind.lower(), namespaced=namespaced
    )
