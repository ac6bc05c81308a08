"""Several API servers on one store: what this one answers from its caches must include what the others have written.

Before a request is answered, the caches are brought abreast of the store (`Store.barrier`), unless the client said that
an older state will do. A server that cannot do so for a while is cut off: it is not ready, refuses every request for
objects, and ends its watches, so that clients go to another server instead of waiting for events that do not come.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sampan.storage.contract import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from sampan.apiserver.cache import Caches
    from sampan.apiserver.request import Request
    from sampan.apiserver.requestinfo import RequestInfo

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0  # seconds
UNREADY_AFTER = 5.0
CUT_OFF_AFTER = 10.0
_READS = frozenset(("get", "list", "watch"))


class Freshness:
    def __init__(self, caches: Caches, *, now: Callable[[], float] = time.monotonic) -> None:
        self._caches = caches
        self._now = now
        self._abreast_at = now()
        self._cut_off = False

    async def before(self, request: Request, info: RequestInfo) -> None:
        """Returns when the request may be answered from the caches. Raises `StoreUnavailable`."""
        if not info.is_resource:
            return
        if self._cut_off:
            raise StoreUnavailable("this server is cut off from its store")
        if wants_fresh(request, info, self._caches.revision):
            await self._reach()
        elif self._caches.lost is not None:
            raise self._caches.lost

    async def run(self) -> None:
        """Keep an eye on it; until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        try:
            await self._reach()
        except StoreError as error:
            if not self._cut_off and self._now() - self._abreast_at > CUT_OFF_AFTER:
                log.error("cut off from the store: %s", error)
                self._cut_off = True
                self._caches.end_watches()
        else:
            self._cut_off = False

    def wrong(self) -> str:
        """Why this server is not ready; empty when it is."""
        if self._caches.lost is not None:
            return str(self._caches.lost)
        behind = self._now() - self._abreast_at
        return f"not heard of the store for {behind:.0f} s" if behind > UNREADY_AFTER else ""

    async def _reach(self) -> None:
        asked = self._now()
        await self._caches.store.barrier()
        if self._caches.lost is not None:
            raise self._caches.lost
        self._abreast_at = max(asked, self._abreast_at)


def wants_fresh(request: Request, info: RequestInfo, revision: int) -> bool:
    """Whether more is asked for than what the caches show. `revision` is theirs."""
    if info.verb not in _READS:
        return True
    asked = request.param("resourceVersion")
    return not asked.isdigit() or int(asked) > revision
