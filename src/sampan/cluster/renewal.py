"""Certificates are renewed while their owner runs: new files are written in time, and who serves or shows a certificate
takes it from its file anew (`sampan.client.tls`)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

log = logging.getLogger(__name__)

LOOK_EVERY = 3600.0  # seconds; they are renewed months before their end


async def keep_renewing(renew: Callable[[], Awaitable[object]], *, every: float = LOOK_EVERY) -> None:
    """Until cancelled. What does not work now is tried again at the next look."""
    while True:
        await asyncio.sleep(every)
        try:
            await renew()
        except Exception:
            log.exception("certificates are not renewed yet")


@asynccontextmanager
async def renewing(renew: Callable[[], Awaitable[object]], *, every: float = LOOK_EVERY) -> AsyncIterator[None]:
    """While the block runs."""
    task = asyncio.create_task(keep_renewing(renew, every=every))
    try:
        yield
    finally:
        task.cancel()
