"""What to do next: one row for each situation that a Pod can be in."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.kubelet.actions import HASH_LABEL, Plan, plan
from sampan.kubelet.container_config import container_hash
from sampan.kubelet.pod_state import PodState
from tests.unit.kubelet.pods import Verdicts, container, make_pod, sandbox, state_of

NOTHING: dict[str, Any] = {}
KILL_ALL = {"kill_pod": True}
TWO = {"containers": [{"name": "a", "image": "app:1"}, {"name": "b", "image": "app:1"}]}
INIT = {"initContainers": [{"name": "i", "image": "init:1"}, {"name": "j", "image": "init:1"}]}
SIDECAR = {
    "initContainers": [{"name": "s", "image": "side:1", "restartPolicy": "Always"}, {"name": "i", "image": "i:1"}]
}
NEVER, ON_FAILURE = {"restartPolicy": "Never"}, {"restartPolicy": "OnFailure"}
DELETED: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
DEBUG = {"ephemeralContainers": [{"name": "d", "image": "debug:1"}]}
RULE = {
    "restartPolicy": "Never",
    "containers": [{
        "name": "a", "image": "app:1", "restartPolicy": "Never",
        "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
    }],
}  # fmt: skip


def gone(name: str, code: int = 0, **more: Any) -> Any:
    return container(name, "exited", code=code, **more)


def told(made: Plan) -> dict[str, Any]:
    """The plan without what it leaves alone; kills by container id with their words."""
    result: dict[str, Any] = {}
    for field in ("kill_pod", "make_sandbox", "attempt", "start_ephemeral", "start_init", "start"):
        if getattr(made, field):
            result[field] = getattr(made, field)
    if made.kill:
        result["kill"] = {cid: kill.message for cid, kill in made.kill.items()}
    return result


OLD_BOX = [sandbox(ready=False)]
ROWS: dict[str, tuple[dict[str, Any], PodState, dict[str, Any]]] = {
    # sandboxes
    "new": (NOTHING, state_of(boxes=[]), {"make_sandbox": True, "start": ["a"]}),
    "new, with init containers": (INIT, state_of(boxes=[]), {"make_sandbox": True, "start_init": ["i"]}),
    "sandbox died": (
        NOTHING,
        state_of(container("a"), boxes=OLD_BOX),
        {"kill_pod": True, "make_sandbox": True, "attempt": 1, "start": ["a"]},
    ),
    "sandbox died, all was done": (ON_FAILURE, state_of(gone("a"), boxes=OLD_BOX), KILL_ALL),
    "sandbox died, one of two was done": (
        TWO | ON_FAILURE,
        state_of(gone("a"), container("b"), boxes=OLD_BOX),
        {"kill_pod": True, "make_sandbox": True, "attempt": 1, "start": ["b"]},
    ),
    "sandbox died under a Pod that runs once": (NEVER, state_of(container("a"), boxes=OLD_BOX), KILL_ALL),
    "sandbox died before a Pod that runs once ran": (
        NEVER,
        state_of(boxes=OLD_BOX),
        {"kill_pod": True, "make_sandbox": True, "attempt": 1, "start": ["a"]},
    ),
    "sandbox without an address": (
        NOTHING,
        state_of(container("a"), ip=""),
        {"kill_pod": True, "make_sandbox": True, "attempt": 1, "start": ["a"]},
    ),
    "sandbox of the host's network has none": (
        {"hostNetwork": True},
        state_of(container("a"), boxes=[sandbox(host_network=True)], ip=""),
        NOTHING,
    ),
    "containers of an earlier sandbox do not count": (
        NOTHING,
        state_of(container("a"), boxes=[sandbox(attempt=1), sandbox(ready=False)]),
        {"start": ["a"]},
    ),
    # containers and restart policies
    "runs": (NOTHING, state_of(container("a")), NOTHING),
    "one of two runs": (TWO, state_of(container("a")), {"start": ["b"]}),
    "created only": (NOTHING, state_of(container("a", "created")), {"start": ["a"]}),
    "unknown": (
        NOTHING,
        state_of(container("a", "unknown")),
        {
            "kill": {"a0": "Container a is in unknown state, try killing it before starting a new one"},
            "start": ["a"],
        },
    ),
    "Always, exit 0": (NOTHING, state_of(gone("a")), {"start": ["a"]}),
    "Always, exit 1": (NOTHING, state_of(gone("a", 1)), {"start": ["a"]}),
    "OnFailure, exit 0": (ON_FAILURE, state_of(gone("a")), KILL_ALL),
    "OnFailure, exit 1": (ON_FAILURE, state_of(gone("a", 1)), {"start": ["a"]}),
    "Never, exit 0": (NEVER, state_of(gone("a")), KILL_ALL),
    "Never, exit 1": (NEVER, state_of(gone("a", 1)), KILL_ALL),
    "Never, one of two ended": (TWO | NEVER, state_of(gone("a", 1), container("b")), NOTHING),
    "a rule restarts on its code": (RULE, state_of(gone("a", 42)), {"start": ["a"]}),
    "a rule leaves other codes": (RULE, state_of(gone("a", 1)), KILL_ALL),
    "image changed": (
        NOTHING,
        state_of(container("a", labels={HASH_LABEL: "old"})),
        {"kill": {"a0": "Container a definition changed, will be restarted"}, "start": ["a"]},
    ),
    "deleted, ended": (NOTHING, state_of(gone("a")), KILL_ALL),
    # init containers
    "first init runs": (INIT, state_of(container("i")), NOTHING),
    "first init done": (INIT, state_of(gone("i")), {"start_init": ["j"]}),
    "all init done": (INIT, state_of(gone("i"), gone("j")), {"start": ["a"]}),
    "init failed": (INIT, state_of(gone("i", 1)), {"start_init": ["i"]}),
    "init failed, Never": (INIT | NEVER, state_of(gone("i", 1)), KILL_ALL),
    "second init failed": (INIT, state_of(gone("i"), gone("j", 1)), {"start_init": ["j"]}),
    "init was cleared away, the Pod runs": (INIT, state_of(container("a")), NOTHING),
    "init unknown": (
        INIT,
        state_of(container("i", "unknown")),
        {
            "kill": {"i0": "Init container i is in unknown state, try killing it before restarting"},
            "start_init": ["i"],
        },
    ),
    # sidecars
    "sidecar first": (SIDECAR, state_of(), {"start_init": ["s"]}),
    "sidecar runs: init": (SIDECAR, state_of(container("s")), {"start_init": ["i"]}),
    "sidecar runs, init runs": (SIDECAR, state_of(container("s"), container("i")), NOTHING),
    "sidecar and init done": (SIDECAR, state_of(container("s"), gone("i")), {"start": ["a"]}),
    "sidecar died beside the running Pod": (
        SIDECAR,
        state_of(gone("s"), gone("i"), container("a")),
        {"start_init": ["s"]},
    ),
    "sidecar does not hold back the end": (
        SIDECAR | NEVER,
        state_of(container("s"), gone("i"), gone("a")),
        KILL_ALL,
    ),
    # ephemeral containers
    "debugger added": (DEBUG, state_of(container("a")), {"start_ephemeral": ["d"]}),
    "debugger ended": (DEBUG, state_of(container("a"), gone("d", 1)), NOTHING),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_plan(name: str) -> None:
    spec, state, wanted = ROWS[name]
    pod = make_pod(spec, status=None, **(DELETED if name.startswith("deleted") else {}))
    hashes = {c.name: container_hash(c) for c in pod.spec.containers}
    assert told(plan(pod, state, Verdicts(), hashes)) == wanted


PROBES = {
    "liveness": (NOTHING, Verdicts(dead="a0"), "Container a failed liveness probe, will be restarted", ["a"]),
    "startup": (NOTHING, Verdicts(never_up="a0"), "Container a failed startup probe, will be restarted", ["a"]),
    "liveness, Never": (TWO | NEVER, Verdicts(dead="a0"), "Container a failed liveness probe", []),
}


@pytest.mark.parametrize("name", PROBES)
def test_probes_that_fail(name: str) -> None:
    spec, verdicts, message, start = PROBES[name]
    made = plan(make_pod(spec), state_of(container("a"), container("b")), verdicts, {})
    assert made.kill["a0"].message == message
    assert made.start == start
    assert not made.kill_pod


def test_a_sidecar_whose_liveness_fails_is_started_again() -> None:
    state = state_of(container("s"), gone("i"), container("a"))
    made = plan(make_pod(SIDECAR), state, Verdicts(dead="s0"), {})
    assert list(made.kill) == ["s0"]
    assert made.start_init == ["s"]


def test_a_sidecar_that_is_starting_holds_back_what_follows() -> None:
    assert plan(make_pod(SIDECAR), state_of(container("s")), Verdicts(starting="s0"), {}).empty


def test_a_restarting_sidecar_does_not_hold_back_a_restart_beside_it() -> None:
    state = state_of(gone("s"), gone("i"), gone("a", 1))
    made = plan(make_pod(SIDECAR), state, Verdicts(), {})
    assert (made.start_init, made.start) == (["s"], ["a"])


def test_the_last_container_whose_liveness_fails_ends_a_pod_that_runs_once() -> None:
    assert told(plan(make_pod(NEVER), state_of(container("a")), Verdicts(dead="a0"), {})) == KILL_ALL
