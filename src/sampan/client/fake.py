"""An API server in memory, small but honest, for the unit tests of whatever talks to one.

    server = FakeServer()
    server.add(core_v1.Node(metadata=...))          # seed, as if it had always been there
    client = server.client("sampan-scheduler")
    server.fail("PATCH", "/pods/", Conflict("..."))  # the next such request fails

It keeps revisions, conflicts, generations, finalizers, graceful Pod deletion, selectors, pages and watches as
Kubernetes does. It has no admission, defaults or validation: tests write whole objects. Barred from production code.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from sampan.api.errors import ApiError, BadRequest, Expired, NotFound
from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.client import calls
from sampan.client.api import Client
from sampan.client.clock import Clock, FakeClock
from sampan.client.codec import codec_for
from sampan.client.fake_patch import patch_object
from sampan.client.fake_world import Change, FakeWorld, Which
from sampan.client.transport import Headers, Query, RequestHeaders, Response, StreamResponse, Upgraded, UpgradeRefused

T = TypeVar("T")

Reactor = Callable[["FakeRequest"], "Response | Exception | None"]


class FakeRequest:
    """One request as it arrived, and where its path points."""

    def __init__(self, method: str, path: str, query: Query, headers: RequestHeaders, body: bytes | None) -> None:
        self.method = method
        self.path = path
        self.query = {k: v if isinstance(v, str) else ",".join(v) for k, v in query.items()}
        self.headers = headers
        self.body = body
        self.info, self.namespace, self.name, self.subresource = _target(path)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body) if self.body else None

    @property
    def which(self) -> Which:
        selectors = self.query.get("labelSelector", ""), self.query.get("fieldSelector", "")
        return Which(self.info, self.namespace, *selectors)

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"


class FakeServer:
    """A `Transport`. `requests` remembers everything that was asked, reads included."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or FakeClock()
        self.world = FakeWorld(self.clock)
        self.requests: list[FakeRequest] = []
        self._reactors: list[Reactor] = []
        self._watches: set[asyncio.Queue[Change | Exception | None]] = set()
        self.world.listener = self._publish

    # -- what tests use ----------------------------------------------------------------------------------------------

    def client(self, user_agent: str = "test") -> Client:
        return Client(self, user_agent=user_agent)

    def add(self, *objects: Any) -> None:
        """Create or replace without any rule."""
        for obj in objects:
            data = _plain(obj)
            info = _info_of(obj, data)
            data.setdefault("kind", info.kind)
            data.setdefault("apiVersion", info.api_version)
            self.world.seed(info, data)

    def get(self, object_type: type[T], name: str, *, namespace: str = "") -> T | None:
        """Past the API, without being noticed."""
        data = self.world.find(BUILT_IN_SCHEME.for_type(object_type), namespace, name)
        return None if data is None else msgspec.convert(data, object_type)

    def all(self, object_type: type[T], *, namespace: str = "", label_selector: str = "") -> list[T]:
        which = Which(BUILT_IN_SCHEME.for_type(object_type), namespace, label_selector)
        return [msgspec.convert(data, object_type) for data in self.world.select(which)]

    def react(self, reactor: Reactor) -> None:
        """Sees every request first; may answer or fail it. Later ones are asked first."""
        self._reactors.insert(0, reactor)

    def fail(self, method: str, path: str, error: Exception, *, times: int = 1) -> None:
        """The next `times` requests of this method whose path matches the regular expression fail so."""
        left = [times]

        def reactor(request: FakeRequest) -> Exception | None:
            if left[0] > 0 and request.method == method and re.search(path, request.path):
                left[0] -= 1
                return error
            return None

        self.react(reactor)

    def writes(self) -> list[FakeRequest]:
        return [r for r in self.requests if r.method != "GET"]

    def break_watches(self, error: Exception | None = None) -> None:
        """End all watches: cleanly, with a Status (an `ApiError`) or like a broken line (any other exception)."""
        for queue in self._watches:
            queue.put_nowait(error)

    def compact(self) -> None:
        """Forget all history: watches from older revisions answer 410."""
        self.world.compact()

    def bookmark(self) -> None:
        """Tell every watch the newest revision."""
        for queue in self._watches:
            queue.put_nowait(Change("BOOKMARK", None, None, None, self.world.revision))

    # -- Transport ---------------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        await asyncio.sleep(0)  # as any real transport, it lets others run
        try:
            request = FakeRequest(method, path, query or {}, headers or {}, body)
            self.requests.append(request)
            return self._react(request) or _answer(self._serve(request), 201 if method == "POST" else 200)
        except ApiError as error:
            return _answer(error.status(), error.http_code)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[StreamResponse]:
        await asyncio.sleep(0)
        queue: asyncio.Queue[Change | Exception | None] = asyncio.Queue()
        try:
            request = FakeRequest(method, path, query or {}, headers or {}, body)
            self.requests.append(request)
            reaction = self._react(request)
            if reaction is not None:
                yield _FakeStream(reaction.status, _chunks(reaction.body))
                return
            backlog = self._backlog(request)
        except ApiError as error:
            yield _FakeStream(error.http_code, _chunks(msgspec.json.encode(error.status())))
            return
        self._watches.add(queue)
        try:
            yield _FakeStream(200, self._events(request, backlog, queue))
        finally:
            self._watches.discard(queue)

    async def upgrade(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Upgraded:
        raise UpgradeRefused(_answer(NotFound("the fake server upgrades nothing").status(), 404))

    async def close(self) -> None:
        self.break_watches()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _publish(self, change: Change) -> None:
        for queue in self._watches:
            queue.put_nowait(change)

    def _react(self, request: FakeRequest) -> Response | None:
        for reactor in self._reactors:
            reaction = reactor(request)
            if isinstance(reaction, Exception):
                raise reaction
            if reaction is not None:
                return reaction
        return None

    def _serve(self, request: FakeRequest) -> dict[str, Any]:
        info, namespace, name, sub = request.info, request.namespace, request.name, request.subresource
        match request.method:
            case "GET" if name:
                return self.world.get(info, namespace, name)
            case "GET":
                return self._list(request)
            case "POST" if name:
                return self.world.create_subresource(info, namespace, name, sub, request.json)
            case "POST":
                return self.world.create(info, namespace, request.json, dry_run=_dry_run(request))
            case "PUT":
                return self.world.update(info, namespace, name, request.json, subresource=sub)
            case "PATCH":
                return self._patch(request)
            case "DELETE" if name:
                return self.world.delete(info, namespace, name, request.json or {})
            case "DELETE":
                for obj in self.world.select(request.which):
                    meta = obj["metadata"]
                    self.world.delete(info, meta.get("namespace", ""), meta["name"], request.json or {})
                return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        raise BadRequest(f"{request.method} is not known")

    def _list(self, request: FakeRequest) -> dict[str, Any]:
        items = self.world.select(request.which)
        start = int(request.query.get("continue") or 0)
        limit = int(request.query.get("limit") or 0) or len(items)
        metadata: dict[str, Any] = {"resourceVersion": str(self.world.revision)}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
            metadata["remainingItemCount"] = len(items) - start - limit
        info = request.info
        page = items[start : start + limit]
        return {"kind": info.list_kind, "apiVersion": info.api_version, "metadata": metadata, "items": page}

    def _patch(self, request: FakeRequest) -> dict[str, Any]:
        info, namespace, name = request.info, request.namespace, request.name
        kind = str(request.headers.get("content-type", ""))
        if kind == calls.APPLY_PATCH and self.world.find(info, namespace, name) is None:
            return self.world.create(info, namespace, request.json)
        current = self.world.get(info, namespace, name)
        patched = patch_object(info, kind, current, request.json)
        return self.world.update(info, namespace, name, patched, subresource=request.subresource)

    def _backlog(self, request: FakeRequest) -> list[Change]:
        if request.query.get("watch") != "true":
            raise BadRequest("only watches are streamed")
        revision = request.query.get("resourceVersion", "")
        if request.query.get("sendInitialEvents") == "true" or revision in ("", "0"):
            found = [Change("ADDED", request.info, None, obj, 0) for obj in self.world.select(request.which)]
            if request.query.get("sendInitialEvents") == "true":
                found.append(Change("BOOKMARK", None, None, None, self.world.revision, initial_end=True))
            return found
        changes = self.world.since(int(revision))
        if changes is None:
            raise Expired(f"too old resource version: {revision} ({self.world.revision})")
        return changes

    async def _events(
        self, request: FakeRequest, backlog: list[Change], queue: asyncio.Queue[Change | Exception | None]
    ) -> AsyncIterator[bytes]:
        which = request.which
        for change in backlog:
            line = which.event(change)
            if line is not None:
                yield line
        while True:
            item = await queue.get()
            if item is None:
                return
            if isinstance(item, ApiError):
                yield msgspec.json.encode({"type": "ERROR", "object": item.status()})
                return
            if isinstance(item, Exception):
                raise item
            line = which.event(item)
            if line is not None:
                yield line


class _FakeStream:
    framed = True

    def __init__(self, status: int, chunks: AsyncIterator[bytes]) -> None:
        self.status = status
        self.headers: Headers = {"content-type": "application/json"}
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _answer(body: Mapping[str, Any], status: int) -> Response:
    return Response(status, {"content-type": "application/json"}, msgspec.json.encode(body))


def _dry_run(request: FakeRequest) -> bool:
    return request.query.get("dryRun") == "All"


def _plain(obj: Any) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(obj))
    return data


def _info_of(obj: Any, data: dict[str, Any]) -> ResourceInfo:
    if not isinstance(obj, dict):
        return BUILT_IN_SCHEME.for_type(type(obj))
    kind, (group, _, version) = data["kind"], data["apiVersion"].rpartition("/")
    info = BUILT_IN_SCHEME.kind(group, version, kind)
    return info or _custom(group, version, kind.lower() + "s", kind)


def _custom(group: str, version: str, resource: str, kind: str = "") -> ResourceInfo:
    return ResourceInfo(group=group, version=version, resource=resource, kind=kind, singular=kind.lower())


def _target(path: str) -> tuple[ResourceInfo, str, str, str]:
    """Resource, namespace, name and subresource of a path."""
    parts = [unquote(p) for p in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise NotFound(f"the fake server has no {path}")
    namespace = ""
    # /namespaces/x and /namespaces/x/status are the Namespace itself
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    info = BUILT_IN_SCHEME.resource(group, version, rest[0]) or _custom(group, version, rest[0])
    name, subresource, *_ = [*rest[1:], "", ""]
    return info, namespace, name, subresource


def decode(object_type: type[T], body: bytes) -> T:
    """What a remembered request carried."""
    return codec_for(object_type).decode(body)
