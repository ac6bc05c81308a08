"""The server's end of the store's process: starts it, sends requests, hands answers back on the loop. `disk/` is the
other end."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import sampan
from sampan.storage.contract import StoreClosed, StoreCorrupt, StoreError, StoreFailed, StoreFull, StoreInUse
from sampan.storage.disk import faults
from sampan.storage.disk.faults import Fault
from sampan.storage.disk.wire import PART, RESULT, Unpacker, pack

Done = Callable[[Any, StoreError | None], None]

_READ_AT_A_TIME = 200  # revisions: a long read must not make a write wait for its end


class StoreProcess(asyncio.Protocol):
    """A `Log` whose disk is another process's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._unpacker = Unpacker()
        self._numbers = 0
        self._waiting: dict[int, tuple[Done, Callable[[Any], None] | None]] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing = False

    @classmethod
    async def start(cls, path: Path, *, options: dict[str, int] | None = None) -> StoreProcess:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self = cls(path)
        try:
            self._process = await asyncio.to_thread(_spawn, theirs.fileno(), path, options or {})
        finally:
            theirs.close()
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        return self

    def write(self, rows: list[Any], wanted: list[int], done: Done) -> None:
        self._request("write", (rows, wanted), done)

    async def read(self, revisions: list[int]) -> dict[int, bytes]:
        values: dict[int, bytes] = {}
        for start in range(0, len(revisions), _READ_AT_A_TIME):
            values |= await self.call("read", revisions[start : start + _READ_AT_A_TIME])
        return values

    async def compact(self, revision: int, doomed: list[int], kept_count: int, kept_sum: int) -> None:
        await self.call("compact", revision, doomed, kept_count, kept_sum)

    async def snapshot(self, path: Path) -> int:
        revision: int = await self.call("snapshot", str(path.absolute()))  # noqa: ASYNC240 - touches no file
        return revision

    async def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        try:
            if not self._ended.done():
                await self.call("close")
        finally:
            if self._transport is not None:
                self._transport.close()
            await self._ended
            if self._process is not None:
                await asyncio.to_thread(self._process.wait)

    async def call(self, method: str, *arguments: Any, part: Callable[[Any], None] | None = None) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(result: Any, error: StoreError | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._request(method, arguments, done, part)
        return await future

    def _request(
        self, method: str, arguments: tuple[Any, ...], done: Done, part: Callable[[Any], None] | None = None
    ) -> None:
        if self._transport is None or self._ended.done():
            asyncio.get_running_loop().call_soon(done, None, self._gone())
            return
        self._numbers += 1
        self._waiting[self._numbers] = (done, part)
        self._transport.write(pack((self._numbers, method, arguments)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without inheriting from it

    def data_received(self, data: bytes) -> None:
        for number, kind, value in self._unpacker.feed(data):
            done, part = self._waiting[number]
            if kind == PART:
                if part is not None:
                    part(value)
                continue
            del self._waiting[number]
            if kind == RESULT:
                done(value, None)
            else:
                done(None, store_error(Fault(*value), self._path))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
        waiting, self._waiting = self._waiting, {}
        for done, _ in waiting.values():
            done(None, self._gone())

    def _gone(self) -> StoreError:
        if self._closing:
            return StoreClosed()
        status = None if self._process is None else self._process.poll()
        return StoreFailed(f"{self._path}: the store's process has ended ({'closed' if status is None else status})")


def store_error(fault: Fault, path: Path) -> StoreError:
    match fault.kind:
        case faults.FULL:
            return StoreFull(fault.message)
        case faults.CORRUPT:
            return StoreCorrupt(fault.message)
        case faults.IN_USE:
            return StoreInUse(path=path, pid=fault.detail)
        case faults.REFUSED:
            return StoreError(fault.message)
        case _:
            return StoreFailed(fault.message)


def _spawn(handle: int, path: Path, options: dict[str, int]) -> subprocess.Popen[bytes]:
    # Without site-packages (-S) and environment (-I): it needs the standard library and Sampan's own files, and starts
    # in a third of the time and memory.
    root = str(Path(sampan.__file__).parent.parent)
    program = (
        f"import sys; sys.path.append({root!r}); from sampan.storage.disk.serve import main; "
        f"main({handle}, {str(path.absolute())!r}, {os.getpid()}, {options!r})"
    )
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[handle],
    )
