"""Audit events as lines of a file. A thread writes them, so that no request waits for the disk; when it cannot keep up,
events are dropped and counted, and the count is logged: a full disk must not stop the cluster."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

log = logging.getLogger(__name__)

_MOST_WAITING = 10_000


class AuditLog:
    """`path` `-`: standard output. At `max_bytes` the file is put aside, `backups` of them are kept."""

    def __init__(self, path: str, *, max_bytes: int = 100 * 1024 * 1024, backups: int = 5) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def write(self, event: dict[str, Any]) -> None:
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self.dropped += 1
            if self.dropped % 1000 == 1:
                log.error("audit: %d events could not be written in time", self.dropped)

    def close(self) -> None:
        """What waits is written first."""
        self._waiting.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (event := self._waiting.get()) is not None:
            lines = [msgspec.json.encode(event)]
            ended = False
            while not self._waiting.empty() and len(lines) < 500:
                more = self._waiting.get()
                if more is None:
                    ended = True
                    break
                lines.append(msgspec.json.encode(more))
            try:
                self._append(b"\n".join([*lines, b""]))
            except OSError as error:
                self.dropped += len(lines)
                log.error("audit: %s", error)
            if ended:
                return

    def _append(self, data: bytes) -> None:
        if self._path == "-":
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        path = Path(self._path)
        if path.exists() and path.stat().st_size + len(data) > self._max_bytes:
            self._put_aside(path)
        # What is in it may be secret: its owner alone reads it.
        with open(path, "ab", opener=_private) as file:
            file.write(data)

    def _put_aside(self, path: Path) -> None:
        for number in range(self._backups - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number + 1}"))
        if self._backups:
            path.replace(path.with_name(f"{path.name}.1"))
        else:
            path.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
