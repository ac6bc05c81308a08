"""What became of one Pod."""

from __future__ import annotations

from msgspec import Struct, field

from sampan.scheduler.plugins.volumes import Waiting
from sampan.scheduler.preemption import Candidate
from sampan.scheduler.verdict import Refusal


class Decision(Struct, kw_only=True):
    """A node, or why not."""

    node: str = ""
    message: str = ""
    plugins: frozenset[str] = frozenset()
    refusals: dict[str, Refusal] = field(default_factory=dict)
    preempt: Candidate | None = None
    hopeless: bool = False  # nobody who could go: room that was kept for it is kept in vain
    waiting: list[Waiting] = field(default_factory=list)  # claims to be told the node
    volumes: dict[str, str] = field(default_factory=dict)  # and the volumes that they will get, as far as there are
