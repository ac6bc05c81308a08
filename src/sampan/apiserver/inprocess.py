"""The client room's `Transport`, straight into the chain: no socket, no TLS, no HTTP.

The identity is the caller's word (`user`); authorisation, admission and everything behind them is as for any client.
A watch's events go over as the very `bytes` that other watchers get (`framed`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sampan.api.errors import ServiceUnavailable
from sampan.apiserver.chain import Chain, error_reply
from sampan.apiserver.contracts import User
from sampan.apiserver.request import Answer, Reply, Request, Stream
from sampan.client.transport import (
    Query,
    RequestHeaders,
    RequestTimeout,
    Response,
    StreamResponse,
    Upgraded,
    UpgradeRefused,
)


class InProcessTransport:
    def __init__(self, chain: Chain, *, user: User, user_agent: str = "sampan") -> None:
        self._chain = chain
        self._user = user
        self._user_agent = user_agent

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
        handling = self._chain.handle(self._request(method, path, query, headers, body))
        try:
            answer = await (handling if timeout is None else asyncio.wait_for(handling, timeout))
        except TimeoutError:
            raise RequestTimeout(f"no answer within {timeout} s") from None
        if isinstance(answer, Stream):
            parts: list[bytes] = []
            try:
                while (frames := await answer.frames.next()) is not None:
                    parts += [f + answer.separator for f in frames]
            finally:
                answer.frames.close()
            return Response(answer.status, _headers(answer), b"".join(parts))
        return _response(answer)

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
    ) -> AbstractAsyncContextManager[StreamResponse]:
        return self._stream(self._request(method, path, query, headers, body))

    @asynccontextmanager
    async def _stream(self, request: Request) -> AsyncIterator[StreamResponse]:
        answer = await self._chain.handle(request)
        stream = _InProcessStream(answer)
        try:
            yield stream
        finally:
            stream.close()

    async def upgrade(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Upgraded:
        """Components inside the server do not exec into Pods: they would speak HTTP to do so."""
        raise UpgradeRefused(_response(error_reply(ServiceUnavailable("no upgrades inside the server's own process"))))

    async def close(self) -> None:
        """Nothing to let go of: the chain is the server's."""

    def _request(
        self, method: str, path: str, query: Query | None, headers: RequestHeaders | None, body: bytes | None
    ) -> Request:
        sent = {"user-agent": self._user_agent}
        if headers:
            sent.update((k.lower(), v if isinstance(v, str) else "\n".join(v)) for k, v in headers.items())
        asked = {k: [v] if isinstance(v, str) else list(v) for k, v in query.items()} if query else {}
        # The chain looks for names in the query's text before it takes it apart.
        names = "&".join(f"{name}=" for name in asked)
        return Request(method, path, names, sent, body or b"", user=self._user, query=asked)


class _InProcessStream:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        assert isinstance(answer, (Reply, Stream))
        self.status = answer.status
        self.headers: Mapping[str, str] = _headers(answer)

    @property
    def framed(self) -> bool:
        return isinstance(self._answer, Stream) and self._answer.separator == b"\n"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer = self._answer
        if isinstance(answer, Reply):
            yield answer.whole()
        elif isinstance(answer, Stream):
            while (frames := await answer.frames.next()) is not None:
                for frame in frames:
                    yield frame

    def close(self) -> None:
        if isinstance(self._answer, Stream):
            self._answer.frames.close()


def _headers(answer: Reply | Stream) -> dict[str, str]:
    headers = {"content-type": answer.content_type}
    for key, value in answer.headers:
        name = key.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _response(answer: Answer) -> Response:
    assert isinstance(answer, Reply)
    return Response(answer.status, _headers(answer), answer.whole())
