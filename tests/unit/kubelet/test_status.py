"""A Pod's status from its containers: against recordings of a real kubelet, and case by case."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.types import core_v1
from sampan.kubelet.container_status import Facts, Waiting
from sampan.kubelet.status import make_status, pod_phase, rejected_status
from sampan.runtime.contract import ContainerStatus
from tests.unit.kubelet import recorded
from tests.unit.kubelet.pods import NOW, Verdicts, container, make_pod, sandbox, state_of

RECORDED = recorded.rows() if recorded.FILE.exists() else []
# Waiting reasons that the kubelet finds itself; the others follow from what runs
OWN = ("ContainerCreating", "PodInitializing")
SKIPPED = ("unschedulable", "pvc-missing", "hostport-second", "gated", "other-scheduler", "sysctl-forbidden")


class Recording:
    """What the runtime and the probes must have said, for the recorded status to come about."""

    def __init__(self, status: dict[str, Any]) -> None:
        self.containers: list[ContainerStatus] = []
        self.waiting: dict[str, Waiting] = {}
        self.messages: dict[str, str] = {}
        self.unready: set[str] = set()
        self.starting: set[str] = set()
        for one in [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]:
            self._take(one)

    def started(self, container_id: str) -> bool:
        return container_id not in self.starting

    def ready(self, container_id: str) -> bool:
        return container_id not in self.unready

    def _take(self, one: dict[str, Any]) -> None:
        name, restarts, state = one["name"], one["restartCount"], one["state"]
        waits = state.get("waiting")
        last = one["lastState"].get("terminated")
        if waits is not None and waits["reason"] not in OWN:
            self.waiting[name] = Waiting(waits["reason"], waits.get("message", ""))
        if last is not None:
            self._ended(name, last, restarts if waits else restarts - 1)
        if "terminated" in state:
            self._ended(name, state["terminated"], restarts)
        if "running" in state:
            self.containers.append(container(name, attempt=restarts, image=one["image"], image_ref="sha256:1"))
            made = f"{name}{restarts}"
            if not one["ready"]:
                self.unready.add(made)
            if not one["started"]:
                self.starting.add(made)

    def _ended(self, name: str, how: dict[str, Any], attempt: int) -> None:
        made = container(
            name, "exited", code=how["exitCode"], attempt=attempt, reason=how["reason"], image_ref="sha256:1"
        )
        self.containers.append(made)
        self.messages[made.id] = how.get("message", "")


@pytest.mark.skipif(not RECORDED, reason="the recordings are not here")
@pytest.mark.parametrize(
    "row", [r for r in RECORDED if r["status"] and not r["name"].startswith(SKIPPED)], ids=lambda r: str(r["name"])
)
def test_recorded(row: dict[str, Any]) -> None:
    status, spec = row["status"], row["spec"]
    told = Recording(status)
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    up = conditions["PodReadyToStartContainers"] == "True"
    boxes = [sandbox(ready=up, host_network=bool(spec.get("hostNetwork")))]
    waits_for_volumes = not up and not told.containers
    state = state_of(
        *told.containers, boxes=[] if waits_for_volumes else boxes, ip="" if waits_for_volumes else "10.0.0.2"
    )
    before = {"qosClass": status["qosClass"], "startTime": "2026-01-01T00:00:00Z"}
    facts = Facts(
        state=state, probes=told, waiting=told.waiting, messages=told.messages, now=NOW, host_ips=("192.0.2.1",),
        terminal=status["phase"] in ("Failed", "Succeeded"), reason=status.get("reason", ""),
        message=status.get("message", ""),
    )  # fmt: skip
    for one in [*spec["containers"], *spec.get("initContainers", ())]:
        one.setdefault("resources", {})
        for kind, amount in one["resources"].get("limits", {}).items():  # as defaulting stores it
            one["resources"].setdefault("requests", {}).setdefault(kind, amount)
    made = make_status(make_pod(spec, status=before), facts)

    found = recorded.pod_status(msgspec.to_builtins(made))
    assert recorded.differences(recorded.pod_status(status), found) == []


def statuses(*given: tuple[str, int]) -> list[core_v1.ContainerStatus]:
    made = []
    for state, code in given:
        one = core_v1.ContainerStatus(name="x", image="", imageID="")
        if state == "running":
            one.state = core_v1.ContainerState(running=core_v1.ContainerStateRunning())
            one.started = True
        elif state == "waiting":
            one.state = core_v1.ContainerState(waiting=core_v1.ContainerStateWaiting(reason="X"))
        else:
            ended = core_v1.ContainerState(terminated=core_v1.ContainerStateTerminated(exitCode=code))
            if state == "again":
                one.state = core_v1.ContainerState(waiting=core_v1.ContainerStateWaiting(reason="CrashLoopBackOff"))
                one.lastState = ended
            else:
                one.state = ended
        made.append(one)
    return made


R, W, OK, BAD, AGAIN = ("running", 0), ("waiting", 0), ("ended", 0), ("ended", 1), ("again", 1)
PHASES = [
    ("Always", [W], "Pending"), ("Always", [R], "Running"), ("Always", [R, W], "Pending"),
    ("Always", [OK], "Running"), ("Always", [BAD], "Running"), ("Always", [AGAIN], "Running"),
    ("Never", [OK], "Succeeded"), ("Never", [BAD], "Failed"), ("Never", [OK, BAD], "Failed"),
    ("Never", [R, BAD], "Running"), ("OnFailure", [OK], "Succeeded"), ("OnFailure", [BAD], "Running"),
    ("OnFailure", [OK, AGAIN], "Running"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "given", "wanted"), PHASES)
def test_phase(policy: str, given: list[tuple[str, int]], wanted: str) -> None:
    containers = [{"name": "x", "image": "i"} for _ in given]
    pod = make_pod({"restartPolicy": policy, "containers": containers})
    assert pod_phase(pod, [], statuses(*given)) == wanted


RULE = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]


@pytest.mark.parametrize(
    ("policy", "own", "given", "wanted"),
    [
        ("Never", {"restartPolicy": "Always"}, BAD, "Running"),
        ("Always", {"restartPolicy": "Never"}, BAD, "Failed"),
        ("Always", {"restartPolicy": "OnFailure"}, OK, "Succeeded"),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": RULE}, BAD, "Running"),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": RULE}, OK, "Succeeded"),
    ],
)
def test_phase_with_a_containers_own_policy(
    policy: str, own: dict[str, Any], given: tuple[str, int], wanted: str
) -> None:
    pod = make_pod({"restartPolicy": policy, "containers": [{"name": "x", "image": "i", **own}]})
    assert pod_phase(pod, [], statuses(given)) == wanted


def test_that_all_containers_begin_again_is_shown() -> None:
    rules = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]
    pod = make_pod({"restartPolicy": "Never", "containers": [
        {"name": "a", "image": "i", "restartPolicy": "Never", "restartPolicyRules": rules}]})  # fmt: skip

    def shown(*containers: Any) -> tuple[str, str | None]:
        status = make_status(pod, facts(*containers))
        found = next(c for c in status.conditions or () if c.type == "AllContainersRestarting")
        return found.status, found.reason

    assert shown(container("a")) == ("False", None)
    assert shown(container("a", "exited", code=42)) == ("True", "RestartAllContainersStarted")


def facts(*containers: ContainerStatus, **more: Any) -> Facts:
    return Facts(**{"state": state_of(*containers), "probes": Verdicts(), "now": NOW, **more})


def conditions(status: core_v1.PodStatus) -> dict[str, str]:
    return {c.type: c.status for c in status.conditions or ()}


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    first = make_status(make_pod(), facts(container("a"), probes=Verdicts(unready="a0")))
    pod = make_pod()
    pod.status = first
    later = make_status(pod, facts(container("a"), now=NOW + 60))
    times = {c.type: c.lastTransitionTime for c in later.conditions or ()}
    assert times["Initialized"] == "2026-01-01T00:00:00Z"
    assert times["Ready"] == "2026-01-01T00:01:00Z"


def test_conditions_of_others_stay() -> None:
    pod = make_pod(
        {"readinessGates": [{"conditionType": "x/y"}]}, status={"conditions": [{"type": "x/y", "status": "True"}]}
    )
    assert conditions(make_status(pod, facts(container("a")))) == {
        "PodReadyToStartContainers": "True", "Initialized": "True", "Ready": "True", "ContainersReady": "True",
        "PodScheduled": "True", "x/y": "True",
    }  # fmt: skip


def test_a_gate_that_is_not_open_keeps_the_pod_unready() -> None:
    pod = make_pod(
        {"readinessGates": [{"conditionType": "x/y"}]}, status={"conditions": [{"type": "x/y", "status": "False"}]}
    )
    ready = next(c for c in make_status(pod, facts(container("a"))).conditions or () if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "ReadinessGatesNotReady")
    assert ready.message == 'the status of pod readiness gate "x/y" is not "True", but False'


def test_the_last_end_is_shown_beside_the_next_run() -> None:
    status = make_status(make_pod(), facts(container("a", "exited", code=3), container("a", attempt=1)))
    one = (status.containerStatuses or [])[0]
    assert one.state.running is not None
    assert one.lastState.terminated is not None
    assert one.lastState.terminated.exitCode == 3
    assert one.restartCount == 1


def test_a_container_that_the_node_lost_is_said_to_be_unknown() -> None:
    old = {
        "containerStatuses": [{
            "name": "a", "image": "app:1", "imageID": "", "ready": True, "restartCount": 2, "containerID": "sampan://x",
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "lastState": {},
        }]
    }  # fmt: skip
    one = (make_status(make_pod(status=old), facts()).containerStatuses or [])[0]
    assert one.lastState.terminated is not None
    assert (one.lastState.terminated.reason, one.lastState.terminated.exitCode) == ("ContainerStatusUnknown", 137)
    assert one.restartCount == 3


def test_a_rejected_pod_shows_why_and_nothing_else() -> None:
    status = rejected_status(make_pod(), facts(reason="OutOfcpu", message="Node didn't have enough resource: cpu"))
    assert (status.phase, status.reason) == ("Failed", "OutOfcpu")
    assert status.message == "Pod was rejected: Node didn't have enough resource: cpu"
    assert status.containerStatuses is None


def test_a_debugger_is_never_ready() -> None:
    pod = make_pod({"ephemeralContainers": [{"name": "d", "image": "debug:1"}]})
    status = make_status(pod, facts(container("a"), container("d")))
    debugger = (status.ephemeralContainerStatuses or [])[0]
    assert debugger.state.running is not None
    assert (debugger.ready, debugger.started) == (False, None)
    assert conditions(status)["Ready"] == "True"


def test_an_end_is_final() -> None:
    pod = make_pod({"restartPolicy": "Never"}, status={"phase": "Succeeded"})
    assert make_status(pod, facts(container("a", "exited"), terminal=True)).phase == "Succeeded"


def test_states_of_the_runtime() -> None:
    pod = make_pod({"containers": [{"name": n, "image": "app:1"} for n in "abc"]})
    made = make_status(
        pod, facts(container("a", "created"), container("b", "unknown"), container("c"))
    ).containerStatuses
    a, b, c = made or []
    assert a.state.waiting is not None
    assert a.state.waiting.reason == "ContainerCreating"
    assert b.state.terminated is not None
    assert b.state.terminated.reason == "ContainerStatusUnknown"
    assert c.state.running is not None


def test_who_a_container_is() -> None:
    ran = container("a", user=1000, group=50, supplemental_groups=[60, 40])
    (shown,) = make_status(make_pod(), facts(ran)).containerStatuses or ()
    assert msgspec.to_builtins(shown.user) == {"linux": {"uid": 1000, "gid": 50, "supplementalGroups": [40, 50, 60]}}
