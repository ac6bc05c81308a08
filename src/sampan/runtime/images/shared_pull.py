"""Several callers, one pull."""

from __future__ import annotations

import asyncio

from sampan.runtime.images.pull import Pulled
from sampan.runtime.records import ProgressCallback, PullProgress


class SharedPull:
    """One pull that any number of callers wait for. It ends early only when the last of them gave up."""

    task: asyncio.Future[Pulled]

    def __init__(self) -> None:
        self._listeners: list[ProgressCallback] = []
        self._waiting = 0

    @property
    def abandoned(self) -> bool:
        return not self._waiting

    def tell(self, step: PullProgress) -> None:
        for listener in self._listeners:
            listener(step)

    async def join(self, progress: ProgressCallback | None) -> Pulled:
        if progress is not None:
            self._listeners.append(progress)
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if progress is not None:
                self._listeners.remove(progress)
            if not self._waiting and not self.task.done():
                self.task.cancel()
