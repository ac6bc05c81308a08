"""Calls and streams to whichever endpoint answers.

A read goes from one endpoint to the next until one answers or the time is up. A write does so only while it is certain
that nobody has begun it (no connection, no leader); otherwise its outcome is unknown and the caller is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

import aiohttp
import msgspec

from sampan.storage.contract import StoreClosed, StoreError, StoreFull, StoreUnavailable
from sampan.storage.etcd.address import EtcdAddress
from sampan.storage.etcd.wire import Body, Failure, StreamLine, WatchResponse

log = logging.getLogger(__name__)

T = TypeVar("T")

_WITHIN = 10.0  # seconds for a call, all endpoints together
_READ_WITHIN = 3.0  # seconds for one endpoint: one cut off from the others answers nothing
_CONNECT_WITHIN = 2.0
_BETWEEN = 0.1  # seconds: between two rounds of all endpoints
_CONNECTIONS = 64
_UNAVAILABLE = {4, 14}  # gRPC: deadline exceeded, unavailable


class EtcdRefused(StoreError):
    """etcd answers, with an error."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Gateway:
    def __init__(self, address: EtcdAddress) -> None:
        self._endpoints = address.endpoints
        self._tls = address.tls()
        self._preferred = 0
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def read(self, path: str, body: Body, kind: type[T]) -> T:
        """Something that may be asked twice."""
        return await self._call(path, body, kind, again=True)

    async def write(self, path: str, body: Body, kind: type[T]) -> T:
        return await self._call(path, body, kind, again=False)

    async def _call(self, path: str, body: Body, kind: type[T], *, again: bool) -> T:
        content = msgspec.json.encode(body)
        loop = asyncio.get_running_loop()
        end = loop.time() + _WITHIN
        for attempt in range(1_000_000):
            if attempt and attempt % len(self._endpoints) == 0:
                await asyncio.sleep(_BETWEEN)
            left = end - loop.time()
            endpoint = self._endpoints[self._preferred]
            try:
                seconds = min(left, _READ_WITHIN) if again else left
                # In a task, which a timeout needs: whoever calls may be driven by something else.
                answer = await asyncio.ensure_future(self._ask(endpoint + path, content, seconds))
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                unbegun = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
                reason = f"{endpoint}: {error or type(error).__name__}"
            else:
                if isinstance(answer, bytes):
                    return msgspec.json.decode(answer, type=kind, strict=False)
                unbegun = "no leader" in str(answer)
                reason = f"{endpoint}: {answer}"
                if answer.code not in _UNAVAILABLE:
                    raise answer if answer.code != 8 or "space" not in str(answer) else StoreFull(str(answer))
            self.avoid(endpoint)
            if not (again or unbegun):
                raise StoreUnavailable(f"the outcome of a write is unknown: {reason}")
            if end - loop.time() < _BETWEEN:
                raise StoreUnavailable(f"no etcd answers, the last was {reason}")
        raise AssertionError("unreachable")

    async def _ask(self, url: str, content: bytes, seconds: float) -> bytes | EtcdRefused:
        timeout = aiohttp.ClientTimeout(total=max(seconds, 0.05), sock_connect=_CONNECT_WITHIN)
        async with self._open_session().post(url, data=content, timeout=timeout) as response:
            answer = await response.read()
            return answer if response.status == 200 else _refusal(answer, response.status)

    async def watch(self, create: Body) -> AsyncGenerator[WatchResponse, None]:
        """The responses of one watch; ends with `StoreUnavailable` when the stream does."""
        endpoint = self._endpoints[self._preferred]
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_WITHIN)
        content = msgspec.json.encode({"create_request": create})
        decoder = msgspec.json.Decoder(StreamLine, strict=False)
        try:
            asking = self._open_session().post(endpoint + "/v3/watch", data=content, timeout=timeout)
            async with await asyncio.wait_for(asking, _READ_WITHIN) as response:
                if response.status != 200:
                    raise StoreUnavailable(f"{endpoint}: {_refusal(await response.read(), response.status)}")
                async with aclosing(_lines(response)) as lines:
                    async for line in lines:
                        message = decoder.decode(line)
                        if message.result is None:
                            raise StoreUnavailable(f"{endpoint}: {message.error and message.error.message}")
                        yield message.result
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise StoreUnavailable(f"{endpoint}: {error or type(error).__name__}") from error
        finally:
            if not self._closed:
                log.debug("the watch at %s is over", endpoint)
        raise StoreUnavailable(f"{endpoint}: the stream has ended")

    def avoid(self, endpoint: str = "") -> None:
        """What comes next asks another endpoint (than this one, if it is still the preferred one)."""
        if not endpoint or self._endpoints[self._preferred] == endpoint:
            self._preferred = (self._preferred + 1) % len(self._endpoints)

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
