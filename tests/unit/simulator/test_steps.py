"""A Pod's life, step by step, until nothing follows: each step is told to a Pod as the API server would."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.types import core_v1
from sampan.simulator.behaviour import Behaviour
from sampan.simulator.statuses import Place, status_patch
from sampan.simulator.steps import Next, State, Step, back_off, next_step, state_of
from tests.unit.simulator.objects import pod

PLACE = Place("100.64.0.1", "100.64.0.2")


def reported(before: core_v1.Pod, step: Step, behaviour: Behaviour) -> core_v1.Pod:
    """The strategic merge, as far as these patches need it: conditions by type, the rest replaced."""
    change: dict[str, Any] = status_patch(before, step, behaviour, PLACE, 1_767_225_600.0)["status"]
    status: dict[str, Any] = msgspec.to_builtins(before.status)
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    for condition in change.pop("conditions"):
        merged = conditions.get(condition["type"], {}) | condition
        conditions[condition["type"]] = {k: v for k, v in merged.items() if v is not None}
    status |= change | {"conditions": list(conditions.values())}
    return msgspec.structs.replace(before, status=msgspec.convert(status, core_v1.PodStatus))


def life(made: core_v1.Pod, behaviour: Behaviour, most: int = 6) -> list[tuple[str, float]]:
    told = []
    for _ in range(most):
        step, after = next_step(made, state_of(made), behaviour)
        if step is None:
            break
        made = reported(made, step, behaviour)
        told.append((f"{step.name} {made.status.phase}", after))
    return told


FAILS = Behaviour(run_for=2.0, exit_code=1)
ENDS = Behaviour(run_for=2.0)


@pytest.mark.parametrize(
    ("policy", "behaviour", "told"),
    [
        ("Always", Behaviour(), [("START Running", 0)]),
        ("Always", Behaviour(start_after=3.0), [("CREATE Pending", 0), ("START Running", 3.0)]),
        ("Always", Behaviour(waiting="ErrImagePull"), [("CREATE Pending", 0)]),
        ("Never", ENDS, [("START Running", 0), ("END Succeeded", 2.0)]),
        ("Never", FAILS, [("START Running", 0), ("END Failed", 2.0)]),
        ("OnFailure", ENDS, [("START Running", 0), ("END Succeeded", 2.0)]),
        (
            "OnFailure",
            FAILS,
            [
                ("START Running", 0),
                ("START Running", 2.0),  # again at once, the first time
                ("BACK_OFF Running", 2.0),
                ("START Running", 10.0),
                ("BACK_OFF Running", 2.0),
                ("START Running", 20.0),
            ],
        ),
    ],
)
def test_a_life(policy: str, behaviour: Behaviour, told: list[tuple[str, float]]) -> None:
    assert life(pod(policy=policy), behaviour) == told


def test_back_off_doubles_up_to_five_minutes() -> None:
    assert [back_off(n) for n in (0, 1, 2, 3, 5, 6, 50)] == [0, 10, 20, 40, 160, 300, 300]


def test_a_deleted_pod_stops_within_its_grace() -> None:
    def dying(grace: int | None) -> core_v1.Pod:
        return pod(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=grace)

    slow = Behaviour(stop_after=60.0)
    assert next_step(dying(30), State.STOPPING, slow) == Next(Step.REMOVE, 30)
    assert next_step(dying(30), State.STOPPING, Behaviour(stop_after=1.0)) == Next(Step.REMOVE, 1.0)
    assert next_step(dying(0), State.STOPPING, slow) == Next(Step.REMOVE, 0), "finalizers are told the end"
    over = pod(deletionGracePeriodSeconds=0, status=core_v1.PodStatus(phase="Failed"))
    assert next_step(over, State.STOPPING, slow) == Next(None), "only finalizers keep it"


def test_what_is_reported_of_a_restart() -> None:
    first = reported(pod(), Step.START, FAILS)
    again = reported(first, Step.START, FAILS)
    waiting = reported(again, Step.BACK_OFF, FAILS)
    third = reported(waiting, Step.START, FAILS)
    rows = [(s.restartCount, s.ready, bool(s.state.running)) for p in (first, again, waiting, third) for s in all_of(p)]
    assert rows == [(0, True, True), (1, True, True), (1, False, False), (2, True, True)]
    [status] = all_of(third)
    assert status.lastState.terminated is not None
    assert (status.lastState.terminated.exitCode, status.lastState.terminated.reason) == (1, "Error")
    assert status.lastState.terminated.containerID == all_of(again)[0].containerID
    assert len({all_of(p)[0].containerID for p in (first, again, third)}) == 3


def all_of(made: core_v1.Pod) -> list[core_v1.ContainerStatus]:
    return made.status.containerStatuses or []


def test_conditions_say_when_they_changed_and_why() -> None:
    started = reported(reported(pod(), Step.CREATE, Behaviour()), Step.START, Behaviour())
    ready = {c.type: (c.status, c.reason) for c in started.status.conditions or ()}
    assert ready == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), ("True", None)
    )
    ended = reported(started, Step.END, ENDS)
    assert {c.type: c.reason for c in ended.status.conditions or () if c.status == "False"} == {
        "Ready": "PodCompleted",
        "ContainersReady": "PodCompleted",
    }


def test_readiness_gates_hold_a_pod_back() -> None:
    made = pod()
    made.spec.readinessGates = [core_v1.PodReadinessGate(conditionType="example.com/lb")]
    running = reported(made, Step.START, Behaviour())
    assert next_step(running, State.RUNNING, Behaviour()) == Next(None)
    gate = core_v1.PodCondition(type="example.com/lb", status="True")
    running.status.conditions = [*(running.status.conditions or ()), gate]
    assert next_step(running, State.RUNNING, Behaviour()) == Next(Step.READINESS)
    opened = reported(running, Step.READINESS, Behaviour())
    assert next_step(opened, State.RUNNING, Behaviour()) == Next(None)


def test_init_containers_have_done_their_work_and_sidecars_run() -> None:
    made = pod()
    made.spec.initContainers = [
        core_v1.Container(name="setup", image="b"),
        core_v1.Container(name="mesh", image="m", restartPolicy="Always"),
    ]
    running = reported(made, Step.START, Behaviour())
    setup, mesh = running.status.initContainerStatuses or ()
    assert setup.state.terminated is not None
    assert setup.state.terminated.exitCode == 0
    assert mesh.state.running is not None
