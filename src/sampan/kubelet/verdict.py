"""The kubelet's own decision to end a Pod, or not to take it: what admission, eviction and shutdown come to."""

from msgspec import Struct


class Verdict(Struct, frozen=True):
    """Why: Evicted, DeadlineExceeded, OutOfcpu, …"""

    reason: str
    message: str
    grace: float | None = None
    disrupted: bool = False  # the Pod's owner should know that it was not its own doing
    rejected: bool = False  # it was never let in: its status says so and nothing else
