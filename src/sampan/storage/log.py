"""What the engine needs of a disk: an append-only log of rows, ordered by revision. Every call may block; a worker
makes it.

`append` is one transaction and durable when it returns; when it raises, nothing of it may ever show up, except after
`StoreFailed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from sampan.storage.index import CompactionStep


class Row(NamedTuple):
    """One write. A delete is a row without a value."""

    revision: int
    key: str
    value: bytes
    create_revision: int
    expires_at: int
    deleted: bool


class Log(Protocol):
    def append(self, rows: Sequence[Row]) -> None:
        """Make the rows durable, all or none."""

    def read_for_write(self, revisions: Sequence[int]) -> dict[int, bytes]:
        """`read`, from the worker that appends."""

    def read(self, revisions: Sequence[int]) -> dict[int, bytes]:
        """The values of these revisions; those that were compacted are left out."""

    def compact(self, step: CompactionStep) -> None:
        """Delete the step's rows and remember its revision, all or nothing."""

    def snapshot(self, path: Path) -> int:
        """Write a consistent copy to `path`; the revision it holds."""

    def close(self) -> None:
        """Let go of everything."""
