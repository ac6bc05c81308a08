"""A layer's bytes as a tar stream: gzip, zstd or plain, told apart by their first bytes, hashed and bounded on the way.

A thread decompresses and hashes ahead of the reader (both let go of the interpreter's lock), so that on two cores the
files are written while the next megabyte is being inflated.
"""

from __future__ import annotations

import errno
import hashlib
import os
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

_IN = 256 << 10
_OUT = 512 << 10
_AHEAD = 8  # pieces, so 4 MiB
_MAX_WINDOW = 128 << 20  # what zstd may make us allocate


class StreamError(Exception):
    """The compressed stream is damaged, cut off, or larger than it may be."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a layer may go. Honest layers reach none of these."""

    max_bytes: int = 128 << 30
    max_ratio: int = 200  # unpacked to packed, watched once more than `ratio_from` bytes came out
    ratio_from: int = 1 << 30
    max_entries: int = 5_000_000
    max_header: int = 1 << 20
    max_depth: int = 255

    by_disk: bool = False  # whether `max_bytes` is what the disk has left

    def within(self, free: int) -> Limits:
        """No further than the disk has room."""
        return self if free >= self.max_bytes else replace(self, max_bytes=free, by_disk=True)

    def too_large(self) -> Exception:
        if self.by_disk:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return StreamError(f"layer is larger than the {self.max_bytes} bytes allowed")


class LayerStream:
    """The unpacked bytes, in order. Use as a context manager; `finish` tells the digest of all of it."""

    def __init__(self, blob: BinaryIO, limits: Limits, progress: Callable[[int], None] | None = None) -> None:
        self._blob = blob
        self._limits = limits
        self._progress = progress
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
        self._hash = hashlib.sha256()
        self._stop = False  # no more is wanted
        self._ended = False  # no more will come
        self._piece = memoryview(b"")
        self.consumed = 0
        self.produced = 0
        self._thread = threading.Thread(target=self._produce, name="layer-stream", daemon=True)

    def __enter__(self) -> LayerStream:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop = True
        while not self._ended:  # the producer may be waiting for room
            self._ended = not isinstance(self._queue.get(), bytes)
        self._thread.join()

    # --- the reader's side ---

    def exactly(self, n: int) -> bytes:
        """n bytes. EOFError at the end, with what was left of a piece as its argument."""
        if len(self._piece) >= n:
            out = bytes(self._piece[:n])
            self._piece = self._piece[n:]
            return out
        parts = bytearray()
        while len(parts) < n:
            if not self._piece and not self._next():
                raise EOFError(len(parts))
            take = self._piece[: n - len(parts)]
            parts += take
            self._piece = self._piece[len(take) :]
        return bytes(parts)

    def pieces(self, n: int) -> Iterator[memoryview]:
        while n:
            if not self._piece and not self._next():
                raise EOFError(n)
            take = self._piece[:n]
            self._piece = self._piece[len(take) :]
            n -= len(take)
            yield take

    def finish(self) -> str:
        """Read to the end; the digest of everything (the layer's diff id)."""
        while self._next():
            pass
        return f"sha256:{self._hash.hexdigest()}"

    def _next(self) -> bool:
        if self._ended:
            return False
        piece = self._queue.get()
        if not isinstance(piece, bytes):
            self._ended = True
            if piece is not None:
                raise piece
            return False
        self._piece = memoryview(piece)
        return True

    # --- the thread's side ---

    def _produce(self) -> None:
        try:
            for piece in self._unpacked():
                if self._stop:
                    break
                self._hash.update(piece)
                self.produced += len(piece)
                self._check()
                self._queue.put(piece)
                if self._progress is not None:
                    self._progress(self.consumed)
            self._queue.put(None)
        except BaseException as e:  # noqa: BLE001 - whatever it is, the reader must hear of it
            self._queue.put(e)

    def _check(self) -> None:
        if self.produced > self._limits.max_bytes:
            raise self._limits.too_large()
        if self.produced > self._limits.ratio_from and self.produced > self.consumed * self._limits.max_ratio:
            raise StreamError(
                f"layer unpacks to more than {self._limits.max_ratio} times its size, which looks like a zip bomb"
            )

    def _read(self, n: int = _IN) -> bytes:
        raw = self._blob.read(n)
        self.consumed += len(raw)
        return raw

    def _unpacked(self) -> Iterator[bytes]:
        first = self._read()
        try:
            if first[:2] == b"\x1f\x8b":
                yield from self._gzip(first)
            elif first[:4] == b"\x28\xb5\x2f\xfd" or (first[1:4] == b"\x2a\x4d\x18" and 0x50 <= first[0] <= 0x5F):
                yield from self._zstd(first)
            else:
                while first:
                    yield first
                    first = self._read()
        except zlib.error as e:
            raise StreamError(f"gzip: {e}") from e

    def _gzip(self, raw: bytes) -> Iterator[bytes]:
        """Any number of members, as `pigz` and appended archives have them; zeros after the last are padding."""
        while raw:
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                raw = raw or self._read()
                out = member.decompress(raw, _OUT)
                if out:
                    yield out
                elif not raw and not member.eof:
                    raise StreamError("gzip: unexpected EOF")
                raw = member.unconsumed_tail
            raw = member.unused_data or self._read()
            while raw and not raw.strip(b"\0"):
                raw = self._read()
            if raw and raw[:1] != b"\x1f":
                raise StreamError("gzip: invalid header")

    def _zstd(self, raw: bytes) -> Iterator[bytes]:
        import zstandard  # only here: gzip layers are the rule, and a worker starts sooner without it

        reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(
            cast(BinaryIO, _Counted(raw, self._read)), read_size=_IN, read_across_frames=True
        )
        try:
            while out := reader.read(_OUT):
                yield out
        except zstandard.ZstdError as e:
            raise StreamError(f"zstd: {e}") from e


class _Counted:
    """What the zstd reader reads from: the bytes already taken, then the rest."""

    def __init__(self, first: bytes, read: Callable[[int], bytes]) -> None:
        self._first = first
        self._read = read

    def read(self, n: int = -1) -> bytes:
        if self._first:
            out, self._first = self._first, b""
            return out
        return self._read(_IN if n < 0 else n)
