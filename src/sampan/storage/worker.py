"""Where blocking work runs: a thread that takes jobs in order and hands each result back to the loop in one hop.

Leaner than an executor on purpose: a write passes here, and what it costs beside the disk is two wake-ups.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Done = Callable[[Any, BaseException | None], None]


class Worker(Protocol):
    def submit(self, job: Callable[[], Any], done: Done) -> None:
        """Run `job`, then call `done(result, error)` on the loop. Jobs run one at a time, in order."""

    async def stop(self) -> None:
        """Finish what was submitted."""


class ThreadWorker:
    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Done] | None] = SimpleQueue()
        self._stopped = self._loop.create_future()
        # A daemon: a process that ends without closing the store must not hang, and a killed commit is what the log is
        # made for.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], Any], done: Done) -> None:
        self._jobs.put((job, done))

    async def stop(self) -> None:
        if self._thread.is_alive():
            self._jobs.put(None)
            await self._stopped
            self._thread.join()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            result: Any = None
            error: BaseException | None = None
            try:
                result = job()
            except Exception as raised:  # noqa: BLE001 - it is not ours to judge: it goes to whoever submitted the job
                error = raised
            self._hand_back(done, result, error)
            del item, job, done, result, error  # or the last job's data would live until the next one
        self._hand_back(self._end, None, None)

    def _end(self, _result: Any, _error: BaseException | None) -> None:
        if not self._stopped.done():
            self._stopped.set_result(None)

    def _hand_back(self, done: Done, result: Any, error: BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(done, result, error)
        except RuntimeError:
            pass  # the loop is closed: nobody is left to hear it


class InlineWorker:
    """For logs that never block: the job runs on the loop, in its next round."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def submit(self, job: Callable[[], Any], done: Done) -> None:
        self._loop.call_soon(self._run, job, done)

    async def stop(self) -> None:
        await asyncio.sleep(0)

    @staticmethod
    def _run(job: Callable[[], Any], done: Done) -> None:
        try:
            result = job()
        except Exception as error:  # noqa: BLE001 - as above
            done(None, error)
        else:
            done(result, None)


async def run(worker: Worker, job: Callable[[], T]) -> T:
    """Await one job."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def done(result: T, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    worker.submit(job, done)
    return await future
