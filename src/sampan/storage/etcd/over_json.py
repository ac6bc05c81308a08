"""A way to one member through its JSON gateway: needs nothing that is not here anyway."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

import aiohttp
import msgspec

from sampan.storage.contract import StoreClosed
from sampan.storage.etcd.address import EtcdAddress
from sampan.storage.etcd.connection import ANSWER_WITHIN, CONNECT_WITHIN, EtcdRefused, Unreachable
from sampan.storage.etcd.wire import Body, Failure, StreamLine, WatchResponse

T = TypeVar("T")

_CONNECTIONS = 64


class JsonConnection:
    def __init__(self, address: EtcdAddress, endpoint: str) -> None:
        self._endpoint = endpoint
        self._tls: ssl.SSLContext | None = address.tls()
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def ask(self, path: str, body: Body, kind: type[T], seconds: float) -> T:
        timeout = aiohttp.ClientTimeout(total=max(seconds, 0.05), sock_connect=CONNECT_WITHIN)
        content = msgspec.json.encode(body)
        try:
            async with self._open_session().post(self._endpoint + path, data=content, timeout=timeout) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            unbegun = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            raise Unreachable(str(error) or type(error).__name__, begun=not unbegun) from None
        if response.status != 200:
            raise _refusal(answer, response.status)
        return msgspec.json.decode(answer, type=kind, strict=False)

    async def watch(self, create: Body) -> AsyncGenerator[WatchResponse, None]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN)
        content = msgspec.json.encode({"create_request": create})
        decoder = msgspec.json.Decoder(StreamLine, strict=False)
        try:
            asking = self._open_session().post(self._endpoint + "/v3/watch", data=content, timeout=timeout)
            async with await asyncio.wait_for(asking, ANSWER_WITHIN) as response:
                if response.status != 200:
                    raise Unreachable(str(_refusal(await response.read(), response.status)), begun=True)
                async with aclosing(_lines(response)) as lines:
                    async for line in lines:
                        message = decoder.decode(line)
                        if message.result is None:
                            raise Unreachable(message.error.message if message.error else "", begun=True)
                        yield message.result
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise Unreachable(str(error) or type(error).__name__, begun=True) from error
        raise Unreachable("the stream has ended", begun=True)

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise StoreClosed
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS, ssl=self._tls or True)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._session


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """A line may be larger than aiohttp's own buffers allow."""
    parts: list[bytes] = []
    async for data in response.content.iter_any():
        *complete, rest = data.split(b"\n")
        for line in complete:
            whole = b"".join([*parts, line])
            parts.clear()
            if whole:
                yield whole
        if rest:
            parts.append(rest)


def _refusal(answer: bytes, status: int) -> EtcdRefused:
    try:
        failure = msgspec.json.decode(answer, type=Failure, strict=False)
    except msgspec.DecodeError:
        return EtcdRefused(f"HTTP status {status}", 14 if status >= 500 else 2)
    return EtcdRefused(failure.message or failure.error or f"HTTP status {status}", failure.code or failure.grpc_code)
