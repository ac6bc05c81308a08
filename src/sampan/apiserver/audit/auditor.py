"""What the chain calls: when it is known who asks, and when the answer is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from msgspec import Struct

from sampan.apiserver.audit import events
from sampan.apiserver.audit.policy import Level, Policy, Verdict, verdict
from sampan.apiserver.contracts import ANONYMOUS, User
from sampan.apiserver.request import Answer, Frames, Request, Stream

_MOST_ID = 64


class Sink(Protocol):
    def write(self, event: dict[str, Any]) -> None: ...


class Entry(Struct):
    """One request on its way."""

    verdict: Verdict
    event: dict[str, Any]

    def acts_as(self, user: User) -> None:
        self.event = {**self.event, "impersonatedUser": events.user_of(user)}


class Auditor:
    def __init__(self, policy: Policy, sink: Sink, *, now: Callable[[], datetime]) -> None:
        self._policy = policy
        self._sink = sink
        self._now = now

    def begin(self, request: Request, real: User | None) -> Entry | None:
        """None: nothing is to be written of it."""
        info = request.info
        assert info is not None
        asked_by = real or ANONYMOUS
        found = verdict(self._policy, asked_by, info)
        if found.level is Level.NONE:
            return None
        given = request.header("audit-id")
        audit_id = given if given and len(given) <= _MOST_ID and given.isprintable() else str(uuid4())
        entry = Entry(found, events.begun(request, info, asked_by, found, audit_id, self._now()))
        self._write(entry, entry.event)
        return entry

    def end(self, entry: Entry, request: Request, answer: Answer) -> None:
        if isinstance(answer, Stream) and request.long_running:
            self._write(entry, events.staged(entry.event, "ResponseStarted", self._now()))
            answer.frames = _Followed(answer.frames, lambda: self._complete(entry, request, answer))
            return
        self._complete(entry, request, answer)

    def _complete(self, entry: Entry, request: Request, answer: Answer) -> None:
        self._write(entry, events.completed(entry.event, request, answer, entry.verdict, self._now()))

    def _write(self, entry: Entry, event: dict[str, Any]) -> None:
        if event["stage"] not in entry.verdict.omitted:
            self._sink.write(event)


class _Followed:
    """A stream's frames, with a word when it is over."""

    def __init__(self, frames: Frames, over: Callable[[], None]) -> None:
        self._frames = frames
        self._over: Callable[[], None] | None = over

    async def next(self) -> Sequence[bytes] | None:
        return await self._frames.next()

    def close(self) -> None:
        self._frames.close()
        over, self._over = self._over, None
        if over is not None:
            over()
