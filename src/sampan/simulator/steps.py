"""What is next in a simulated Pod's life, and when. Pure: the Pod's status is all that is remembered of it."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from sampan.api.types import core_v1
from sampan.simulator.behaviour import Behaviour

FIRST_BACK_OFF, LONGEST_BACK_OFF = 10.0, 300.0
ENDED = ("Succeeded", "Failed")


class State(Enum):
    """Where a Pod is in its life, as its status tells."""

    NEW = auto()
    CREATING = auto()
    RUNNING = auto()
    BACK_OFF = auto()
    ENDED = auto()
    STOPPING = auto()


class Step(Enum):
    """What is reported."""

    CREATE = auto()  # the containers are being created, or cannot be
    START = auto()  # they run, for the first time or again
    END = auto()  # the Pod has succeeded or failed
    BACK_OFF = auto()  # they ended and will be started again later
    READINESS = auto()  # readiness gates have opened or closed
    REMOVE = auto()  # a deleted Pod has stopped: its last delete


class Next(NamedTuple):
    step: Step | None
    after: float = 0.0  # seconds since the Pod came into its state


def state_of(pod: core_v1.Pod) -> State:
    status = pod.status
    if pod.metadata.deletionTimestamp:
        return State.STOPPING
    if status.phase in ENDED:
        return State.ENDED
    containers = status.containerStatuses
    if not containers:
        return State.NEW
    first = containers[0].state
    if first.running is not None:
        return State.RUNNING
    if first.waiting is not None and first.waiting.reason == "CrashLoopBackOff":
        return State.BACK_OFF
    return State.CREATING


def next_step(pod: core_v1.Pod, state: State, behaviour: Behaviour) -> Next:
    match state:
        case State.NEW:
            return Next(Step.CREATE if behaviour.start_after or behaviour.waiting else Step.START)
        case State.CREATING:
            return Next(None) if behaviour.waiting else Next(Step.START, behaviour.start_after)
        case State.RUNNING:
            if gates_open(pod) != is_ready(pod):
                return Next(Step.READINESS)
            return Next(None) if behaviour.run_for is None else Next(_after_running(pod, behaviour), behaviour.run_for)
        case State.BACK_OFF:
            return Next(Step.START, back_off(restarts(pod)))
        case State.STOPPING:
            if pod.metadata.deletionGracePeriodSeconds == 0 and pod.status.phase in ENDED:
                return Next(None)  # somebody else's finalizers keep it, and it is known how it ended
            grace = pod.metadata.deletionGracePeriodSeconds
            return Next(Step.REMOVE, behaviour.stop_after if grace is None else min(behaviour.stop_after, grace))
        case State.ENDED:
            return Next(None)


def _after_running(pod: core_v1.Pod, behaviour: Behaviour) -> Step:
    policy = pod.spec.restartPolicy or "Always"
    if policy == "Never" or (policy == "OnFailure" and behaviour.exit_code == 0):
        return Step.END
    return Step.BACK_OFF if back_off(restarts(pod)) else Step.START


def gates_open(pod: core_v1.Pod) -> bool:
    known = {c.type: c.status for c in pod.status.conditions or ()}
    return all(known.get(g.conditionType) == "True" for g in pod.spec.readinessGates or ())


def is_ready(pod: core_v1.Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())


def restarts(pod: core_v1.Pod) -> int:
    return max((c.restartCount for c in pod.status.containerStatuses or ()), default=0)


def back_off(restarts: int) -> float:
    """The first restart comes at once."""
    return min(FIRST_BACK_OFF * 2.0 ** (restarts - 1), LONGEST_BACK_OFF) if restarts else 0.0
