"""What a way to one member of etcd is, whichever language it speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, TypeVar

from sampan.storage.contract import StoreError
from sampan.storage.etcd.wire import Body, WatchResponse

T = TypeVar("T")

CONNECT_WITHIN = 2.0  # seconds
ANSWER_WITHIN = 3.0  # seconds: a member that is cut off from the others answers nothing


class EtcdRefused(StoreError):
    """etcd answers, with an error. `code` is gRPC's."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(Exception):
    """There was no answer. `begun`: the request may have reached etcd."""

    def __init__(self, why: str, *, begun: bool) -> None:
        super().__init__(why)
        self.begun = begun


class Connection(Protocol):
    async def ask(self, path: str, body: Body, kind: type[T], seconds: float) -> T:
        """`path` is the JSON gateway's. Raises `EtcdRefused`, `Unreachable`."""

    def watch(self, create: Body) -> AsyncGenerator[WatchResponse, None]:
        """The responses of one watch. Raises `Unreachable` when the stream ends."""

    async def close(self) -> None: ...
