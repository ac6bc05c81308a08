"""The fake runtime's streams: bytes in memory that keep the contract of real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sampan.runtime.contract import ExecResult, ProcessStream


class MemoryPipe:
    """What is written can be read, until it is closed. Reader and writer in one."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._changed = asyncio.Event()
        self._closed = False

    async def write(self, data: bytes) -> None:
        self.feed(data)

    async def close(self) -> None:
        self.feed_eof()

    def feed(self, data: bytes) -> None:
        if not self._closed:
            self._buffer += data
            self._changed.set()

    def feed_eof(self) -> None:
        self._closed = True
        self._changed.set()

    async def read(self, n: int = -1) -> bytes:
        while not self._buffer and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        size = len(self._buffer) if n < 0 else n
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


class FakeStream(ProcessStream):
    """Ends with a given result, or with its container. `received` is what came on stdin, `sizes` every resize."""

    def __init__(self, *, tty: bool, stdin: bool, echo: bool = False) -> None:
        self.stdout: MemoryPipe = MemoryPipe()
        self.stderr: MemoryPipe | None = None if tty else MemoryPipe()
        self.received = self.stdout if echo else MemoryPipe()
        self.stdin = self.received if stdin else None
        self.sizes: list[tuple[int, int]] = []
        self._exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._follower: asyncio.Task[None] | None = None

    def finish(self, result: ExecResult) -> None:
        self.stdout.feed(result.stdout)
        (self.stderr or self.stdout).feed(result.stderr)
        self._end(result.exit_code)

    def follow(self, ended: asyncio.Event, exit_code: Callable[[], int]) -> None:
        async def watch() -> None:
            await ended.wait()
            self._end(exit_code())

        self._follower = asyncio.create_task(watch())

    def _end(self, exit_code: int) -> None:
        self.stdout.feed_eof()
        if self.stderr is not None:
            self.stderr.feed_eof()
        if not self._exit_code.done():
            self._exit_code.set_result(exit_code)

    async def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    async def wait(self) -> int:
        return await asyncio.shield(self._exit_code)

    async def close(self) -> None:
        if self._follower is not None:
            self._follower.cancel()
        self._end(137)
