"""When a probe looks at a container for the first time, and from when on its failures count. Pure.

Kubernetes' prober looks at ticks that began before the container did, and at a container's readiness also when it has
noticed that the container runs, about a second later. What follows from that, and what Pods rely upon, is kept here:

- liveness and startup: a container has a whole period before a failure counts, so that `failureThreshold` times
  `periodSeconds` is the time that it has;
- readiness: nobody is told that a server does not listen which was started a moment ago.

Where Kubernetes would not look yet, an early look can only find a container ready, never failed: what is up at once
need not wait for a tick.
"""

from enum import StrEnum

from msgspec import Struct

from sampan.api.types import core_v1

EARLY = (0.0, 0.2, 0.5)  # seconds after the start: too soon to be held against a container
NOTICED = 1.0  # seconds after which Kubernetes has noticed that a container runs


class Kind(StrEnum):
    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


class Timing(Struct, frozen=True, kw_only=True):
    """In seconds since the container's start."""

    period: float
    counts_from: float
    early: tuple[float, ...] = ()

    @property
    def first(self) -> float:
        return self.early[0] if self.early else self.counts_from

    def after(self, seconds: float) -> float:
        """The next look after an early one that was in vain."""
        return next((at for at in self.early if at > seconds), self.counts_from)


def timing(kind: Kind, probe: core_v1.Probe) -> Timing:
    period = float(probe.periodSeconds or 10)
    delay = float(probe.initialDelaySeconds or 0)
    counts_from = max(delay, NOTICED if kind is Kind.READINESS else period)
    early = () if kind is Kind.LIVENESS else tuple(delay + at for at in EARLY if delay + at < counts_from)
    return Timing(period=period, counts_from=counts_from, early=early)
