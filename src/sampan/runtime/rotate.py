"""Log rotation: a full log is renamed, the container goes on with a new one, and only so many old ones are kept.

`0.log` becomes `0.log.20260102-030405`, compressed by the next rotation (`….gz`), so that a reader that follows still
finds the newest one as it was. The names sort by age.
"""

from __future__ import annotations

import asyncio
import glob
import gzip
import logging
import os
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

log = logging.getLogger(__name__)


class RotationPolicy(msgspec.Struct, kw_only=True, frozen=True):
    max_size: int = 10 * 1024 * 1024
    max_files: int = 5  # with the one that is written to
    compress: bool = True
    interval: float = 10  # seconds between two looks at the sizes


class LogKeeper:
    """Looks after the logs of all running containers: a glance at their sizes every so often, and nothing between."""

    def __init__(self, policy: RotationPolicy, logs: Callable[[], dict[str, Callable[[], Awaitable[None]]]]) -> None:
        """`logs` gives each log's path, and how to have it opened anew."""
        self._policy = policy
        self._logs = logs

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._policy.interval)
            await self.look()

    async def look(self) -> None:
        for path, reopen in self._logs().items():
            try:
                await rotate(path, self._policy, reopen)
            except OSError as error:
                log.warning("cannot rotate %s: %s", path, error)


async def rotate(
    path: str, policy: RotationPolicy, reopen: Callable[[], Awaitable[None]], now: Callable[[], datetime] | None = None
) -> bool:
    """Rotate if the log has grown over its size. `reopen` has the monitor open the name again; if it fails, the log
    gets its name back and nothing is lost."""
    try:
        size = await asyncio.to_thread(os.path.getsize, path)
    except FileNotFoundError:
        return False
    if size < policy.max_size:
        return False
    await asyncio.to_thread(_make_room, path, policy)
    moment = now() if now is not None else datetime.now(UTC)
    rotated = f"{path}.{moment:%Y%m%d-%H%M%S}"
    os.rename(path, rotated)
    try:
        await reopen()
    except BaseException:
        os.rename(rotated, path)
        raise
    return True


def rotated_logs(path: str) -> list[str]:
    """The old ones, oldest first."""
    return sorted(name for name in glob.glob(glob.escape(path) + ".*") if not name.endswith(".tmp"))


def remove_logs(path: str) -> None:
    """The log with all its old ones."""
    for name in (path, *glob.glob(glob.escape(path) + ".*")):
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass


def _make_room(path: str, policy: RotationPolicy) -> None:
    """Before another one comes: drop the oldest, compress the others."""
    for name in glob.glob(glob.escape(path) + ".*.tmp"):
        os.unlink(name)  # an earlier compression was cut off
    old = rotated_logs(path)
    excess = len(old) - max(policy.max_files - 2, 0)
    for name in old[:excess] if excess > 0 else []:
        os.unlink(name)
    if not policy.compress:
        return
    for name in old[max(excess, 0) :]:
        if name.endswith(".gz"):
            continue
        with open(name, "rb") as source, gzip.open(f"{name}.gz.tmp", "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        os.rename(f"{name}.gz.tmp", f"{name}.gz")
        os.unlink(name)
