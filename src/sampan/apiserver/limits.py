"""Fairness under load: a bounded number of requests in flight, apart for reads, writes and long-running ones.

Requests of the system itself (heartbeats, leader election, health) have a share that no other client can use up.
Answers that take long to make wait for their turn besides (`turns.py`).
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sampan.api.errors import TooManyRequests
from sampan.apiserver.authz.node import NODES
from sampan.apiserver.request import Request

READS = 400
WRITES = 200
STREAMS = 10_000
_SYSTEM_SHARE = 100
_HEALTH = frozenset(("/livez", "/readyz", "/healthz"))


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
            if not self._claims_system(request) or self.system.used >= self.system.limit:
                raise _too_many()
            slots = self.system
        slots.used += 1
        return slots

    def confirm(self, slots: _Slots, request: Request) -> None:
        """Once it is known who asks: nobody else stays in the system's share."""
        if slots is self.system and request.path not in _HEALTH and not _is_system(request):
            raise _too_many()

    @staticmethod
    def _claims_system(request: Request) -> bool:
        """Before authentication only what was asked for is known."""
        return request.path in _HEALTH or "/leases" in request.path or "/nodes/" in request.path


def _is_system(request: Request) -> bool:
    """Leases and status of nodes, by nodes; leases of the control plane, by it."""
    user, info = request.user, request.info
    if user is None or info is None or not info.is_resource:
        return False
    if NODES in user.groups:
        return info.resource in ("leases", "nodes")
    return info.resource == "leases" and user.name.startswith("system:")


def _too_many() -> TooManyRequests:
    return TooManyRequests("Too many requests, please try again later.", retry_after_seconds=1)
