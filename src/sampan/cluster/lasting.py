"""What a server does beside answering outlasts a store that is out of reach for a while: it is begun again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sampan.api.errors import ApiError
from sampan.storage.contract import StoreError

log = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0
Sleep = Callable[[float], Awaitable[None]]


async def lasting(what: str, work: Callable[[], Awaitable[None]], *, sleep: Sleep = asyncio.sleep) -> None:
    """Returns when `work` does; a fault of its own code still ends the server."""
    while True:
        try:
            await work()
        except (ApiError, StoreError) as error:
            log.warning("%s: %s; once more", what, error)
            await sleep(AGAIN_SECONDS)
        else:
            return
