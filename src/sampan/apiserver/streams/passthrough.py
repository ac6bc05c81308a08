"""An HTTP request passed on to a kubelet, a Pod or a Service, and its answer streamed back as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from sampan.api.errors import InternalError
from sampan.apiserver.request import Answer, Request, Stream
from sampan.apiserver.streams.kubelet import Answered, KubeletConnection
from sampan.apiserver.streams.relay import relay

# Of one hop only, or ours to know.
_KEPT_BACK = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "content-length", "authorization", "expect", "impersonate-user", "impersonate-group",
    "impersonate-uid",
))  # fmt: skip


class BodyFrames:
    """The `Frames` of an answer's body; closing it closes the connection that it comes from."""

    def __init__(self, chunks: AsyncIterator[bytes], connection: KubeletConnection) -> None:
        self._chunks = chunks
        self._connection = connection

    async def next(self) -> Sequence[bytes] | None:
        try:
            return [await anext(self._chunks)]
        except (StopAsyncIteration, OSError, asyncio.IncompleteReadError):
            return None

    def close(self) -> None:
        self._connection.close()


async def pass_through(request: Request, connection: KubeletConnection, target: str) -> Answer:
    if request.header("upgrade"):
        return await relay(request, connection, target)
    headers = {k: v.replace("\n", ", ") for k, v in request.headers.items() if k not in _KEPT_BACK}
    headers["Connection"] = "close"
    try:
        answered = await connection.ask(request.method, target, headers, request.body)
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        connection.close()
        raise InternalError(f"Internal error occurred: error trying to reach service: {error}") from None
    return streamed(answered, connection)


def streamed(answered: Answered, connection: KubeletConnection) -> Stream:
    kind = answered.headers.get("content-type", "application/octet-stream")
    kept = [(k, v) for k, v in answered.headers.items() if k not in _KEPT_BACK and k not in ("content-type", "date")]
    return Stream(BodyFrames(connection.chunks(answered), connection), kind, status=answered.status, headers=kept)
