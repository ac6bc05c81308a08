"""From an object to the bytes of an answer, in the form that the client accepts."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import NotAcceptable
from sampan.apiserver.binary import BinaryView
from sampan.apiserver.codec import encode
from sampan.apiserver.endpoint import Endpoint, Kind
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.negotiation import JSON, PROTOBUF, SENDABLE, Accepted, accepted, render
from sampan.apiserver.objects import CachedObject, cached
from sampan.apiserver.pieces import Pieces
from sampan.apiserver.request import Answer, LongReply, Reply, Request
from sampan.apiserver.tables import TableView
from sampan.apiserver.views import PartialView, View
from sampan.storage.contract import KeyValue


def view_of(request: Request, endpoint: Endpoint, choice: Accepted) -> View:
    if choice.media == PROTOBUF:
        return BinaryView(endpoint, choice.version if choice.kind else "")
    if not choice.kind:
        return endpoint.view
    if choice.kind == "Table":
        return TableView(endpoint, choice.version, include=request.param("includeObject") or "Metadata")
    return PartialView(endpoint, choice.version)


def answer_cached(context: Context, obj: CachedObject, *, status: int = 200) -> Answer:
    """An object of the cache, as it is there."""
    accept = context.request.header("accept")
    if accept in ("", JSON, "*/*"):
        return Reply(status, context.endpoint.view.whole(obj) + b"\n")
    choice = accepted(accept, context.endpoint.binary)
    if choice.kind == "PartialObjectMetadataList":
        raise NotAcceptable("406: Not Acceptable")
    body = view_of(context.request, context.endpoint, choice).whole(obj)
    return Reply(status, render(body + b"\n", choice.media), choice.media)


def reply_list(body: bytes | Pieces, media: str) -> Reply:
    if isinstance(body, bytes):
        return Reply(200, render(body, media), media)
    return LongReply(200, body) if media == JSON else Reply(200, render(bytes(body), media), media)


def answer_stored(context: Context, kv: KeyValue, *, status: int = 200) -> Answer:
    return answer_cached(context, stored_object(context, kv), status=status)


def stored_object(context: Context, kv: KeyValue) -> CachedObject:
    """What a write has just stored. The cache has it already, unless another write came right behind."""
    cache = context.endpoint.cache
    key = kv.key[len(cache.prefix) :]
    obj = cache.objects.get(key)
    if obj is None or obj.revision != kv.revision:
        namespace, _, name = key.rpartition("/")
        obj = cached(kv, namespace, name, key)
    return obj


def answer_object(context: Context, obj: Any, *, status: int = 200) -> Answer:
    """An object that is not stored: a dry run, or a kind that is only answered."""
    choice = accepted(context.request.header("accept"), context.endpoint.binary)
    body = context.endpoint.whole(obj)
    if choice.kind:
        tail = body[body.index(b'"metadata"') :]
        meta = obj.metadata
        passing = CachedObject("", meta.namespace or "", meta.name or "", 0, tail)
        body = view_of(context.request, context.endpoint, choice).whole(passing)
    return Reply(status, render(body + b"\n", choice.media), choice.media)


def answer_kind(context: Context, kind: Kind, obj: Any, *, status: int = 200) -> Answer:
    """An object of another kind than the resource's: a Scale, a review."""
    choice = accepted(context.request.header("accept"), kind.binary)
    if choice.kind:
        raise NotAcceptable(f"only the following media types are accepted: {SENDABLE}")
    obj.kind, obj.apiVersion = kind.info.kind, kind.info.api_version
    return Reply(status, render(encode(obj) + b"\n", choice.media), choice.media)


def success(request: Request, status: int = 201) -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": status}
    return answer_status(request, body)


def answer_status(request: Request, body: dict[str, Any]) -> Answer:
    """A Status: of no group's, so it has every form."""
    choice = accepted(request.header("accept"), True)
    media = JSON if choice.kind else choice.media
    return Reply(body.get("code", 200), render(encode(body) + b"\n", media), media)
