"""Reading a container's log: the last N lines, since a time, followed while it runs and across rotations.

Reads the file conmon writes (and any in CRI format). Yields what the container wrote, stream by stream, whole lines;
pieces of a long line are joined. Following waits for the kernel to tell of changes; nothing is polled.
"""

# ruff: noqa: ASYNC230 - bounded reads of a local file

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from sampan.runtime.inotify import Inotify
from sampan.runtime.logline import parse_entry, parse_time
from sampan.runtime.syscalls import IN_CREATE, IN_MODIFY, IN_MOVED_TO

_BLOCK = 64 * 1024
_END_CHECK = 1.0  # seconds after which a quiet log's container is asked for
MAX_LINE = 1 << 20  # a longer line is handed out in pieces


class LogOptions(msgspec.Struct, kw_only=True, frozen=True):
    tail_lines: int | None = None  # from the end; None: all
    since: float = 0  # seconds since the epoch
    timestamps: bool = False
    limit_bytes: int | None = None
    follow: bool = False
    stream: str = "All"  # or Stdout, or Stderr


class LogChunk(NamedTuple):
    stream: str
    data: bytes


StillRunning = Callable[[], Awaitable[bool]]


async def read_logs(
    path: Path | str, options: LogOptions, still_running: StillRunning | None = None
) -> AsyncIterator[bytes]:
    """Both streams as one."""
    async for chunk in read_log(path, options, still_running):
        yield chunk.data


async def read_log(
    path: Path | str, options: LogOptions, still_running: StillRunning | None = None
) -> AsyncIterator[LogChunk]:
    """With `follow` it goes on until the container has ended and all was read; otherwise (or when nobody can say if
    it runs) only what is there. FileNotFoundError when there is no log."""
    path = str(path)
    if options.tail_lines == 0 and not options.follow:
        return
    file = open(path, "rb")  # noqa: SIM115 - replaced when the log is rotated
    changes = _Changes(path) if options.follow else None
    shaper = _Shaper(options)
    try:
        file.seek(tail_offset(file, options.tail_lines))
        while True:
            finished = still_running is None or not await still_running()
            count = 0
            while (line := file.readline()).endswith(b"\n"):
                for chunk in shaper.take(line):
                    yield chunk
                if shaper.exhausted:
                    return
                count += 1
                if count % 500 == 0:
                    await asyncio.sleep(0)  # others want to run as well
            file.seek(-len(line), os.SEEK_CUR)  # a line that is still being written
            if changes is None:
                for chunk in shaper.take(line):
                    yield chunk
                break
            if _rotated(file, path):
                file.close()
                file = open(path, "rb")  # noqa: SIM115 - as above
                continue
            if finished:
                break
            await changes.wait()
    finally:
        file.close()
        if changes is not None:
            changes.close()
    for chunk in shaper.rest():
        yield chunk


def _rotated(file: BinaryIO, path: str) -> bool:
    """Another file has the name now (it was renamed and made anew); all of the old one was read."""
    try:
        now, then = os.stat(path), os.fstat(file.fileno())
    except FileNotFoundError:
        return False
    if (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino):
        return file.tell() >= then.st_size
    if now.st_size < file.tell():
        file.seek(0)  # cut short in place
    return False


def tail_offset(file: BinaryIO, lines: int | None) -> int:
    """Where the last N lines begin; a line in pieces counts as one. Looks at twice as much until there are enough."""
    if lines is None:
        return 0
    size = file.seek(0, os.SEEK_END)
    if lines <= 0:
        return size
    window = _BLOCK
    while True:
        begin = max(0, size - window)
        file.seek(begin)
        found = _starts(file.read(size - begin), whole=begin == 0)
        if len(found) >= lines:
            return begin + found[-lines]
        if begin == 0:
            return 0
        window *= 2


def _starts(block: bytes, *, whole: bool) -> list[int]:
    """Where lines of the container begin: every line of the file that does not go on with a piece before it. Of a block
    from the middle the first line is not known, nor whether the second goes on with it."""
    starts, position, continued = [], 0, not whole
    for number, line in enumerate(block.splitlines(keepends=True)):
        if not continued and (whole or number > 0):
            starts.append(position)
        entry = parse_entry(line) if whole or number > 0 else None
        continued = entry.partial if entry is not None else not whole and number == 0
        position += len(line)
    return starts


class _Shaper:
    """From lines of the file to what is handed out: filtered, joined, with times, within the limit."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_bytes
        self._pieces: dict[str, tuple[bytes, bytes]] = {}  # stream → time of the first piece, text so far
        self._since = int(options.since * 1_000_000_000)
        self._since_reached = options.since == 0
        self._stream = options.stream.lower()

    @property
    def exhausted(self) -> bool:
        return self._left is not None and self._left <= 0

    def take(self, line: bytes) -> list[LogChunk]:
        entry = parse_entry(line)
        if entry is None or self._stream not in ("all", "", entry.stream):
            return []
        if not self._since_reached:
            try:
                if parse_time(entry.at) < self._since:
                    return []
            except ValueError:
                return []
            self._since_reached = True  # times only grow from here on
        at, before = self._pieces.pop(entry.stream, (entry.at, b""))
        text = before + entry.text
        if entry.partial and len(text) < MAX_LINE:
            self._pieces[entry.stream] = (at, text)
            return []
        return self._out(entry.stream, at, text if entry.partial else text + b"\n")

    def rest(self) -> list[LogChunk]:
        """Pieces whose line never ended."""
        chunks = [chunk for stream, (at, text) in self._pieces.items() for chunk in self._out(stream, at, text)]
        self._pieces.clear()
        return chunks

    def _out(self, stream: str, at: bytes, text: bytes) -> list[LogChunk]:
        data = _as_told(at) + b" " + text if self._options.timestamps else text
        if self._left is not None:
            data = data[: max(0, self._left)]
            self._left -= len(data)
        return [LogChunk(stream, data)] if data else []


def _as_told(at: bytes) -> bytes:
    """conmon writes universal time as `+00:00`; readers know it as `Z`."""
    return at.removesuffix(b"+00:00") + b"Z" if at.endswith(b"+00:00") else at


class _Changes:
    """Wakes when the log's folder or the log itself changes."""

    def __init__(self, path: str) -> None:
        self._changed = asyncio.Event()
        self._name = os.path.basename(path)
        self._watch = Inotify(os.path.dirname(path) or ".", IN_MODIFY | IN_CREATE | IN_MOVED_TO, self._hear)

    def _hear(self, mask: int, name: str) -> None:
        if name == self._name:
            self._changed.set()

    async def wait(self) -> None:
        """For a change, or long enough that the container may have ended without a last word."""
        try:
            async with asyncio.timeout(_END_CHECK):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    def close(self) -> None:
        self._watch.close()
