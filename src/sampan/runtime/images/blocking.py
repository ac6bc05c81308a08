"""Work that blocks, in threads of our own: the event loop's default pool also looks up host names and must stay
free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_pool = ThreadPoolExecutor(max_workers=6, thread_name_prefix="images")


async def blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run in a thread. A cancelled caller still waits for the thread: it may be writing to a file that the caller
    closes next."""
    future = asyncio.get_running_loop().run_in_executor(_pool, lambda: function(*args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        if not future.cancelled():
            future.exception()  # seen; the cancellation is what counts
        raise
