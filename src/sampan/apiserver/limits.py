"""Fairness under load: a bounded number of requests in flight, apart for reads, writes and long-running ones.

Requests of the system itself (heartbeats, leader election, health) have a share that no other client can use up.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sampan.api.errors import TooManyRequests
from sampan.apiserver.request import Request

READS = 400
WRITES = 200
STREAMS = 10_000
_SYSTEM_SHARE = 100


class _Slots:
    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.used -= 1


class InFlight:
    def __init__(self, *, reads: int = READS, writes: int = WRITES, streams: int = STREAMS) -> None:
        self.reads = _Slots(reads)
        self.writes = _Slots(writes)
        self.streams = _Slots(streams)
        self.system = _Slots(_SYSTEM_SHARE)

    def enter(self, request: Request) -> _Slots:
        """To be left when the request is answered. A stream leaves when it has begun: its connection is its limit."""
        slots = self.streams if request.long_running else self.reads if request.method == "GET" else self.writes
        if slots.used >= slots.limit:
            if not self._system(request) or self.system.used >= self.system.limit:
                raise TooManyRequests("Too many requests, please try again later.", retry_after_seconds=1)
            slots = self.system
        slots.used += 1
        return slots

    def _system(self, request: Request) -> bool:
        """Before authentication only what was asked for is known: health and leases are the system's own."""
        return request.path in ("/livez", "/readyz", "/healthz") or "/leases" in request.path
