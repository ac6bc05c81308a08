"""Runs one component in the foreground, as systemd and containers want it. Imports no component."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)


def run_until_stopped(main: Callable[[], Coroutine[None, None, None]]) -> None:
    """SIGTERM and SIGINT end it in order."""
    import uvloop

    async def supervised() -> None:
        task = asyncio.ensure_future(main())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            log.info("stopped")

    uvloop.run(supervised())
