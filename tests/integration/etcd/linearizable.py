"""Is a history linearizable: is there one order of all operations that each of them could have seen?

After Wing and Gong, with Lowe's memory of what has been tried. A register per key: keys are checked one by one, as a
system is linearizable when each of its objects is. What has no known outcome may have happened at any time after it
was asked for, or not at all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

State = str | None  # a key's value; each write has its own. None: it is not there
Kind = Literal["create", "update", "delete", "get"]
Outcome = Literal["ok", "exists", "missing", "conflict", "unknown"]


class Operation(Struct, frozen=True, kw_only=True):
    """`value` is what was written, or (get) what was read. `expected`: an update of what was read before."""

    client: str
    key: str
    kind: Kind
    value: State = None
    expected: State = None
    outcome: Outcome = "ok"
    begun: float
    ended: float

    def after(self, state: State) -> list[State]:
        """What the key may be afterwards, if this can have happened to it so; empty if it cannot."""
        if self.outcome == "unknown":
            return [None if self.kind == "delete" else self.value] if self._would_write(state) else []
        if self.kind == "get":
            return [state] if self.value == state else []
        if self.outcome == "ok":
            if not self._would_write(state):
                return []
            return [None if self.kind == "delete" else self.value]
        refused = {
            "exists": state is not None,
            "missing": state is None,
            "conflict": state is not None and state != self.expected,
        }
        return [state] if refused[self.outcome] else []

    def _would_write(self, state: State) -> bool:
        if self.kind == "create":
            return state is None
        return state is not None and (self.kind == "delete" or state == self.expected)


def violations(history: Iterable[Operation]) -> list[str]:
    """The keys for which there is no such order."""
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        if operation.kind != "get" or operation.outcome != "unknown":
            by_key[operation.key].append(operation)
    return sorted(key for key, operations in by_key.items() if not linearizable(operations))


def linearizable(operations: list[Operation]) -> bool:
    """Of one key that was not there at first."""
    ordered = sorted(operations, key=lambda o: o.begun)
    ends = [math.inf if o.outcome == "unknown" else o.ended for o in ordered]
    certain = sum(1 << i for i, o in enumerate(ordered) if o.outcome != "unknown")
    tried: set[tuple[int, State]] = set()
    ways: list[tuple[int, State]] = [(0, None)]
    while ways:
        done, state = ways.pop()
        if done & certain == certain:
            return True
        if (done, state) in tried:
            continue
        tried.add((done, state))
        ways += [(done | 1 << i, now) for i in _next(ordered, ends, done) for now in ordered[i].after(state)]
    return False


def _next(ordered: list[Operation], ends: list[float], done: int) -> list[int]:
    """Whoever may come next: what had begun before the first of the others was over."""
    waiting: list[int] = []
    first_end = math.inf
    for i, operation in enumerate(ordered):
        if operation.begun > first_end:
            break
        if not done >> i & 1:
            waiting.append(i)
            first_end = min(first_end, ends[i])
    return waiting
