"""The near side of unpacking: starts `unpack_worker` on a layer and follows it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sampan.runtime.images.decompress import Limits
from sampan.runtime.images.unpack import Unpacked, UnpackError


async def unpack_in_worker(
    blob: Path,
    target: int,
    lowers: Sequence[Path],
    limits: Limits,
    *,
    lock: int,
    native: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Unpacked:
    """Unpack a blob into the directory open as `target`. Cancelling it kills the worker."""
    with ExitStack() as stack:
        fds = [_opened(stack, path) for path in (blob, *lowers)]
        job = {"blob": fds[0], "target": target, "lowers": fds[1:], "limits": asdict(limits), "native": native}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "sampan.runtime.images.unpack_worker", json.dumps(job),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(*fds, target, lock),
            cwd="/",
        )  # fmt: skip
    try:
        return await _follow(process, progress)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _follow(process: asyncio.subprocess.Process, progress: Callable[[int], None] | None) -> Unpacked:
    assert process.stdout is not None
    assert process.stderr is not None
    async for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        if "done" in message:
            return Unpacked(**message["done"])
        if "error" in message:
            if message["errno"]:
                raise OSError(message["errno"], message["error"], message["file"])
            raise UnpackError(message["error"])
        if progress is not None:
            progress(message["read"])
    said = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    raise UnpackError(f"unpacking ended early ({said[-1] if said else f'exit status {await process.wait()}'})")


def _opened(stack: ExitStack, path: Path) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, fd)
    return fd
