"""The near side of unpacking: starts an `unpack_worker`, sends it layers, follows what it says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sampan.runtime.images.decompress import Limits
from sampan.runtime.images.unpack import Unpacked, UnpackError
from sampan.runtime.images.unpack_worker import MAX_DESCRIPTORS


class UnpackWorker:
    """One process, for the layers of one image in turn. `start` it early: that takes longer than a small layer. Leaving
    the context kills it, whatever it is doing."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._pending = b""
        self._busy = False

    async def __aenter__(self) -> UnpackWorker:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stop()

    async def rest(self) -> None:
        """Returns when nobody writes any more: a job that was given up half-way is killed."""
        if self._busy:
            await self._stop()

    async def _stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            if self._process.returncode is None:
                try:
                    os.killpg(self._process.pid, signal.SIGKILL)  # and the child that unpacks
                except ProcessLookupError:
                    pass
            await self._process.wait()
        self._process = self._socket = None
        self._pending, self._busy = b"", False

    async def start(self) -> None:
        if self._process is not None:
            return
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        mine.setblocking(False)
        self._socket = mine
        with its:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "sampan.runtime.images.unpack_worker",
                stdin=its.fileno(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
                start_new_session=True, cwd="/",
            )  # fmt: skip

    async def unpack(
        self,
        blob: Path,
        target: int,
        lowers: Sequence[Path],
        limits: Limits,
        *,
        lock: int,
        native: bool = True,
        progress: Callable[[int], None] | None = None,
    ) -> Unpacked:
        """Unpack a blob into the directory open as `target`; `lock` stays held as long as anybody is at it."""
        if len(lowers) > MAX_DESCRIPTORS - 3:
            raise UnpackError(f"image has more than {MAX_DESCRIPTORS - 3} layers")
        await self.start()
        assert self._socket is not None
        job = json.dumps({"limits": asdict(limits), "native": native}).encode()
        with ExitStack() as stack:
            opened = [_opened(stack, path) for path in (blob, *lowers)]
            self._busy = True
            try:
                socket.send_fds(self._socket, [job], [target, lock, *opened])
            except (BrokenPipeError, ConnectionResetError):
                raise await self._died() from None
        while True:
            message = await self._message()
            self._busy = "read" in message
            if "done" in message:
                return Unpacked(**message["done"])
            if "error" in message:
                if message["errno"]:
                    raise OSError(message["errno"], message["error"], message["file"])
                raise UnpackError(message["error"])
            if progress is not None:
                progress(message["read"])

    async def _message(self) -> dict[str, Any]:
        assert self._socket is not None
        while b"\n" not in self._pending:
            try:
                more = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise await self._died()
            self._pending += more
        line, _, self._pending = self._pending.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    async def _died(self) -> UnpackError:
        assert self._process is not None
        assert self._process.stderr is not None
        said = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()
        return UnpackError(f"unpacking ended early ({said[-1] if said else f'status {await self._process.wait()}'})")


def _opened(stack: ExitStack, path: Path) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, fd)
    return fd
