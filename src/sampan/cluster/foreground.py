"""Runs one component in the foreground, as systemd and containers want it. Imports no component."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)

# Objects of the API and what ends in the ordinary way are freed without the collector. With thousands of Pods in memory
# looking through all took a fifth of the server's time, a tenth of a second and more at once; the usual thresholds are
# (700, 10, 10), now it comes to that after thirty times as many new objects.
RARELY = (2_000, 20, 50)


def run_until_stopped(main: Callable[[], Coroutine[None, None, None]]) -> None:
    """SIGTERM and SIGINT end it in order."""
    import uvloop

    gc.set_threshold(*RARELY)

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
