"""Turns for answers that take long to make: a list of ten thousand objects keeps the event loop for many milliseconds.

One such answer is made in each round of the loop, so that everything that is short (a heartbeat, a get, an event of a
watch) is answered between two of them, however many are asked for at once. The users who wait take turns: whoever asks
for a hundred long lists waits for his own.
"""

from __future__ import annotations

import asyncio
from collections import deque

# Lists of more objects wait for their turn; shorter ones are made at once.
LONG = 1000


class Turns:
    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._users: deque[str] = deque()
        self._running = False

    async def take(self, user: str) -> None:
        """Returns when it is this user's turn: what follows may keep the loop for a while, once."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        if user not in self._waiting:
            self._waiting[user] = deque()
            self._users.append(user)
        self._waiting[user].append(turn)
        if not self._running:
            self._running = True
            loop.call_soon(self._next)
        await turn

    def _next(self) -> None:
        """One turn; the next one in the next round of the loop, behind all that is ready by then."""
        while self._users:
            user = self._users.popleft()
            turns = self._waiting[user]
            turn = turns.popleft()
            if turns:
                self._users.append(user)
            else:
                del self._waiting[user]
            if not turn.done():  # cancelled: its client has left
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._running = False
