"""Running a coroutine at once, and as a task only if it has to wait.

Most requests are answered from memory without ever awaiting anything that is not ready; a task and a turn of the event
loop for each would cost more than the answer.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def run(
    coroutine: Coroutine[Any, Any, T], done: Callable[[T], None], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[T] | None:
    """Run until the first real wait. Finished: `done` was called, None. Else the task that goes on, which calls `done`.

    Until its first wait the coroutine has no current task: it may not start with `asyncio.timeout`.
    """
    try:
        first = coroutine.send(None)
    except StopIteration as stop:
        done(stop.value)
        return None
    task = loop.create_task(_go_on(coroutine, first))
    task.add_done_callback(lambda t: None if t.cancelled() else done(t.result()))
    return task


@types.coroutine
def _go_on(coroutine: Coroutine[Any, Any, T], waited: Any) -> Generator[Any, Any, T]:
    """What `await` does, for a coroutine that has begun: pass on what it waits for, and what is thrown at it."""
    while True:
        try:
            value = yield waited
        except BaseException as error:  # noqa: BLE001 - cancellation is thrown in here, and belongs to the coroutine
            try:
                waited = coroutine.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
        else:
            try:
                waited = coroutine.send(value)
            except StopIteration as stop:
                result = stop.value
                return result
