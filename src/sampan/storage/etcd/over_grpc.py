"""A way to one member by gRPC: where the package `grpcio` is installed (`pip install sampan[etcd]`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import grpc
from grpc import aio

from sampan.storage.etcd import proto
from sampan.storage.etcd.address import EtcdAddress
from sampan.storage.etcd.connection import EtcdRefused, Unreachable
from sampan.storage.etcd.wire import Body, WatchResponse

T = TypeVar("T")

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),  # a member that is gone without a word, while only a watch is open
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
]
# Without etcd's own words: the connection broke, or the time was up, here or there.
_NO_ANSWER = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}


class GrpcConnection:
    def __init__(self, address: EtcdAddress, endpoint: str) -> None:
        target = endpoint.partition("://")[2]
        if address.ca:
            credentials = grpc.ssl_channel_credentials(
                _content(address.ca), _content(address.key) if address.cert else None, _content(address.cert)
            )
            self._channel = aio.secure_channel(target, credentials, options=_OPTIONS)
        else:
            self._channel = aio.insecure_channel(target, options=_OPTIONS)
        self._calls: dict[str, Any] = {}

    async def ask(self, path: str, body: Body, kind: type[T], seconds: float) -> T:
        method, fields = proto.METHODS[path]
        call = self._calls.get(method)
        if call is None:
            call = self._calls[method] = self._channel.unary_unary(method)
        try:
            answer = await call(proto.encode(body, fields), timeout=max(seconds, 0.05))
        except aio.AioRpcError as error:
            raise _explained(error) from None
        return proto.decode(answer, kind)

    async def watch(self, create: Body) -> AsyncGenerator[WatchResponse, None]:
        method, fields = proto.WATCH
        stream = self._channel.stream_stream(method)()
        try:
            await stream.write(proto.encode({"create_request": create}, fields))
            while (message := await stream.read()) is not aio.EOF:
                yield proto.decode(message, WatchResponse)
        except aio.AioRpcError as error:
            raise Unreachable(error.details() or str(error.code()), begun=True) from None
        finally:
            stream.cancel()
        raise Unreachable("the stream has ended", begun=True)

    async def close(self) -> None:
        await self._channel.close()


def _content(path: str) -> bytes | None:
    if not path:
        return None
    with open(path, "rb") as file:
        return file.read()


def _explained(error: aio.AioRpcError) -> EtcdRefused | Unreachable:
    """Whether etcd said so, or gRPC that it had no answer."""
    said, code = error.details() or "", error.code()
    if said.startswith("etcdserver") or code not in _NO_ANSWER:
        return EtcdRefused(said, code.value[0])
    return Unreachable(said or str(code), begun="failed to connect" not in said)
