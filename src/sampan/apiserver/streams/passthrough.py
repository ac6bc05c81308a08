"""An HTTP request passed on to a kubelet, a Pod or a Service, and its answer streamed back as it comes.

Pages and redirects are the exception: their links are led back through the proxy (`links.py`), so a page is read whole.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence

from sampan.api.errors import ServiceUnavailable
from sampan.apiserver.request import Answer, Reply, Request, Stream
from sampan.apiserver.streams.kubelet import Answered, KubeletConnection
from sampan.apiserver.streams.links import Links
from sampan.apiserver.streams.relay import relay

# Of one hop only, or ours to know.
_KEPT_BACK = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "content-length", "authorization", "expect", "impersonate-user", "impersonate-group",
    "impersonate-uid",
))  # fmt: skip
_MAX_PAGE = 1024 * 1024


class BodyFrames:
    """The `Frames` of an answer's body; closing it closes the connection that it comes from."""

    def __init__(self, chunks: AsyncIterator[bytes], connection: KubeletConnection) -> None:
        self._chunks = chunks
        self._connection = connection

    async def next(self) -> Sequence[bytes] | None:
        try:
            return [await anext(self._chunks)]
        except (StopAsyncIteration, OSError, asyncio.IncompleteReadError, ValueError):
            return None

    def close(self) -> None:
        self._connection.close()


def to_directory(request: Request, rest: str) -> Reply | None:
    """`…/proxy` without a slash: relative links of a page there would lose their last step."""
    if rest or request.path.endswith("/") or request.method not in ("GET", "HEAD") or request.header("upgrade"):
        return None
    query = f"?{request.query_string}" if request.query_string else ""
    return Reply(301, b"", "text/plain; charset=utf-8", [("Location", f"{request.path}/{query}")])


async def pass_through(request: Request, connection: KubeletConnection, target: str) -> Answer:
    if request.header("upgrade"):
        return await relay(request, connection, target)
    links = links_of(request, target, connection.host)
    headers = forwarded_headers(request)
    headers["Connection"] = "close"
    headers["Host"] = links.host or connection.host
    headers["X-Forwarded-Uri"] = links.prefix + target.partition("?")[0]
    try:
        answered = await connection.ask(request.method, target, headers, request.body)
        if location := answered.headers.get("location"):
            answered.headers["location"] = links.url(location)
        elif _is_page(answered):
            return await _page(answered, connection, links)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        connection.close()
        raise ServiceUnavailable(f"error trying to reach service: {error}") from None
    return streamed(answered, connection)


def forwarded_headers(request: Request) -> dict[str, str]:
    """Those of the client's that concern who answers."""
    return {
        k: v.replace("\n", ", ")
        for k, v in request.headers.items()
        if k not in _KEPT_BACK and not k.startswith("impersonate-extra-")
    }


def links_of(request: Request, target: str, address: str) -> Links:
    inner = target.partition("?")[0]
    path = request.path
    prefix = path.removesuffix(inner) if path.endswith(inner) else path.partition("/proxy")[0] + "/proxy"
    return Links(prefix=prefix.rstrip("/"), host=request.header("host"), address=address)


def _is_page(answered: Answered) -> bool:
    kind = answered.headers.get("content-type", "").partition(";")[0].strip()
    packed = answered.headers.get("content-encoding", "")
    size = answered.headers.get("content-length", "0")
    return kind == "text/html" and packed in ("", "gzip") and size.isdigit() and int(size) <= _MAX_PAGE


async def _page(answered: Answered, connection: KubeletConnection, links: Links) -> Reply:
    try:
        body = await connection.read_body(answered, _MAX_PAGE)
    finally:
        connection.close()
    if answered.headers.get("content-encoding") == "gzip":
        try:
            body = zlib.decompressobj(31).decompress(body, _MAX_PAGE)
        except zlib.error as error:
            raise ValueError(f"gzip: {error}") from None
    kept = [h for h in _headers(answered) if h[0] != "content-encoding"]
    return Reply(answered.status, links.page(body), answered.headers["content-type"], kept)


def _headers(answered: Answered) -> list[tuple[str, str]]:
    return [(k, v) for k, v in answered.headers.items() if k not in _KEPT_BACK and k not in ("content-type", "date")]


def streamed(answered: Answered, connection: KubeletConnection) -> Stream:
    kind = answered.headers.get("content-type", "application/octet-stream")
    chunks = connection.chunks(answered)
    return Stream(BodyFrames(chunks, connection), kind, status=answered.status, headers=_headers(answered))
