"""The server's end of the store's process: starts it, sends requests, hands answers back on the loop. `disk/` is the
other end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import sampan
from sampan.storage.contract import StoreClosed, StoreCorrupt, StoreError, StoreFailed, StoreFull, StoreInUse
from sampan.storage.disk import faults
from sampan.storage.disk.faults import Fault
from sampan.storage.disk.wire import PART, RESULT, Unpacker, pack
from sampan.storage.log import Row

log = logging.getLogger(__name__)

Done = Callable[[Any, StoreError | None], None]

_MOST_DEATHS = 5
_DEATHS_WITHIN = 60.0  # seconds
_READ_AT_A_TIME = 200  # revisions: a long read must not make a write wait for its end


@dataclass(slots=True, frozen=True)
class _Call:
    method: str
    arguments: tuple[Any, ...]
    done: Done
    part: Callable[[Any], None] | None = None


class StoreProcess(asyncio.Protocol):
    """A `Log` whose disk is another process's. One that dies is replaced, and what it left unanswered is settled."""

    def __init__(self, path: Path, options: dict[str, int]) -> None:
        self._path = path
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._unpacker = Unpacker()
        self._numbers = 0
        self._waiting: dict[int, _Call] = {}
        self._ended = asyncio.Event()
        self._open = False
        self._given_up: StoreError | None = None
        self._replacing: asyncio.Task[None] | None = None
        self._deaths: list[float] = []

    @classmethod
    async def start(cls, path: Path, *, options: dict[str, int] | None = None) -> StoreProcess:
        self = cls(path, options or {})
        await self._launch()
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def open(self, part: Callable[[Any], None]) -> None:
        """Have the process check what is on disk, and take it in, part by part. Once, before anything else."""
        await self._call("open", part=part)
        self._open = True

    def write(self, rows: list[Row], wanted: list[int], done: Done) -> None:
        self._request(_Call("write", (rows, wanted), done))

    async def read(self, revisions: list[int]) -> dict[int, bytes]:
        values: dict[int, bytes] = {}
        for start in range(0, len(revisions), _READ_AT_A_TIME):
            values |= await self._call("read", revisions[start : start + _READ_AT_A_TIME])
        return values

    async def compact(self, revision: int, doomed: list[int], kept_count: int, kept_sum: int) -> None:
        await self._call("compact", revision, doomed, kept_count, kept_sum)

    async def snapshot(self, path: Path) -> int:
        absolute = path.absolute()  # noqa: ASYNC240 - touches no file
        revision: int = await self._call("snapshot", str(absolute))
        return revision

    async def close(self) -> None:
        if self._replacing is not None:
            await asyncio.wait([self._replacing])
        try:
            if self._given_up is None:
                await self._call("close")
        finally:
            self._given_up = self._given_up or StoreClosed()
            if self._transport is not None:
                self._transport.close()
                await self._ended.wait()
            await self._bury()

    async def _call(self, method: str, *arguments: Any, part: Callable[[Any], None] | None = None) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(result: Any, error: StoreError | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._request(_Call(method, arguments, done, part))
        return await future

    def _request(self, call: _Call) -> None:
        if self._given_up is not None:
            asyncio.get_running_loop().call_soon(call.done, None, self._given_up)
            return
        self._numbers += 1
        self._waiting[self._numbers] = call
        if self._replacing is None or call.method == "open":
            self._send(self._numbers, call)

    def _send(self, number: int, call: _Call) -> None:
        assert self._transport is not None
        self._transport.write(pack((number, call.method, call.arguments)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without inheriting from it

    def data_received(self, data: bytes) -> None:
        for number, kind, value in self._unpacker.feed(data):
            call = self._waiting[number]
            if kind == PART:
                if call.part is not None:
                    call.part(value)
                continue
            del self._waiting[number]
            if kind == RESULT:
                call.done(value, None)
            else:
                call.done(None, store_error(Fault(*value), self._path))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._ended.set()
        if self._replacing is not None:
            self._fail_opening()  # the replacement died too
            return
        if not self._open or self._given_up is not None:
            self._give_up(StoreFailed(f"{self._path}: the store's process has ended"))
            return
        self._replacing = asyncio.get_running_loop().create_task(self._replace())

    async def _replace(self) -> None:
        """Start another process and settle with it what the dead one was asked and had not answered."""
        unanswered, self._waiting = self._waiting, {}
        last = None
        while last is None and self._given_up is None:
            await self._bury()
            if self._dies_too_often():
                self._give_up(StoreFailed(f"{self._path}: the store's process ends again and again"))
                break
            try:
                await self._launch()
                last = await self._reopen()
            except StoreFailed:
                continue  # dead again
            except (StoreError, OSError) as error:
                self._give_up(error if isinstance(error, StoreError) else StoreFailed(f"{self._path}: {error}"))
        self._waiting = unanswered | self._waiting  # behind it, what was asked meanwhile
        self._replacing = None
        if self._given_up is not None or last is None:
            self._give_up(StoreFailed(f"{self._path}: the store's process has ended"))
            return
        for number, call in list(self._waiting.items()):
            self._send(number, _settled(call, last))

    async def _reopen(self) -> int:
        """The last revision on disk, once the new process has checked it."""
        last = 0

        def part(value: tuple[int, list[tuple[int, ...]]]) -> None:
            nonlocal last
            compact_revision, entries = value
            last = max(last, compact_revision, *(entry[0] for entry in entries[-1:]))

        await self._call("open", part=part)
        return last

    def _dies_too_often(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._deaths = [*(death for death in self._deaths if death > now - _DEATHS_WITHIN), now]
        log.error("the store's process for %s has ended unexpectedly (%d)", self._path, len(self._deaths))
        return len(self._deaths) > _MOST_DEATHS

    def _fail_opening(self) -> None:
        for number, call in list(self._waiting.items()):
            if call.method == "open":
                del self._waiting[number]
                call.done(None, StoreFailed(f"{self._path}: the store's process has ended"))

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._unpacker = Unpacker()
        self._ended.clear()
        try:
            self._process = await asyncio.to_thread(_spawn, theirs.fileno(), self._path, self._options)
        finally:
            theirs.close()
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)

    async def _bury(self) -> None:
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    def _give_up(self, error: StoreError) -> None:
        self._given_up = self._given_up or error
        waiting, self._waiting = self._waiting, {}
        for call in waiting.values():
            call.done(None, self._given_up)


def _settled(call: _Call, last: int) -> _Call:
    """What of a call is left to do, when the disk ends at revision `last`."""
    if call.method == "write":
        rows, wanted = call.arguments
        if rows and rows[-1][0] <= last:  # it was committed, only the answer is missing
            return _Call("write", ([], wanted), call.done)
    return call  # the others do no harm when they are done twice


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
