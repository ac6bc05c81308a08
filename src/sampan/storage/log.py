"""What the engine needs of a disk: an append-only log of rows, ordered by revision, that never makes the loop wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from sampan.storage.contract import StoreError

Row = tuple[int, str, bytes, int, int, int]
"""One write: revision, key, value, create_revision, expires_at, deleted. A plain tuple, as it goes over the wire."""


class Log(Protocol):
    def write(self, rows: list[Row], wanted: list[int], done: Callable[[Any, StoreError | None], None]) -> None:
        """Make the rows durable, all or none, then call `done` on the loop with the values of the wanted revisions.

        After an error nothing of the rows may ever show up, except after `StoreFailed`. Never calls `done` at once.
        """

    async def read(self, revisions: list[int]) -> dict[int, bytes]:
        """The values of these revisions; those that were compacted are left out."""

    async def compact(self, revision: int, doomed: list[int], kept_count: int, kept_sum: int) -> None:
        """Delete the doomed rows and remember the revision, all or nothing."""

    async def snapshot(self, path: Path) -> int:
        """Write a consistent copy to `path`; the revision it holds."""

    async def close(self) -> None:
        """Let go of everything."""
