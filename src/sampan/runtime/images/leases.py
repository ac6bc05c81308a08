"""What is being made must not be collected: a lease names the blobs and layers that a running pull or load relies on.

A lease is a file that its process holds locked, so it ends with the process however that ends. The collector and
everybody who takes something under a lease meet at one lock, held for milliseconds: nothing is taken between "is it
needed?" and "it is gone".

Everything here blocks for a moment: call it in a thread.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sampan.runtime.images.locks import FileLock, locked, try_lock


class Lease:
    def __init__(self, owner: Leases, lock: FileLock) -> None:
        self._owner = owner
        self._lock = lock

    def add(self, needed: Iterable[str]) -> None:
        """From here on these stay, if they are there."""
        lines = "".join(f"{item}\n" for item in needed)
        with self._owner.gate():
            os.write(self._lock.fd, lines.encode())

    def end(self) -> None:
        self._lock.release_and_unlink()


class Leases:
    def __init__(self, root: Path) -> None:
        self._folder = root / "leases"
        self._gate = root / "gate.lock"

    def open(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Held by whoever decides what is needed. Never wait for anything else inside."""
        with locked(self._gate):
            yield

    def begin(self) -> Lease:
        with self.gate():  # so that the collector never meets a lease file that is not locked yet
            lock = try_lock(self._folder / uuid.uuid4().hex)
        assert lock is not None
        return Lease(self, lock)

    def needed(self) -> set[str]:
        """Everything under a live lease; ended ones are cleared away. Call it inside the gate."""
        found: set[str] = set()
        for path in self._folder.iterdir():
            ended = try_lock(path)
            if ended is not None:
                ended.release_and_unlink()
            else:
                found.update(path.read_text().split())
        return found
