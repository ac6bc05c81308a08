"""How this process knows that it is abreast of etcd: it asks for the revision (a question that only a member with a
majority behind it answers) and waits until the feed has handed on everything up to there.

One question serves all who wait. Who comes while one is under way waits for the next: that one may have been asked too
early to include what the newcomer knows of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from sampan.storage.contract import StoreUnavailable

_SOON = 1.0  # seconds in which the feed shows what etcd has, if it is well
_WITHIN = 5.0  # from then on: time for the feed to start again at another member


class Follower(Protocol):
    async def reached(self, revision: int, *, within: float = ...) -> None: ...

    def start_again(self) -> None: ...


class Head:
    def __init__(self, ask: Callable[[], Awaitable[int]], follower: Callable[[], Follower]) -> None:
        self._ask = ask
        self._follower = follower
        self._running: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def abreast(self) -> int:
        """Raises `StoreUnavailable`."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._turn(self._running))
            self._next.add_done_callback(_heard)
        return await asyncio.shield(self._next)

    async def _turn(self, before: asyncio.Task[int] | None) -> int:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        revision = await self._ask()
        feed = self._follower()
        try:
            await feed.reached(revision, within=_SOON)
        except StoreUnavailable:
            feed.start_again()
            await feed.reached(revision, within=_WITHIN)
        return revision


def _heard(turn: asyncio.Task[int]) -> None:
    """Whoever waited may have gone: then nobody is told of the error."""
    if not turn.cancelled():
        turn.exception()
