"""What an evaluation carries along: its variables, and what it may still spend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sampan.apiserver.cel.values import CelError

PER_CALL = 1_000_000  # steps that one rule may take


class CostExceeded(CelError):
    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


class Frame:
    """The variables of one evaluation, and what it may still spend."""

    __slots__ = ("left", "names")

    def __init__(self, names: Mapping[str, Any], most: int = PER_CALL) -> None:
        self.names: dict[str, Any] = dict(names)
        self.left = most

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise CostExceeded


Step = Callable[[Frame], Any]


def truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise CelError("no such overload")
