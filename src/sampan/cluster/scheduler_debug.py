"""`/debug/scheduler/pods/NAMESPACE/NAME`: why no node takes a Pod, node by node, from the scheduler's memory.

It is no resource: RBAC guards it by its path (`nonResourceURLs`), so administrators have it, and who is told so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sampan.api.errors import NotFound
from sampan.apiserver.core import Core
from sampan.apiserver.request import Answer, Reply, Request

if TYPE_CHECKING:  # the scheduler's modules are read after the server answers
    from sampan.scheduler.verdict import Verdicts

PATH = "/debug/scheduler/pods/"


class SchedulerDebug:
    """The scheduler of this process, once it is there."""

    def __init__(self) -> None:
        self._verdicts: Verdicts | None = None

    def verdicts(self) -> Verdicts:
        """For the scheduler, which keeps them up to date."""
        from sampan.scheduler.verdict import Verdicts

        if self._verdicts is None:
            self._verdicts = Verdicts()
        return self._verdicts

    async def answer(self, core: Core, request: Request) -> Answer:
        del core
        key = request.path.removeprefix(PATH)
        verdict = self._verdicts.of(key) if self._verdicts is not None else None
        if verdict is None:
            raise NotFound(f"no Pod {key} is waiting for a node here")
        nodes = {
            name: {"plugin": r.plugin, "reasons": r.reasons, "preemptionHelps": not r.final}
            for name, r in sorted(verdict.refusals.items())
        }
        return Reply(200, msgspec.json.encode({"message": verdict.message, "nodes": nodes}) + b"\n")
